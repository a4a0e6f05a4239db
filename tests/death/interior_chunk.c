/* SPDX-License-Identifier: MIT */
/*
 * interior_chunk.c - the second chunk of a large object is freed.
 */
#include "death.h"

static void fault(void)
{
	struct mp_cache *c = orders((3 * MP_CHUNK_SIZE));
	char *p = checked(mp_cache_alloc(c));

	expect("mempool: interior-pointer: cache \"orders\" (id %u) pointer %p\n"
	       "%s"
	       "mempool:   found by the free\n",
	       id_of(c), (void *)(p + MP_CHUNK_SIZE), place_of(p + MP_CHUNK_SIZE));
	mp_cache_free(c, p + MP_CHUNK_SIZE);
}

static void twin(void)
{
	struct mp_cache *c = orders((3 * MP_CHUNK_SIZE));

	mp_cache_free(c, checked(mp_cache_alloc(c)));
}

const struct death death = { .fault = fault, .twin = twin,
			    .kind = MP_ERROR_INTERIOR_POINTER };
