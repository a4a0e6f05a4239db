/* SPDX-License-Identifier: MIT */
/*
 * bad_free_static.c - a static variable is freed.
 */
#include "death.h"

static int global;

static void fault(void)
{
	void *p = checked(&global);

	expect("mempool: bad-free: pointer %p\n"
	       "mempool:   found by the free\n",
	       p);
	free_hidden(p);
}

static void twin(void)
{
	mp_free(NULL);
}

const struct death death = { .fault = fault, .twin = twin, .kind = MP_ERROR_BAD_FREE };
