/* SPDX-License-Identifier: MIT */
/*
 * bad_free_small.c - a small number is freed.
 */
#include "death.h"

static void fault(void)
{
	void *p = checked((void *)(uintptr_t)8);

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
