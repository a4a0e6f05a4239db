/* SPDX-License-Identifier: MIT */
/*
 * idle.c - mp_set_purge(): what a program keeps when it goes idle goes back to the system.
 *
 * Each test waits for what has to come, however long that takes.
 */
#include "../portable.h"
#include "../suite.h"

#if defined(__linux__)
#include <dirent.h>
#endif
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#ifndef _WIN32
#include <sys/wait.h>
#include <unistd.h>
#endif

#define OBJECTS 20000
#define SPANS 30

static atomic_size_t made, unmade;

static void make(void *obj, void *arg)
{
	(void)arg;
	*(char *)obj = 1;
	atomic_fetch_add(&made, 1);
}

static void unmake(void *obj, void *arg)
{
	(void)arg;
	*(char *)obj = 0;
	atomic_fetch_add(&unmade, 1);
}

/* A cache of large objects and some spans, all used and freed. */
static struct mp_cache *use_much(void)
{
	const struct mp_cache_args args = {
		.struct_size = sizeof(args), .ctor = make, .dtor = unmake,
	};
	static void *objs[OBJECTS], *spans[SPANS];
	struct mp_cache *c = mp_cache_create_args("idle", 1000, &args, 0);

	ck_assert_ptr_nonnull(c);
	for (int i = 0; i < OBJECTS; i++)
		ck_assert_ptr_nonnull(objs[i] = mp_cache_alloc(c));
	for (int i = 0; i < SPANS; i++) {
		ck_assert_ptr_nonnull(spans[i] = mp_alloc((size_t)1 << 20));
		memset(spans[i], 1, (size_t)1 << 20);
	}
	for (int i = 0; i < OBJECTS; i++)
		mp_cache_free(c, objs[i]);
	for (int i = 0; i < SPANS; i++)
		mp_free(spans[i]);
	mp_thread_flush();
	return c;
}

static void await_nothing_kept(const struct mp_cache *c)
{
	while (stats_of_all().bytes_kept != 0 || stats_of((struct mp_cache *)(uintptr_t)c).slabs != 0)
		sched_yield();
	/* slabs leave the cache first, and are unmade then */
	while (atomic_load(&unmade) != atomic_load(&made))
		sched_yield();
}

START_TEST(goes_back)
{
	struct mp_cache *c = use_much();

	ck_assert_uint_gt(stats_of_all().bytes_kept, (size_t)16 << 20);
	ck_assert_int_eq(mp_set_purge(10), 0);
	await_nothing_kept(c);
	ck_assert_uint_ge(atomic_load(&made), OBJECTS);
	ck_assert_int_eq(mp_cache_validate(c), 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	/* another interval, at once, and never again */
	ck_assert_int_eq(mp_set_purge(1000000000), 0);
	ck_assert_int_eq(mp_set_purge(1), 0);
	c = use_much();
	await_nothing_kept(c);
	ck_assert_int_eq(mp_set_purge(0), 0);
	ck_assert_int_eq(mp_set_purge(0), 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

/* While it looks, others work on the same cache and destroy caches. */
START_TEST(beside_work)
{
	void *objs[300];

	ck_assert_int_eq(mp_set_purge(1), 0);
	for (int i = 0; i < 200; i++) {
		struct mp_cache *c = mp_cache_create("busy", 2000, 0, i % 2 ? MP_POISON : 0, NULL);

		ck_assert_ptr_nonnull(c);
		for (int k = 0; k < 30; k++) {
			for (int n = 0; n < 300; n++)
				ck_assert_ptr_nonnull(objs[n] = mp_cache_alloc(c));
			for (int n = 0; n < 300; n++)
				mp_cache_free(c, objs[n]);
			mp_thread_flush();
		}
		check_cache(c, 0);
		ck_assert_int_eq(mp_cache_destroy(c), 0);
	}
	ck_assert_int_eq(mp_set_purge(0), 0);
	ck_assert_uint_eq(stats_of_all().faults, 0);
}
END_TEST

#if defined(__linux__) && !SANITIZED /* ThreadSanitizer starts a thread of its own beside the first */
static unsigned threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	unsigned n = 0;

	ck_assert_ptr_nonnull(dir);
	while (readdir(dir) != NULL)
		n++;
	ck_assert_int_eq(closedir(dir), 0);
	return n;
}

/* However long it was to sleep, a thread that is not wanted any more ends. */
START_TEST(ends)
{
	unsigned before = threads();

	for (int i = 0; i < 20; i++) {
		ck_assert_int_eq(mp_set_purge(1000000000 + (unsigned)i), 0);
		ck_assert_int_eq(mp_set_purge(0), 0);
	}
	while (threads() != before)
		sched_yield();
}
END_TEST
#endif

#if !defined(_WIN32) && !SANITIZED /* ThreadSanitizer allows no thread in the child */
START_TEST(after_fork)
{
	int status;
	pid_t pid;

	ck_assert_int_eq(mp_set_purge(10), 0);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		await_nothing_kept(use_much());
		_Exit(23);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 23);
	await_nothing_kept(use_much());
	ck_assert_int_eq(mp_set_purge(0), 0);
}
END_TEST
#endif

static void add(TCase *tc)
{
	tcase_add_test(tc, goes_back);
	tcase_add_test(tc, beside_work);
#if defined(__linux__) && !SANITIZED
	tcase_add_test(tc, ends);
#endif
#if !defined(_WIN32) && !SANITIZED
	tcase_add_test(tc, after_fork);
#endif
}

int main(void)
{
	return suite_run("idle", add);
}
