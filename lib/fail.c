/* SPDX-License-Identifier: MIT */
/*
 * fail.c - layer 6: allocations that are made to fail, for the tests of programs.
 *
 * Which ones follows from their number alone, so a run of one thread repeats.
 */
#include "fail.h"

#include "options.h"

struct mpp_fail mpp_fail_environment;
bool mpp_fail_large;

void mpp_fail_init(void)
{
	struct mpp_options *o = &mpp_options;

	mpp_fail_set(&mpp_fail_environment, (enum mp_fail_when)o->fail, o->fail_n, o->fail_seed);
	mpp_fail_large = o->fail != MPP_FAIL_NEVER && mpp_options_match(o->fail_patterns, "large");
}

void mpp_fail_attach(struct mp_cache *c)
{
	if (mpp_options.fail == MPP_FAIL_NEVER ||
	    !mpp_options_match(mpp_options.fail_patterns, c->name))
		return;
	c->fail = &mpp_fail_environment;
}

void mpp_fail_set(struct mpp_fail *f, enum mp_fail_when when, uint64_t n, uint64_t seed)
{
	/* relaxed: a plan that is changed while others allocate takes effect some time */
	mpp_store_relaxed(&f->when, (uint32_t)when);
	/* relaxed: as above */
	mpp_store_relaxed(&f->n, n != 0 ? n : 1); /* it is divided by, whenever it is read */
	/* relaxed: as above */
	mpp_store_relaxed(&f->seed, seed);
	/* relaxed: as above */
	mpp_store_relaxed(&f->seen, 0);
}

/* Vigna's splitmix64: the number of an allocation becomes a chance. */
static uint64_t mix(uint64_t x)
{
	x += UINT64_C(0x9e3779b97f4a7c15);
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

bool mpp_fail_now(struct mpp_fail *f)
{
	/* relaxed: only the number matters */
	uint64_t number = mpp_add_relaxed(&f->seen, 1) + 1;
	/* relaxed: as in mpp_fail_set */
	uint64_t n = mpp_load_relaxed(&f->n);

	/* relaxed: as above */
	switch ((enum mp_fail_when)mpp_load_relaxed(&f->when)) {
	case MP_FAIL_NTH:
		return number == n;
	case MP_FAIL_EVERY:
		return number % n == 0;
	case MP_FAIL_ONE_IN:
		/* relaxed: as above */
		return mix(mix(mpp_load_relaxed(&f->seed)) + number) % n == 0;
	case MP_FAIL_NEVER:
	default:
		return false;
	}
}
