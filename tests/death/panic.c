/* SPDX-License-Identifier: MIT */
/*
 * panic.c - a cache that cannot be made, with MP_PANIC.
 */
#include "death.h"

#include <errno.h>

static void fault(void)
{
	expect("mempool: panic: cannot create cache \"orders\" (errno %d)\n", EINVAL);
	if (mp_cache_create("orders", 0, 0, MP_PANIC, NULL) == NULL)
		exit(4); /* it came back */
}

static void twin(void)
{
	struct mp_cache *c = checked(mp_cache_create("orders", 8, 0, MP_PANIC, NULL));

	if (mp_cache_create("orders", 0, 0, 0, NULL) != NULL || mp_cache_destroy(c) != 0)
		abort();
}

const struct death death = { .fault = fault, .twin = twin };
