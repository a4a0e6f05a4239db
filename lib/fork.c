/* SPDX-License-Identifier: MIT */
/*
 * fork.c - layer 7: a consistent library in the child of fork().
 *
 * Before a fork every lock is taken in rank order, so no other thread is in
 * the middle of anything but a push or a pop, and those may be cut anywhere
 * (T3 in thread.h).  In the child the other threads' states are orphans: their
 * free objects are returned at the child's first slow path, so that a child that
 * only calls exec pays nothing.
 *
 * What another thread has off all lists at that moment the child loses: a slab whose
 * constructor or destructor runs, pages that are being purged, a region that is being
 * unmapped; and a span between its free and the lock is counted as live.
 */
#include "init.h"

#include "chunk.h"
#include "guard.h"
#include "large.h"
#include "meta.h"
#include "os.h"
#include "purge.h"
#include "report.h"
#include "spanwatch.h"
#include "thread.h"
#include "walk.h"

static void prepare(void)
{
	mpp_registry_lock();
	mpp_thread_lock_all();
	mpp_registry_lock_caches();
	mpp_spanwatch_lock();
	mpp_large_lock();
	mpp_chunk_lock();
	mpp_meta_lock();
	mpp_guard_lock();
	mpp_report_lock();
}

static void release(void)
{
	mpp_report_unlock();
	mpp_guard_unlock();
	mpp_meta_unlock();
	mpp_chunk_unlock();
	mpp_large_unlock();
	mpp_spanwatch_unlock();
	mpp_registry_unlock_caches();
	mpp_thread_unlock_all();
	mpp_registry_unlock();
}

/* What other threads had counted and not yet taken, or put and not yet counted. */
static void count_again(struct mp_cache *c)
{
	size_t out, cached = mpp_walk_cached_locked(c, &out);

	/* relaxed: the child has one thread */
	mpp_store_relaxed(&c->live, out - mpp_min(out, cached + mpp_load_relaxed(&c->leaked)));
}

static void in_child(void)
{
	mpp_thread_after_fork();
	mpp_registry_after_fork();
	mpp_guard_after_fork();
	mpp_purge_after_fork();
	for (unsigned id = 1; id < mpp_registry_end_locked(); id++)
		if (mpp_registry_get(id) != NULL && mpp_registry_get(id)->counted)
			count_again(mpp_registry_get(id));
	release();
}

void mpp_fork_init(void)
{
	mpp_os_at_fork(prepare, release, in_child);
}
