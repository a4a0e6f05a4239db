/* SPDX-License-Identifier: MIT */
/*
 * bad_free_unmapped.c - an address is freed at which nothing can be read.
 */
#include "death.h"

#include <sys/mman.h>

static void fault(void)
{
	void *p = checked(mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

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
