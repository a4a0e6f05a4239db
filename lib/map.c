/* SPDX-License-Identifier: MIT */
/*
 * map.c - layer 3: the map from addresses to codes.
 *
 * See map.h for the theory.  No lock: a leaf is installed by compare-and-swap.
 */
#include "map.h"

#include "meta.h"

/* On 32 bits the root has one entry, and the leaf of zeros is the only leaf there is. */
struct mpp_map mpp_map;

/* The leaf for granule is there, made now if need be. */
static bool have_leaf(uintptr_t granule)
{
	_Atomic uintptr_t *entry = &mpp_map.root[granule >> MPP_LEAF_BITS];
	uintptr_t none = 0;
	void *leaf;

	/* relaxed: only whether there is one */
	if (sizeof(void *) <= 4 || mpp_load_relaxed(entry) != 0)
		return true;
	leaf = mpp_meta_alloc(MPP_LEAF_SIZE * sizeof(mpp_code));
	if (leaf == NULL)
		return false;
	/* acq_rel: the leaf's zeros are published to mpp_map_entry, whose address
	 * dependency pairs with this */
	if (!mpp_cas_acq_rel(entry, &none, (uintptr_t)leaf - (uintptr_t)mpp_map.zeros))
		mpp_meta_free(leaf, MPP_LEAF_SIZE * sizeof(mpp_code));
	return true;
}

static mpp_code *entry_of(uintptr_t granule)
{
	return (mpp_code *)(uintptr_t)mpp_map_entry(granule << MPP_CHUNK_SHIFT);
}

/* Whether each granule carries the code, not the first alone. */
static bool is_numbered(unsigned code)
{
	return code - MPP_CODE_SPANS < MPP_SPANS_CODES;
}

unsigned mpp_map_find(const void *p, void **head)
{
	uintptr_t a = (uintptr_t)p, granule;
	unsigned code;

	*head = NULL;
	if (!mpp_map_in_range(a))
		return 0;
	granule = a >> MPP_CHUNK_SHIFT;
	for (;;) {
		/* acquire: M2, the header behind the code; pairs with mpp_map_publish */
		code = mpp_load_acquire(entry_of(granule));
		if (code <= MPP_CODE_INSIDE)
			break;
		if (granule < code - MPP_CODE_INSIDE)
			return 0;
		granule -= code - MPP_CODE_INSIDE;
	}
	*head = (void *)(granule << MPP_CHUNK_SHIFT);
	if (!is_numbered(code))
		return code;
	*head = (void *)(a & ~(uintptr_t)(MPP_REGION_SIZE - 1));
	return MPP_CODE_LARGE;
}

bool mpp_map_publish(void *head, size_t granules, unsigned code)
{
	uintptr_t first = (uintptr_t)head >> MPP_CHUNK_SHIFT;

	if (!mpp_map_in_range((uintptr_t)head + (granules << MPP_CHUNK_SHIFT) - 1))
		return false;
	for (size_t i = 0; i < granules; i += MPP_LEAF_SIZE)
		if (!have_leaf(first + i))
			return false;
	if (!have_leaf(first + granules - 1))
		return false;
	for (size_t i = granules - 1; i > 0; i--) {
		unsigned back = (unsigned)mpp_min(i, MPP_INSIDE_MAX);

		if (is_numbered(code))
			/* release: M2 as below */
			mpp_store_release(entry_of(first + i), (uint16_t)code);
		else /* relaxed: says only "look further down"; the head's code publishes */
			mpp_store_relaxed(entry_of(first + i), (uint16_t)(MPP_CODE_INSIDE + back));
	}
	/* release: M2, the header written before; pairs with mpp_map_find */
	mpp_store_release(entry_of(first), (uint16_t)code);
	return true;
}

void mpp_map_withdraw(void *head, size_t granules)
{
	uintptr_t first = (uintptr_t)head >> MPP_CHUNK_SHIFT;

	/* relaxed: M3 holds for lawful pointers by M4, for others 0 is always a
	 * right answer; what the granule becomes next is ordered by its owner's lock */
	for (size_t i = 0; i < granules; i++)
		mpp_store_relaxed(entry_of(first + i), 0);
}
