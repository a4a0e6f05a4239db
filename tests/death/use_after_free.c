/* SPDX-License-Identifier: MIT */
/*
 * use_after_free.c - a freed object of a poisoned cache written to; found at reuse.
 */
#include "death.h"

static void fault(void)
{
	struct mp_cache *c = checked(mp_cache_create("orders", 48, 0, MP_POISON, NULL));
	unsigned char *p = checked(mp_cache_alloc(c));

	/* as it is when found, with magazines and without: taken from the slab */
	expect("mempool: use-after-free-write: cache \"orders\" (id %u) pointer %p\n"
	       "%s", id_of(c), (void *)p, place_of(p));
	mp_cache_free(c, p);
	p = checked(p);
	p[5] = 0x11;
	p[6] = 0x22;
	expect("mempool:   damaged bytes at offset 5: 11 22%s\n"
	       "mempool:   found by the allocation\n",
	       " cc cc cc cc cc cc cc cc cc cc cc cc cc cc");
	for (int i = 0; i < 3; i++) /* it comes up, and is kept out of use */
		if (mp_cache_alloc(c) == p)
			abort();
}

static void twin(void)
{
	struct mp_cache *c = checked(mp_cache_create("orders", 48, 0, MP_POISON, NULL));
	unsigned char *p = checked(mp_cache_alloc(c));

	p[5] = 0x11;
	mp_cache_free(c, p);
	mp_cache_free(c, checked(mp_cache_alloc(c)));
}

const struct death death = { .fault = fault, .twin = twin,
			    .kind = MP_ERROR_USE_AFTER_FREE_WRITE };
