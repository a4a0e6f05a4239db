/* SPDX-License-Identifier: MIT */
/*
 * family.c - malloc and its relatives, on the drop-in library that this program is linked with.
 */
#include "../../malloc/malloc.h"

#include <errno.h>
#include <mempool.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(x)                                                                  \
	do {                                                                      \
		atomic_fetch_add(&passed, 1);                                     \
		if (!(x)) {                                                       \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);   \
			exit(1);                                                  \
		}                                                                 \
	} while (0)

static atomic_uint passed; /* of what was checked */

/* The same value, of which the compiler knows nothing. */
static size_t hide(size_t n)
{
	volatile size_t v = n;

	return v;
}

static bool is_ours(const void *p)
{
	struct mp_object_info info = { .struct_size = sizeof(info) };

	return mp_object_info(p, &info) == 0 && info.state == MP_OBJECT_LIVE;
}

static void sizes(void)
{
	for (size_t n = 0; n < 70000; n += n < 5000 ? 1 : 61) {
		unsigned char *p = malloc(hide(n));
		size_t have;

		CHECK(p != NULL && (uintptr_t)p % 16 == 0 && is_ours(p));
		have = malloc_usable_size(p);
		CHECK(have >= n);
		/* four classes per doubling: no more than a quarter is wasted */
		CHECK(n < 128 || n > 32768 || have <= n + n / 4 + 16);
		memset(p, 0xa5, have);
		free(p);
		p = calloc(1, hide(n));
		CHECK(p != NULL);
		for (size_t i = 0; i < n; i++)
			CHECK(p[i] == 0);
		free_sized(p, n);
	}
}

/* What realloc() left in place is freed by its last size. */
static void freed_by_last_size(void)
{
	for (size_t size = 16; size <= 200000; size += size / 2) {
		for (size_t n = size; n > size / 3; n -= 1 + n / 9) {
			char *p = realloc(malloc(size), n);

			CHECK(p != NULL);
			memset(p, 1, n);
			free_sized(p, n);
		}
	}
	free_sized(NULL, 100);
}

static void hopeless(void)
{
	size_t huge = hide((size_t)PTRDIFF_MAX + 1);
	void *p = malloc(10);

	errno = 0;
	CHECK(malloc(huge) == NULL && errno == ENOMEM);
	errno = 0;
	CHECK(calloc(hide(SIZE_MAX / 2), hide(3)) == NULL && errno == ENOMEM);
	errno = 0;
	CHECK(realloc(p, huge) == NULL && errno == ENOMEM);
	errno = 0;
	CHECK(reallocarray(p, hide(SIZE_MAX / 2), hide(3)) == NULL && errno == ENOMEM);
	errno = 0;
	CHECK(pvalloc(hide(SIZE_MAX)) == NULL && errno == ENOMEM);
	for (size_t align = 16; align <= 65536; align *= 2) {
		errno = 0;
		CHECK(aligned_alloc(align, hide(SIZE_MAX)) == NULL && errno == ENOMEM);
		CHECK(aligned_alloc(align, huge) == NULL && errno == ENOMEM);
	}
	errno = 77;
	free(p);
	free(NULL);
	CHECK(errno == 77);
}

static void resizing(void)
{
	unsigned char *p = NULL;
	size_t n = 1;

	for (; n < 3000000; n = n * 5 / 4 + 1) {
		p = realloc(p, hide(n));
		CHECK(p != NULL);
		p[n - 1] = (unsigned char)(n & 0xff);
		p[0] = 0x5a;
	}
	while (n > 1) {
		n = n / 3 + 1;
		p = realloc(p, hide(n));
		CHECK(p != NULL && p[0] == 0x5a && malloc_usable_size(p) >= n);
		if (n == 2)
			break;
	}
	CHECK(realloc(p, hide(0)) == NULL); /* and freed */
	p = reallocarray(NULL, hide(10), hide(10));
	CHECK(p != NULL && malloc_usable_size(p) >= 100);
	free(p);
}

static void aligned(void)
{
	void *p = NULL;

	for (size_t align = 1; align <= (size_t)1 << 20; align *= 2) {
		for (size_t n = 0; n < 100000; n = n * 3 + 1) {
			p = aligned_alloc(hide(align), hide(n));
			CHECK(p != NULL && (uintptr_t)p % align == 0);
			CHECK(malloc_usable_size(p) >= n);
			free_aligned_sized(p, align, n);
			p = memalign(hide(align), hide(n));
			CHECK(p != NULL && (uintptr_t)p % align == 0);
			p = realloc(p, hide(n + 1));
			CHECK(p != NULL && (uintptr_t)p % 16 == 0);
			free(p);
		}
	}
	p = memalign(hide(48), 100); /* the next power of two */
	CHECK(p != NULL && (uintptr_t)p % 64 == 0);
	free(p);
	errno = 0;
	CHECK(aligned_alloc(hide(48), 100) == NULL && errno == EINVAL);
	p = &p;
	errno = 77;
	CHECK(posix_memalign(&p, hide(48), 100) == EINVAL && p == &p && errno == 77);
	CHECK(posix_memalign(&p, hide(0), 100) == EINVAL);
	CHECK(posix_memalign(&p, hide(sizeof(void *) / 2), 100) == EINVAL);
	CHECK(posix_memalign(&p, 64, hide(SIZE_MAX / 2)) == ENOMEM && p == &p && errno == 77);
	CHECK(posix_memalign(&p, sizeof(void *), 100) == 0 && errno == 77);
	free(p);
	p = valloc(10);
	CHECK(p != NULL && (uintptr_t)p % (size_t)sysconf(_SC_PAGESIZE) == 0);
	free(p);
	p = pvalloc(10);
	CHECK(p != NULL && malloc_usable_size(p) >= (size_t)sysconf(_SC_PAGESIZE));
	free(p);
}

static void questions(void)
{
	struct mallinfo2 before = mallinfo2(), after;
	void *p = malloc(hide(10000000)), *q = malloc(hide(3000));

	after = mallinfo2();
	CHECK(p != NULL && q != NULL);
	CHECK(after.hblks == before.hblks + 1 && after.hblkhd >= before.hblkhd + 10000000);
	CHECK(after.uordblks >= before.uordblks + 10003000);
	CHECK(mallinfo().hblks == (int)after.hblks);
	free(p);
	free(q);
	CHECK(mallinfo2().hblks == before.hblks);
	CHECK(malloc_trim(0) == 1); /* the span that was kept */
	CHECK(mallopt(-1, 0) == 1 && mallopt(12345, 0) == 0);
}

static void *work(void *arg)
{
	unsigned x = *(unsigned *)arg;
	void *held[64] = { NULL };

	for (int i = 0; i < 20000; i++) {
		unsigned at = (x = x * 1103515245 + 12345) >> 26;

		free(held[at]);
		held[at] = malloc((x >> 8) % 9000);
		CHECK(held[at] != NULL);
	}
	for (int i = 0; i < 64; i++)
		free(held[i]);
	return malloc(hide(100)); /* for another thread to free */
}

/* Threads that end, and forks in the middle of it. */
static void threads_and_forks(void)
{
	unsigned seeds[4] = { 1, 2, 3, 4 };
	pthread_t t[4];
	void *left;
	int status;

	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 4; i++)
			CHECK(pthread_create(&t[i], NULL, work, &seeds[i]) == 0);
		for (int i = 0; i < 5; i++) {
			pid_t pid = fork();

			CHECK(pid >= 0);
			if (pid == 0) {
				free(work(&seeds[0]));
				_exit(0);
			}
			CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		}
		for (int i = 0; i < 4; i++) {
			CHECK(pthread_join(t[i], &left) == 0);
			free(left);
		}
	}
}

int main(void)
{
	char *copy = strdup("from the C library");

	CHECK(copy != NULL && is_ours(copy));
	free(copy);
	sizes();
	freed_by_last_size();
	hopeless();
	resizing();
	aligned();
	questions();
	threads_and_forks();
	printf("malloc-family: %u passed, 0 failed\n", atomic_load(&passed));
	return 0;
}
