/* SPDX-License-Identifier: MIT */
/*
 * os_guard_unix.c - layer 1: told of memory faults, on POSIX systems.
 *
 * The handlers found at installation are called afterwards, as they asked to be; where
 * there was none, the default action follows.  No lock.
 */
#include "os.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#if defined(__linux__) && defined(__x86_64__)
#include <ucontext.h>
#endif

static void (*told)(const void *address, enum mpp_os_access access);
static struct sigaction before_segv, before_bus;

/* Whether it was a read or a write, where the processor says so. */
static enum mpp_os_access access_of(const void *context)
{
#if defined(__linux__) && defined(__x86_64__) && defined(REG_ERR)
	const ucontext_t *u = context;

	return u->uc_mcontext.gregs[REG_ERR] & 2 ? MPP_OS_WRITE : MPP_OS_READ;
#else
	(void)context;
	return MPP_OS_ACCESS;
#endif
}

static void set_default(int number)
{
	struct sigaction plain;

	memset(&plain, 0, sizeof(plain));
	plain.sa_handler = SIG_DFL;
	(void)sigaction(number, &plain, NULL);
}

/* As if the default action stood from the start. */
static void take_default(int number, const siginfo_t *info)
{
	set_default(number);
#if defined(__APPLE__) /* the code of one that was sent is that of a fault (xnu, sendsig()) */
	(void)info;
	(void)raise(number);
#else
	if (info->si_code <= 0) /* sent by a program: the fault does not come again */
		(void)raise(number);
#endif
}

static void handle(int number, siginfo_t *info, void *context)
{
	struct sigaction *before = number == SIGSEGV ? &before_segv : &before_bus;
	int saved = errno;

	if (info->si_code > 0)
		told(info->si_addr, access_of(context));
	if (before->sa_flags & (int)SA_RESETHAND)
		set_default(number); /* it is called once: the next one is the last */
	if (before->sa_flags & SA_SIGINFO) {
		errno = saved;
		before->sa_sigaction(number, info, context);
	} else if (before->sa_handler == SIG_IGN && info->si_code <= 0) {
		errno = saved;
	} else if (before->sa_handler == SIG_DFL || before->sa_handler == SIG_IGN) {
		take_default(number, info); /* a fault cannot be ignored */
	} else {
		errno = saved;
		before->sa_handler(number);
	}
}

static void install(int number, struct sigaction *before)
{
	struct sigaction ours;

	if (sigaction(number, NULL, before) != 0)
		return;
	memset(&ours, 0, sizeof(ours));
	ours.sa_sigaction = handle;
	ours.sa_mask = before->sa_mask;
	ours.sa_flags = SA_SIGINFO | SA_ONSTACK | (before->sa_flags & (SA_NODEFER | SA_RESTART));
	(void)sigaction(number, &ours, NULL);
}

void mpp_os_on_fault(void (*fn)(const void *address, enum mpp_os_access access))
{
	int saved = errno;

	told = fn;
	install(SIGSEGV, &before_segv);
	install(SIGBUS, &before_bus);
	errno = saved;
}
