/* SPDX-License-Identifier: MIT */
/*
 * os_unix.c - layer 1: POSIX systems, with what Linux and macOS do better.
 *
 * Owns every system call.  Knows nothing of chunks or caches.  No lock.
 */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/syscall.h>
#elif defined(__APPLE__)
#include <sys/random.h>
#endif

#if !defined(MAP_ANONYMOUS) && defined(MAP_ANON)
#define MAP_ANONYMOUS MAP_ANON
#endif
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

extern char **environ;

_Atomic uint32_t mpp_os_page_log;

uint32_t mpp_os_ask_page(void)
{
	size_t n = (size_t)sysconf(_SC_PAGESIZE);
	uint32_t shift = 0;

	while (((size_t)1 << shift) < n)
		shift++;
	/* relaxed: as in mpp_os_page_shift */
	mpp_store_relaxed(&mpp_os_page_log, shift);
	return shift;
}

static void *map_plain(size_t size)
{
	void *p;

	if (mpp_os_refused())
		return NULL;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		 -1, 0);
	return p == MAP_FAILED ? NULL : p;
}

/*
 * Systems place mappings next to each other, so the plain request is
 * often aligned already once the first was; otherwise ask for more and trim.
 */
void *mpp_os_map(size_t size, size_t align)
{
	int saved = errno;
	size_t head, total = size + align;
	char *p = map_plain(size);

	if (p != NULL && ((uintptr_t)p & (align - 1)) != 0) {
		munmap(p, size);
		p = total < size ? NULL : map_plain(total);
		if (p != NULL) {
			head = -(uintptr_t)p & (align - 1);
			/* a trim that fails leaves untouched address space behind */
			if (head != 0)
				munmap(p, head);
			if (align - head != 0)
				munmap(p + head + size, align - head);
			p += head;
		}
	}
	errno = saved;
	return p;
}

bool mpp_os_unmap(void *p, size_t size)
{
	int saved = errno;
	bool done = !mpp_os_refused() && munmap(p, size) == 0;

	errno = saved;
	return done;
}

bool mpp_os_protect(void *p, size_t size, bool open)
{
	int saved = errno;
	bool done = !mpp_os_refused() &&
		    mprotect(p, size, open ? PROT_READ | PROT_WRITE : PROT_NONE) == 0;

	errno = saved;
	return done;
}

#if defined(__linux__)

bool mpp_os_purge(void *p, size_t size)
{
	int saved = errno;
	bool done = !mpp_os_refused() && madvise(p, size, MADV_DONTNEED) == 0;

	errno = saved;
	return done;
}

#else

/*
 * MADV_DONTNEED is a hint elsewhere, and of macOS's MADV_FREE_REUSABLE its header
 * <mach/vm_statistics.h> says that the pages may come back as they were: only a fresh
 * mapping is sure to read as zero.
 */
bool mpp_os_purge(void *p, size_t size)
{
	int saved = errno;
	bool done = !mpp_os_refused() &&
		    mmap(p, size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
			 0) != MAP_FAILED;

	errno = saved;
	return done;
}

#endif

void mpp_os_want_huge(void *p, size_t size)
{
#ifdef MADV_HUGEPAGE
	int saved = errno;

	(void)madvise(p, size, MADV_HUGEPAGE); /* advice: nothing depends on it */
	errno = saved;
#else
	(void)p;
	(void)size;
#endif
}

#if defined(MREMAP_FIXED) && defined(MAP_FIXED_NOREPLACE)

static _Atomic uint32_t cannot_move;	/* atomic: it failed once */

/*
 * What is at to after a failure is not known.  Linux before 6.17 unmaps it before it finds
 * that it cannot move, say pages of which the program has locked or advised a part; and
 * a mapping of another thread may be there since.  To shrink, it would unmap the end before
 * it fails, so that is not asked of it.  A hole can be told from both, and is
 * left as one; otherwise the addresses are given up, which happens once.
 */
static bool move(void *from, size_t old_size, void *to, size_t new_size)
{
	void *probe;

	if (mremap(from, old_size, new_size, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED)
		return true;
	/* relaxed: others may try once more */
	mpp_store_relaxed(&cannot_move, 1);
	probe = mmap(to, new_size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		     -1, 0);
	if (probe != MAP_FAILED) /* at to, or elsewhere if the flag is not known */
		(void)munmap(probe, new_size);
	return false;
}

bool mpp_os_can_move(void)
{
	/* relaxed: a hint */
	return mpp_load_relaxed(&cannot_move) == 0;
}

bool mpp_os_move(void *from, size_t old_size, void *to, size_t new_size)
{
	int saved = errno;
	bool done = false;

	if (mpp_os_refused())
		(void)mpp_os_unmap(to, new_size);
	else
		done = move(from, old_size, to, new_size);
	errno = saved;
	return done;
}

#else

bool mpp_os_can_move(void)
{
	return false;
}

bool mpp_os_move(void *from, size_t old_size, void *to, size_t new_size)
{
	(void)from;
	(void)old_size;
	(void)mpp_os_unmap(to, new_size);
	return false;
}

#endif

uint64_t mpp_os_entropy(void)
{
	int saved = errno;
	uint64_t bits = 0;
	struct timespec ts = { 0, 0 };
	bool done = false;

#if defined(__linux__)
	done = getrandom(&bits, sizeof(bits), GRND_NONBLOCK) == (ssize_t)sizeof(bits);
	if (!done) { /* the kernel's gift to every process */
		const void *given = (const void *)getauxval(AT_RANDOM);

		if (given != NULL) {
			memcpy(&bits, given, sizeof(bits));
			done = true;
		}
	}
#elif defined(__APPLE__)
	done = getentropy(&bits, sizeof(bits)) == 0;
#endif
	if (!done) {
		clock_gettime(CLOCK_REALTIME, &ts);
		bits = ((uint64_t)ts.tv_nsec << 32) ^ (uint64_t)ts.tv_sec ^
		       ((uint64_t)getpid() << 20) ^ (uint64_t)(uintptr_t)&ts;
		bits *= UINT64_C(0x9e3779b97f4a7c15);
	}
	errno = saved;
	return bits;
}

uint64_t mpp_os_clock_ms(void)
{
	struct timespec ts = { 0, 0 };
	uint64_t held = mpp_os_held_clock();

	if (mpp_unlikely(held != 0))
		return held;
#ifdef CLOCK_MONOTONIC_COARSE
	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
#else
	clock_gettime(CLOCK_MONOTONIC, &ts);
#endif
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool is_setuid(void)
{
#if defined(__linux__)
	return getauxval(AT_SECURE) != 0;
#else
	return geteuid() != getuid() || getegid() != getgid();
#endif
}

const char *mpp_os_env(const char *name)
{
	size_t n = strlen(name);

	if (environ == NULL || is_setuid())
		return NULL;
	for (char **e = environ; *e != NULL; e++)
		if (strncmp(*e, name, n) == 0 && (*e)[n] == '=')
			return *e + n + 1;
	return NULL;
}

bool mpp_os_write(int fd, const char *text, size_t size)
{
	int saved = errno;
	bool done = true;

	while (size > 0) {
		ssize_t n = write(fd, text, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			done = false;
			break;
		}
		text += n;
		size -= (size_t)n;
	}
	errno = saved;
	return done;
}

int mpp_os_create(const char *path)
{
	int saved = errno;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	errno = saved;
	return fd;
}

void mpp_os_close(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
}

_Noreturn void mpp_os_abort(void)
{
	abort();
}

#if defined(__linux__)

/* The kernel's numbers; its header is not on every system that has the call. */
#define WAIT_PRIVATE 128
#define WAKE_PRIVATE 129

void mpp_os_wait(_Atomic uint32_t *word, uint32_t expected)
{
	int saved = errno;

	syscall(SYS_futex, word, WAIT_PRIVATE, expected, NULL, NULL, 0);
	errno = saved;
}

void mpp_os_wake(_Atomic uint32_t *word)
{
	int saved = errno;

	syscall(SYS_futex, word, WAKE_PRIVATE, 1, NULL, NULL, 0);
	errno = saved;
}

#else

/* What macOS has for this is private (__ulock_wait) or younger than most of its versions
 * (os_sync_wait_on_address, 14.4). */
void mpp_os_wait(_Atomic uint32_t *word, uint32_t expected)
{
	(void)word;
	(void)expected;
	sched_yield();
}

void mpp_os_wake(_Atomic uint32_t *word)
{
	(void)word;
}

#endif

void mpp_os_yield(void)
{
	sched_yield();
}

void mpp_os_sleep(unsigned ms)
{
	struct timespec ts = { (time_t)(ms / 1000), (long)(ms % 1000) * 1000000 };
	int saved = errno;

	(void)nanosleep(&ts, NULL);
	errno = saved;
}

bool mpp_os_thread_start(void *(*fn)(void *arg), void *arg)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int saved = errno, error;

	if (mpp_os_refused() || pthread_attr_init(&attr) != 0)
		return false;
	(void)pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	error = pthread_create(&thread, &attr, fn, arg);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	(void)pthread_attr_destroy(&attr);
	errno = saved;
	return error == 0;
}

static pthread_key_t exit_key;
static bool have_key;

void *mpp_os_thread_armed(void)
{
	return have_key ? pthread_getspecific(exit_key) : NULL;
}

#if defined(__APPLE__)

/*
 * On macOS thread-local variables are memory of the dynamic loader, behind a key of
 * its own (dyld, ThreadLocalVariables.cpp): they may be gone, and start anew, while
 * destructors of other keys still run.  So whether a thread's end has come by is
 * kept in a key too.  Its destructor sets it again, as POSIX allows a destructor to do
 * (pthread_key_create, PTHREAD_DESTRUCTOR_ITERATIONS rounds).
 */
static pthread_key_t gone_key;
static void (*exit_hook)(void *value);

static void stay_gone(void *value)
{
	(void)pthread_setspecific(gone_key, value);
}

static void at_thread_end(void *value)
{
	(void)pthread_setspecific(gone_key, &gone_key);
	exit_hook(value);
}

bool mpp_os_thread_init(void (*at_exit)(void *value))
{
	exit_hook = at_exit;
	have_key = pthread_key_create(&gone_key, stay_gone) == 0 &&
		   pthread_key_create(&exit_key, at_thread_end) == 0;
	return have_key;
}

static bool is_gone(void)
{
	return pthread_getspecific(gone_key) != NULL;
}

#else

bool mpp_os_thread_init(void (*at_exit)(void *value))
{
	have_key = pthread_key_create(&exit_key, at_exit) == 0;
	return have_key;
}

static bool is_gone(void)
{
	return false; /* thread-local variables outlive all destructors: who asks knows */
}

#endif

bool mpp_os_thread_arm(void *value)
{
	int saved = errno;
	bool done = have_key && !mpp_os_refused() && !is_gone() &&
		    pthread_setspecific(exit_key, value) == 0;

	errno = saved;
	return done;
}

void mpp_os_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	/* Refused only for want of memory at start-up; a fork then is unprotected.  On macOS
	 * too handlers run around fork() of any thread, prepare in reverse order. */
	(void)pthread_atfork(prepare, parent, child);
}

void mpp_os_at_exit(void (*fn)(void))
{
	(void)atexit(fn);
}

#if defined(__GLIBC__)

static void with_status(int status, void *arg)
{
	void (*fn)(int status);

	memcpy(&fn, &arg, sizeof(fn));
	fn(status);
}

void mpp_os_at_exit_status(void (*fn)(int status))
{
	void *arg;

	memcpy(&arg, &fn, sizeof(arg));
	(void)on_exit(with_status, arg);
}

void mpp_os_exit(int status)
{
	/* glibc goes on with the handlers that are left, and ends with the last status */
	exit(status);
}

#else

static void (*exit_fn)(int status);

static void without_status(void)
{
	exit_fn(-1);
}

void mpp_os_at_exit_status(void (*fn)(int status))
{
	exit_fn = fn;
	(void)atexit(without_status);
}

void mpp_os_exit(int status)
{
	(void)fflush(NULL);
	_exit(status);
}

#endif
