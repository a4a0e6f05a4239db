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

static uint32_t slot_offset(const struct mp_cache *c)
{
	/* relaxed: constant while the cache lives */
	return mpp_load_relaxed(&c->slot_offset);
}

static mpp_noinline void *alloc_slow(struct mp_cache *c)
{
	void *obj = mpp_routed_pop(c);

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

	if (mpp_likely(mpp_pop(mpp_fast_slot(slot_offset(c)), &obj)))
		return obj;
	return alloc_slow(c);
}

void *mp_cache_zalloc(struct mp_cache *c)
{
	void *obj;

	if (mpp_unlikely(c->ctor != NULL || c->ctor_arg != NULL)) {
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
	if (mpp_unlikely(!mpp_fast_owns(c, obj)))
		free_slow(c, obj);
	else if (mpp_unlikely(!mpp_push(mpp_fast_slot(slot_offset(c)), obj)))
		mpp_object_push(c, obj);
}

int mp_cache_alloc_bulk(struct mp_cache *c, size_t n, void **objs)
{
	bool at_limit;

	if (mpp_unlikely(c == NULL))
		return -EINVAL;
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

/* From objs[0] on, how many are sound objects of c. */
static size_t run_of(struct mp_cache *c, size_t n, void *const *objs)
{
	size_t i = 0;

	while (i < n && mpp_fast_owns(c, objs[i]))
		i++;
	return i;
}

void mp_cache_free_bulk(struct mp_cache *c, size_t n, void *const *objs)
{
	int saved = errno;
	size_t i = 0;

	while (i < n) {
		struct mp_cache *owner = c;
		unsigned code = mpp_map_get(objs[i]);
		size_t run = 0;

		if (owner == NULL && code != 0 && code <= MPP_ID_MAX)
			owner = mpp_registry_get(code);
		if (owner != NULL && mpp_cache_alive(owner))
			run = run_of(owner, n - i, objs + i);
		if (run > 0)
			mpp_object_free_bulk(owner, run, objs + i);
		else if (c == NULL)
			mp_free(objs[i]);
		else
			mp_cache_free(c, objs[i]);
		i += run > 0 ? run : 1;
	}
	errno = saved;
}

const char *mp_cache_name(const struct mp_cache *c)
{
	return c->name;
}

size_t mp_cache_size(const struct mp_cache *c)
{
	return c->size;
}
