/* SPDX-License-Identifier: MIT */
/*
 * double_free_late.c - an object freed twice, another one between.
 */
#include "death.h"

static void fault(void)
{
	struct mp_cache *c = orders(48);
	void *p = checked(mp_cache_alloc(c)), *q = checked(mp_cache_alloc(c));
	struct mp_object_info info = { .struct_size = sizeof(info) };
	const char *found = "its slab's free list";

	mp_cache_free(c, p);
	if (mp_object_info(p, &info) == 0 && info.state == MP_OBJECT_FREE)
		found = "the free"; /* configured without magazines: at the call */
	mp_cache_free(c, q);
	if (info.state == MP_OBJECT_CACHED)
		mp_cache_free(c, p);
	expect("mempool: double-free: cache \"orders\" (id %u) pointer %p\n"
	       "%s"
	       "mempool:   found by %s\n",
	       id_of(c), p, place_of(p), found);
	if (info.state == MP_OBJECT_CACHED)
		mp_thread_flush();
	else
		mp_cache_free(c, p);
}

static void twin(void)
{
	struct mp_cache *c = orders(48);
	void *p = checked(mp_cache_alloc(c)), *q = checked(mp_cache_alloc(c));

	mp_cache_free(c, p);
	mp_cache_free(c, q);
	mp_thread_flush();
}

const struct death death = { .fault = fault, .twin = twin, .kind = MP_ERROR_DOUBLE_FREE };
