/* SPDX-License-Identifier: MIT */
/*
 * reclaim.c - layer 7: from threads to caches to chunks to the system.
 */
#include "reclaim.h"

#include "budget.h"
#include "chunk.h"
#include "fail.h"
#include "init.h"
#include "large.h"
#include "object.h"
#include "purge.h"
#include "spanwatch.h"

#include <errno.h>

/* Wholly free slabs of one cache go to the chunk layer. */
static int strip_cache(struct mp_cache *c, void *arg)
{
	(void)mpp_work_strip(c, arg);
	return 0;
}

/* By itself: struct mpp_work is large, and so not on the stack with that of a flush. */
static mpp_noinline void strip_all(void)
{
	struct mpp_work work;

	mpp_work_init(&work);
	(void)mpp_registry_each(strip_cache, &work);
	mpp_faults_report(&work.faults);
}

size_t mpp_reclaim(size_t bytes, bool refused)
{
	struct mpp_thread *t = mpp_thread_get();
	size_t done;

	mpp_thread_bury_orphans();
	mpp_thread_ask_flush();
	if (t != &mpp_thread_shared)
		(void)mpp_magazine_flush_all(t);
	mpp_spanwatch_flush();
	strip_all();
	done = mpp_large_purge(bytes);
	if (refused)
		done += mpp_chunk_unmap();
	if (bytes == 0 || done < bytes)
		done += mpp_chunk_purge(bytes == 0 ? 0 : bytes - done);
	return done;
}

void *mpp_reclaim_alloc(struct mp_cache *c, size_t asked)
{
	bool at_limit = false;
	void *obj = NULL;

	mpp_purge_poke();
	if (mpp_likely(c->fail == NULL) || !mpp_fail_now(c->fail)) {
		obj = mpp_object_alloc(c, asked, &at_limit);
		if (mpp_unlikely(obj == NULL) && !at_limit) {
			(void)mpp_reclaim(0, true);
			obj = mpp_object_alloc(c, asked, &at_limit);
		}
	}
	if (mpp_likely(obj != NULL))
		return obj;
	mpp_cache_count_failed(c);
	errno = ENOMEM;
	return NULL;
}

int mp_set_purge(unsigned ms)
{
	if (!mpp_init())
		return -ENOMEM;
	return mpp_purge_set(ms) ? 0 : -EAGAIN;
}

size_t mp_reclaim(size_t bytes)
{
	return mpp_init() ? mpp_reclaim(bytes, false) : 0;
}

void mp_thread_flush(void)
{
	struct mpp_thread *t = mpp_init() ? mpp_thread_get() : &mpp_thread_shared;

	if (t != &mpp_thread_shared)
		(void)mpp_magazine_flush_all(t);
}

int mp_set_limit(size_t bytes)
{
	/* it may be the limit of the environment that keeps the library from starting */
	(void)mpp_init();
	mpp_budget_set_limit(bytes);
	return 0;
}
