/* SPDX-License-Identifier: MIT */
/*
 * budget.c - layer 2: the counter of bytes in use.
 */
#include "budget.h"

#include "atomic.h"

static _Atomic size_t used;
static _Atomic size_t peak;
static _Atomic size_t limit; /* 0: none */

bool mpp_budget_take(size_t bytes)
{
	/* relaxed: the counter guards no memory, only its own value */
	size_t old = mpp_load_relaxed(&used), top;
	/* relaxed: a new limit need not be seen at once */
	size_t max = mpp_load_relaxed(&limit);

	do {
		if (max != 0 && (old >= max || bytes > max - old))
			return false;
		/* relaxed: as above */
	} while (!mpp_cas_weak_relaxed(&used, &old, old + bytes));
	old += bytes;
	/* relaxed: a statistic */
	top = mpp_load_relaxed(&peak);
	/* relaxed: a statistic */
	while (old > top && !mpp_cas_weak_relaxed(&peak, &top, old))
		continue;
	return true;
}

void mpp_budget_give(size_t bytes)
{
	/* relaxed: as in mpp_budget_take */
	mpp_sub_relaxed(&used, bytes);
}

void mpp_budget_set_limit(size_t bytes)
{
	/* relaxed: as in mpp_budget_take */
	mpp_store_relaxed(&limit, bytes);
}

size_t mpp_budget_limit(void)
{
	/* relaxed: a statistic */
	return mpp_load_relaxed(&limit);
}

size_t mpp_budget_used(void)
{
	/* relaxed: a statistic */
	return mpp_load_relaxed(&used);
}

size_t mpp_budget_peak(void)
{
	/* relaxed: a statistic */
	return mpp_load_relaxed(&peak);
}
