/* SPDX-License-Identifier: MIT */
/*
 * coverage_exit.c - for scripts/coverage: the counters of a process that ends without exit(),
 * by abort(), _exit() or a fault that is given back to the system, are written too.  Linked with
 * -Wl,--wrap=abort,--wrap=_exit,--wrap=sigaction.
 */
#include <signal.h>
#include <stddef.h>

void __gcov_dump(void);
void __gcov_reset(void);
_Noreturn void __real_abort(void);
_Noreturn void __wrap_abort(void);
_Noreturn void __real__exit(int status);
_Noreturn void __wrap__exit(int status);
int __real_sigaction(int number, const struct sigaction *new, struct sigaction *old);
int __wrap_sigaction(int number, const struct sigaction *new, struct sigaction *old);

_Noreturn void __wrap_abort(void)
{
	__gcov_dump();
	__real_abort();
}

_Noreturn void __wrap__exit(int status)
{
	__gcov_dump();
	__real__exit(status);
}

/* The library's way to let a fault end the process: it comes again. */
int __wrap_sigaction(int number, const struct sigaction *new, struct sigaction *old)
{
	if (new != NULL && new->sa_handler == SIG_DFL && (number == SIGSEGV || number == SIGBUS)) {
		__gcov_dump();
		__gcov_reset();
	}
	return __real_sigaction(number, new, old);
}
