/* SPDX-License-Identifier: MIT */
/*
 * bad_free_bulk.c - one foreign pointer among many.
 */
#include "death.h"

static int global;

static void fault(void)
{
	struct mp_cache *c = orders(48);
	void *p[4];

	p[0] = checked(mp_cache_alloc(c));
	p[1] = NULL;
	p[2] = checked(&global);
	p[3] = checked(mp_alloc(100));
	expect("mempool: bad-free: pointer %p\n"
	       "mempool:   found by the free\n",
	       p[2]);
	mp_cache_free_bulk(NULL, 4, p);
	if (mp_cache_destroy(c) != 0) /* the others were freed */
		abort();
}

static void twin(void)
{
	struct mp_cache *c = orders(48);
	void *p[3];

	p[0] = checked(mp_cache_alloc(c));
	p[1] = NULL;
	p[2] = checked(mp_alloc(100));
	mp_cache_free_bulk(NULL, 3, p);
}

const struct death death = { .fault = fault, .twin = twin, .kind = MP_ERROR_BAD_FREE };
