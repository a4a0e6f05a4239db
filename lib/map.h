/* SPDX-License-Identifier: MIT */
/*
 * map.h - layer 3: is this address ours, and whose?
 *
 * Theory.  The address space is cut into granules of MP_CHUNK_SIZE.  A table of two
 * levels gives each granule a 16-bit code: 0 not ours, 1 to MPP_ID_MAX the
 * first chunk of a slab of that cache, MPP_CODE_LARGE the first granule of
 * a region of large spans, MPP_CODE_GUARD the pool of guarded
 * objects, MPP_CODE_SPANS + k every granule of the region of spans with number k
 * (span.h), above that "inside": so many granules
 * behind a first one.  A root entry holds the distance from a shared leaf of zeros
 * to its own leaf, so that an untouched root, all zeros, leads every address
 * to "not ours" without a test.  Leaves are made under a lock and never go away.
 *
 * Guarantees.
 *  M1  A look-up takes two loads, never faults, and never waits.
 *  M2  A code is published with release after the header it announces is
 *      written; who looks up with acquire and finds it, sees that header.
 *  M3  A code is withdrawn before its granule is used for anything else.
 *  M4  For a pointer that the caller lawfully holds, the code cannot change meanwhile,
 *      so a relaxed look-up is enough: the hand-over of the pointer orders it.
 */
#ifndef MPP_MAP_H
#define MPP_MAP_H

#include "atomic.h"
#include "base.h"

#define MPP_ID_MAX 60415u
#define MPP_CODE_LARGE 60416u
#define MPP_CODE_GUARD 60417u
#define MPP_CODE_SPANS 60418u	/* + number, below MPP_SPANS_CODES */
#define MPP_SPANS_CODES 1022u
#define MPP_CODE_INSIDE 61440u	/* + distance, 1 to MPP_INSIDE_MAX */
#define MPP_INSIDE_MAX 4095u	/* "that many or more": look there again */

/* Regions of spans with a number are of this size and aligned to it. */
#define MPP_REGION_SIZE \
	((size_t)MP_CHUNK_SIZE > 4 * MPP_MIB ? (size_t)MP_CHUNK_SIZE : 4 * MPP_MIB)
_Static_assert(MPP_CODE_SPANS + MPP_SPANS_CODES <= MPP_CODE_INSIDE, "codes are apart");

/* Address bits that are told apart, and how the granule number is cut. */
#define MPP_ADDRESS_BITS (sizeof(void *) > 4 ? 48u : 32u)
#define MPP_LEAF_BITS (sizeof(void *) > 4 ? 16u : 32u - MPP_CHUNK_SHIFT)
#define MPP_ROOT_BITS (MPP_ADDRESS_BITS - MPP_CHUNK_SHIFT - MPP_LEAF_BITS)
#define MPP_LEAF_SIZE ((size_t)1 << MPP_LEAF_BITS)
#define MPP_ROOT_SIZE ((size_t)1 << MPP_ROOT_BITS)

typedef _Atomic uint16_t mpp_code;

struct mpp_map {
	_Atomic uintptr_t root[MPP_ROOT_SIZE];	/* atomic: leaf - zeros, in bytes */
	mpp_code zeros[MPP_LEAF_SIZE];		/* const: the shared leaf, all 0 */
};

extern struct mpp_map mpp_map;

/* Where the code of an address in range is. */
mpp_inline const mpp_code *mpp_map_entry(uintptr_t a)
{
	uintptr_t granule = a >> MPP_CHUNK_SHIFT;
	/* relaxed: a leaf's contents are read through atomics that are zero until
	 * set; the address dependency orders the load of the entry behind this one */
	uintptr_t delta = mpp_load_relaxed(&mpp_map.root[granule >> MPP_LEAF_BITS]);
	uintptr_t leaf = (uintptr_t)mpp_map.zeros + delta;

	/* bits that a shift of a narrower word leaves need no mask */
	if (MPP_CHUNK_SHIFT + MPP_LEAF_BITS == 32)
		return (const mpp_code *)leaf + ((uint32_t)a >> MPP_CHUNK_SHIFT);
	return (const mpp_code *)leaf + (granule & (MPP_LEAF_SIZE - 1));
}

mpp_inline bool mpp_map_in_range(uintptr_t a)
{
	return sizeof(void *) <= 4 || a >> (MPP_CHUNK_SHIFT + MPP_LEAF_BITS) < MPP_ROOT_SIZE;
}

/* The code of any address, for comparing only (M4). */
mpp_inline unsigned mpp_map_get(const void *p)
{
	uintptr_t a = (uintptr_t)p;

	if (mpp_unlikely(!mpp_map_in_range(a)))
		return 0;
	/* relaxed: M4 */
	return mpp_load_relaxed(mpp_map_entry(a));
}

/*
 * The code of the head of whatever p is in, and where that starts: the
 * granule itself or, inside, the first one.  0 if p is not ours.  A region with a number is
 * MPP_CODE_LARGE as well.  Acquire: the header may be read.
 */
unsigned mpp_map_find(const void *p, void **head);

/*
 * Publish code for the granule at head and "inside" for the granules - 1
 * behind it, or one of MPP_CODE_SPANS for all of them.  False without memory for a leaf; nothing
 * is published then.
 */
bool mpp_map_publish(void *head, size_t granules, unsigned code);

/* Withdraw what mpp_map_publish() published. */
void mpp_map_withdraw(void *head, size_t granules);

#endif /* MPP_MAP_H */
