/* SPDX-License-Identifier: MIT */
/*
 * object.c - layer 6: the slow paths of alloc and free.
 *
 * Each takes the thread's own lock, uncontended unless another thread
 * walks or destroys, and does everything that may call back or report after
 * releasing it.
 *
 * What is found on the way is gathered in a struct mpp_work and reported at the very
 * end: a free is done then, an allocation has given back what it had and begins
 * again.  So a handler that leaves by longjmp leaves nothing half done.
 */
#include "object.h"

#include "check.h"
#include "checked.h"
#include "fast.h"
#include "guard.h"
#include "os.h"
#include "room.h"

#include <errno.h>
#include <string.h>

#define BATCH 64u /* objects handled at once by the bulk calls */

static const char at_free[] = "the free";

static void untake(struct mp_cache *c, size_t n, size_t have, void **objs, struct mpp_work *work);

void mpp_object_poll(void)
{
	struct mpp_thread *t = mpp_thread_get();

	if (mpp_unlikely(mpp_thread_have_orphans()))
		mpp_thread_bury_orphans();
	if (t != &mpp_thread_shared && mpp_unlikely(mpp_thread_must_flush(t)))
		(void)mpp_magazine_flush_all(t);
}

/* The same where there is seldom anything to do. */
static void poll(void)
{
	/* relaxed: a request, obeyed at some slow path */
	uint32_t flushes = mpp_load_relaxed(&mpp_thread_flushes);

	if (mpp_unlikely(mpp_self->flushes != flushes) || mpp_unlikely(mpp_thread_have_orphans()))
		mpp_object_poll();
}

void mpp_object_finish(struct mpp_work *work)
{
	if (mpp_unlikely(work->faults.n > 0))
		mpp_faults_report(&work->faults);
	if (mpp_unlikely(mpp_thread_have_orphans()))
		mpp_thread_bury_orphans();
}

/* The caller's slab goes where the next attempt finds it. */
static void offer_slab(struct mpp_thread *t, struct mp_cache *c, struct mpp_slot *slot,
		       struct mpp_slab *s, struct mpp_work *work)
{
	mpp_lock_acquire(&t->lock);
	if (slot != NULL && slot->active == NULL)
		slot->active = s;
	else
		mpp_leave_slab_locked(c, s, work);
	mpp_lock_release(&t->lock);
	(void)mpp_work_retire(work);
}

/* Which object comes next is not to be guessed.  Under the lock, so that no fork cuts it. */
static void shuffle_locked(struct mpp_slot *slot)
{
	mpp_cell *base = slot->base;

	for (uint32_t n = (uint32_t)mpp_slot_count(slot); n > 1; n--) {
		mpp_cell *a = base + (n - 1), *b = base + mpp_os_random(n);
		/* relaxed: the owner's own cells */
		void *obj = mpp_load_relaxed(a);

		/* relaxed: as above */
		mpp_store_relaxed(a, mpp_load_relaxed(b));
		/* relaxed: as above */
		mpp_store_relaxed(b, obj);
	}
}

/* Shrinking was asked for since this thread last came by. */
static void obey_locked(struct mpp_thread *t, struct mp_cache *c, struct mpp_slot *slot,
			struct mpp_side *side, struct mpp_work *work)
{
	/* relaxed: a request, obeyed now */
	uint32_t shrinks = mpp_load_relaxed(&c->shrinks);

	if (mpp_likely(side->shrinks == shrinks))
		return;
	side->shrinks = shrinks;
	mpp_magazine_flush_locked(t, c, slot, work);
}

/*
 * Up to want objects straight from slabs, into cells.  The slab in between stays slot's, if
 * any; not one of several chunks where there is no magazine: what is freed in it later
 * would be lost to other threads.
 */
static uint32_t take_direct(struct mpp_thread *t, struct mp_cache *c, struct mpp_slot *slot,
			    struct mpp_side *side, mpp_cell *cells, uint32_t want,
			    struct mpp_work *work)
{
	struct mpp_slab *held = NULL, **active = slot != NULL ? &slot->active : &held;
	uint32_t got;

	mpp_lock_acquire(&t->lock);
	if (slot != NULL)
		obey_locked(t, c, slot, side, work);
	got = mpp_take_locked(c, active, cells, want, work);
	if (*active != NULL && (slot == NULL || (c->direct && c->g.chunks > 1))) {
		mpp_leave_slab_locked(c, *active, work);
		*active = NULL;
	}
	mpp_lock_release(&t->lock);
	(void)mpp_work_retire(work);
	return got;
}

static bool refill(struct mpp_thread *t, struct mp_cache *c, struct mpp_slot *slot,
		   struct mpp_side *side, struct mpp_work *work)
{
	bool got;

	mpp_lock_acquire(&t->lock);
	obey_locked(t, c, slot, side, work);
	got = mpp_magazine_refill_locked(t, c, slot, side, work);
	if (got && (c->watch.letters & MPP_D_HARDENED))
		shuffle_locked(slot);
	mpp_lock_release(&t->lock);
	(void)mpp_work_retire(work);
	return got;
}

/*
 * The oldest object, when a memory checker runs: what was freed rests as long as
 * may be, so that a late use of it is seen.  No copy is left behind to hide a leak.
 */
static mpp_noinline bool pop_oldest_locked(struct mpp_slot *slot, void **obj)
{
	mpp_cell *base = slot->base;
	size_t n = mpp_slot_count(slot);

	if (n == 0)
		return false;
	/* relaxed: the owner's own cells, under the lock */
	*obj = mpp_load_relaxed(base);
	for (size_t i = 1; i < n; i++) /* relaxed: as above */
		mpp_store_relaxed(base + i - 1, mpp_load_relaxed(base + i));
	/* relaxed: as above */
	mpp_store_relaxed(base + n - 1, NULL);
	/* release: as in mpp_pop (T3) */
	mpp_store_release(&slot->top, base + n - 1);
	return true;
}

static bool pop(struct mpp_thread *t, const struct mp_cache *c, struct mpp_slot *slot, void **obj)
{
	bool got;

	if (mpp_likely(!mpp_watch_is_told(&c->watch)))
		return mpp_pop(slot, obj);
	mpp_lock_acquire(&t->lock);
	got = pop_oldest_locked(slot, obj);
	mpp_lock_release(&t->lock);
	return got;
}

/* A slab more, ACTIVE and the caller's, or NULL; under a limit room is made for it. */
static struct mpp_slab *grow(struct mp_cache *c)
{
	struct mpp_slab *s = mpp_cache_grow(c);

	if (s != NULL)
		mpp_room_make();
	return s;
}

/* One object, without regard to limits and poison. */
static void *take_one(struct mp_cache *c, struct mpp_work *work)
{
	struct mpp_thread *t = mpp_thread_get();
	struct mpp_side *side = NULL;
	struct mpp_slot *slot = mpp_thread_slot(t, c, &side);
	struct mpp_slab *s;
	mpp_cell cell = NULL;
	void *obj;

	for (;;) {
		if (slot != NULL && !c->direct) {
			if (pop(t, c, slot, &obj))
				return obj;
			if (refill(t, c, slot, side, work))
				continue;
		}
		if (take_direct(t, c, slot, side, &cell, 1, work) == 1) /* relaxed: our own cell */
			return mpp_load_relaxed(&cell);
		s = grow(c);
		if (s == NULL)
			return NULL;
		offer_slab(t, c, slot, s, work);
	}
}

/* The one allocation in so many that is guarded; NULL for the others. */
static void *take_guarded(struct mp_cache *c, size_t asked)
{
	void *obj;

	if (mpp_likely(c->guard_rate == 0) || mpp_likely(!mpp_guard_due(c)))
		return NULL;
	obj = mpp_guard_alloc(c, asked);
	if (obj != NULL && (c->watch.letters & MPP_D_TRACE))
		mpp_checked_trace(c->name, obj, asked, "alloc");
	return obj;
}

/* An object that is fit to be handed out; NULL without memory, or in front of a fault. */
static void *take_sound(struct mp_cache *c, size_t asked, struct mpp_work *work)
{
	void *obj = take_guarded(c, asked);

	while (obj == NULL && work->faults.n == 0) {
		obj = take_one(c, work);
		if (obj == NULL || c->watch.letters == 0)
			break;
		if (mpp_unlikely(!mpp_checked_out(c, obj, asked, &work->faults)))
			obj = NULL;
	}
	return obj;
}

void *mpp_object_alloc(struct mp_cache *c, size_t asked, bool *at_limit)
{
	struct mpp_work work;
	void *obj;

	mpp_work_init(&work);
	for (;;) {
		poll();
		*at_limit = c->counted && !mpp_cache_admit(c, 1);
		if (*at_limit)
			return NULL;
		obj = take_sound(c, asked, &work);
		if (mpp_likely(work.faults.n == 0))
			break;
		untake(c, 1, obj != NULL, &obj, &work);
		mpp_faults_report(&work.faults);
	}
	if (obj == NULL && c->counted)
		mpp_cache_release(c, 1);
	else if (obj != NULL && c->tallied)
		mpp_cache_count_allocs(c, 1);
	return obj;
}

size_t mpp_object_pop_many(struct mpp_slot *slot, size_t n, void **objs)
{
	/* relaxed: the owner's own words */
	mpp_cell *top = mpp_load_relaxed(&slot->top);
	size_t have = (size_t)(top - slot->base), i;

	n = mpp_min(n, have);
	for (i = 0; i + 4 <= n; i += 4, top -= 4) {
		/* relaxed: as above */
		objs[i] = mpp_load_relaxed(top - 1);
		/* relaxed: as above */
		objs[i + 1] = mpp_load_relaxed(top - 2);
		/* relaxed: as above */
		objs[i + 2] = mpp_load_relaxed(top - 3);
		/* relaxed: as above */
		objs[i + 3] = mpp_load_relaxed(top - 4);
	}
	for (; i < n; i++) /* relaxed: as above */
		objs[i] = mpp_load_relaxed(--top);
	/* release: the loads stay before it (T3) */
	mpp_store_release(&slot->top, top);
	return n;
}

/* As many as the thread's magazine and slabs give at once, none if memory is out. */
static size_t take_some(struct mp_cache *c, size_t want, void **objs, struct mpp_work *work)
{
	struct mpp_thread *t = mpp_thread_get();
	struct mpp_side *side = NULL;
	struct mpp_slot *slot = mpp_thread_slot(t, c, &side);
	mpp_cell cells[BATCH];
	size_t got = 0;

	if (slot != NULL && !c->direct && !mpp_watch_is_told(&c->watch))
		got = mpp_object_pop_many(slot, want, objs);
	else if (slot != NULL && !c->direct && pop(t, c, slot, &objs[0]))
		got = 1;
	if (got > 0)
		return got;
	/* hardened: one by one from the magazine, which is shuffled */
	if (!(c->watch.letters & MPP_D_HARDENED))
		got = take_direct(t, c, slot, side, cells,
				  (uint32_t)mpp_min(want, BATCH), work);
	for (size_t i = got; i > 0; i--) /* relaxed: our own cells; lowest address first */
		objs[got - i] = mpp_load_relaxed(&cells[i - 1]);
	if (got > 0)
		return got;
	objs[0] = take_one(c, work);
	return objs[0] != NULL;
}

/* Watched objects' way out: those that are sound, moved together, and how many. */
static size_t check_out_some(struct mp_cache *c, size_t n, void **objs, struct mpp_faults *faults)
{
	size_t good = 0;

	for (size_t i = 0; i < n; i++)
		if (mpp_checked_out(c, objs[i], c->size, faults))
			objs[good++] = objs[i];
	return good;
}

/* Up to n, as many as there are in front of a fault. */
static size_t take_all(struct mp_cache *c, size_t n, void **objs, struct mpp_work *work)
{
	size_t have = 0, got;

	while (have < n && work->faults.n == 0) {
		objs[have] = take_guarded(c, c->size);
		if (objs[have] != NULL) {
			have++;
			continue;
		}
		got = take_some(c, c->guard_rate != 0 ? 1 : n - have, objs + have, work);
		if (got == 0)
			break;
		if (c->watch.letters != 0)
			got = check_out_some(c, got, objs + have, &work->faults);
		have += got;
	}
	return have;
}

bool mpp_object_alloc_bulk(struct mp_cache *c, size_t n, void **objs, bool *at_limit)
{
	struct mpp_work work;
	size_t have;
	bool found;

	mpp_work_init(&work);
	do {
		poll();
		*at_limit = n > 0 && c->counted && !mpp_cache_admit(c, n);
		if (*at_limit)
			return false;
		have = take_all(c, n, objs, &work);
		found = work.faults.n > 0;
		if (have == n && !found)
			break;
		untake(c, n, have, objs, &work);
		mpp_faults_report(&work.faults);
	} while (found);
	if (have == n && c->tallied)
		mpp_cache_count_allocs(c, n);
	return have == n;
}

static void put_direct(struct mpp_thread *t, struct mp_cache *c, void *obj, struct mpp_work *work)
{
	size_t before = work->returned;
	mpp_cell cell;

	/* relaxed: our own cell */
	mpp_store_relaxed(&cell, obj);
	mpp_lock_acquire(&t->lock);
	(void)mpp_put_locked(c, &cell, 1, work);
	mpp_lock_release(&t->lock);
	if (c->counted && c->direct) /* what two threads freed at once came back once */
		mpp_cache_release(c, work->returned - before);
	(void)mpp_work_retire(work);
}

/* Push, making room if need be; false if this thread has no magazine for it. */
static bool push_slow(struct mpp_thread *t, struct mp_cache *c, struct mpp_slot *slot,
		      struct mpp_side *side, void *obj, struct mpp_work *work)
{
	bool room;

	mpp_lock_acquire(&t->lock);
	obey_locked(t, c, slot, side, work);
	room = mpp_magazine_make_room_locked(t, c, slot, side, work);
	if (room) {
		/* relaxed: our own */
		mpp_cell *top = mpp_load_relaxed(&slot->top);

		/* relaxed: published by top */
		mpp_store_relaxed(top, obj);
		/* release: the cell first (T3) */
		mpp_store_release(&slot->top, top + 1);
	}
	mpp_lock_release(&t->lock);
	(void)mpp_work_retire(work);
	return room;
}

/* Of a direct cache: whether obj is live; otherwise a fault. */
static bool is_live_direct(struct mp_cache *c, void *obj, struct mpp_faults *faults)
{
	const struct mpp_slab *s;
	void *head = NULL;

	(void)mpp_map_find(obj, &head);
	s = mpp_cache_slab(c, head, obj, faults);
	if (mpp_unlikely(s == NULL)) {
		if (!c->counted) /* lost; of a limited cache it goes on to be counted as live */
			mpp_cache_count_leaked(c);
		return false;
	}
	if (!mpp_slab_is_free(s, mpp_slab_index(head, obj, &c->g)))
		return true;
	mpp_find_fault(faults, MP_ERROR_DOUBLE_FREE, c, obj, at_free);
	return false;
}

static void put_back(struct mp_cache *c, void *obj, struct mpp_work *work)
{
	struct mpp_thread *t = mpp_thread_get();
	struct mpp_side *side = NULL;
	struct mpp_slot *slot = mpp_thread_slot(t, c, &side);

	if (slot != NULL && !c->direct) {
		if (mpp_unlikely(mpp_is_newest(slot, obj))) {
			mpp_find_fault(&work->faults, MP_ERROR_DOUBLE_FREE, c, obj, at_free);
			return;
		}
		if (mpp_push(slot, obj))
			return;
		if (mpp_unlikely(mpp_thread_must_flush(t)))
			mpp_magazine_flush_into(t, work);
		if (push_slow(t, c, slot, side, obj, work))
			return;
	}
	put_direct(t, c, obj, work);
}

/* Free an object of c. */
static void give(struct mp_cache *c, void *obj, struct mpp_work *work)
{
	if (c->direct && !mpp_watch_is_marked(&c->watch) && !is_live_direct(c, obj, &work->faults))
		return;
	if (c->watch.letters != 0 && !mpp_checked_in(c, obj, &work->faults))
		return;
	if ((c->flags & MP_ZERO_ON_FREE) && !mpp_watch_is_marked(&c->watch))
		memset(obj, 0, c->watch.size);
	put_back(c, obj, work);
}

static void give_guarded(struct mp_cache *c, void *p, struct mpp_faults *faults)
{
	struct mpp_guarded o;

	if (mpp_guard_look(p, &o) && o.live && (o.cache->watch.letters & MPP_D_TRACE))
		mpp_checked_trace(o.cache->name, p, o.size, "free");
	mpp_guard_free(c, p, faults);
}

void mpp_object_give_any(struct mp_cache *c, void *p, struct mpp_work *work)
{
	enum mp_error_kind wrong = MP_ERROR_BAD_FREE;
	struct mpp_found found;

	if (c != NULL && mpp_unlikely(!mpp_cache_alive(c))) {
		mpp_find_fault(&work->faults, MP_ERROR_DEAD_CACHE, c, p, at_free);
		return;
	}
	mpp_find(p, &found);
	if (found.code == MPP_CODE_GUARD) {
		give_guarded(c, p, &work->faults);
		return;
	}
	if (mpp_likely(found.cache != NULL && (c == NULL || c == found.cache))) {
		c = found.cache;
		wrong = MP_ERROR_INTERIOR_POINTER;
		if (mpp_likely(found.index < c->g.capacity)) {
			give(c, p, work);
			return;
		}
	} else if (found.code != 0) {
		wrong = MP_ERROR_WRONG_CACHE;
	}
	mpp_find_fault(&work->faults, wrong, c, p, at_free);
}

/* have of n admitted were taken, and go back. */
static void untake(struct mp_cache *c, size_t n, size_t have, void **objs, struct mpp_work *work)
{
	if (c->counted) /* the free below gives back only what it frees */
		mpp_cache_release(c, n - have);
	if (c->tallied)
		mpp_cache_count_allocs(c, have);
	for (size_t i = 0; i < have; i++)
		mpp_object_give_any(c, objs[i], work);
}

void mpp_object_free(struct mp_cache *c, void *obj)
{
	struct mpp_work work;

	mpp_work_init(&work);
	give(c, obj, &work);
	mpp_object_finish(&work);
}

void mpp_object_free_any(struct mp_cache *c, void *p)
{
	struct mpp_work work;

	mpp_work_init(&work);
	mpp_object_give_any(c, p, &work);
	mpp_object_finish(&work);
}

static mpp_noinline void push_rest(struct mp_cache *c, void *obj)
{
	int saved = errno;

	if (mpp_likely(mpp_cache_alive(c)))
		mpp_object_free(c, obj);
	else /* the id of a dead cache is that of what is not ours */
		mpp_object_free_any(c, obj);
	errno = saved;
}

void mpp_object_push(struct mp_cache *c, void *obj, uint32_t index)
{
	if (mpp_unlikely(!mpp_routed_push(c, obj, index)))
		push_rest(c, obj);
}

void mpp_object_give(struct mp_cache *c, void *p, struct mpp_work *work)
{
	unsigned code = mpp_map_get(p);
	struct mp_cache *owner = c;
	int saved = errno;
	uint32_t index;

	if (owner == NULL && code != 0 && code <= MPP_ID_MAX)
		owner = mpp_registry_get(code);
	if (owner == NULL || mpp_unlikely(!mpp_fast_owns(owner, p, &index)) ||
	    !mpp_cache_alive(owner))
		mpp_object_give_any(c, p, work);
	else if (!mpp_routed_push(owner, p, index))
		give(owner, p, work);
	errno = saved;
}

size_t mpp_object_push_many(const struct mp_cache *c, struct mpp_slot *slot, size_t n,
			    void *const *objs)
{
	/* relaxed: the owner's own words */
	mpp_cell *top = mpp_load_relaxed(&slot->top);
	size_t room = (size_t)(slot->limit - top), i;
	uintptr_t chunk = n > 0 ? (uintptr_t)objs[0] ^ MP_CHUNK_SIZE : 0; /* another */
	/* the compiler keeps no field in hand over an atomic store */
	const struct mpp_divisor slot_divisor = c->g.divisor;
	const uint32_t capacity = c->g.capacity;
	uint32_t first = 0; /* of that chunk's objects, the low bits of its address */
	const void *last;

	if (room == 0)
		return 0;
	/* relaxed: as above; an empty magazine has a NULL there */
	last = mpp_load_relaxed(top - 1);
	n = mpp_min(n, room);
	for (i = 0; i < n; i++) {
		void *obj = objs[i];

		if (((uintptr_t)obj ^ chunk) > MPP_CHUNK_MASK) {
			if (mpp_map_get(obj) != mpp_cache_id(c))
				break;
			chunk = (uintptr_t)obj & ~MPP_CHUNK_MASK;
			first = (uint32_t)chunk + mpp_slab_first((void *)chunk, &c->g);
		}
		if (mpp_quotient((uint32_t)(uintptr_t)obj - first, slot_divisor) >= capacity ||
		    obj == last)
			break;
		/* relaxed: published by top */
		mpp_store_relaxed(&top[i], obj);
		last = obj;
	}
	/* release: the cells first (T3) */
	mpp_store_release(&slot->top, top + i);
	return i;
}

bool mpp_object_prealloc(struct mp_cache *c, size_t n)
{
	size_t before, have = mpp_cache_want(c, n, &before);
	struct mpp_slab *s;
	struct mpp_work work;

	mpp_work_init(&work);
	for (; have < n && (s = grow(c)) != NULL; have += c->g.capacity)
		offer_slab(&mpp_thread_shared, c, NULL, s, &work);
	if (have < n) { /* others may need what it got */
		mpp_cache_unwant(c, n, before);
		(void)mpp_work_strip(c, &work);
	}
	mpp_faults_report(&work.faults);
	return have >= n;
}
