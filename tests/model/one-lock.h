/* SPDX-License-Identifier: MIT */
/*
 * one-lock.h - lock.c on a sleep and a wake of the model.  The program defines
 * MODEL_LOCK, looks at a held lock before its waiter sleeps, before it includes model.h.
 */
#ifndef ONE_LOCK_H
#define ONE_LOCK_H

#include "lock.h"

#undef MPP_LOCK_SPINS
#define MPP_LOCK_SPINS MODEL_LOCK
#include "../../lib/lock.c"

void mpp_os_wait(_Atomic uint32_t *word, uint32_t expected)
{
	MODEL_WAIT(word, expected);
}

void mpp_os_wake(_Atomic uint32_t *word)
{
	MODEL_WAKE(word);
}

bool mpp_os_write(int fd, const char *text, size_t size)
{
	return fd == 2 && text != NULL && size > 0;
}

_Noreturn void mpp_os_abort(void)
{
	assert(0 && "an assertion of the library");
	for (;;)
		continue;
}

#endif /* ONE_LOCK_H */
