/* SPDX-License-Identifier: MIT */
/*
 * lock.c - layer 1: the waiting side of locks, rank checks, failed assertions.
 */
#include "lock.h"

#include "check.h"
#include "os.h"

#include <string.h>

void mpp_lock_wait(struct mpp_lock *l)
{
	for (int i = 0; i < MPP_LOCK_SPINS; i++) {
		uint32_t free = 0;

		/* relaxed: only a hint that trying is worth it */
		if (mpp_load_relaxed(&l->state) != 0)
			continue;
		/* acquire: as in mpp_lock_acquire */
		if (mpp_cas_acquire(&l->state, &free, 1))
			return;
	}
	/* acquire: as in mpp_lock_acquire; 2 so that the holder wakes us (L3) */
	while (mpp_swap_acquire(&l->state, 2) != 0)
		mpp_os_wait(&l->state, 2);
}

void mpp_lock_wake(struct mpp_lock *l)
{
	mpp_os_wake(&l->state);
}

/* How many locks of each rank this thread holds; only with MPP_DEBUG_CHECKS. */
static mpp_thread_local unsigned held[MPP_RANK_META + 1];

void mpp_lock_entered(const struct mpp_lock *l)
{
	if (l->rank == 0)
		return;
	for (unsigned r = l->rank + 1; r <= MPP_RANK_META; r++)
		mpp_assert(mpp_own(held)[r] == 0); /* L4 */
	mpp_own(held)[l->rank]++;
}

void mpp_lock_left(const struct mpp_lock *l)
{
	if (l->rank == 0)
		return;
	mpp_assert(mpp_own(held)[l->rank] > 0); /* L1 */
	mpp_own(held)[l->rank]--;
}

bool mpp_lock_none_held(void)
{
	for (unsigned r = 0; r <= MPP_RANK_META; r++)
		if (mpp_own(held)[r] != 0)
			return false;
	return true;
}

static void say(const char *s)
{
	mpp_os_write(2, s, strlen(s));
}

_Noreturn void mpp_check_failed(const char *what, const char *file, int line)
{
	char digits[12];
	char *p = digits + sizeof(digits) - 1;

	*p = '\0';
	do
		*--p = (char)('0' + line % 10);
	while ((line /= 10) != 0);
	say("mempool: internal error: ");
	say(what);
	say(" failed at ");
	say(file);
	say(":");
	say(p);
	say("\n");
	mpp_os_abort();
}
