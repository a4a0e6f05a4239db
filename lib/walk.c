/* SPDX-License-Identifier: MIT */
/*
 * walk.c - layer 7: walks over caches, objects and pointers.
 *
 * An object is live if its bit is clear and it is in no magazine.  A walk
 * takes a copy of all magazines of the cache, sorted, and of the list of slabs, then
 * looks without a lock; it is exact while nobody else works on the cache.  No slab is
 * given back while it looks, so that what it reads is a slab's header still.
 */
#include "walk.h"

#include "check.h"
#include "chunk.h"
#include "find.h"
#include "guard.h"
#include "init.h"
#include "large.h"
#include "meta.h"
#include "object.h"
#include "os.h"
#include "spancache.h"
#include "spanwatch.h"

#include <errno.h>
#include <string.h>

/* A growing set of addresses, in the library's own memory. */
struct set {
	struct mp_cache *c;
	uintptr_t *v;
	size_t n, max;
};

static bool set_reserve(struct set *set, size_t max)
{
	set->max = max;
	set->n = 0;
	set->v = mpp_meta_alloc(mpp_max(max, 1) * sizeof(*set->v));
	return set->v != NULL;
}

static void set_drop(struct set *set)
{
	if (set->v != NULL)
		mpp_meta_free(set->v, mpp_max(set->max, 1) * sizeof(*set->v));
	set->v = NULL;
}

static void sift(uintptr_t *v, size_t i, size_t n)
{
	uintptr_t x = v[i];

	for (size_t child; (child = 2 * i + 1) < n; i = child) {
		if (child + 1 < n && v[child + 1] > v[child])
			child++;
		if (v[child] <= x)
			break;
		v[i] = v[child];
	}
	v[i] = x;
}

/* Heapsort: no recursion, no memory. */
static void set_sort(struct set *set)
{
	for (size_t i = set->n / 2; i > 0; i--)
		sift(set->v, i - 1, set->n);
	for (size_t n = set->n; n > 1; n--) {
		uintptr_t x = set->v[0];

		set->v[0] = set->v[n - 1];
		set->v[n - 1] = x;
		sift(set->v, 0, n - 1);
	}
}

static bool set_has(const struct set *set, uintptr_t x)
{
	size_t low = 0, high = set->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (set->v[mid] < x)
			low = mid + 1;
		else
			high = mid;
	}
	return low < set->n && set->v[low] == x;
}

static void count_cached(struct mpp_thread *t, void *arg)
{
	struct set *set = arg;
	struct mpp_slot *slot = mpp_thread_find_slot(t, set->c);

	if (slot != NULL)
		set->n += mpp_slot_count(slot);
}

static void copy_cached(struct mpp_thread *t, void *arg)
{
	struct set *set = arg;
	struct mpp_slot *slot = mpp_thread_find_slot(t, set->c);
	size_t n = slot != NULL ? mpp_slot_seen(slot) : 0;

	for (size_t i = 0; i < n && set->n < set->max; i++) {
		/* relaxed: under the lock base stays; the cells as in T3 */
		set->v[set->n++] = (uintptr_t)mpp_load_relaxed(&slot->base[i]);
	}
}

size_t mpp_walk_cached_locked(struct mp_cache *c, size_t *out)
{
	struct set set = { .c = c };

	mpp_thread_each_locked(count_cached, &set);
	*out = mpp_cache_out(c);
	return mpp_min(set.n, *out);
}

size_t mpp_walk_cached(struct mp_cache *c, size_t *out)
{
	size_t n;

	/* with all locks no refill and no drain comes between */
	mpp_thread_lock_all();
	n = mpp_walk_cached_locked(c, out);
	mpp_thread_unlock_all();
	return n;
}

struct allocs {
	const struct mp_cache *c;
	uint64_t n;
};

static void add_allocs(struct mpp_thread *t, void *arg)
{
	struct allocs *allocs = arg;
	struct mpp_leaf *leaf = t->leaves[allocs->c->old_id / MPP_INLINE_IDS];

	if (leaf != NULL) /* relaxed: a count */
		allocs->n += mpp_load_relaxed(&leaf->allocs[allocs->c->old_id % MPP_INLINE_IDS]);
}

uint64_t mpp_walk_allocs(struct mp_cache *c)
{
	struct allocs allocs = { .c = c };

	mpp_thread_lock_all(); /* no thread hands its number in meanwhile */
	mpp_thread_each_locked(add_allocs, &allocs);
	/* relaxed: a count */
	allocs.n += mpp_load_relaxed(&c->allocs);
	mpp_thread_unlock_all();
	return allocs.n;
}

static bool copy_magazines(struct mp_cache *c, struct set *set)
{
	size_t out;

	set->c = c;
	if (!set_reserve(set, mpp_walk_cached(c, &out)))
		return false;
	mpp_thread_each(copy_cached, set);
	set_sort(set);
	return true;
}

/* From here to stop_looking() no slab of the cache is given back. */
static bool copy_slabs(struct mp_cache *c, struct set *set)
{
	struct mpp_link *l;
	size_t n;

	mpp_lock_acquire(&c->lock);
	c->walks++;
	n = c->slabs;
	mpp_lock_release(&c->lock);
	if (!set_reserve(set, n))
		return false;
	mpp_lock_acquire(&c->lock);
	mpp_list_each(l, &c->all) {
		struct mpp_slab *s = mpp_container(l, struct mpp_slab, all);

		/* behind a damaged header none is found */
		if (set->n == set->max ||
		    !mpp_cache_may_follow(c, &c->all, l, offsetof(struct mpp_slab, all)) ||
		    !mpp_slab_has_magic(s, mpp_cache_id(c)))
			break;
		set->v[set->n++] = (uintptr_t)s;
	}
	mpp_lock_release(&c->lock);
	return true;
}

static void stop_looking(struct mp_cache *c, struct mpp_work *work)
{
	struct mpp_thread *t = mpp_thread_get();

	mpp_lock_acquire(&t->lock); /* as in mp_cache_shrink() */
	mpp_cache_unwalk(c, &work->surplus, &work->faults);
	mpp_lock_release(&t->lock);
}

/* Damaged and leaked on purpose. */
static bool is_lost(struct mp_cache *c, struct mpp_slab *s, uint32_t index)
{
	struct mpp_watched o = { &c->watch, s, &c->g, NULL, index };

	return mpp_watch_is_marked(&c->watch) && mpp_watch_marked(&o) == MPP_MARK_LOST;
}

/* Live objects of one slab. */
static int walk_slab(struct mp_cache *c, struct mpp_slab *s, const struct set *cached,
		     int (*fn)(void *obj, void *arg), void *arg)
{
	for (uint32_t i = 0; i < c->g.capacity; i++) {
		void *obj = mpp_slab_object(s, &c->g, i);
		int stop;

		/* damaged, or gone in the child of a fork in fn */
		if (mpp_map_get(mpp_slab_chunk(s)) != mpp_cache_id(c) ||
		    !mpp_slab_has_magic(s, mpp_cache_id(c)))
			return 0;
		if (mpp_slab_is_free(s, i) || set_has(cached, (uintptr_t)obj) || is_lost(c, s, i))
			continue;
		stop = fn(obj, arg);
		if (stop != 0)
			return stop;
	}
	return 0;
}

int mpp_walk_live(struct mp_cache *c, int (*fn)(void *obj, void *arg), void *arg,
		  struct mpp_work *work)
{
	struct set cached = { .n = 0 }, slabs = { .n = 0 };
	int stop = -ENOMEM;

	if (copy_slabs(c, &slabs) && copy_magazines(c, &cached)) {
		stop = 0;
		for (size_t i = 0; i < slabs.n && stop == 0; i++)
			stop = walk_slab(c, (struct mpp_slab *)slabs.v[i], &cached, fn, arg);
		if (stop == 0)
			stop = mpp_guard_each(c, fn, arg);
	}
	stop_looking(c, work);
	set_drop(&cached);
	set_drop(&slabs);
	return stop;
}

int mp_cache_for_each_object(struct mp_cache *c, int (*fn)(void *obj, void *arg), void *arg)
{
	struct mpp_work work;
	int stop;

	if (c == NULL || fn == NULL || !mpp_cache_alive(c))
		return -EINVAL;
	mpp_thread_bury_orphans();
	mpp_work_init(&work);
	stop = mpp_walk_live(c, fn, arg, &work);
	(void)mpp_work_finish(&work);
	return stop;
}

int mp_cache_for_each(int (*fn)(struct mp_cache *c, void *arg), void *arg)
{
	unsigned end;
	int stop = 0;

	if (fn == NULL)
		return -EINVAL;
	if (!mpp_init())
		return -ENOMEM;
	end = mpp_registry_end(); /* fn may create more */
	for (unsigned id = 1; id < end && stop == 0; id++) {
		struct mp_cache *c = mpp_registry_get(id);

		if (c != NULL && mpp_cache_alive(c))
			stop = fn(c, arg);
	}
	return stop;
}

struct named {
	const char *name;
	struct mp_cache *oldest;
	uint64_t born;			/* of that one, which may be gone again */
};

static int note_name(struct mp_cache *c, void *arg)
{
	struct named *named = arg;

	if (strncmp(c->name, named->name, sizeof(c->name) - 1) != 0)
		return 0;
	if (named->oldest == NULL || c->born < named->born) {
		named->oldest = c;
		named->born = c->born;
	}
	return 0;
}

struct mp_cache *mp_cache_find(const char *name)
{
	struct named named = { .name = name, .oldest = NULL };

	if (name != NULL && mpp_init())
		(void)mpp_registry_each(note_name, &named);
	if (named.oldest == NULL)
		errno = name == NULL ? EINVAL : ENOENT;
	return named.oldest;
}

/* ---- one pointer */

struct look {
	struct mp_cache *c;
	uintptr_t obj;
	bool cached;
};

static void look_in(struct mpp_thread *t, void *arg)
{
	struct look *look = arg;
	struct mpp_slot *slot = mpp_thread_find_slot(t, look->c);
	size_t n = slot != NULL ? mpp_slot_seen(slot) : 0;

	for (size_t i = 0; i < n && !look->cached; i++) {
		/* relaxed: as in copy_cached */
		look->cached = (uintptr_t)mpp_load_relaxed(&slot->base[i]) == look->obj;
	}
}

static void tell_user(const struct mpp_user *u, struct mp_object_user *out)
{
	if (u->thread == 0)
		return;
	out->thread = u->thread;
	out->age_ms = mpp_os_clock_ms() - u->when;
	out->frames = u->frames < MPP_FRAMES ? u->frames : MPP_FRAMES;
	for (unsigned i = 0; i < out->frames; i++)
		out->stack[i] = (void *)u->stack[i];
}

static int watched_span_info(const void *ptr, const struct mpp_large_info *info,
			     const struct mpp_spanwatch *o, struct mp_object_info *out)
{
	if ((uintptr_t)ptr < (uintptr_t)o->object)
		return -ENOENT;
	out->object = o->object;
	out->object_size = out->asked = o->asked;
	out->offset = (uintptr_t)ptr - (uintptr_t)o->object;
	out->slab = info->region;
	out->state = o->live ? MP_OBJECT_LIVE : MP_OBJECT_FREE;
	tell_user(&o->alloced, &out->allocated);
	tell_user(&o->freed, &out->freed);
	return 0;
}

static int large_info(const void *ptr, const struct mpp_found *found, struct mp_object_info *out)
{
	struct mpp_large_info info;
	struct mpp_spanwatch watched;

	if (!mpp_large_info(ptr, found->head, &info))
		return -ENOENT;
	out->cache_name = "large";
	if (mpp_spanwatch_letters != 0 && mpp_spanwatch_look(info.start, &watched))
		return watched_span_info(ptr, &info, &watched, out);
	out->object = info.start;
	out->object_size = out->asked = info.size;
	out->offset = (uintptr_t)ptr - (uintptr_t)info.start;
	out->slab = info.region;
	out->state = !info.live			    ? MP_OBJECT_FREE :
		     mpp_spans_has(info.start) ? MP_OBJECT_CACHED :
						 MP_OBJECT_LIVE;
	return 0;
}

/* What the slab says of an object. */
struct noted {
	bool is_free;			/* in the slab's bits */
	struct mpp_user alloced, freed;
	enum mpp_mark mark;
	size_t asked;
};

/*
 * Look at the slab while it is sure to be mapped: a chunk that is in the owner map is
 * not free, and to become free takes this lock.  False if it is none, or not any more.
 */
static bool look_at_slab(const struct mpp_found *found, const struct mp_object_info *info,
			 struct noted *noted)
{
	struct mpp_slab *s = mpp_slab_of(found->head, &found->cache->g);
	struct mpp_watched o;
	bool is_there;

	mpp_chunk_lock();
	is_there = mpp_map_get(found->head) == found->code &&
		   mpp_slab_has_magic(s, found->code);
	if (is_there)
		noted->is_free = mpp_slab_is_free(s, (uint32_t)info->index);
	if (is_there && mpp_watch_is_marked(&found->cache->watch)) {
		mpp_find_watched(found->cache, info->object, &o);
		mpp_watch_noted(&o, MPP_USE_ALLOC, &noted->alloced);
		mpp_watch_noted(&o, MPP_USE_FREE, &noted->freed);
		noted->mark = mpp_watch_marked(&o);
		noted->asked = mpp_watch_asked(&o);
	}
	mpp_chunk_unlock();
	return is_there;
}

/* What is noted of an object that is watched. */
static void tell_watched(const struct mp_cache *c, const struct noted *noted,
			 struct mp_object_info *out)
{
	if (!mpp_watch_is_marked(&c->watch))
		return;
	tell_user(&noted->alloced, &out->allocated);
	tell_user(&noted->freed, &out->freed);
	switch (noted->mark) {
	case MPP_MARK_LIVE:
		out->state = MP_OBJECT_LIVE;
		if (c->watch.reach != 0)
			out->asked = noted->asked;
		break;
	case MPP_MARK_LOST:
		out->state = MP_OBJECT_LOST;
		break;
	case MPP_MARK_FREE:
	default:
		if (out->state == MP_OBJECT_LIVE) /* on its way */
			out->state = MP_OBJECT_FREE;
		break;
	}
}

static int guarded_info(const void *ptr, struct mp_object_info *out)
{
	struct mpp_guarded o;

	if (!mpp_guard_look(ptr, &o))
		return -ENOENT;
	tell_user(&o.alloced, &out->allocated);
	tell_user(&o.freed, &out->freed);
	out->cache = o.cache;
	out->cache_name = o.cache->name;
	out->object = o.object;
	out->object_size = out->asked = o.size;
	out->offset = (uintptr_t)ptr - (uintptr_t)o.object;
	out->slab = o.page;
	out->index = o.index;
	out->state = o.live ? MP_OBJECT_LIVE : MP_OBJECT_FREE;
	return (uintptr_t)ptr < (uintptr_t)o.object ? -ENOENT : 0;
}

int mp_object_info(const void *ptr, struct mp_object_info *out)
{
	struct mpp_found found;
	struct look look = { .cached = false };
	struct noted noted = { .is_free = false };
	size_t offset, first;

	if (out == NULL || out->struct_size != sizeof(*out))
		return -EINVAL;
	*out = (struct mp_object_info){ .struct_size = sizeof(*out) };
	mpp_find(ptr, &found);
	if (found.code == MPP_CODE_LARGE)
		return large_info(ptr, &found, out);
	if (found.code == MPP_CODE_GUARD)
		return guarded_info(ptr, out);
	if (found.cache == NULL)
		return -ENOENT;
	offset = (uintptr_t)ptr - (uintptr_t)found.head;
	first = mpp_slab_first(found.head, &found.cache->g);
	if (offset < first)
		return -ENOENT;
	out->index = (offset - first) / found.cache->g.slot;
	if (out->index >= found.cache->g.capacity)
		return -ENOENT;
	out->object = mpp_slab_object(mpp_slab_of(found.head, &found.cache->g), &found.cache->g,
				      out->index);
	if (!look_at_slab(&found, out, &noted))
		return -ENOENT;
	out->cache = found.cache;
	out->cache_name = found.cache->name;
	out->object_size = out->asked = found.cache->size;
	out->offset = (uintptr_t)ptr - (uintptr_t)out->object;
	out->slab = found.head;
	out->state = MP_OBJECT_FREE;
	if (!noted.is_free) {
		look.c = found.cache;
		look.obj = (uintptr_t)out->object;
		mpp_thread_each(look_in, &look);
		out->state = look.cached ? MP_OBJECT_CACHED : MP_OBJECT_LIVE;
	}
	tell_watched(found.cache, &noted, out);
	return 0;
}
