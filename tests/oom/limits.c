/* SPDX-License-Identifier: MIT */
/*
 * limits.c - mp_set_limit() and MEMPOOL_LIMIT from nothing upwards, and the start
 * of the library with each of its requests to the system refused.
 *
 * The program runs itself: as the first thing, before the library's own
 * start, it arms what the environment asks for.
 */
#include "oom.h"

#include "../spawn.h"
#include "../suite.h"

#include "os.h"

#include <limits.h>
#include <stdio.h>
#if !defined(_WIN32)
#include <sys/wait.h>
#include <unistd.h>
#endif

#define MANY 2000

static const char *self;

/* ---- with a limit */

struct got {
	void *p[MANY];
	size_t n;
	bool refused;
};

static void in_use(size_t limit)
{
	struct mp_stats s = { .struct_size = sizeof(s) };

	/* -ENOMEM: the limit is too low for the library to start */
	if (mp_get_stats(&s) == 0)
		oom_check(s.bytes_slabs + s.bytes_large + s.bytes_meta <= limit);
}

/* Allocate until refused; limit is not to be exceeded at any time. */
static void allocate(struct got *g, struct mp_cache *c, size_t limit)
{
	static const size_t sizes[] = { 16, 100, 700, 3000, 5000, 60000 };

	while (g->n < MANY && !g->refused) {
		size_t size = sizes[g->n % 6];
		void *p;

		errno = 0;
		p = g->n % 2 == 0 && c != NULL ? mp_cache_alloc(c) : mp_alloc(size);
		oom_check_got(p);
		in_use(limit);
		g->refused = p == NULL;
		if (p != NULL)
			g->p[g->n++] = p;
	}
}

static void free_all(struct got *g)
{
	while (g->n > 0)
		mp_free(g->p[--g->n]);
	g->refused = false;
}

/* Under a limit: some can be had, or none; what was freed can be had again. */
static size_t live_with(size_t limit)
{
	struct mp_cache *c = mp_cache_create("limited", 500, 0, 0, NULL);
	struct got g = { .n = 0 };
	size_t n;

	oom_check_got(c);
	allocate(&g, c, limit);
	n = g.n;
	free_all(&g);
	mp_thread_flush();
	(void)mp_reclaim(0);
	allocate(&g, c, limit);
	oom_check(g.n >= n);
	free_all(&g);
	oom_check(c == NULL || mp_cache_validate(c) == 0);
	oom_check(mp_cache_destroy(c) == 0);
	return n;
}

/* In a process where limit was set before anything was allocated. */
static void set_and_live(size_t limit)
{
	struct mp_stats s = { .struct_size = sizeof(s) };
	size_t least = oom_bytes();

	oom_check(mp_set_limit(limit) == 0);
	(void)live_with(limit > least ? limit : least);
	oom_check(mp_get_stats(&s) == 0 && s.limit == limit);
	oom_check(s.bytes_peak <= (limit > least ? limit : least));
	oom_check(mp_set_limit(0) == 0);
	oom_check_library();
}

#if defined(_WIN32)

static bool in_process(size_t limit)
{
	char argument[40];
	struct spawn s = { .argument = argument };

	snprintf(argument, sizeof(argument), "set:%zu", limit);
	spawn(&s);
	fputs(s.err, stderr);
	return spawn_exited(&s, 0);
}

#else

/* set_and_live(), in a process of its own. */
static bool in_process(size_t limit)
{
	pid_t pid = spawn_fork();
	int status;

	if (pid == 0) {
		set_and_live(limit);
		_exit(0);
	}
	status = spawn_await(pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#endif

START_TEST(set_limit_upwards)
{
	for (size_t limit = 1; limit <= (size_t)8 << 20; limit += limit < 65536 ? limit : 30000)
		ck_assert_msg(in_process(limit), "a limit of %zu bytes", limit);
}
END_TEST

/* A limit below what is in use refuses, until enough is freed. */
START_TEST(limit_below_use)
{
	struct got g = { .n = 0 };
	void *p;

	oom_check(mp_set_limit((size_t)4 << 20) == 0);
	allocate(&g, NULL, (size_t)4 << 20);
	ck_assert(g.refused && g.n > 0);
	oom_check(mp_set_limit((size_t)1 << 20) == 0);
	ck_assert(mp_alloc(100000) == NULL && errno == ENOMEM);
	free_all(&g);
	p = mp_alloc(100000);
	ck_assert_ptr_nonnull(p);
	mp_free(p);
	ck_assert_int_eq(mp_set_limit(0), 0);
	oom_check_library();
}
END_TEST

/* ---- this program again, with variables set */

/* The number that it prints; -1 if it does not end well. */
static long run_self(const char *what, const char *setting)
{
	struct spawn s = { .program = self, .argument = what, .setting = setting };

	spawn(&s);
	fputs(s.err, stderr);
	return spawn_exited(&s, 0) && s.out[0] != '\0' ? strtol(s.out, NULL, 10) : -1;
}

static long number_of(const char *name)
{
	const char *text = getenv(name);

	return text != NULL ? strtol(text, NULL, 10) : 0;
}

/* OOM_REFUSE=COUNT,FIRST. */
static void arm_first(void)
{
	const char *text = getenv("OOM_REFUSE"), *comma = text != NULL ? strchr(text, ',') : NULL;

	if (comma == NULL)
		return;
	oom_plan = (struct oom_plan){ "the start", strtol(comma + 1, NULL, 10),
				      strtol(text, NULL, 10), false, false };
	mpp_os_inject(oom_plan.first, oom_plan.count);
}

/* Before the library's own start. */
#if defined(_WIN32)
extern void (*const arm_before_constructors)(void);
__attribute__((section(".CRT$XCT"), used)) void (*const arm_before_constructors)(void) = arm_first;
#else
static __attribute__((constructor(101))) void arm_early(void)
{
	arm_first();
}
#endif

/* The library was started with requests refused, and may not have managed. */
static int be_started(void)
{
	struct mp_stats s = { .struct_size = sizeof(s) };
	struct mp_cache *c;
	void *p, *q;

	errno = 0;
	p = mp_alloc(100);
	oom_check_got(p);
	errno = 0;
	q = mp_calloc(2, 50000);
	oom_check_got(q);
	errno = 0;
	c = mp_cache_create("first", 100, 0, 0, NULL);
	oom_check_got(c);
	oom_check(mp_get_stats(&s) == 0 || p == NULL);
	printf("%ld\n", mpp_os_injected_calls());
	fflush(stdout);
	mpp_os_inject(0, 0);
	mp_free(p);
	mp_free(q);
	oom_check(mp_cache_destroy(c) == 0);
	oom_check_library();
	return 0;
}

START_TEST(start_refused)
{
	static const char *const counts[] = { "1", "1000000000" };
	char setting[50];
	long n, calls;

	for (unsigned i = 0; i < 2; i++) {
		n = 0;
		do {
			snprintf(setting, sizeof(setting), "OOM_REFUSE=%s,%ld", counts[i], ++n);
			calls = run_self("start", setting);
			ck_assert_msg(calls >= 0, "%s", setting);
			ck_assert_int_lt(n, 1000);
		} while (calls >= n);
		ck_assert_int_gt(n, 2);
	}
}
END_TEST

/* MEMPOOL_LIMIT is set; how many objects there were room for. */
static int be_limited(void)
{
	size_t limit = (size_t)number_of("MEMPOOL_LIMIT");

	oom_plan.name = "MEMPOOL_LIMIT";
	printf("%zu\n", live_with(limit));
	return 0;
}

START_TEST(limit_from_environment)
{
	char limit[40];
	long most = 0, n;

	for (size_t bytes = 1; bytes <= (size_t)8 << 20; bytes += bytes < 65536 ? bytes : 200000) {
		snprintf(limit, sizeof(limit), "MEMPOOL_LIMIT=%zu", bytes);
		n = run_self("limit", limit);
		ck_assert_msg(n >= 0, "a limit of %zu", bytes);
		ck_assert_msg(bytes > 8192 || n == 0, "%ld objects under %zu bytes", n, bytes);
		most = n > most ? n : most;
	}
	ck_assert_int_gt(most, 50);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, set_limit_upwards);
	tcase_add_test(tc, limit_below_use);
	tcase_add_test(tc, start_refused);
	tcase_add_test(tc, limit_from_environment);
}

int main(int argc, char **argv)
{
	self = argv[0];
	if (argc < 2)
		return suite_run("oom-limits", add);
	if (strncmp(argv[1], "set:", 4) == 0) {
		set_and_live((size_t)strtoull(argv[1] + 4, NULL, 10));
		return 0;
	}
	return strcmp(argv[1], "start") == 0 ? be_started() : be_limited();
}
