/* SPDX-License-Identifier: MIT */
/*
 * publish.c - a new chunk of two granules is published while it is looked up, and
 * while another is published whose leaf is missing too: who finds the code sees the
 * header (M2), no leaf is lost.
 *
 * WRONG 1: the code is stored relaxed.
 * WRONG 2: a leaf is installed by a store.
 * WRONG 3: the look-up is relaxed.
 */
#define MODEL_CHUNK_SIZE 65536
#include "model.h"

#if WRONG == 1
#undef mpp_store_release
#define mpp_store_release(p, v) mpp_store_relaxed(p, v)
#elif WRONG == 2
#undef mpp_cas_acq_rel
#define mpp_cas_acq_rel(p, old, v) (mpp_store_release(p, v), (void)(old), 1)
#elif WRONG == 3
#undef mpp_load_acquire
#define mpp_load_acquire(p) mpp_load_relaxed(p)
#endif
#include "../../lib/map.c"

static mpp_code leaves[2][MPP_LEAF_SIZE];
static _Atomic unsigned used;
static uint64_t header, other_header;

#define CHUNK ((char *)((uintptr_t)(7 * MPP_LEAF_SIZE + 5) * MP_CHUNK_SIZE))
#define OTHER (CHUNK + 4 * (size_t)MP_CHUNK_SIZE)

void *mpp_meta_alloc(size_t size)
{
	assert(size == sizeof(leaves[0]));
	return leaves[mpp_add_relaxed(&used, 1)];
}

void mpp_meta_free(void *p, size_t size)
{
	(void)p;
	(void)size;
}

static void setup(void)
{
	mpp_store_relaxed(&mpp_map.root[7], 0);
	mpp_store_relaxed(&used, 0);
	header = 0;
	other_header = 0;
	for (int i = 0; i < 2; i++)
		for (int j = 5; j < 10; j++)
			mpp_store_relaxed(&leaves[i][j], 0);
}

static void *publisher(void *arg)
{
	header = 42;
	assert(mpp_map_publish(CHUNK, 2, 7));
	return arg;
}

static void *other(void *arg)
{
	void *head;

	other_header = 43;
	assert(mpp_map_publish(OTHER, 1, 9));
	assert(mpp_map_find(OTHER, &head) == 9 && head == OTHER);
	return arg;
}

static void *reader(void *arg)
{
	void *head;
	unsigned code = mpp_map_find(CHUNK + MP_CHUNK_SIZE + 100, &head);

	assert(code == 0 || code == 7);
	if (code == 7)
		assert(head == CHUNK && header == 42);
	code = mpp_map_find(OTHER, &head);
	assert(code == 0 || code == 9);
	if (code == 9)
		assert(other_header == 43);
	return arg;
}

static void check(void)
{
	void *head;

	assert(mpp_map_find(CHUNK + MP_CHUNK_SIZE, &head) == 7 && head == CHUNK);
	assert(mpp_map_find(OTHER, &head) == 9);
	assert(mpp_map_get(CHUNK + 2 * (size_t)MP_CHUNK_SIZE) == 0);
}

MODEL_MAIN(setup, publisher, other, reader, check)
