/* SPDX-License-Identifier: MIT */
/*
 * use_after_free_validate.c - the same, found by mp_cache_validate().
 */
#include "death.h"

static void fault(void)
{
	struct mp_cache *c = checked(mp_cache_create("orders", 48, 0, MP_POISON, NULL));
	unsigned char *p = checked(mp_cache_alloc(c));

	mp_cache_free(c, p);
	p = checked(p);
	p[47] = 0;
	expect("mempool: use-after-free-write: cache \"orders\" (id %u) pointer %p\n"
	       "%s"
	       "mempool:   damaged bytes at offset 47: 00\n"
	       "mempool:   found by mp_cache_validate\n",
	       id_of(c), (void *)p, place_of(p));
	if (mp_cache_validate(c) != 1)
		abort();
	p[47] = 0xcc;
}

static void twin(void)
{
	struct mp_cache *c = checked(mp_cache_create("orders", 48, 0, MP_POISON, NULL));

	mp_cache_free(c, checked(mp_cache_alloc(c)));
	if (mp_cache_validate(c) != 0)
		abort();
}

const struct death death = { .fault = fault, .twin = twin,
			    .kind = MP_ERROR_USE_AFTER_FREE_WRITE };
