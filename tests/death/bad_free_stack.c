/* SPDX-License-Identifier: MIT */
/*
 * bad_free_stack.c - a variable on the stack is freed.
 */
#include "death.h"

static void fault(void)
{
	int local = 7;
	void *p = checked(&local);

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
