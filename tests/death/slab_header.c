/* SPDX-License-Identifier: MIT */
/*
 * slab_header.c - bytes before the first object overwritten: the header is not trusted.
 */
#include "death.h"

/* Without magazines: each free looks at the header. */
static struct mp_cache *poisoned(void)
{
	return checked(mp_cache_create("orders", MP_CHUNK_SIZE / 2, 0, MP_POISON, NULL));
}

static struct mp_cache_stats stats(struct mp_cache *c)
{
	struct mp_cache_stats s = { .struct_size = sizeof(s) };

	if (mp_cache_get_stats(c, &s) != 0)
		abort();
	return s;
}

/* The header is what is not zero first; its place in the first chunk varies. */
static char *header_of(char *slab)
{
	static const char zeroes[16];
	char *p = slab;

	while (memcmp(p, zeroes, sizeof(zeroes)) == 0)
		p += 64;
	return p;
}

static void fault(void)
{
	struct mp_cache *c = poisoned();
	struct mp_object_info info = { .struct_size = sizeof(info) };
	char *p = checked(mp_cache_alloc(c)), *header;

	if (mp_object_info(p, &info) != 0)
		abort();
	header = header_of(info.slab);
	memset(info.slab, 'x', (size_t)((char *)info.object - (char *)info.slab) -
	       info.index * stats(c).slot_size);
	expect("mempool: slab-header: cache \"orders\" (id %u) pointer %p\n"
	       "mempool:   in slab %p, offset %zu\n"
	       "mempool:   found by a check of the slab's header\n",
	       id_of(c), (void *)p, info.slab, (size_t)(header - (char *)info.slab));
	mp_cache_free(c, p);
}

static void twin(void)
{
	struct mp_cache *c = poisoned();
	char *p = checked(mp_cache_alloc(c));

	memset(p, 'x', MP_CHUNK_SIZE / 2);
	mp_cache_free(c, p);
	mp_thread_flush();
}

const struct death death = { .fault = fault, .twin = twin,
			    .kind = MP_ERROR_SLAB_HEADER, .damaged = true };
