/* SPDX-License-Identifier: MIT */
/*
 * api.c - layer 7: allocating and freeing objects of a cache.
 */
#include "base.h"

#include "checked.h"
#include "fail.h"
#include "fast.h"
#include "init.h"
#include "object.h"
#include "reclaim.h"

#include <errno.h>
#include <string.h>

static struct mpp_slot *slot_for_alloc(const struct mp_cache *c)
{
	/* relaxed: constant while the cache lives */
	return mpp_fast_slot(mpp_load_relaxed(&c->slot_offset));
}

static struct mpp_slot *slot_for_free(const struct mp_cache *c)
{
	/* relaxed: constant while the cache lives */
	return mpp_fast_slot(mpp_load_relaxed(&c->push_offset));
}

static mpp_noinline void *alloc_slow(struct mp_cache *c)
{
	void *obj = mpp_routed_pop(c, c->size);

	if (mpp_likely(obj != NULL))
		return obj;
	if (mpp_unlikely(!mpp_cache_alive(c))) {
		mpp_cache_report_dead(c, "mp_cache_alloc");
		errno = EINVAL;
		return NULL;
	}
	return mpp_reclaim_alloc(c, c->size);
}

mpp_hit void *mp_cache_alloc(struct mp_cache *c)
{
	void *obj;

	if (mpp_likely(mpp_pop(slot_for_alloc(c), &obj)))
		return obj;
	return alloc_slow(c);
}

void *mp_cache_zalloc(struct mp_cache *c)
{
	void *obj;

	if (mpp_unlikely(c == NULL) || mpp_unlikely(c->ctor != NULL || c->ctor_arg != NULL)) {
		errno = EINVAL;
		return NULL;
	}
	obj = mp_cache_alloc(c);
	return obj == NULL ? NULL : memset(obj, 0, c->size);
}

static mpp_noinline void free_slow(struct mp_cache *c, void *obj)
{
	int saved = errno;

	if (obj != NULL) {
		(void)mpp_init();
		mpp_object_free_any(c, obj);
	}
	errno = saved;
}

mpp_hit void mp_cache_free(struct mp_cache *c, void *obj)
{
	uint32_t index;

	if (mpp_unlikely(!mpp_fast_owns(c, obj, &index)))
		free_slow(c, obj);
	else if (mpp_unlikely(!mpp_push(slot_for_free(c), obj)))
		mpp_object_push(c, obj, index);
}

/* All n from the thread's magazine, or none. */
static bool pop_all(struct mp_cache *c, size_t n, void **objs)
{
	struct mpp_slot *slot = slot_for_alloc(c);

	return mpp_slot_count(slot) >= n && mpp_object_pop_many(slot, n, objs) == n;
}

int mp_cache_alloc_bulk(struct mp_cache *c, size_t n, void **objs)
{
	bool at_limit;

	if (mpp_unlikely(c == NULL || (objs == NULL && n != 0)))
		return -EINVAL;
	if (mpp_likely(c->route == MPP_ROUTE_PLAIN) && mpp_likely(pop_all(c, n, objs)))
		return 0;
	if (mpp_unlikely(!mpp_cache_alive(c))) {
		mpp_cache_report_dead(c, "mp_cache_alloc_bulk");
		return -EINVAL;
	}
	if (mpp_likely(c->fail == NULL) || !mpp_fail_now(c->fail)) {
		if (mpp_object_alloc_bulk(c, n, objs, &at_limit))
			return 0;
		if (!at_limit) {
			(void)mpp_reclaim(0, true);
			if (mpp_object_alloc_bulk(c, n, objs, &at_limit))
				return 0;
		}
	}
	mpp_cache_count_failed(c);
	return -ENOMEM;
}

/* What is left to do; reports, so errno is kept. */
static mpp_noinline void finish_bulk(struct mpp_work *work)
{
	int saved = errno;

	mpp_object_finish(work);
	errno = saved;
}

/* Makes room for p in the magazine, or finds what is wrong; c is what the caller named. */
static mpp_noinline void give_one(struct mp_cache *c, void *p, struct mpp_work *work)
{
	void *head;

	if (p == NULL)
		return;
	(void)mpp_init();
	if (c == NULL && mpp_map_find(p, &head) == MPP_CODE_LARGE)
		mp_free(p);
	else
		mpp_object_give(c, p, work);
	if (mpp_unlikely(work->faults.n == MPP_FAULTS_MAX))
		finish_bulk(work);
}

void mp_cache_free_bulk(struct mp_cache *c, size_t n, void *const *objs)
{
	struct mpp_work work;
	size_t i = 0;

	mpp_work_init(&work);
	while (i < n) {
		struct mp_cache *owner = c;
		unsigned code = mpp_map_get(objs[i]);

		if (owner == NULL && code != 0 && code <= MPP_ID_MAX)
			owner = mpp_registry_get(code);
		if (owner != NULL) /* a slot that is not for the hit path has no room */
			i += mpp_object_push_many(owner, slot_for_free(owner), n - i, objs + i);
		if (i < n)
			give_one(c, objs[i++], &work);
	}
	if (mpp_unlikely(work.faults.n > 0) || mpp_unlikely(mpp_thread_have_orphans()))
		finish_bulk(&work);
}

const char *mp_cache_name(const struct mp_cache *c)
{
	if (c != NULL)
		return c->name;
	errno = EINVAL;
	return NULL;
}

size_t mp_cache_size(const struct mp_cache *c)
{
	if (c != NULL)
		return c->size;
	errno = EINVAL;
	return 0;
}
