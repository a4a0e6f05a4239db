/* SPDX-License-Identifier: MIT */
/*
 * find.c - layer 6: what a pointer is, and reports about objects.
 */
#include "find.h"

#include "guard.h"

#include <string.h>

void mpp_find(const void *p, struct mpp_found *found)
{
	found->code = mpp_map_find(p, &found->head);
	found->cache = NULL;
	found->index = 0;
	if (found->code == 0 || found->code > MPP_ID_MAX)
		return;
	found->cache = mpp_registry_get(found->code);
	if (found->cache == NULL || !mpp_cache_alive(found->cache)) {
		found->cache = NULL;
		found->code = 0;
		return;
	}
	found->index = mpp_slab_index(found->head, p, &found->cache->g);
}

static void describe_users(struct mpp_fault *f, const struct mpp_watched *o)
{
	mpp_watch_noted(o, MPP_USE_ALLOC, &f->alloced);
	mpp_watch_noted(o, MPP_USE_FREE, &f->freed);
}

void mpp_find_describe(struct mpp_fault *f, const void *pointer)
{
	struct mpp_found found;
	struct mpp_watched o;

	mpp_find(pointer, &found);
	if (found.code == MPP_CODE_GUARD)
		mpp_guard_describe(f, pointer);
	if (found.cache == NULL)
		return;
	mpp_cache_describe(f, found.cache, mpp_slab_of(found.head, &found.cache->g), pointer);
	if (f->object == NULL)
		return;
	mpp_find_watched(found.cache, (void *)(uintptr_t)f->object, &o);
	describe_users(f, &o);
}

void mpp_find_fault(struct mpp_faults *faults, enum mp_error_kind kind, const struct mp_cache *c,
		    const void *pointer, const char *where)
{
	mpp_find_describe(mpp_cache_fault(faults, kind, c, pointer, where), pointer);
}

void mpp_find_report(enum mp_error_kind kind, const struct mp_cache *c, const void *pointer,
		     const char *where)
{
	struct mpp_faults faults;

	mpp_faults_init(&faults);
	mpp_find_fault(&faults, kind, c, pointer, where);
	mpp_faults_report(&faults);
}

void mpp_find_show_damage(struct mpp_fault *f, const void *obj, const struct mpp_damage *damage)
{
	size_t n = mpp_min(damage->left, MPP_DAMAGE_MAX);

	f->damage_offset = damage->at;
	f->damaged = (unsigned)n;
	memcpy(f->damage, (const char *)obj + damage->at, n);
}

void mpp_find_damage(struct mpp_faults *faults, const struct mp_cache *c,
		     const struct mpp_watched *o, const char *where)
{
	struct mpp_damage d = mpp_watch_zones(o, false);
	struct mpp_fault *f;

	if (!d.found)
		d = mpp_watch_poison(o);
	f = mpp_cache_fault(faults, d.kind, c, o->obj, where);
	mpp_cache_describe(f, c, o->s, o->obj);
	describe_users(f, o);
	mpp_find_show_damage(f, o->obj, &d);
}

/* None is out: those that are lost, or free and marked live, were told of before. */
void mpp_find_damaged_free(struct mp_cache *c, struct mpp_slab *s, const char *where,
			   struct mpp_faults *faults)
{
	void *chunk = mpp_slab_chunk(s);

	for (uint32_t i = 0; c->watch.filled && i < c->g.capacity; i++) {
		struct mpp_watched o =
			mpp_find_numbered(c, chunk, mpp_slab_object(s, &c->g, i), i);

		enum mpp_mark mark = mpp_watch_marked(&o);

		if (mpp_unlikely(mark == MPP_MARK_LOST || mark == MPP_MARK_LIVE))
			continue;
		if (mpp_unlikely(mark != MPP_MARK_FREE))
			mpp_cache_fault_header(c, s, o.obj, faults);
		else if (mpp_unlikely(!mpp_watch_is_whole(o.w, o.obj, mpp_watch_asked(&o), true)))
			mpp_find_damage(faults, c, &o, where);
	}
}
