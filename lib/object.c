/* SPDX-License-Identifier: MIT */
/*
 * object.c - layer 6: the slow paths of alloc and free.
 *
 * Each takes the thread's own lock, uncontended unless another thread
 * walks or destroys, and does everything that may call back or report after
 * releasing it.
 */
#include "object.h"

#include "check.h"
#include "debug.h"
#include "fast.h"

#include <string.h>

#define BATCH 64u /* objects handled at once by the bulk calls */

void mpp_object_poll(void)
{
	struct mpp_thread *t = mpp_thread_get();

	if (mpp_unlikely(mpp_thread_have_orphans()))
		mpp_thread_bury_orphans();
	if (t != &mpp_thread_shared && mpp_unlikely(mpp_thread_must_flush(t)))
		(void)mpp_magazine_flush_all(t);
}

static bool is_limited(const struct mp_cache *c)
{
	/* relaxed: set before the first allocation */
	return mpp_load_relaxed(&c->max_objects) != 0;
}

/* The caller's slab goes where the next attempt finds it. */
static void offer_slab(struct mpp_thread *t, struct mp_cache *c, struct mpp_slot *slot,
		       struct mpp_slab *s)
{
	struct mpp_work work;

	mpp_work_init(&work);
	mpp_lock_acquire(&t->lock);
	if (slot != NULL && slot->active == NULL)
		slot->active = s;
	else
		mpp_leave_slab_locked(c, s, &work);
	mpp_lock_release(&t->lock);
	(void)mpp_work_finish(&work);
}

/* Up to want objects straight from slabs, into cells; the slab in between is slot's, if any. */
static uint32_t take_direct(struct mpp_thread *t, struct mp_cache *c, struct mpp_slot *slot,
			    mpp_cell *cells, uint32_t want)
{
	struct mpp_slab *held = NULL;
	struct mpp_work work;
	uint32_t got;

	mpp_work_init(&work);
	mpp_lock_acquire(&t->lock);
	got = mpp_take_locked(c, slot != NULL ? &slot->active : &held, cells, want, &work);
	if (held != NULL)
		mpp_leave_slab_locked(c, held, &work);
	mpp_lock_release(&t->lock);
	(void)mpp_work_finish(&work);
	return got;
}

static bool refill(struct mpp_thread *t, struct mp_cache *c, struct mpp_slot *slot,
		   struct mpp_side *side)
{
	struct mpp_work work;
	bool got;

	mpp_work_init(&work);
	mpp_lock_acquire(&t->lock);
	/* relaxed: a request, obeyed now */
	uint32_t shrinks = mpp_load_relaxed(&c->shrinks);

	if (mpp_unlikely(side->shrinks != shrinks)) {
		side->shrinks = shrinks;
		mpp_magazine_flush_locked(t, c, slot, &work);
	}
	got = mpp_magazine_refill_locked(t, c, slot, side, &work);
	mpp_lock_release(&t->lock);
	(void)mpp_work_finish(&work);
	return got;
}

/* One object, without regard to limits and poison. */
static void *take_one(struct mp_cache *c)
{
	struct mpp_thread *t = mpp_thread_get();
	struct mpp_side *side = NULL;
	struct mpp_slot *slot = mpp_thread_slot(t, c, &side);
	struct mpp_slab *s;
	mpp_cell cell = NULL;
	void *obj;

	for (;;) {
		if (slot != NULL && !c->direct) {
			if (mpp_pop(slot, &obj))
				return obj;
			mpp_object_poll();
			if (refill(t, c, slot, side))
				continue;
		}
		if (take_direct(t, c, slot, &cell, 1) == 1) /* relaxed: our own cell */
			return mpp_load_relaxed(&cell);
		if (mpp_unlikely(mpp_thread_have_orphans())) {
			mpp_thread_bury_orphans();
			continue;
		}
		s = mpp_cache_grow(c);
		if (s == NULL)
			return NULL;
		offer_slab(t, c, slot, s);
	}
}

static void describe_damage(struct mpp_fault *f, const void *obj, size_t at, size_t size)
{
	size_t n = mpp_min(size - at, MPP_DAMAGE_MAX);

	f->damage_offset = at;
	f->damaged = (unsigned)n;
	memcpy(f->damage, mpp_at(obj, at), n);
}

static void report_object(enum mp_error_kind kind, const struct mp_cache *c, void *obj,
			  const char *where, size_t damage_at)
{
	struct mpp_faults faults = { .n = 0 };
	struct mpp_fault *f = mpp_cache_fault(&faults, kind, c, obj, where);
	struct mpp_found found;

	mpp_object_find(obj, &found);
	if (found.cache != NULL)
		mpp_cache_describe(f, found.cache, mpp_slab_of(found.head, &found.cache->g), obj);
	if (kind == MP_ERROR_USE_AFTER_FREE_WRITE)
		describe_damage(f, obj, damage_at, c->g.slot);
	mpp_faults_report(&faults);
}

/* Poisoned and untouched: mark it fresh.  Otherwise report; the object is then leaked. */
static bool unpoison(struct mp_cache *c, void *obj)
{
	size_t at;

	if (c->ctor != NULL || c->ctor_arg != NULL)
		return true;
	at = mpp_poison_check(obj, c->g.slot, MPP_POISON_FREE);
	if (mpp_unlikely(at < c->g.slot)) {
		report_object(MP_ERROR_USE_AFTER_FREE_WRITE, c, obj, "mp_cache_alloc", at);
		return false;
	}
	mpp_poison_fill(obj, c->g.slot, MPP_POISON_FRESH);
	return true;
}

void *mpp_object_alloc(struct mp_cache *c, bool *at_limit)
{
	void *obj;

	*at_limit = is_limited(c) && !mpp_cache_admit(c, 1);
	if (*at_limit)
		return NULL;
	do
		obj = take_one(c);
	while (obj != NULL && c->poisoned && !unpoison(c, obj));
	if (obj == NULL && is_limited(c))
		mpp_cache_release(c, 1);
	return obj;
}

/* Pop up to n; how many. */
static size_t pop_many(struct mpp_slot *slot, size_t n, void **objs)
{
	/* relaxed: the owner's own words */
	mpp_cell *top = mpp_load_relaxed(&slot->top);
	/* relaxed: as above */
	size_t have = (size_t)(top - mpp_load_relaxed(&slot->base));

	n = mpp_min(n, have);
	for (size_t i = 0; i < n; i++) /* relaxed: as above */
		objs[i] = mpp_load_relaxed(--top);
	/* release: the loads stay before it (T3) */
	mpp_store_release(&slot->top, top);
	return n;
}

/* As many as the thread's magazine and slabs give at once, none if memory is out. */
static size_t take_some(struct mp_cache *c, size_t want, void **objs)
{
	struct mpp_thread *t = mpp_thread_get();
	struct mpp_side *side = NULL;
	struct mpp_slot *slot = mpp_thread_slot(t, c, &side);
	mpp_cell cells[BATCH];
	size_t got = 0;

	if (slot != NULL && !c->direct)
		got = pop_many(slot, want, objs);
	if (got > 0)
		return got;
	got = take_direct(t, c, slot, cells, (uint32_t)mpp_min(want, BATCH));
	for (size_t i = got; i > 0; i--) /* relaxed: our own cells; lowest address first */
		objs[got - i] = mpp_load_relaxed(&cells[i - 1]);
	if (got > 0)
		return got;
	objs[0] = take_one(c);
	return objs[0] != NULL;
}

bool mpp_object_alloc_bulk(struct mp_cache *c, size_t n, void **objs, bool *at_limit)
{
	size_t have = 0;

	*at_limit = n > 0 && is_limited(c) && !mpp_cache_admit(c, n);
	if (*at_limit)
		return false;
	while (have < n) {
		size_t got = take_some(c, n - have, objs + have), good = 0;

		if (got == 0)
			break;
		for (size_t i = have; c->poisoned && i < have + got; i++)
			if (unpoison(c, objs[i]))
				objs[have + good++] = objs[i];
		have += c->poisoned ? good : got;
	}
	if (have == n)
		return true;
	if (is_limited(c)) /* the free below gives back only what it frees */
		mpp_cache_release(c, n - have);
	mpp_object_free_bulk(c, have, objs);
	return false;
}

static void put_direct(struct mpp_thread *t, struct mp_cache *c, const mpp_cell *cells, size_t n)
{
	while (n > 0) {
		struct mpp_work work;
		size_t done;

		mpp_work_init(&work);
		mpp_lock_acquire(&t->lock);
		done = mpp_put_locked(c, cells, n, &work);
		mpp_lock_release(&t->lock);
		if (is_limited(c)) /* what two threads freed at once came back once */
			mpp_cache_release(c, work.returned);
		(void)mpp_work_finish(&work);
		cells += done;
		n -= done;
	}
}

/* Push, making room if need be; false if this thread has no magazine for it. */
static bool push_slow(struct mpp_thread *t, struct mp_cache *c, struct mpp_slot *slot,
		      struct mpp_side *side, void *obj)
{
	struct mpp_work work;
	bool room;

	mpp_work_init(&work);
	mpp_lock_acquire(&t->lock);
	room = mpp_magazine_make_room_locked(t, c, slot, side, &work);
	if (room) {
		/* relaxed: our own */
		mpp_cell *top = mpp_load_relaxed(&slot->top);

		/* relaxed: published by top */
		mpp_store_relaxed(top, obj);
		/* release: the cell first (T3) */
		mpp_store_release(&slot->top, top + 1);
	}
	mpp_lock_release(&t->lock);
	(void)mpp_work_finish(&work);
	return room;
}

/* The newest object of the magazine: freed twice in a row. */
static bool is_newest(const struct mpp_slot *slot, const void *obj)
{
	/* relaxed: the owner's own words */
	mpp_cell *top = mpp_load_relaxed(&slot->top);

	/* relaxed: as above */
	return top != NULL && mpp_load_relaxed(top - 1) == obj;
}

/* Of a direct cache: whether obj is live; otherwise it was reported. */
static bool is_live_direct(struct mp_cache *c, void *obj)
{
	struct mpp_faults faults = { .n = 0 };
	const struct mpp_slab *s;
	void *head = NULL;

	(void)mpp_map_find(obj, &head);
	s = mpp_cache_slab(c, head, obj, &faults);
	if (s == NULL) {
		mpp_faults_report(&faults);
		return false;
	}
	if (!mpp_slab_is_free(s, mpp_slab_index(head, obj, &c->g)))
		return true;
	report_object(MP_ERROR_DOUBLE_FREE, c, obj, "the free", 0);
	return false;
}

/* What happens to the bytes of an object that is freed. */
static void scrub(struct mp_cache *c, void *obj)
{
	if (c->ctor != NULL || c->ctor_arg != NULL)
		return;
	if (c->poisoned)
		mpp_poison_fill(obj, c->g.slot, MPP_POISON_FREE);
	else if (c->flags & MP_ZERO_ON_FREE)
		memset(obj, 0, c->g.slot);
}

static void free_prepared(struct mp_cache *c, void *obj)
{
	struct mpp_thread *t = mpp_thread_get();
	struct mpp_side *side = NULL;
	struct mpp_slot *slot = mpp_thread_slot(t, c, &side);
	mpp_cell cell;

	if (slot != NULL && !c->direct) {
		if (mpp_unlikely(is_newest(slot, obj))) {
			report_object(MP_ERROR_DOUBLE_FREE, c, obj, "the free", 0);
			return;
		}
		if (mpp_push(slot, obj))
			return;
		mpp_object_poll();
		if (push_slow(t, c, slot, side, obj))
			return;
	}
	/* relaxed: our own cell */
	mpp_store_relaxed(&cell, obj);
	put_direct(t, c, &cell, 1);
}

void mpp_object_free(struct mp_cache *c, void *obj)
{
	if (c->direct && !is_live_direct(c, obj))
		return;
	scrub(c, obj);
	free_prepared(c, obj);
}

/* Push what there is room for; how many.  Stops in front of a double free. */
static size_t push_many(struct mpp_slot *slot, size_t n, void *const *objs)
{
	/* relaxed: the owner's own words */
	mpp_cell *top = mpp_load_relaxed(&slot->top);
	/* relaxed: as above */
	size_t room = (size_t)(mpp_load_relaxed(&slot->limit) - top), i;
	void *last;

	if (room == 0)
		return 0;
	/* relaxed: as above; an empty magazine has a NULL there */
	last = mpp_load_relaxed(top - 1);
	for (i = 0; i < mpp_min(n, room) && objs[i] != last; i++) {
		last = objs[i];
		/* relaxed: published by top */
		mpp_store_relaxed(&top[i], last);
	}
	/* release: the cells first (T3) */
	mpp_store_release(&slot->top, top + i);
	return i;
}

void mpp_object_free_bulk(struct mp_cache *c, size_t n, void *const *objs)
{
	struct mpp_thread *t = mpp_thread_get();
	struct mpp_side *side = NULL;
	struct mpp_slot *slot = mpp_thread_slot(t, c, &side);
	bool one_by_one = c->direct || (c->flags & MP_ZERO_ON_FREE) || slot == NULL;
	size_t done;

	for (size_t i = 0; i < n; i += done) {
		done = one_by_one ? 0 : push_many(slot, n - i, objs + i);
		if (done == 0) { /* makes room, or finds what is wrong */
			mpp_object_free(c, objs[i]);
			done = 1;
		}
	}
}

void mpp_object_find(const void *p, struct mpp_found *found)
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

void mpp_object_free_any(struct mp_cache *c, void *p)
{
	struct mpp_found found;

	if (c != NULL && mpp_unlikely(!mpp_cache_alive(c))) {
		report_object(MP_ERROR_DEAD_CACHE, c, p, "the free", 0);
		return;
	}
	mpp_object_find(p, &found);
	if (mpp_unlikely(found.code == 0))
		report_object(MP_ERROR_BAD_FREE, c, p, "the free", 0);
	else if (mpp_unlikely(found.code == MPP_CODE_LARGE || (c != NULL && c != found.cache)))
		report_object(MP_ERROR_WRONG_CACHE, c, p, "the free", 0);
	else if (mpp_unlikely(found.index >= found.cache->g.capacity))
		report_object(MP_ERROR_INTERIOR_POINTER, found.cache, p, "the free", 0);
	else
		mpp_object_free(found.cache, p);
}

bool mpp_object_prealloc(struct mp_cache *c, size_t n)
{
	size_t have = mpp_cache_want(c, n);

	while (have < n) {
		struct mpp_slab *s = mpp_cache_grow(c);

		if (s == NULL)
			return false;
		offer_slab(&mpp_thread_shared, c, NULL, s);
		have += c->g.capacity;
	}
	return true;
}
