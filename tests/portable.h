/* SPDX-License-Identifier: MIT */
/*
 * portable.h - what the tests use of POSIX, where Windows has it under another name; and
 * whether a sanitizer looks on.
 *
 * Threads, barriers and clocks are those of <pthread.h> and <time.h>: mingw has them,
 * made of the system's own.
 */
#ifndef TESTS_PORTABLE_H
#define TESTS_PORTABLE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#if defined(_WIN32)

#ifndef WIN32_LEAN_AND_MEAN
#define WIN32_LEAN_AND_MEAN
#endif
#ifndef NOMINMAX
#define NOMINMAX
#endif
#include <windows.h>

#include <malloc.h>
#include <psapi.h>

#undef near /* words of the 16-bit time */
#undef far

/* Windows ends a process by a status, not by a signal: abort() by this one. */
#define PORTABLE_ABORTED 3
/* The longest value that a variable of the environment can have, with its name. */
#define PORTABLE_LONGEST 32000

static inline void portable_setenv(const char *name, const char *value)
{
	SetEnvironmentVariableA(name, value);
}

static inline void portable_unsetenv(const char *name)
{
	SetEnvironmentVariableA(name, NULL);
}

/* Addresses that are taken, and cannot be touched. */
static inline void *portable_no_access(size_t size)
{
	return VirtualAlloc(NULL, size, MEM_RESERVE, PAGE_NOACCESS);
}

/* Memory of the system's, zeroed; to be freed as addresses are. */
static inline void *portable_map(size_t size)
{
	return VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

static inline void portable_free_addresses(void *p, size_t size)
{
	(void)size;
	VirtualFree(p, 0, MEM_RELEASE);
}

static inline size_t portable_page(void)
{
	SYSTEM_INFO info;

	GetSystemInfo(&info);
	return info.dwPageSize;
}

/* Bytes of this process in memory; 0 where that is not known. */
static inline size_t portable_resident(void)
{
	PROCESS_MEMORY_COUNTERS counters;

	return K32GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof(counters)) ?
		       counters.WorkingSetSize :
		       0;
}

static inline void *portable_aligned_alloc(size_t align, size_t size)
{
	return _aligned_malloc(size, align);
}

static inline void portable_aligned_free(void *p)
{
	_aligned_free(p);
}

/* vsnprintf() whose %p is as everywhere else, 0x and the shortest number. */
static inline int portable_vsnprintf(char *to, size_t size, const char *format, va_list args)
{
	char changed[1024];
	size_t n = 0;

	for (; *format != '\0' && n < sizeof(changed) - 8; format++) {
		if (format[0] == '%' && format[1] == 'p') {
			n += (size_t)snprintf(changed + n, 8, "0x%s",
					      sizeof(void *) > 4 ? "%llx" : "%x");
			format++;
		} else {
			changed[n++] = *format;
		}
	}
	changed[n] = '\0';
	return vsnprintf(to, size, changed, args);
}

#else

#include <sys/mman.h>
#include <unistd.h>

#define PORTABLE_LONGEST 100000

static inline void portable_setenv(const char *name, const char *value)
{
	setenv(name, value, 1);
}

static inline void portable_unsetenv(const char *name)
{
	unsetenv(name);
}

static inline void *portable_no_access(size_t size)
{
	return mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static inline void *portable_map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED ? p : NULL;
}

static inline void portable_free_addresses(void *p, size_t size)
{
	munmap(p, size);
}

static inline size_t portable_page(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static inline size_t portable_resident(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long all, resident = 0;

	if (f != NULL) {
		if (fscanf(f, "%lu %lu", &all, &resident) != 2)
			resident = 0;
		fclose(f);
	}
	return resident * portable_page();
}

static inline void *portable_aligned_alloc(size_t align, size_t size)
{
	return aligned_alloc(align, size);
}

static inline void portable_aligned_free(void *p)
{
	free(p);
}

static inline int portable_vsnprintf(char *to, size_t size, const char *format, va_list args)
{
	return vsnprintf(to, size, format, args);
}

#endif

#if defined(__APPLE__)

#include <pthread.h>

/* macOS leaves this part of POSIX out. */
typedef struct {
	pthread_mutex_t mutex;
	pthread_cond_t all_there;
	unsigned count, waiting, round;
} pthread_barrier_t;

static inline int pthread_barrier_init(pthread_barrier_t *b, const void *attributes, unsigned n)
{
	(void)attributes;
	b->count = n;
	b->waiting = b->round = 0;
	return pthread_mutex_init(&b->mutex, NULL) || pthread_cond_init(&b->all_there, NULL);
}

static inline int pthread_barrier_wait(pthread_barrier_t *b)
{
	unsigned round;
	bool last;

	pthread_mutex_lock(&b->mutex);
	round = b->round;
	last = ++b->waiting == b->count;
	if (last) {
		b->waiting = 0;
		b->round++;
		pthread_cond_broadcast(&b->all_there);
	}
	while (b->round == round)
		pthread_cond_wait(&b->all_there, &b->mutex);
	pthread_mutex_unlock(&b->mutex);
	return last ? -1 : 0;
}

static inline int pthread_barrier_destroy(pthread_barrier_t *b)
{
	return pthread_mutex_destroy(&b->mutex) || pthread_cond_destroy(&b->all_there);
}

#endif

static inline int portable_snprintf(char *to, size_t size, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = portable_vsnprintf(to, size, format, args);
	va_end(args);
	return n;
}

#endif /* TESTS_PORTABLE_H */
