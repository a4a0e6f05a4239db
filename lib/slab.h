/* SPDX-License-Identifier: MIT */
/*
 * slab.h - layer 4: one slab, its header and its lock-free free list.
 *
 * Compiles alone on C11 atomics: no operating system, no lock, no cache.
 * The theory is at the head of slab.c.
 */
#ifndef MPP_SLAB_H
#define MPP_SLAB_H

#include "atomic.h"
#include "bits.h"
#include "list.h"

/* How a cache cuts its slabs; the same for all of them. */
struct mpp_geometry {
	uint32_t first;			/* const: bytes to the first object at colour 0 */
	uint32_t capacity;		/* const: objects in a slab */
	struct mpp_divisor divisor;	/* const: of slot */
	uint32_t shifts;		/* const: mask of the objects' colour: colors, or 0 */
	uint32_t slot;			/* const: bytes from object to object */
	uint32_t chunks;		/* const: chunks in a slab */
	uint32_t colors;		/* const: mask of the header's colour, multiples of MPP_LINE */
	uint32_t words;			/* const: words of the free list */
};

enum mpp_slab_state {
	MPP_SLAB_NONE = 0,	/* no slab (yet, or any more) */
	MPP_SLAB_ACTIVE,	/* held by one thread, which alone takes from it */
	MPP_SLAB_FULL,		/* no free object, on no list, held by nobody */
	MPP_SLAB_LISTING,	/* was full; the thread whose free ended that will list it */
	MPP_SLAB_PARTIAL,	/* on the cache's list */
	MPP_SLAB_EMPTYING,	/* on the list and wholly free; the last freer will unlist it */
	MPP_SLAB_EMPTY,		/* wholly free, on the cache's list of those */
	MPP_SLAB_SICK,		/* failed a check; never used again */
};

struct mpp_slab {
	/* cold: what the cache's lists need */
	struct mpp_link all;	/* lock:cache, on the cache's list of all slabs */
	struct mpp_link link;	/* lock:cache, on its list while PARTIAL, EMPTYING or EMPTY */
	struct mpp_slab *chain;	/* owner: the next slab of a chain, while held or with a duty */
	uint32_t id;		/* const */
	uint32_t capacity;	/* const, for validation */
	uint32_t slot;		/* const, for validation */
	/* hot: one line for slabs of few objects */
	_Alignas(MPP_LINE) _Atomic uintptr_t magic;	/* atomic: constant while this is a slab */
	_Atomic uint32_t word;	/* atomic: state and count of published free objects */
	_Atomic mpp_bits bits[];/* atomic: 1 is free */
};

_Static_assert(offsetof(struct mpp_slab, magic) == MPP_LINE, "cold and hot do not share a line");

#define MPP_STATE_SHIFT 24
#define MPP_COUNT_MASK (((uint32_t)1 << MPP_STATE_SHIFT) - 1)

mpp_inline enum mpp_slab_state mpp_word_state(uint32_t word)
{
	return (enum mpp_slab_state)(word >> MPP_STATE_SHIFT);
}

mpp_inline uint32_t mpp_word_count(uint32_t word)
{
	return word & MPP_COUNT_MASK;
}

mpp_inline uint32_t mpp_word(enum mpp_slab_state state, uint32_t count)
{
	return (uint32_t)state << MPP_STATE_SHIFT | count;
}

/* What publishing free objects obliges the freer to do. */
enum mpp_slab_duty {
	MPP_DUTY_NONE,
	MPP_DUTY_LIST,		/* it was full: now LISTING, yours to list */
	MPP_DUTY_UNLIST,	/* it is wholly free: now EMPTYING, yours to unlist */
	MPP_DUTY_BROKEN,	/* the count contradicts itself: now SICK */
};

/* What the watching of objects takes beside them. */
struct mpp_extra {
	size_t note;	/* bytes for each object, behind the free list */
	size_t gap;	/* bytes in front of and behind each object */
};

/*
 * Fill in g for objects of size bytes aligned to align (a power of two, at most MPP_ALIGN_MAX).
 * Chooses the chunks per slab for little waste.
 */
void mpp_geometry_init(struct mpp_geometry *g, size_t size, size_t align,
		       const struct mpp_extra *extra);

/*
 * The colour of a slab, by its chunk's number: bytes by which the header and, where their
 * alignment allows, the objects stand further back in the chunk, so that those
 * of different slabs do not share cache sets.  Any address in the chunk will do.
 */
mpp_inline uint32_t mpp_slab_color(const void *chunk, uint32_t mask)
{
	return (uint32_t)(uintptr_t)chunk / (MP_CHUNK_SIZE / MPP_LINE) & mask;
}

mpp_inline struct mpp_slab *mpp_slab_of(void *chunk, const struct mpp_geometry *g)
{
	return mpp_at(chunk, mpp_slab_color(chunk, g->colors));
}

/* Bytes from the chunk to the first object. */
mpp_inline uint32_t mpp_slab_first(const void *chunk, const struct mpp_geometry *g)
{
	return g->first + mpp_slab_color(chunk, g->shifts);
}

mpp_inline void *mpp_slab_chunk(const struct mpp_slab *s)
{
	return (void *)((uintptr_t)s & ~MPP_CHUNK_MASK);
}

mpp_inline void *mpp_slab_object(const struct mpp_slab *s, const struct mpp_geometry *g,
				 size_t index)
{
	void *chunk = mpp_slab_chunk(s);

	return mpp_at(chunk, mpp_slab_first(chunk, g) + index * g->slot);
}

/* Which object p is the first byte of: less than g->capacity, or p is none. */
mpp_inline uint32_t mpp_slab_index(const void *chunk, const void *p, const struct mpp_geometry *g)
{
	return mpp_quotient((uint32_t)((uintptr_t)p - (uintptr_t)chunk) - mpp_slab_first(chunk, g),
			    g->divisor);
}

/* The same where p is known to be in the slab's first chunk, in fewer instructions. */
mpp_inline uint32_t mpp_slab_near_index(const void *p, const struct mpp_geometry *g)
{
	uint32_t offset = (uint32_t)((uintptr_t)p & MPP_CHUNK_MASK) - g->first;

	return mpp_quotient(offset - mpp_slab_color(p, g->shifts), g->divisor);
}

extern uintptr_t mpp_slab_secret; /* const after mpp_slab_set_secret() */

/* What a header's magic has to be. */
mpp_inline uintptr_t mpp_slab_magic(const struct mpp_slab *s, uint32_t id)
{
	return mpp_slab_secret ^ (uintptr_t)s ^ ((uintptr_t)id << 7) ^ (uintptr_t)0x51ab;
}

/* Whether the header is that of a slab of cache id. */
mpp_inline bool mpp_slab_has_magic(const struct mpp_slab *s, uint32_t id)
{
	/* relaxed: lawful looks are ordered by how the object was come by, others by nothing */
	return mpp_load_relaxed(&s->magic) == mpp_slab_magic(s, id);
}

/* This is no slab any more. */
mpp_inline void mpp_slab_clear_magic(struct mpp_slab *s)
{
	/* relaxed: as above */
	mpp_store_relaxed(&s->magic, 0);
}

/* Set once, before the first slab. */
void mpp_slab_set_secret(uintptr_t secret);

/* Dress a chunk: all objects free, state ACTIVE, held by the caller. */
struct mpp_slab *mpp_slab_init(void *chunk, const struct mpp_geometry *g, uint32_t id);

/* Reserve up to want objects for the holder; how many. */
uint32_t mpp_slab_reserve(struct mpp_slab *s, uint32_t want);

/*
 * Collect n reserved objects into out, the lowest address last, so that
 * popping gives them in address order.  Fewer than n: the free list is damaged.
 */
uint32_t mpp_slab_collect(struct mpp_slab *s, const struct mpp_geometry *g, uint32_t n,
			  _Atomic(void *) *out);

/*
 * First half of a free: set bits, return those that were clear.  The others
 * were free already.
 */
mpp_inline mpp_bits mpp_slab_set_bits(struct mpp_slab *s, uint32_t word, mpp_bits mask)
{
	/* acq_rel: release publishes the freed objects' contents, and that this
	 * thread is done with them, to the fetch-and in mpp_slab_collect; acquire
	 * because the old bits decide a double free */
	return mask & ~mpp_or_acq_rel(&s->bits[word], mask);
}

/* Second half: n objects whose bits are set become takeable. */
enum mpp_slab_duty mpp_slab_publish(struct mpp_slab *s, const struct mpp_geometry *g, uint32_t n);

/* The holder found no free object: true if the slab is FULL now, and no longer held. */
bool mpp_slab_leave_full(struct mpp_slab *s);

/*
 * Under the cache's lock: PARTIAL or EMPTY to ACTIVE; false if another
 * thread's duty has it.
 */
bool mpp_slab_activate(struct mpp_slab *s);

/*
 * Under the cache's lock, by the holder or whose duty it is: ACTIVE, LISTING or EMPTYING to
 * FULL (only from ACTIVE), PARTIAL or EMPTY, by its count.  Returns the new state.
 */
enum mpp_slab_state mpp_slab_settle(struct mpp_slab *s, const struct mpp_geometry *g);

/* Never to be used again, whatever it was. */
void mpp_slab_make_sick(struct mpp_slab *s);

/* Count of free objects by their bits; racy unless nobody works on the slab. */
uint32_t mpp_slab_count_bits_racy(const struct mpp_slab *s, const struct mpp_geometry *g);

/* Whether object index has its free bit set. */
mpp_inline bool mpp_slab_is_free(const struct mpp_slab *s, uint32_t index)
{
	/* relaxed: a look, exact only when nobody works on the object */
	return (mpp_load_relaxed(&s->bits[index / MPP_BITS]) >> index % MPP_BITS & 1) != 0;
}

#endif /* MPP_SLAB_H */
