/* SPDX-License-Identifier: MIT */
/*
 * os_calls.c - layer 1: counts the calls to the system, and lets tests refuse them and hold
 * the clock.
 *
 * The same on every system; os_unix.c and os_windows.c ask before each call.
 */
#include "os.h"

static _Atomic uint64_t calls;		/* atomic: a statistic */
static _Atomic long inject_seen;	/* atomic: calls since mpp_os_inject() */
static _Atomic long inject_first;	/* atomic: set by the test, before it calls */
static _Atomic long inject_count;	/* atomic: as above */
static _Atomic uint64_t held;		/* atomic: where a test holds the clock, milliseconds */

bool mpp_os_refused(void)
{
	long seen, first;

	/* relaxed: a statistic and a test's switch, they publish nothing */
	mpp_add_relaxed(&calls, 1);
	/* relaxed: as above; the test sets it before it makes the calls */
	first = mpp_load_relaxed(&inject_first);
	/* relaxed: only the number matters */
	seen = mpp_add_relaxed(&inject_seen, 1) + 1;
	/* relaxed: as above */
	return first != 0 && seen >= first && seen - first < mpp_load_relaxed(&inject_count);
}

void mpp_os_inject(long first, long count)
{
	/* relaxed: the test that sets them makes the calls */
	mpp_store_relaxed(&inject_seen, 0);
	/* relaxed: as above */
	mpp_store_relaxed(&inject_count, count);
	/* relaxed: as above */
	mpp_store_relaxed(&inject_first, first);
}

long mpp_os_injected_calls(void)
{
	/* relaxed: a count */
	return mpp_load_relaxed(&inject_seen);
}

uint64_t mpp_os_calls(void)
{
	/* relaxed: a statistic */
	return mpp_load_relaxed(&calls);
}

void mpp_os_hold_clock(uint64_t ms)
{
	/* relaxed: a test's switch, it publishes nothing */
	mpp_store_relaxed(&held, ms);
}

uint64_t mpp_os_held_clock(void)
{
	/* relaxed: as above */
	return mpp_load_relaxed(&held);
}
