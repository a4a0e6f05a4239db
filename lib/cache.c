/* SPDX-License-Identifier: MIT */
/*
 * cache.c - layer 5: a cache's slabs.
 *
 * Lock: the cache's, MPP_RANK_CACHE, held for list operations only.  A free
 * takes it when a full slab gets room or a partial one becomes empty,
 * once for all slabs of one drain; an allocation when its slab runs out.
 * States and invariants I1 to I6 are in slab.c; here I5 and I6 are kept:
 * whoever links or unlinks a slab holds the lock and has settled or activated it.
 */
#include "cache.h"

#include "check.h"
#include "chunk.h"
#include "debug.h"

#include <string.h>

#define CUSHION_BYTES MPP_MIB	/* most that waves of demand make a cache keep */
#define PERIOD 256u		/* times that slabs came back, from one look to the next */

struct mpp_fault *mpp_cache_fault(struct mpp_faults *f, enum mp_error_kind kind,
				  const struct mp_cache *c, const void *pointer,
				  const char *where)
{
	struct mpp_fault *v = &f->v[f->n];

	if (f->n < MPP_FAULTS_MAX)
		f->n++;
	else
		f->lost++;
	memset(v, 0, sizeof(*v));
	v->kind = kind;
	v->where = where;
	v->pointer = pointer;
	if (c != NULL) {
		v->cache = (struct mp_cache *)(uintptr_t)c;
		memcpy(v->cache_name, c->name, sizeof(v->cache_name));
		v->cache_id = mpp_cache_alive(c) ? mpp_cache_id(c) : c->old_id;
	}
	return v;
}

void mpp_cache_describe(struct mpp_fault *f, const struct mp_cache *c, const struct mpp_slab *s,
			const void *pointer)
{
	void *chunk = mpp_slab_chunk(s);
	size_t offset = (uintptr_t)pointer - (uintptr_t)chunk;
	size_t first = mpp_slab_first(chunk, &c->g);
	/* relaxed: for a message */
	uint32_t count = mpp_word_count(mpp_load_relaxed(&s->word));

	f->slab = chunk;
	f->offset = offset;
	f->size = c->size;
	f->capacity = c->g.capacity;
	f->live = count <= c->g.capacity ? c->g.capacity - count : 0;
	if (offset >= first && (offset - first) / c->g.slot < c->g.capacity) {
		f->index = (offset - first) / c->g.slot;
		f->object = mpp_slab_object(s, &c->g, f->index);
		f->offset = (uintptr_t)pointer - (uintptr_t)f->object;
	}
}

void mpp_faults_report(struct mpp_faults *f)
{
	unsigned n = f->n;

	if (n > 0 && f->lost > 0) {
		f->v[n - 1].note = "more such faults found with it, not shown";
		f->v[n - 1].found = f->lost;
	}
	f->n = 0;
	f->lost = 0;
	for (unsigned i = 0; i < n; i++) {
		struct mp_cache *c = f->v[i].cache;

		/* the call, or a destructor in it, may have destroyed it since */
		if (c != NULL && f->v[i].kind != MP_ERROR_DEAD_CACHE && !mpp_cache_alive(c))
			f->v[i].cache = NULL;
		mpp_report(&f->v[i]);
	}
}

void mpp_cache_report_dead(const struct mp_cache *c, const char *where)
{
	struct mpp_faults faults = { .n = 0 };

	(void)mpp_cache_fault(&faults, MP_ERROR_DEAD_CACHE, c, c, where);
	mpp_faults_report(&faults);
}

void mpp_cache_fault_header(const struct mp_cache *c, const struct mpp_slab *s,
			    const void *pointer, struct mpp_faults *faults)
{
	struct mpp_fault *f;

	f = mpp_cache_fault(faults, MP_ERROR_SLAB_HEADER, c, pointer, "a check of the slab's header");
	f->slab = mpp_slab_chunk(s);
	f->offset = (uintptr_t)s - (uintptr_t)f->slab;
}

struct mpp_slab *mpp_cache_slab(const struct mp_cache *c, void *head, const void *pointer,
				struct mpp_faults *faults)
{
	struct mpp_slab *s = mpp_slab_of(head, &c->g);

	if (mpp_likely(mpp_slab_has_magic(s, mpp_cache_id(c))))
		return s;
	mpp_cache_fault_header(c, s, pointer, faults);
	return NULL;
}

static struct mpp_slab *slab_at(struct mpp_link *l)
{
	return mpp_container(l, struct mpp_slab, link);
}

bool mpp_cache_may_follow(const struct mp_cache *c, const struct mpp_link *head,
			  const struct mpp_link *l, size_t offset)
{
	uintptr_t s = (uintptr_t)l - offset;
	void *chunk = (void *)(s & ~MPP_CHUNK_MASK);

	return l == head || (mpp_map_get(chunk) == mpp_cache_id(c) &&
			     (uintptr_t)mpp_slab_of(chunk, &c->g) == s);
}

/* Unlink l from the list at head; false, and nothing done, if its links are damaged. */
static bool unlink_locked(const struct mp_cache *c, const struct mpp_link *head,
			  struct mpp_link *l, size_t offset)
{
	if (mpp_unlikely(!mpp_cache_may_follow(c, head, l->next, offset) ||
			 !mpp_cache_may_follow(c, head, l->prev, offset) || !mpp_list_sound(l)))
		return false;
	mpp_list_remove(l);
	return true;
}

/*
 * The links of l are damaged: end the list in front of it.  What stands behind is lost to
 * the cache, and nothing wrong is handed out.  Returns how many are left.
 */
static size_t cut_locked(const struct mp_cache *c, struct mpp_link *head, const struct mpp_link *l)
{
	struct mpp_link *before = head;
	size_t seen = 0;

	/* more of them may be damaged: none is followed out of the cache, or in a circle */
	while (before->next != l && before->next != head && seen < c->slabs &&
	       mpp_cache_may_follow(c, head, before->next, offsetof(struct mpp_slab, link))) {
		before = before->next;
		seen++;
	}
	before->next = head;
	head->prev = before;
	return seen;
}

/* The header of s, on the list at head, is damaged: it is out of use.  False: so is its link. */
static bool cast_out_locked(struct mp_cache *c, struct mpp_link *head, struct mpp_slab *s,
			    struct mpp_faults *faults)
{
	bool linked = unlink_locked(c, head, &s->link, offsetof(struct mpp_slab, link));
	size_t left = linked ? c->empties - 1 : cut_locked(c, head, &s->link);

	if (head == &c->empty)
		c->empties = left;
	mpp_cache_fault_header(c, s, s, faults);
	mpp_slab_make_sick(s);
	return linked;
}

/* From one list, see mpp_cache_supply(). */
static unsigned supply_from_locked(struct mp_cache *c, struct mpp_link *head, uint32_t want,
				   unsigned max, struct mpp_slab **slabs,
				   struct mpp_faults *faults)
{
	struct mpp_link *l, *next;
	uint32_t have = 0;
	unsigned n = 0;

	for (l = head->next; l != head && n < max && have < want; l = next) {
		struct mpp_slab *s = slab_at(l);
		bool sound = mpp_cache_sound(c, s) &&
			     mpp_cache_may_follow(c, head, l->next, offsetof(struct mpp_slab, link));

		next = l->next;
		if (mpp_likely(sound) && !mpp_slab_activate(s))
			continue; /* EMPTYING: its freer waits for the lock (I4) */
		if (mpp_unlikely(!sound ||
				 !unlink_locked(c, head, l, offsetof(struct mpp_slab, link)))) {
			if (cast_out_locked(c, head, s, faults))
				continue;
			break;
		}
		slabs[n++] = s;
		c->empties -= head == &c->empty;
		/* relaxed: frees only raise it; a little more is no harm */
		have += mpp_word_count(mpp_load_relaxed(&s->word));
	}
	return n;
}

unsigned mpp_cache_supply(struct mp_cache *c, uint32_t want, unsigned max,
			  struct mpp_slab **slabs, struct mpp_faults *faults)
{
	unsigned n;

	mpp_lock_acquire(&c->lock);
	n = supply_from_locked(c, &c->partial, want, max, slabs, faults);
	if (n == 0)
		n = supply_from_locked(c, &c->empty, want, max, slabs, faults);
	c->low = mpp_min(c->low, c->empties);
	mpp_lock_release(&c->lock);
	return n;
}

static void construct(const struct mp_cache *c, const struct mpp_slab *s)
{
	for (uint32_t i = 0; i < c->g.capacity; i++) {
		void *obj = mpp_slab_object(s, &c->g, i);

		if (c->ctor != NULL)
			c->ctor(obj);
		else if (c->ctor_arg != NULL)
			c->ctor_arg(obj, c->arg);
	}
}

static void destruct(const struct mp_cache *c, const struct mpp_slab *s)
{
	for (uint32_t i = 0; c->dtor_arg != NULL && i < c->g.capacity; i++)
		c->dtor_arg(mpp_slab_object(s, &c->g, i), c->arg);
}

/*
 * Empties that were given back and are asked for again in the same period had better been
 * kept: where objects come and go in waves, each wave would make its slabs anew.  What was not
 * touched in a whole period is needed no more.
 */
static void regret_locked(struct mp_cache *c)
{
	size_t most = CUSHION_BYTES / ((size_t)c->g.chunks * MP_CHUNK_SIZE);

	if (c->given == 0)
		return;
	c->given--;
	c->cushion = mpp_min(c->cushion + 1, most);
}

static void end_period_locked(struct mp_cache *c)
{
	c->cushion -= mpp_min(c->cushion, c->low);
	c->low = c->empties;
	c->given = 0;
	c->settles = 0;
}

struct mpp_slab *mpp_cache_grow(struct mp_cache *c)
{
	void *chunk = mpp_chunk_alloc(c->g.chunks);
	struct mpp_slab *s;

	if (chunk == NULL)
		return NULL;
	s = mpp_slab_init(chunk, &c->g, mpp_cache_id(c));
	if (c->watch.letters != 0)
		mpp_watch_slab(&c->watch, s, &c->g);
	if (c->ctor != NULL || c->ctor_arg != NULL)
		construct(c, s);
	mpp_watch_hide(&c->watch, s, &c->g);
	if (!mpp_map_publish(chunk, c->g.chunks, mpp_cache_id(c))) {
		mpp_watch_show(&c->watch, s, &c->g);
		destruct(c, s);
		mpp_slab_clear_magic(s);
		mpp_chunk_free(chunk, c->g.chunks);
		return NULL;
	}
	mpp_lock_acquire(&c->lock);
	mpp_list_append(&c->all, &s->all);
	c->slabs++;
	regret_locked(c);
	mpp_lock_release(&c->lock);
	return s;
}

/* Empties to keep: a few, an eighth of all, what prealloc asked for; all if type-stable. */
static size_t keep_locked(const struct mp_cache *c)
{
	if (c->flags & MP_TYPE_STABLE)
		return SIZE_MAX;
	return mpp_max(1 + c->slabs / 8, mpp_max(c->keep, c->cushion));
}

/* Take the oldest empty slab off all lists, into chain; false if there is none, it is looked
 * at, or damage. */
static bool strip_one_locked(struct mp_cache *c, struct mpp_chain *chain,
			     struct mpp_faults *faults)
{
	struct mpp_slab *s = slab_at(c->empty.next);

	if (mpp_list_empty(&c->empty) || c->walks != 0)
		return false;
	if (!mpp_cache_sound(c, s) ||
	    !unlink_locked(c, &c->empty, &s->link, offsetof(struct mpp_slab, link))) {
		(void)cast_out_locked(c, &c->empty, s, faults);
		return false;
	}
	c->empties--;
	if (!unlink_locked(c, &c->all, &s->all, offsetof(struct mpp_slab, all))) {
		mpp_cache_fault_header(c, s, s, faults);
		mpp_slab_make_sick(s);
		return false;
	}
	c->slabs--;
	/* relaxed: under the lock; mp_cache_destroy() waits for it to sink to 0 */
	mpp_add_relaxed(&c->retiring, 1);
	mpp_chain_add(chain, s);
	return true;
}

/* Put one slab where it belongs.  EMPTYING ones are linked already, others are not (I5). */
static void settle_one_locked(struct mp_cache *c, struct mpp_slab *s, struct mpp_faults *faults)
{
	/* relaxed: the slab is ours, nobody else changes its state (I4) */
	bool linked = mpp_word_state(mpp_load_relaxed(&s->word)) == MPP_SLAB_EMPTYING;

	if (linked && !unlink_locked(c, &c->partial, &s->link, offsetof(struct mpp_slab, link))) {
		mpp_cache_fault_header(c, s, s, faults);
		mpp_slab_make_sick(s);
		return;
	}
	switch (mpp_slab_settle(s, &c->g)) {
	case MPP_SLAB_PARTIAL:
		mpp_list_append(&c->partial, &s->link);
		break;
	case MPP_SLAB_EMPTY:
		mpp_list_append(&c->empty, &s->link);
		c->empties++;
		break;
	default: /* FULL and SICK are on no list */
		break;
	}
}

static void strip_surplus_locked(struct mp_cache *c, struct mpp_chain *surplus,
				 struct mpp_faults *faults)
{
	if (++c->settles == PERIOD)
		end_period_locked(c);
	for (; c->empties > keep_locked(c); c->given++)
		if (!strip_one_locked(c, surplus, faults))
			break;
}

void mpp_cache_unwalk(struct mp_cache *c, struct mpp_chain *surplus, struct mpp_faults *faults)
{
	mpp_lock_acquire(&c->lock);
	if (c->walks != 0) /* a fork in the walk made an end of all of them in the child */
		c->walks--;
	strip_surplus_locked(c, surplus, faults);
	mpp_lock_release(&c->lock);
}

void mpp_cache_settle(struct mp_cache *c, struct mpp_chain *chain, struct mpp_chain *surplus,
		      struct mpp_faults *faults)
{
	struct mpp_slab *s = chain->first, *next;

	if (s == NULL)
		return;
	mpp_lock_acquire(&c->lock);
	for (; s != NULL; s = next) {
		next = s->chain;
		settle_one_locked(c, s, faults);
	}
	strip_surplus_locked(c, surplus, faults);
	mpp_lock_release(&c->lock);
	chain->first = NULL;
}

/* Slabs for so many objects. */
static size_t slabs_for(const struct mp_cache *c, size_t n)
{
	return n / c->g.capacity + (n % c->g.capacity != 0);
}

size_t mpp_cache_want(struct mp_cache *c, size_t n, size_t *before)
{
	struct mpp_link *l;
	size_t have;

	mpp_lock_acquire(&c->lock);
	have = c->empties * c->g.capacity;
	mpp_list_each(l, &c->partial) {
		if (!mpp_cache_may_follow(c, &c->partial, l, offsetof(struct mpp_slab, link)))
			break; /* damaged: found when it is taken */
		/* relaxed: frees only raise it */
		have += mpp_word_count(mpp_load_relaxed(&slab_at(l)->word));
	}
	*before = c->keep;
	c->keep = mpp_max(c->keep, slabs_for(c, n));
	mpp_lock_release(&c->lock);
	return have;
}

void mpp_cache_unwant(struct mp_cache *c, size_t n, size_t before)
{
	mpp_lock_acquire(&c->lock);
	if (c->keep == slabs_for(c, n)) /* nobody wanted more since */
		c->keep = before;
	mpp_lock_release(&c->lock);
}

void mpp_cache_unkeep(struct mp_cache *c)
{
	mpp_lock_acquire(&c->lock);
	c->keep = 0;
	mpp_lock_release(&c->lock);
}

void mpp_cache_strip(struct mp_cache *c, struct mpp_chain *chain, struct mpp_faults *faults)
{
	mpp_lock_acquire(&c->lock);
	c->cushion = 0;
	c->given = 0;
	while (!(c->flags & MP_TYPE_STABLE) && c->empties > c->keep)
		if (!strip_one_locked(c, chain, faults))
			break;
	mpp_lock_release(&c->lock);
}

void mpp_cache_strip_all(struct mp_cache *c, struct mpp_chain *chain)
{
	struct mpp_link *l, *next;
	size_t left = c->slabs;

	mpp_lock_acquire(&c->lock);
	for (l = c->all.next; l != &c->all && left > 0; l = next, left--) {
		struct mpp_slab *s = mpp_container(l, struct mpp_slab, all);

		next = l->next;
		if (!mpp_cache_may_follow(c, &c->all, next, offsetof(struct mpp_slab, all)))
			break;
		if (!mpp_cache_sound(c, s)) /* what is damaged is left alone for good */
			continue;
		/* relaxed: as in strip_one_locked */
		mpp_add_relaxed(&c->retiring, 1);
		mpp_chain_add(chain, s);
	}
	mpp_list_init(&c->all);
	mpp_list_init(&c->partial);
	mpp_list_init(&c->empty);
	c->slabs = 0;
	c->empties = 0;
	mpp_lock_release(&c->lock);
}

/* Done with a slab that was retiring.  If its destructor forked, the child counts none. */
static void unretire(struct mp_cache *c)
{
	/* relaxed: a count */
	uint32_t n = mpp_load_relaxed(&c->retiring);

	/* release: done with the descriptor; pairs with mpp_cache_is_retiring */
	while (n != 0 && !mpp_cas_weak_release(&c->retiring, &n, n - 1))
		continue;
}

size_t mpp_cache_retire(struct mp_cache *c, struct mpp_chain *chain)
{
	struct mpp_slab *s = chain->first, *next;
	size_t bytes = 0;

	for (; s != NULL; s = next) {
		void *chunk = mpp_slab_chunk(s);

		next = s->chain;
		mpp_watch_show(&c->watch, s, &c->g);
		destruct(c, s);
		mpp_map_withdraw(chunk, c->g.chunks);
		mpp_slab_clear_magic(s);
		/* relaxed: the slab is ours alone (I6); the chunk's lock hands it on */
		mpp_store_relaxed(&s->word, mpp_word(MPP_SLAB_NONE, 0));
		mpp_chunk_free(chunk, c->g.chunks);
		bytes += (size_t)c->g.chunks * MP_CHUNK_SIZE;
		unretire(c);
	}
	chain->first = NULL;
	return bytes;
}

static void raise_peak(struct mp_cache *c, size_t n)
{
	/* relaxed: a mark, it guards nothing */
	size_t peak = mpp_load_relaxed(&c->peak);

	/* relaxed: as above */
	while (n > peak && !mpp_cas_weak_relaxed(&c->peak, &peak, n))
		continue;
}

void mpp_cache_count_taken(struct mp_cache *c, size_t n)
{
	/* relaxed: counts and marks, they guard nothing */
	uint64_t taken = mpp_add_relaxed(&c->taken, n) + n;
	/* relaxed: as above */
	size_t out = (size_t)(taken - mpp_load_relaxed(&c->returned));

	/* out may be stale and then is only too large by what is on its way */
	if (!c->counted && out <= SIZE_MAX / 2)
		raise_peak(c, out);
}

void mpp_cache_count_allocs(struct mp_cache *c, size_t n)
{
	/* relaxed: counts and marks, they guard nothing */
	mpp_add_relaxed(&c->allocs, n);
	if (c->counted) /* relaxed: as above */
		raise_peak(c, mpp_load_relaxed(&c->live));
}

void mpp_cache_count_leaked(struct mp_cache *c)
{
	/* relaxed: a count */
	mpp_add_relaxed(&c->leaked, 1);
}

void mpp_cache_count_returned(struct mp_cache *c, size_t n)
{
	/* relaxed: a count */
	mpp_add_relaxed(&c->returned, n);
}

void mpp_cache_count_failed(struct mp_cache *c)
{
	/* relaxed: a count */
	mpp_add_relaxed(&c->failed, 1);
}

size_t mpp_cache_out(const struct mp_cache *c)
{
	/* relaxed: exact only when nobody works on the cache; returned first, so
	 * that the difference is not negative */
	uint64_t returned = mpp_load_relaxed(&c->returned);

	/* relaxed: as above */
	return (size_t)(mpp_load_relaxed(&c->taken) - returned);
}

bool mpp_cache_admit(struct mp_cache *c, size_t n)
{
	/* relaxed: the counter alone is the limit, it guards no memory */
	size_t live = mpp_load_relaxed(&c->live);
	/* relaxed: set before the first allocation */
	size_t max = mpp_load_relaxed(&c->max_objects);

	do {
		if (max != 0 && (live >= max || n > max - live))
			return false;
		/* relaxed: as above */
	} while (!mpp_cas_weak_relaxed(&c->live, &live, live + n));
	return true;
}

void mpp_cache_release(struct mp_cache *c, size_t n)
{
	/* relaxed: as in mpp_cache_admit */
	size_t live = mpp_load_relaxed(&c->live);

	/* relaxed: as above; the child of a fork in a constructor did not count its object */
	while (!mpp_cas_weak_relaxed(&c->live, &live, live - mpp_min(n, live)))
		continue;
}
