/* SPDX-License-Identifier: MIT */
/*
 * purge.c - layer 7: gives back what lies idle, from a thread of its own.
 *
 * Otherwise the library looks only when it is called: what a program kept when it went idle it
 * keeps.  The thread has no state and no magazines; it takes the locks that any other
 * does.  Threads are numbered, and one ends when it finds, every NAP_MS, that another runs
 * or none is wanted.  The child of a fork starts its own when it first needs memory.
 */
#include "purge.h"

#include "chunk.h"
#include "large.h"
#include "magazine.h"
#include "os.h"

#define NAP_MS 500u
#define RETRY_MS 1000u	/* from an attempt to start a thread that failed to the next */

_Atomic uint32_t mpp_purge_missing;

static _Atomic uint32_t interval;	/* atomic: milliseconds, 0 is never */
static _Atomic uintptr_t numbers;	/* atomic: threads started so far */
static _Atomic uintptr_t running;	/* atomic: the number of the one that goes on */

/* The empty slabs of a cache from and to whose slabs nothing moved since the last look. */
static int strip_quiet(struct mp_cache *c, void *arg)
{
	struct mpp_work *work = arg;
	/* relaxed: counts; what is overlooked is seen the next time */
	uint64_t moved = mpp_load_relaxed(&c->taken) + mpp_load_relaxed(&c->returned);

	/* relaxed: the thread's own, but for one that is about to end */
	if (mpp_load_relaxed(&c->moved) == moved)
		(void)mpp_work_strip(c, work);
	else /* relaxed: as above */
		mpp_store_relaxed(&c->moved, moved);
	return 0;
}

void mpp_purge_idle(unsigned ms)
{
	struct mpp_work work;

	mpp_work_init(&work);
	(void)mpp_registry_each(strip_quiet, &work);
	mpp_large_age(ms);
	mpp_chunk_age(ms);
	mpp_faults_report(&work.faults);
}

/* Whether the thread of this number is still the one, and how long it sleeps. */
static unsigned turn_of(uintptr_t number)
{
	/* relaxed: nothing else is read by it */
	return mpp_load_relaxed(&running) == number ? mpp_load_relaxed(&interval) : 0;
}

/* False if it is not to look after all: it hears of that within NAP_MS. */
static bool sleep_for(unsigned ms, uintptr_t number)
{
	for (unsigned left = ms, nap; left > 0; left -= nap) {
		nap = (unsigned)mpp_min(left, NAP_MS);
		mpp_os_sleep(nap);
		if (turn_of(number) != ms)
			return false;
	}
	return true;
}

static void *run(void *arg)
{
	uintptr_t number = (uintptr_t)arg;
	unsigned ms;

	mpp_self = &mpp_thread_gone; /* no state for this one */
	/* relaxed: takes over from an older one */
	mpp_store_relaxed(&running, number);
	while ((ms = turn_of(number)) != 0)
		if (sleep_for(ms, number))
			mpp_purge_idle(ms);
	return NULL;
}

static bool start_thread(void)
{
	/* relaxed: a number */
	return mpp_os_thread_start(run, (void *)(mpp_add_relaxed(&numbers, 1) + 1));
}

void mpp_purge_start(void)
{
	static _Atomic uint64_t failed_at; /* atomic: milliseconds, 0 is never */
	/* relaxed: a time */
	uint64_t now = mpp_os_clock_ms(), failed = mpp_load_relaxed(&failed_at);

	if (failed != 0 && now - failed < RETRY_MS)
		return;
	/* acquire: nothing to see; who takes the wish away fulfils it, once */
	if (mpp_swap_acquire(&mpp_purge_missing, 0) == 0 || start_thread())
		return;
	/* relaxed: a time */
	mpp_store_relaxed(&failed_at, now != 0 ? now : 1);
	/* relaxed: the wish stands */
	mpp_store_relaxed(&mpp_purge_missing, 1);
}

bool mpp_purge_set(unsigned ms)
{
	/* acquire: nothing to see; what was asked for before */
	uint32_t before = mpp_swap_acquire(&interval, ms);
	/* acquire: as above; the wish is fulfilled here */
	uint32_t missing = mpp_swap_acquire(&mpp_purge_missing, 0);

	if (ms == 0 || (ms == before && missing == 0) || start_thread())
		return true;
	/* relaxed: all as it was */
	mpp_store_relaxed(&interval, before);
	/* relaxed: as above */
	mpp_store_relaxed(&mpp_purge_missing, missing);
	return false;
}

void mpp_purge_init(unsigned ms)
{
	/* relaxed: before there is a second thread */
	mpp_store_relaxed(&interval, ms);
	/* relaxed: as above */
	mpp_store_relaxed(&mpp_purge_missing, ms != 0);
}

void mpp_purge_after_fork(void)
{
	/* relaxed: the child has one thread */
	mpp_store_relaxed(&mpp_purge_missing, mpp_load_relaxed(&interval) != 0);
}
