/* SPDX-License-Identifier: MIT */
/*
 * cache.h - layer 5: one cache, its descriptor, its lists of slabs.
 *
 * Knows nothing of threads and magazines.  What it cannot do under its
 * lock (constructors, giving chunks back) it hands up as slabs to work on.
 */
#ifndef MPP_CACHE_H
#define MPP_CACHE_H

#include "debug.h"
#include "lock.h"
#include "map.h"
#include "report.h"
#include "slab.h"

#define MPP_CACHE_ALIVE 0x6d70616cu
#define MPP_CACHE_DYING 0x6d706479u
#define MPP_CACHE_DEAD 0x6d706465u

/* Caches with ids below this have their magazine's slot inside the thread's state. */
#define MPP_INLINE_IDS 256u
#define MPP_SLOT_SIZE 32u

/* Where an object of a cache is had, and freed to, when the hit path has none or no room. */
enum mpp_route {
	MPP_ROUTE_SLOW = 0,	/* object.c */
	MPP_ROUTE_PLAIN,	/* the hit path serves it, object.c what that leaves */
	MPP_ROUTE_SAMPLED,	/* guarded, and nothing else: checked.h, then object.c */
	MPP_ROUTE_HARD,		/* hardened, and nothing else: as above */
	MPP_ROUTE_WATCHED,	/* looked at by us alone: as above */
};

/* Which allocations are made to fail. */
struct mpp_fail {
	_Atomic uint32_t when;	/* atomic: enum mp_fail_when */
	_Atomic uint64_t n;	/* atomic: see there; 0 only before the first plan */
	_Atomic uint64_t seed;	/* atomic: of ONE_IN */
	_Atomic uint64_t seen;	/* atomic: allocations counted */
};

struct mp_cache {
	/* the hit path: one line, constant while the cache lives */
	struct mpp_geometry g;		/* const */
	_Atomic uint32_t push_offset;	/* atomic: as slot_offset, for frees */
	_Atomic uint32_t slot_offset;	/* atomic: of the slot in the thread's state; 0's is never
					   filled, for caches that are not served there.  Where
					   it stands: see struct mpp_slot */
	_Atomic uint32_t id;		/* atomic: 1 to MPP_ID_MAX; 0 once dead */
	_Atomic uint32_t magic;		/* atomic: MPP_CACHE_ALIVE, _DYING, _DEAD */
	size_t size;			/* const: as asked for */

	/* properties */
	unsigned flags;					/* const: MP_* */
	size_t align;					/* const */
	void (*ctor)(void *obj);			/* const: or NULL */
	void (*ctor_arg)(void *obj, void *arg);		/* const: or NULL */
	void (*dtor_arg)(void *obj, void *arg);		/* const: or NULL */
	void *arg;					/* const */
	struct mpp_watch watch;	/* const: what is looked at in its objects */
	/* the next three and the route: lock:lock before the first allocation, const then */
	bool direct;		/* no magazines: limited or huge */
	bool counted;		/* limited: live, allocs and peak are kept exactly */
	bool tallied;		/* allocs are kept exactly */
	unsigned char route;	/* enum mpp_route, who serves it when the hit path does not */
	bool builtin;		/* const */
	size_t guard_rate;	/* const: one allocation in so many is guarded; 0 is none */
	uint32_t magazine_max;	/* const: most objects a thread's magazine may hold */
	struct mpp_fail *fail;	/* const after the first allocation: or NULL */
	struct mpp_fail own_fail;	/* what mp_cache_set_fail() sets */
	_Atomic size_t max_objects;	/* atomic: 0 is no limit; set before first use */
	char name[MPP_NAME_MAX];	/* const */
	struct mp_cache *next;		/* lock:registry, in the line of tombstones */
	uint32_t old_id;		/* lock:registry: the id of a tombstone */
	uint64_t born;			/* const: its number among all that were created */

	/* slabs */
	_Alignas(MPP_LINE) struct mpp_lock lock;	/* rank MPP_RANK_CACHE */
	struct mpp_link all;		/* lock:lock, every slab */
	struct mpp_link partial;	/* lock:lock, oldest first */
	struct mpp_link empty;		/* lock:lock */
	size_t slabs;			/* lock:lock */
	size_t empties;			/* lock:lock */
	size_t keep;			/* lock:lock, empties that prealloc wants kept */
	size_t cushion;			/* lock:lock, empties kept since they come and go */
	size_t low;			/* lock:lock, fewest empties in this period, see cache.c */
	uint32_t given;			/* lock:lock, empties given back in it, not asked for again */
	uint32_t settles;		/* lock:lock */
	_Atomic uint32_t shrinks;	/* atomic: how often asked to shrink */
	_Atomic uint32_t retiring;	/* atomic: slabs off all lists and not yet given back */
	uint32_t walks;			/* lock:lock: looks at its slabs; none is given back meanwhile */
	uint32_t pins;			/* lock:registry: walks that look at this cache */
	bool lost;			/* lock:registry: a fork lost a slab that was retiring */

	/* counts, by the slow path */
	_Alignas(MPP_LINE) _Atomic uint64_t taken;	/* atomic: objects that left slabs */
	_Atomic uint64_t returned;	/* atomic: objects that came back */
	_Atomic size_t peak;		/* atomic: most of taken - returned */
	_Atomic uint64_t failed;	/* atomic */
	_Atomic size_t live;		/* atomic: of counted caches only, exact */
	_Atomic uint64_t allocs;	/* atomic: of tallied caches, less what leaves still hold */
	size_t guarded;			/* lock:guard: those of taken that are in no slab */
	_Atomic size_t leaked;		/* atomic: objects lost on purpose */
	_Atomic uint64_t moved;		/* atomic: taken + returned at the last look of purge.c */
};

_Static_assert(offsetof(struct mp_cache, id) < MPP_LINE, "the hit path reads one line");
_Static_assert(offsetof(struct mp_cache, lock) % MPP_LINE == 0, "which no lock shares");
_Static_assert(offsetof(struct mp_cache, taken) % MPP_LINE == 0, "nor counts");

/* Whether a header is that of a slab of c, all of what is constant in it. */
mpp_inline bool mpp_cache_sound(const struct mp_cache *c, const struct mpp_slab *s)
{
	/* relaxed: constant while the cache lives */
	uint32_t id = mpp_load_relaxed(&c->id);

	return mpp_slab_has_magic(s, id) && s->id == id &&
	       s->capacity == c->g.capacity && s->slot == c->g.slot;
}

/* Faults found under a lock, reported without. */
#define MPP_FAULTS_MAX 7
struct mpp_faults {
	unsigned n;
	unsigned lost;				/* for want of room */
	struct mpp_fault v[MPP_FAULTS_MAX + 1];	/* the last is for those that find no room */
};

mpp_inline void mpp_faults_init(struct mpp_faults *f)
{
	f->n = 0; /* the rest is written as it is used */
	f->lost = 0;
}

/* A new fault of this cache in f, zeroed but for that; lost if there is no room. */
struct mpp_fault *mpp_cache_fault(struct mpp_faults *f, enum mp_error_kind kind,
				  const struct mp_cache *c, const void *pointer,
				  const char *where);
/* Whether l, of the list at head, is where the cache's slabs have the link at offset: it may
 * be followed; under the cache's lock. */
bool mpp_cache_may_follow(const struct mp_cache *c, const struct mpp_link *head,
			  const struct mpp_link *l, size_t offset);
/* A damaged header of a slab. */
void mpp_cache_fault_header(const struct mp_cache *c, const struct mpp_slab *s,
			    const void *pointer, struct mpp_faults *faults);
/* Fill in what is known of the object at index of a slab. */
void mpp_cache_describe(struct mpp_fault *f, const struct mp_cache *c, const struct mpp_slab *s,
			const void *pointer);
/* The handle of a destroyed cache was used; no lock held. */
mpp_cold void mpp_cache_report_dead(const struct mp_cache *c, const char *where);
/* Report them all, with no lock held and nothing half done: a handler may not return. */
void mpp_faults_report(struct mpp_faults *f);

mpp_inline bool mpp_cache_alive(const struct mp_cache *c)
{
	/* acquire: the descriptor, for walks that came by its id; pairs with mpp_registry_add */
	return mpp_load_acquire(&c->magic) == MPP_CACHE_ALIVE;
}

mpp_inline uint32_t mpp_cache_id(const struct mp_cache *c)
{
	/* relaxed: constant while the cache lives */
	return mpp_load_relaxed(&c->id);
}

/*
 * The slab that the chunk at head is the start of, if the header is sound; NULL
 * and a fault if it is not.
 */
struct mpp_slab *mpp_cache_slab(const struct mp_cache *c, void *head, const void *pointer,
				struct mpp_faults *faults);

/*
 * Take slabs from the cache's lists, at most max of them, until they have want
 * objects together: they become ACTIVE, the caller's.  Returns how many.
 */
unsigned mpp_cache_supply(struct mp_cache *c, uint32_t want, unsigned max,
			  struct mpp_slab **slabs, struct mpp_faults *faults);

/*
 * A new slab, constructed, in the owner map, ACTIVE and the caller's; NULL without memory.  No
 * lock may be held: the constructor runs.
 */
struct mpp_slab *mpp_cache_grow(struct mp_cache *c);

/* Slabs chained by whoever holds them or has their duty. */
struct mpp_chain {
	struct mpp_slab *first;
};

mpp_inline void mpp_chain_add(struct mpp_chain *chain, struct mpp_slab *s)
{
	s->chain = chain->first;
	chain->first = s;
}

/*
 * Put the slabs of chain, held by the caller or its duty, on the lists where
 * their counts belong; chain is empty then.  Those that the cache has no use for are
 * added to surplus: the caller passes it to mpp_cache_retire() once it holds no lock.
 */
void mpp_cache_settle(struct mp_cache *c, struct mpp_chain *chain, struct mpp_chain *surplus,
		      struct mpp_faults *faults);

/*
 * Objects in slabs that nobody holds; and the cache keeps from now on as
 * many empty slabs as n objects need, before as many as *before.
 */
size_t mpp_cache_want(struct mp_cache *c, size_t n, size_t *before);
/* They could not be had: as before, unless somebody wanted more meanwhile. */
void mpp_cache_unwant(struct mp_cache *c, size_t n, size_t before);

/* Forget what mpp_cache_want() asked to keep. */
void mpp_cache_unkeep(struct mp_cache *c);

/* A look at the slabs, begun by raising walks, is over: give back what was kept for it. */
void mpp_cache_unwalk(struct mp_cache *c, struct mpp_chain *surplus, struct mpp_faults *faults);

/* Empty slabs that the cache keeps but could give back, into chain. */
void mpp_cache_strip(struct mp_cache *c, struct mpp_chain *chain, struct mpp_faults *faults);

/* Every slab, of a cache that is being destroyed and has no object out. */
void mpp_cache_strip_all(struct mp_cache *c, struct mpp_chain *chain);

/* Destroy the objects and give the chunks back; no lock held.  Returns the bytes. */
size_t mpp_cache_retire(struct mp_cache *c, struct mpp_chain *chain);

/* Whether another thread has slabs of c still to retire. */
mpp_inline bool mpp_cache_is_retiring(const struct mp_cache *c)
{
	/* acquire: that thread is done with the descriptor; pairs with mpp_cache_retire */
	return mpp_load_acquire(&c->retiring) != 0;
}

/* Count objects that left (came back to) slabs. */
void mpp_cache_count_taken(struct mp_cache *c, size_t n);
void mpp_cache_count_returned(struct mp_cache *c, size_t n);
void mpp_cache_count_failed(struct mp_cache *c);

/* Tallied caches: n objects went to the program. */
void mpp_cache_count_allocs(struct mp_cache *c, size_t n);
/* An object was damaged and will not be used again. */
void mpp_cache_count_leaked(struct mp_cache *c);

/* Objects out of slabs: live, in magazines or leaked. */
size_t mpp_cache_out(const struct mp_cache *c);

/* Counted caches: n more live objects, if there may be. */
bool mpp_cache_admit(struct mp_cache *c, size_t n);
void mpp_cache_release(struct mp_cache *c, size_t n);

#endif /* MPP_CACHE_H */
