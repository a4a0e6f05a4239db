/* SPDX-License-Identifier: MIT */
/*
 * live_at_destroy.c - a cache destroyed with objects live.
 */
#include "death.h"

static void fault(void)
{
	struct mp_cache *c = orders(48);
	void *p = checked(mp_cache_alloc(c));

	expect("mempool: live-at-destroy: cache \"orders\" (id %u)\n"
	       "mempool:   live objects: expected 0, found 1\n"
	       "mempool:   among them %p\n"
	       "mempool:   found by mp_cache_destroy\n",
	       id_of(c), p);
	if (mp_cache_destroy(c) == 0)
		abort();
	mp_cache_free(c, p); /* it is still usable */
	if (mp_cache_destroy(c) != 0)
		abort();
}

static void twin(void)
{
	struct mp_cache *c = orders(48);

	mp_cache_free(c, checked(mp_cache_alloc(c)));
	if (mp_cache_destroy(c) != 0)
		abort();
}

const struct death death = { .fault = fault, .twin = twin,
			    .kind = MP_ERROR_LIVE_AT_DESTROY };
