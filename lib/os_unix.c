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

static _Atomic uint64_t calls;
static _Atomic long inject_seen;
static _Atomic long inject_first;
static _Atomic long inject_count;

/* Counts a call, and says whether the test wants it to fail. */
static bool refused(void)
{
	long seen, first;

	/* relaxed: a statistic and a test's switch, they publish nothing */
	mpp_add_relaxed(&calls, 1);
	/* relaxed: as above; the test sets it before it makes the calls */
	first = mpp_load_relaxed(&inject_first);
	/* relaxed: only the number matters */
	seen = mpp_add_relaxed(&inject_seen, 1) + 1;
	/* relaxed: as above */
	return first != 0 && seen >= first && seen - first < mpp_load_relaxed(&inject_count);
}

void mpp_os_inject(long first, long count)
{
	/* relaxed: the test that sets them makes the calls */
	mpp_store_relaxed(&inject_seen, 0);
	/* relaxed: as above */
	mpp_store_relaxed(&inject_count, count);
	/* relaxed: as above */
	mpp_store_relaxed(&inject_first, first);
}

long mpp_os_injected_calls(void)
{
	/* relaxed: a count */
	return mpp_load_relaxed(&inject_seen);
}

uint64_t mpp_os_calls(void)
{
	/* relaxed: a statistic */
	return mpp_load_relaxed(&calls);
}

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

	if (refused())
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
	bool done = !refused() && munmap(p, size) == 0;

	errno = saved;
	return done;
}

#if defined(__linux__)

bool mpp_os_purge(void *p, size_t size)
{
	int saved = errno;
	bool done = !refused() && madvise(p, size, MADV_DONTNEED) == 0;

	errno = saved;
	return done;
}

#else

/* MADV_DONTNEED is a hint elsewhere: only a fresh mapping is sure to read as zero. */
bool mpp_os_purge(void *p, size_t size)
{
	int saved = errno;
	bool done = !refused() &&
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

bool mpp_os_move(void *from, size_t old_size, void *to, size_t new_size)
{
#ifdef MREMAP_FIXED
	int saved = errno;
	bool done = !refused() && mremap(from, old_size, new_size, MREMAP_MAYMOVE | MREMAP_FIXED,
					 to) != MAP_FAILED;

	errno = saved;
	return done;
#else
	(void)from;
	(void)old_size;
	(void)to;
	(void)new_size;
	return false;
#endif
}

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

static pthread_key_t exit_key;
static bool have_key;

bool mpp_os_thread_init(void (*at_exit)(void *value))
{
	have_key = pthread_key_create(&exit_key, at_exit) == 0;
	return have_key;
}

bool mpp_os_thread_arm(void *value)
{
	int saved = errno;
	bool done = have_key && !refused() && pthread_setspecific(exit_key, value) == 0;

	errno = saved;
	return done;
}

void mpp_os_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	/* Refused only for want of memory at start-up; a fork then is unprotected. */
	(void)pthread_atfork(prepare, parent, child);
}

void mpp_os_at_exit(void (*fn)(void))
{
	(void)atexit(fn);
}
