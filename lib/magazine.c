/* SPDX-License-Identifier: MIT */
/*
 * magazine.c - layer 6: between a thread's magazines and the slabs.
 *
 * An empty magazine is refilled from the slab the thread holds, then from
 * partial slabs of the cache.  A full one grows, if it has run empty since it last did
 * and the bounds allow; otherwise it returns its older half, or nearly all if its thread
 * only frees, run by run: objects of one slab that lie next to each other cost one fetch-or
 * per word of bits and one compare-and-swap.  Lock: the thread's; the cache's inside, for
 * list work only.
 */
#include "magazine.h"

#include "budget.h"
#include "check.h"
#include "find.h"
#include "meta.h"
#include "spancache.h"

#include <string.h>

#define SUPPLY 16u	/* slabs taken from a cache's lists at once */
#define AHEAD 8u	/* headers fetched ahead in a drain */
#define MET 128u	/* slabs that a drain keeps in mind */
#define LOOK_TICKS 64u	/* slow paths from one look for idle magazines to the next */
#define IDLE_LOOKS 2u	/* looks after which a magazine that never changed is emptied */
/*
 * A magazine that only runs empty, or only full, grows to this many objects, while all of its
 * thread's together have room for FREE_BYTES, or for a share of all memory in use.
 */
#define FREE_MOST 255u
#define FREE_BYTES (256 * MPP_KIB)
#define FREE_SHARE 16u

static _Atomic size_t total_bytes; /* atomic: sum of all threads' bytes */

/*
 * The oldest first: those of other caches, which idle magazines held, were put there
 * before those of the cache that is worked on, whose destructors may destroy the others.
 */
static struct mpp_slab *oldest_first(struct mpp_chain *surplus)
{
	struct mpp_slab *s, *newer, *first = NULL;

	for (s = surplus->first; s != NULL; s = newer) {
		newer = s->chain;
		s->chain = first;
		first = s;
	}
	surplus->first = NULL;
	return first;
}

size_t mpp_work_retire(struct mpp_work *work)
{
	struct mpp_slab *s = oldest_first(&work->surplus), *next;
	size_t bytes = 0;

	for (; s != NULL; s = next) {
		struct mpp_chain one = { s };
		struct mp_cache *c = mpp_registry_get(s->id);

		next = s->chain;
		s->chain = NULL;
		mpp_find_damaged_free(c, s, "the return of its slab to the system", &work->faults);
		bytes += mpp_cache_retire(c, &one);
	}
	return bytes;
}

size_t mpp_work_finish(struct mpp_work *work)
{
	size_t bytes = mpp_work_retire(work);

	mpp_faults_report(&work->faults);
	return bytes;
}

size_t mpp_work_strip(struct mp_cache *c, struct mpp_work *work)
{
	struct mpp_thread *t = mpp_thread_get();

	mpp_lock_acquire(&t->lock); /* no thread is cut by a fork while it strips */
	mpp_cache_strip(c, &work->surplus, &work->faults);
	mpp_lock_release(&t->lock);
	return mpp_work_retire(work);
}

uint32_t mpp_magazine_max(size_t slot)
{
	size_t n = MPP_MAGAZINE_BYTES / slot, max = 1;

	if (MPP_MAG_MAX_CONFIG >= 0)
		n = mpp_min(n, (size_t)MPP_MAG_MAX_CONFIG);
	if (n == 0)
		return 0;
	while (2 * max + 1 <= mpp_min(n + 1, MPP_MAGAZINE_MOST))
		max = 2 * max + 1;
	return (uint32_t)max;
}

static void fault_free_list(const struct mp_cache *c, struct mpp_slab *s, struct mpp_work *work)
{
	struct mpp_fault *f;

	f = mpp_cache_fault(&work->faults, MP_ERROR_FREE_LIST, c, s, "the count of free objects");
	mpp_cache_describe(f, c, s, s);
}

/* From one slab held; whether it still has some is for the caller to find out. */
static uint32_t take_from(struct mp_cache *c, struct mpp_slab *s, mpp_cell *out, uint32_t want,
			  struct mpp_work *work)
{
	uint32_t n = mpp_slab_reserve(s, want), got;

	if (n == 0)
		return 0;
	got = mpp_slab_collect(s, &c->g, n, out);
	if (mpp_unlikely(got < n)) {
		fault_free_list(c, s, work);
		mpp_slab_make_sick(s);
		/* the collected ones stand at the end of their n cells */
		for (uint32_t i = 0; i < got; i++) /* relaxed: not published yet */
			mpp_store_relaxed(&out[i], mpp_load_relaxed(&out[n - got + i]));
	}
	return got;
}

/* Take from *active until want or until it is left, FULL. */
static uint32_t take_active(struct mp_cache *c, struct mpp_slab **active, mpp_cell *out,
			    uint32_t want, struct mpp_work *work)
{
	uint32_t got = 0;

	while (*active != NULL && got < want) {
		uint32_t n = take_from(c, *active, out + got, want - got, work);

		got += n;
		if (n > 0)
			continue;
		if (mpp_slab_leave_full(*active))
			*active = NULL;
		/* relaxed: the slab is ours; only make_sick() of take_from stops the loop */
		else if (mpp_word_state(mpp_load_relaxed(&(*active)->word)) != MPP_SLAB_ACTIVE)
			*active = NULL;
	}
	return got;
}

uint32_t mpp_take_locked(struct mp_cache *c, struct mpp_slab **active, mpp_cell *out,
			 uint32_t want, struct mpp_work *work)
{
	struct mpp_slab *slabs[SUPPLY];
	struct mpp_chain extra = { NULL };
	uint32_t got = take_active(c, active, out, want, work);
	unsigned n;

	while (got < want) {
		n = mpp_cache_supply(c, want - got, SUPPLY, slabs, &work->faults);
		if (n == 0)
			break;
		for (unsigned i = 0; i < n; i++)
			mpp_prefetch_w(&slabs[i]->magic);
		for (unsigned i = 0; i < n; i++) {
			if (got == want) { /* frees came in meanwhile: not needed */
				mpp_chain_add(&extra, slabs[i]);
				continue;
			}
			*active = slabs[i];
			got += take_active(c, active, out + got, want - got, work);
		}
	}
	mpp_cache_settle(c, &extra, &work->surplus, &work->faults);
	if (got > 0)
		mpp_cache_count_taken(c, got);
	return got;
}

void mpp_leave_slab_locked(struct mp_cache *c, struct mpp_slab *s, struct mpp_work *work)
{
	struct mpp_chain chain = { NULL };

	mpp_chain_add(&chain, s);
	mpp_cache_settle(c, &chain, &work->surplus, &work->faults);
}

/*
 * The state of one drain.  Bits are set word by word; the counts of the slabs
 * met lately are raised when their place in the table is needed or at the
 * end, so that objects of a few slabs in any order cost one compare-and-swap
 * a slab.  Between the two the bits are set and not yet counted, as I1 allows.
 */
struct drain {
	struct mp_cache *c;
	struct mpp_work *work;
	struct mpp_chain duties;	/* slabs to list or unlist */
	struct met *at;			/* the slab of the last object, or NULL */
	uint32_t word;			/* of that slab, whose bits are gathered */
	mpp_bits mask;			/* bits gathered, not yet set */
	uint64_t used[MET / 64];	/* places of met in use, a bit each */
	size_t returned;
	struct met {
		void *head;		/* the slab's first chunk */
		struct mpp_slab *s;
		uint32_t fresh;		/* bits set and not yet counted */
	} met[MET];
};

static void fault_double(struct drain *d, uint32_t index)
{
	void *obj = mpp_slab_object(d->at->s, &d->c->g, index);
	struct mpp_fault *f;

	f = mpp_cache_fault(&d->work->faults, MP_ERROR_DOUBLE_FREE, d->c, obj,
			    "its slab's free list");
	mpp_cache_describe(f, d->c, d->at->s, obj);
}

static void set_word(struct drain *d)
{
	mpp_bits fresh, twice;

	if (d->mask == 0)
		return;
	fresh = mpp_slab_set_bits(d->at->s, d->word, d->mask);
	d->at->fresh += mpp_popcount(fresh);
	for (twice = d->mask & ~fresh; mpp_unlikely(twice != 0); twice &= twice - 1)
		fault_double(d, d->word * MPP_BITS + mpp_lowest(twice));
	d->mask = 0;
}

/* Raise the count of a slab by what was set. */
static void count_slab(struct drain *d, struct met *m)
{
	enum mpp_slab_duty duty;

	if (m->fresh == 0)
		return;
	duty = mpp_slab_publish(m->s, &d->c->g, m->fresh);
	d->returned += m->fresh;
	m->fresh = 0;
	if (duty == MPP_DUTY_LIST || duty == MPP_DUTY_UNLIST)
		mpp_chain_add(&d->duties, m->s);
	else if (mpp_unlikely(duty == MPP_DUTY_BROKEN))
		fault_free_list(d->c, m->s, d->work);
}

static void count_all(struct drain *d)
{
	set_word(d);
	for (unsigned i = 0; i < MET / 64; i++)
		for (uint64_t used = d->used[i]; used != 0; used &= used - 1)
			count_slab(d, &d->met[i * 64 + mpp_lowest64(used)]);
}

/*
 * The slab of obj, when it was not met lately; NULL, and a fault, if it is not what it was: an
 * object behind a damaged header is lost.
 */
static struct mpp_slab *look_up(struct drain *d, void *obj, void *head)
{
	struct mpp_slab *s;

	if (mpp_unlikely(mpp_map_get(head) != mpp_cache_id(d->c)) &&
	    mpp_map_find(obj, &head) != mpp_cache_id(d->c)) {
		mpp_cache_fault(&d->work->faults, MP_ERROR_DOUBLE_FREE, d->c, obj,
				"the return of an object whose slab is gone");
		return NULL;
	}
	s = mpp_cache_slab(d->c, head, obj, &d->work->faults);
	if (mpp_unlikely(s == NULL))
		mpp_cache_count_leaked(d->c);
	return s;
}

/* Make the slab of obj, in the chunk at chunk, the current one. */
static bool enter_slab(struct drain *d, void *obj, void *chunk)
{
	unsigned place = (unsigned)((uintptr_t)chunk >> MPP_CHUNK_SHIFT) % MET;
	uint64_t *used = &d->used[place / 64], bit = UINT64_C(1) << place % 64;
	struct met *m = &d->met[place];

	set_word(d);
	d->at = m;
	if ((*used & bit) != 0) {
		if (m->head == chunk)
			return true;
		count_slab(d, m);
	}
	m->head = chunk;
	m->s = look_up(d, obj, chunk);
	m->fresh = 0;
	*used |= bit;
	if (m->s != NULL)
		return true;
	*used &= ~bit;
	d->at = NULL;
	return false;
}

/* Of n objects, how many at the start lie step bytes from the one before. */
static size_t streak(const mpp_cell *objs, size_t n, uintptr_t step)
{
	const mpp_cell *at = objs + 1, *end = objs + n;
	/* relaxed: the cells are ours */
	uintptr_t want = (uintptr_t)mpp_load_relaxed(&objs[0]) + step;

	for (; end - at >= 4; at += 4, want += 4 * step) {
		/* relaxed: as above */
		uintptr_t a = (uintptr_t)mpp_load_relaxed(&at[0]) ^ want;
		/* relaxed: as above */
		uintptr_t b = (uintptr_t)mpp_load_relaxed(&at[1]) ^ (want + step);
		/* relaxed: as above */
		uintptr_t c = (uintptr_t)mpp_load_relaxed(&at[2]) ^ (want + 2 * step);
		/* relaxed: as above */
		uintptr_t d = (uintptr_t)mpp_load_relaxed(&at[3]) ^ (want + 3 * step);

		if ((a | b | c | d) != 0)
			break;
	}
	/* relaxed: as above */
	for (; at < end && (uintptr_t)mpp_load_relaxed(at) == want; at++)
		want += step;
	return (size_t)(at - objs);
}

/* The bits of one word for the neighbours, up or down, at the start of n objects, and how many. */
static mpp_bits neighbours(const mpp_cell *objs, size_t n, const struct mpp_geometry *g,
			   uint32_t index, size_t *k)
{
	uint32_t at = index % MPP_BITS;

	*k = streak(objs, mpp_min(n, mpp_min(MPP_BITS - at, g->capacity - index)), g->slot);
	if (*k > 1)
		return mpp_low_bits((unsigned)*k) << at;
	*k = streak(objs, mpp_min(n, at + 1), (uintptr_t)0 - g->slot);
	return mpp_low_bits((unsigned)*k) << (at + 1 - *k);
}

/* The objects of one slab at the start of objs; returns how many there were. */
static size_t put_run(struct drain *d, const mpp_cell *objs, size_t n)
{
	const struct mpp_geometry *g = &d->c->g;
	const void *slab = mpp_slab_chunk(d->at->s);
	uint32_t word = d->word;
	mpp_bits mask = d->mask;
	size_t i, k;

	for (i = 0; i < n; i += k) {
		/* relaxed: the cells are ours */
		void *obj = mpp_load_relaxed(&objs[i]);
		uint32_t index = mpp_slab_index(slab, obj, g);
		mpp_bits bits;

		if (((uintptr_t)obj & ~MPP_CHUNK_MASK) != (uintptr_t)d->at->head)
			break;
		mpp_assert(index < g->capacity); /* T3: only objects are pushed */
		bits = neighbours(objs + i, n - i, g, index, &k);
		if (index / MPP_BITS != word || (mask & bits) != 0) {
			d->word = word; /* a second bit of the same object is found there */
			d->mask = mask;
			set_word(d);
			word = index / MPP_BITS;
			mask = 0;
		}
		mask |= bits;
	}
	d->word = word;
	d->mask = mask;
	return i;
}

static void init_drain(struct drain *d, struct mp_cache *c, struct mpp_work *work)
{
	d->c = c;
	d->work = work;
	d->duties.first = NULL;
	d->at = NULL;
	d->word = 0;
	d->mask = 0;
	d->returned = 0;
	for (unsigned i = 0; i < MET / 64; i++)
		d->used[i] = 0;
}

size_t mpp_put_locked(struct mp_cache *c, const mpp_cell *objs, size_t n, struct mpp_work *work)
{
	struct drain d;
	size_t i = 0;

	init_drain(&d, c, work);
	while (i < n && (i == 0 || work->faults.n < MPP_FAULTS_MAX)) {
		/* relaxed: the cells are ours */
		void *obj = mpp_load_relaxed(&objs[i]);

		if (i + AHEAD < n) { /* relaxed: as above */
			uintptr_t ahead = (uintptr_t)mpp_load_relaxed(&objs[i + AHEAD]);
			void *chunk = (void *)(ahead & ~MPP_CHUNK_MASK);

			mpp_prefetch_w(&mpp_slab_of(chunk, &c->g)->magic);
		}
		if (enter_slab(&d, obj, (void *)((uintptr_t)obj & ~MPP_CHUNK_MASK)))
			i += put_run(&d, objs + i, n - i);
		else
			i++;
	}
	count_all(&d);
	mpp_cache_settle(c, &d.duties, &work->surplus, &work->faults);
	if (d.returned > 0)
		mpp_cache_count_returned(c, d.returned);
	work->returned += d.returned;
	return i;
}

static size_t capacity_of(const struct mpp_slot *slot)
{
	return slot->limit == NULL ? 0 : (size_t)(slot->limit - slot->base);
}

static size_t array_size(size_t capacity)
{
	return (capacity + 1) * sizeof(mpp_cell);
}

static void account(struct mpp_thread *t, const struct mp_cache *c, size_t more, size_t less)
{
	size_t slot = c->g.slot;

	t->bytes += more * slot - less * slot;
	/* relaxed: a sum, compared with a bound that need not be exact */
	mpp_add_relaxed(&total_bytes, more * slot - less * slot);
}

/* Replace the array by one of capacity, keeping what is in it. */
static bool resize_locked(struct mpp_thread *t, const struct mp_cache *c, struct mpp_slot *slot,
			  size_t capacity)
{
	size_t count = mpp_slot_count(slot), old = capacity_of(slot);
	mpp_cell *from = slot->base;
	mpp_cell *to = mpp_meta_alloc(array_size(capacity));

	if (to == NULL)
		return false;
	to++; /* [-1] stays NULL */
	for (size_t i = 0; i < count; i++) /* relaxed: published by top below */
		mpp_store_relaxed(&to[i], mpp_load_relaxed(&from[i]));
	slot->base = to;
	slot->limit = to + capacity;
	/* release: the cells, for fork's cut (T3) */
	mpp_store_release(&slot->top, to + count);
	account(t, c, capacity, old);
	if (old != 0)
		mpp_meta_free(from - 1, array_size(old));
	return true;
}

static bool is_used(const struct mpp_slot *slot)
{
	return capacity_of(slot) != 0 || slot->active != NULL;
}

/* The i-th slot of a leaf, or without one of those that t has in itself. */
static struct mpp_slot *slot_in(struct mpp_thread *t, struct mpp_leaf *leaf, unsigned i,
				struct mpp_side **side)
{
	*side = leaf != NULL ? &leaf->sides[i] : &t->sides[i];
	return leaf != NULL ? &leaf->slots[i] : &t->slots[i].slot;
}

/* Empty magazines of t that lie idle; first is the id of slot 0. */
static void trim_locked(struct mpp_thread *t, struct mpp_leaf *leaf, unsigned first,
			struct mpp_work *work)
{
	/* one cache's surplus at a time: its destructors may destroy another cache, and
	 * that would wait for slabs of that one in our own hands */
	for (unsigned i = first == 0; i < MPP_INLINE_IDS && work->surplus.first == NULL; i++) {
		struct mpp_side *side;
		struct mpp_slot *slot = slot_in(t, leaf, i, &side);

		if (is_used(slot) && side->still >= IDLE_LOOKS)
			mpp_magazine_flush_locked(t, mpp_registry_get(first + i), slot, work);
	}
}

/* One that is large enough comes to no slow path: whether it is used its count tells. */
static void look_locked(struct mpp_thread *t, struct mpp_leaf *leaf)
{
	for (unsigned i = 0; i < MPP_INLINE_IDS; i++) {
		struct mpp_side *side;
		uint16_t count = (uint16_t)mpp_slot_count(slot_in(t, leaf, i, &side));

		side->still = side->seen != count ? 0 : (uint8_t)mpp_min(side->still + 1u, IDLE_LOOKS);
		side->seen = count;
	}
}

/* A slow path was taken: now and then look for magazines that lie idle, in one leaf each time. */
static void tick_locked(struct mpp_thread *t, struct mpp_side *side, struct mpp_work *work)
{
	unsigned turn = t->leaves_end == 0 ? 0 : t->tick / LOOK_TICKS % t->leaves_end;

	side->still = 0;
	if (++t->tick % LOOK_TICKS != 0)
		return;
	look_locked(t, NULL);
	trim_locked(t, NULL, 0, work);
	if (t->leaves[turn] == NULL)
		return;
	look_locked(t, t->leaves[turn]);
	trim_locked(t, t->leaves[turn], turn * MPP_INLINE_IDS, work);
}

static size_t first_capacity(const struct mp_cache *c)
{
	size_t n = MPP_MAGAZINE_FIRST;

	while (n > 1 && n * c->g.slot > MPP_MAGAZINE_FIRST_BYTES)
		n /= 2;
	return n;
}

/* A larger array if the bounds allow; whether it grew. */
static bool grow_locked(struct mpp_thread *t, struct mp_cache *c, struct mpp_slot *slot,
			struct mpp_work *work)
{
	size_t old = capacity_of(slot);
	size_t wanted = old == 0 ? first_capacity(c) : 2 * old + 1;
	size_t more;

	wanted = mpp_min(wanted, c->magazine_max);
	if (wanted <= old)
		return false;
	more = (wanted - old) * c->g.slot;
	if (old != 0 && t->bytes + more > MPP_THREAD_BYTES)
		trim_locked(t, NULL, 0, work);
	/* relaxed: see account() */
	if (old != 0 && (t->bytes + more > MPP_THREAD_BYTES ||
			 mpp_load_relaxed(&total_bytes) + more > MPP_TOTAL_BYTES))
		return false;
	return resize_locked(t, c, slot, wanted);
}

/* Whether a magazine of so many may grow though no demand in both directions was seen. */
static bool grows_freely(const struct mpp_thread *t, const struct mp_cache *c, size_t capacity)
{
	size_t bound = mpp_max(FREE_BYTES, mpp_budget_used() / FREE_SHARE);

	return capacity == 0 ||
	       (capacity < FREE_MOST && t->bytes + capacity * c->g.slot < bound);
}

/* Whether a magazine that is empty held something since its array was made. */
static bool was_filled(const struct mpp_slot *slot)
{
	/* relaxed: under the lock */
	return capacity_of(slot) != 0 && mpp_load_relaxed(slot->base) != NULL;
}

bool mpp_magazine_refill_locked(struct mpp_thread *t, struct mp_cache *c, struct mpp_slot *slot,
				struct mpp_side *side, struct mpp_work *work)
{
	uint32_t want, got;
	mpp_cell *base;

	tick_locked(t, side, work);
	side->starved = true;
	/* not twice on its way to the first object, while a slab is had for it */
	if ((capacity_of(slot) == 0 || was_filled(slot)) && grows_freely(t, c, capacity_of(slot)))
		(void)grow_locked(t, c, slot, work);
	/* a destructor or handler freed into it since it was seen empty */
	if (mpp_slot_count(slot) > 0)
		return true;
	want = (uint32_t)((capacity_of(slot) + 1) / 2);
	if (want == 0)
		return false;
	base = slot->base;
	got = mpp_take_locked(c, &slot->active, base, want, work);
	/* release: the cells (T3) */
	mpp_store_release(&slot->top, base + got);
	return got > 0;
}

/* Return the oldest n objects of the magazine and move the others down. */
static void drain_locked(struct mp_cache *c, struct mpp_slot *slot, size_t n,
			 struct mpp_work *work)
{
	size_t count = mpp_slot_count(slot);
	mpp_cell *base = slot->base;

	n = mpp_put_locked(c, base, n, work);
	memmove((void *)(uintptr_t)base, (const void *)(uintptr_t)(base + n),
		(count - n) * sizeof(*base));
	/* release: the cells (T3) */
	mpp_store_release(&slot->top, base + (count - n));
}

/* What is returned of a full magazine: little is kept by a thread that does not allocate. */
static size_t surplus_of(const struct mpp_side *side, size_t capacity)
{
	return side->starved ? (capacity + 1) / 2 : capacity - capacity / 8;
}

bool mpp_magazine_make_room_locked(struct mpp_thread *t, struct mp_cache *c,
				   struct mpp_slot *slot, struct mpp_side *side,
				   struct mpp_work *work)
{
	size_t capacity = capacity_of(slot);

	tick_locked(t, side, work);
	/* otherwise running full is demand only if it ran empty since it last grew */
	if ((grows_freely(t, c, capacity) || side->starved) && grow_locked(t, c, slot, work)) {
		side->starved = false;
		return true;
	}

	if (capacity == 0)
		return false;
	if (mpp_slot_count(slot) == capacity)
		drain_locked(c, slot, surplus_of(side, capacity), work);
	return mpp_slot_count(slot) < capacity;
}

/* What was counted in a leaf becomes the cache's; by the owner, or who may be taken for it (T2). */
static void hand_allocs_in(struct mpp_thread *t, struct mp_cache *c)
{
	struct mpp_leaf *leaf = t->leaves[c->old_id / MPP_INLINE_IDS];
	uint64_t n;

	if (leaf == NULL)
		return;
	/* relaxed: a count, the owner's */
	n = mpp_load_relaxed(&leaf->allocs[c->old_id % MPP_INLINE_IDS]);
	/* relaxed: as above */
	mpp_store_relaxed(&leaf->allocs[c->old_id % MPP_INLINE_IDS], 0);
	if (c->tallied) /* relaxed: as above */
		mpp_add_relaxed(&c->allocs, n);
}

void mpp_magazine_flush_locked(struct mpp_thread *t, struct mp_cache *c, struct mpp_slot *slot,
			       struct mpp_work *work)
{
	size_t capacity = capacity_of(slot);
	mpp_cell *base = slot->base;

	hand_allocs_in(t, c);
	if (mpp_slot_count(slot) > 0)
		drain_locked(c, slot, mpp_slot_count(slot), work);
	if (slot->active != NULL)
		mpp_leave_slab_locked(c, slot->active, work);
	slot->active = NULL;
	if (capacity == 0 || mpp_slot_count(slot) > 0)
		return;
	/* relaxed: under the lock, the magazine is empty before and after */
	mpp_store_relaxed(&slot->top, NULL);
	slot->limit = NULL;
	slot->base = NULL;
	mpp_meta_free(base - 1, array_size(capacity));
	account(t, c, 0, capacity);
}

/* The slot of an id if t has one in use. */
static struct mpp_slot *used_slot(struct mpp_thread *t, unsigned id)
{
	struct mpp_leaf *leaf = t->leaves[id / MPP_INLINE_IDS];

	if (id < MPP_INLINE_IDS && is_used(&t->slots[id].slot))
		return &t->slots[id].slot;
	if (leaf != NULL && is_used(&leaf->slots[id % MPP_INLINE_IDS]))
		return &leaf->slots[id % MPP_INLINE_IDS];
	return NULL;
}

/* One slot of t in use for id, if there is one; whether there was. */
static bool flush_one(struct mpp_thread *t, unsigned id, struct mpp_work *work, size_t *bytes)
{
	struct mpp_slot *slot;

	mpp_lock_acquire(&t->lock);
	slot = used_slot(t, id);
	if (slot != NULL)
		mpp_magazine_flush_locked(t, mpp_registry_get(id), slot, work);
	mpp_lock_release(&t->lock);
	*bytes += mpp_work_retire(work);
	return slot != NULL;
}

static size_t flush_all(struct mpp_thread *t, struct mpp_work *work, bool told)
{
	size_t bytes = 0;
	unsigned end = mpp_registry_end();

	for (unsigned id = 1; id < end; id++) {
		if (id % MPP_INLINE_IDS == 0 && t->leaves[id / MPP_INLINE_IDS] == NULL) {
			id += MPP_INLINE_IDS - 1;
			continue;
		}
		/* again while faults interrupt it */
		while (flush_one(t, id, work, &bytes))
			if (told)
				mpp_faults_report(&work->faults);
	}
	return bytes + mpp_spans_flush(t, &work->faults);
}

size_t mpp_magazine_flush_all(struct mpp_thread *t)
{
	struct mpp_work work;
	size_t bytes;

	mpp_work_init(&work);
	bytes = flush_all(t, &work, true);
	mpp_faults_report(&work.faults);
	return bytes;
}

void mpp_magazine_flush_into(struct mpp_thread *t, struct mpp_work *work)
{
	(void)flush_all(t, work, false);
}

void mpp_magazine_end(struct mpp_thread *t)
{
	struct mpp_work work;

	mpp_work_init(&work);
	(void)flush_all(t, &work, false);
	mpp_thread_delist(t);
	mpp_faults_report(&work.faults);
}
