/* SPDX-License-Identifier: MIT */
/*
 * withdraw.c - a slab of two chunks is withdrawn and its second chunk published as
 * another, while somebody looks up a pointer of old: the answer is the old
 * slab, nothing, or the new one with its header (M1, M2, M3).
 *
 * WRONG 1: the new header is written after its code.
 * WRONG 2: the withdrawal comes after the reuse.
 */
#define MODEL_CHUNK_SIZE 65536
#include "model.h"
#include "../../lib/map.c"

static mpp_code leaf[MPP_LEAF_SIZE];
static uint64_t header;

#define CHUNK ((char *)((uintptr_t)(7 * MPP_LEAF_SIZE + 5) * MP_CHUNK_SIZE))
#define SECOND (CHUNK + MP_CHUNK_SIZE)

void *mpp_meta_alloc(size_t size)
{
	assert(size == sizeof(leaf));
	return leaf;
}

void mpp_meta_free(void *p, size_t size)
{
	(void)p;
	(void)size;
}

static void setup(void)
{
	header = 0;
	assert(mpp_map_publish(CHUNK, 2, 7));
}

static void *owner(void *arg)
{
#if WRONG == 1
	mpp_map_withdraw(CHUNK, 2);
	assert(mpp_map_publish(SECOND, 1, 9));
	header = 42;
#elif WRONG == 2
	header = 42;
	assert(mpp_map_publish(SECOND, 1, 9));
	mpp_map_withdraw(CHUNK, 2);
#else
	mpp_map_withdraw(CHUNK, 2);
	header = 42;
	assert(mpp_map_publish(SECOND, 1, 9));
#endif
	return arg;
}

static void *reader(void *arg)
{
	void *head;
	unsigned code = mpp_map_find(SECOND + 100, &head);

	assert(code == 0 || code == 7 || code == 9);
	if (code == 7)
		assert(head == CHUNK);
	if (code == 9)
		assert(head == SECOND && header == 42);
	return arg;
}

static void check(void)
{
	void *head;

	assert(mpp_map_find(SECOND, &head) == 9);
	assert(mpp_map_find(CHUNK, &head) == 0);
}

MODEL_MAIN(setup, owner, reader, reader, check)
