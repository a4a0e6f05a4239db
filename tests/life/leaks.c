/* SPDX-License-Identifier: MIT */
/*
 * leaks.c - MEMPOOL_LEAKS at the end of the process, mp_leak_report() with places, what
 * a refused mp_cache_destroy() says, and what mp_object_info() knows of who it was.
 */
#include "../suite.h"

#include "../spawn.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

static const char *program;
static struct mp_cache *c;
static void *kept[40];

__attribute__((noinline)) void *leaks_here(struct mp_cache *cache);
__attribute__((noinline)) void *leaks_there(struct mp_cache *cache);

/* Exported, so that their names are known. */
void *leaks_here(struct mp_cache *cache)
{
	void *p = mp_cache_alloc(cache);

	return launder(p);
}

void *leaks_there(struct mp_cache *cache)
{
	void *p = mp_cache_alloc(cache);

	return launder(p);
}

static void make(void)
{
	c = mp_cache_create("orders", 100, 0, 0, NULL);
	if (c == NULL)
		exit(3);
	for (int i = 0; i < 40; i++)
		kept[i] = i % 4 == 0 ? leaks_here(c) : leaks_there(c);
}

static void release(void)
{
	for (int i = 0; i < 40; i++)
		mp_cache_free(c, kept[i]);
}

static int child(const char *what)
{
	make();
	if (strcmp(what, "late") == 0)
		atexit(release);
	else if (strcmp(what, "none") == 0)
		release(); /* they stay in the thread's magazine */
	else if (strcmp(what, "destroy") == 0)
		return mp_cache_destroy(c) == -EBUSY ? 0 : 3;
	else if (strcmp(what, "large") == 0) {
		release();
		kept[0] = mp_alloc(300000);
	} else if (strcmp(what, "lost") == 0) {
		((char *)kept[3])[100] = 1; /* found, and lost on purpose */
		release();
	}
	printf("not flushed");
	return strcmp(what, "fails") == 0 ? 7 : 0;
}

/* A status that says failure is kept where handlers are told of it. */
#if defined(__GLIBC__)
#define FAILS 7
#else
#define FAILS 1
#endif

static struct spawn s;

static void go(const char *argument, const char *setting, const char *debug, int status)
{
	s = (struct spawn){ .program = program, .argument = argument, .setting = setting,
			    .setting2 = debug };
	spawn(&s);
	spawn_expect_exit(&s, status);
}

START_TEST(nothing_leaked)
{
	static const char *const debug[] = { NULL, "MEMPOOL_DEBUG=FZPU", "MEMPOOL_DEBUG=H" };

	for (int i = 0; i < 3; i++) {
		go("none", "MEMPOOL_LEAKS=error", debug[i], 0);
		ck_assert_str_eq(s.err, "");
		ck_assert_str_eq(s.out, "not flushed");
		go("late", "MEMPOOL_LEAKS=error", debug[i], 0);
		ck_assert_str_eq(s.err, "");
	}
}
END_TEST

START_TEST(status)
{
	go("leaves", NULL, NULL, 0);
	ck_assert_str_eq(s.err, "");
	go("leaves", "MEMPOOL_LEAKS=report", NULL, 0);
	ck_assert_ptr_eq(strstr(s.err, "mempool: leak: cache \"orders\" (id "), s.err);
	ck_assert_ptr_nonnull(strstr(s.err, "): 40 live of 100 bytes: 0x"));
	go("leaves", "MEMPOOL_LEAKS=error", NULL, 1);
	ck_assert_ptr_eq(strstr(s.err, "mempool: leak: cache \"orders\" (id "), s.err);
	ck_assert_str_eq(s.out, "not flushed"); /* it was, in spite of all */
	go("fails", "MEMPOOL_LEAKS=error", NULL, FAILS);
	ck_assert_ptr_eq(strstr(s.err, "mempool: leak: "), s.err);
	go("large", "MEMPOOL_LEAKS=error", NULL, 1);
	ck_assert_ptr_eq(strstr(s.err, "mempool: leak: large: 1 live, "), s.err);
}
END_TEST

/* How many objects the report from at on counts by their places, and in *n in how many groups. */
static unsigned long grouped(const char *at, unsigned *n)
{
	unsigned long sum = 0;

	for (*n = 0; (at = strstr(at, "mempool:   ")) != NULL; at++) {
		unsigned long count, bytes;

		if (sscanf(at, "mempool:   %lu of them, %lu bytes, among", &count, &bytes) != 2)
			continue;
		ck_assert_uint_eq(bytes, 100 * count);
		sum += count;
		++*n;
	}
	return sum;
}

START_TEST(places)
{
	const char *here, *there;
	unsigned n;

	go("leaves", "MEMPOOL_LEAKS=error", "MEMPOOL_DEBUG=ZU", 1);
	there = strstr(s.err, "mempool:   30 of them, 3000 bytes, among them 0x");
	ck_assert_msg(there != NULL, "%s", s.err);
	there = strchr(there, '\n'); /* behind that line, the others */
	ck_assert_uint_eq(grouped(there, &n), 10);
	here = strstr(there, " of them, ");
	ck_assert_ptr_nonnull(here);
	/* linked with the program the library's own calls are part of the stack */
	ck_assert_msg(n == 1 || !SHARED_LIBRARY, "%s", s.err);
	ck_assert_ptr_nonnull(strstr(here, "mempool:   allocated by thread "));
	ck_assert_ptr_nonnull(strstr(here, "mempool:     #0 "));
}
END_TEST

/* Damaged and never used again: leaked on purpose, so not the program's leak. */
START_TEST(lost)
{
	s = (struct spawn){ .program = program, .argument = "lost",
			    .setting = "MEMPOOL_LEAKS=error", .setting2 = "MEMPOOL_DEBUG=ZU" };
	portable_setenv("MEMPOOL_ON_ERROR", "report");
	spawn(&s);
	spawn_expect_signal(&s, SIGABRT); /* the setting does not reach it */
	ck_assert_ptr_nonnull(strstr(s.err, "mempool: overflow: cache \"orders\""));
	s.setting = "MEMPOOL_ON_ERROR=report";
	spawn(&s);
	spawn_expect_exit(&s, 0);
	ck_assert_ptr_null(strstr(s.err, "mempool: leak"));
}
END_TEST

START_TEST(destroy_refused)
{
	const char *at;
	int stacks = 0;

	go("destroy", "MEMPOOL_ON_ERROR=report", "MEMPOOL_DEBUG=U", 0);
	ck_assert_ptr_eq(strstr(s.err, "mempool: live-at-destroy: cache \"orders\" (id "), s.err);
	ck_assert_ptr_nonnull(strstr(s.err, "live objects: expected 0, found 40\n"));
	for (at = s.err; (at = strstr(at, "allocated by thread")) != NULL; at++)
		stacks++;
	ck_assert_int_eq(stacks, 3);
	ck_assert_ptr_nonnull(strstr(s.err, "found by mp_cache_destroy\n"));
}
END_TEST

static long reported;

static size_t report_into(char *buf, size_t size)
{
	FILE *f = tmpfile();
	size_t n;

	ck_assert_ptr_nonnull(f);
	reported = mp_leak_report(f);
	rewind(f);
	n = fread(buf, 1, size - 1, f);
	buf[n] = '\0';
	fclose(f);
	return n;
}

static void *at_depth(struct mp_cache *cache, unsigned path, unsigned depth);
static void *(*volatile deeper)(struct mp_cache *, unsigned, unsigned) = at_depth;

/* A different stack for each of the paths. */
static __attribute__((noinline)) void *at_depth(struct mp_cache *cache, unsigned path,
						unsigned depth)
{
	void *p;

	if (depth == 0)
		return leaks_here(cache);
	if (path & 1)
		p = deeper(cache, path >> 1, depth - 1);
	else
		p = deeper(cache, path >> 1, depth - 1);
	return launder(p);
}

/* More places than are shown, and than the first table holds. */
START_TEST(many_places)
{
	enum { PATHS = 256 };
	static char text[65536];
	static void *p[PATHS];
	unsigned groups = 0, bytes = 0;

	c = mp_cache_create("places", 32, 0, MP_STORE_USER, NULL);
	ck_assert_ptr_nonnull(c);
	for (unsigned i = 0; i < PATHS; i++)
		ck_assert_ptr_nonnull(p[i] = at_depth(c, i, 8));
	report_into(text, sizeof(text));
	ck_assert_int_eq(reported, PATHS);
	for (const char *at = text; (at = strstr(at, "mempool:   ")) != NULL; at++) {
		unsigned n = 0;

		if (sscanf(at, "mempool: %u of them", &n) != 1)
			continue;
		bytes += n;
		groups += strstr(at, " of them, ") != NULL &&
			  strstr(at, " of them, ") < strchr(at, '\n');
	}
	ck_assert_uint_eq(bytes, PATHS); /* the groups and the rest are all */
	ck_assert_uint_le(groups, 10);
	for (unsigned i = 0; i < PATHS; i++)
		mp_cache_free(c, p[i]);
	ck_assert_uint_eq(report_into(text, sizeof(text)), 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

static void *allocate(void *arg)
{
	*(void **)arg = leaks_here(c);
	return NULL;
}

START_TEST(who)
{
	struct mp_object_info info = { .struct_size = sizeof(info) };
	pthread_t thread;
	unsigned by;
	void *p;

	c = mp_cache_create("who", 100, 0, MP_STORE_USER | MP_RED_ZONE, NULL);
	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(pthread_create(&thread, NULL, allocate, &p), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(mp_object_info((char *)p + 5, &info), 0);
	ck_assert_int_eq(info.state, MP_OBJECT_LIVE);
	ck_assert_uint_eq(info.asked, 100);
	ck_assert_uint_ne(info.allocated.thread, 0);
	ck_assert_uint_lt(info.allocated.age_ms, 60000);
	ck_assert_uint_eq(info.freed.thread, 0);
	by = info.allocated.thread;
	mp_cache_free(c, p);
	ck_assert_int_eq(mp_object_info(p, &info), 0);
	ck_assert_int_ne(info.state, MP_OBJECT_LIVE);
	ck_assert_uint_eq(info.allocated.thread, by);
	ck_assert_uint_ne(info.freed.thread, 0);
	ck_assert_uint_ne(info.freed.thread, by);
	ck_assert_uint_eq(info.allocated.frames != 0, info.freed.frames != 0);
	ck_assert_uint_le(info.freed.frames, 16);
	for (unsigned i = 0; i < info.freed.frames; i++)
		ck_assert_ptr_nonnull(info.freed.stack[i]);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

START_TEST(lost_state)
{
	struct mp_object_info info = { .struct_size = sizeof(info) };
	struct tally tally;
	char *p, *q;

	tally_start(&tally);
	c = mp_cache_create("lost", 100, 0, MP_RED_ZONE, NULL);
	p = mp_cache_alloc(c);
	q = mp_alloc(77);
	ck_assert(p != NULL && q != NULL);
	p = launder(p);
	p[101] = 0;
	mp_cache_free(c, p);
	tally_expect(&tally, MP_ERROR_OVERFLOW, p);
	ck_assert_int_eq(mp_object_info(p, &info), 0);
	ck_assert_int_eq(info.state, MP_OBJECT_LOST);
	ck_assert_int_eq(mp_object_info(q, &info), 0);
	ck_assert_int_eq(info.state, MP_OBJECT_LIVE);
	ck_assert_uint_ge(info.asked, 77);
	ck_assert_uint_eq(info.allocated.thread, 0);
	mp_free(q);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, nothing_leaked);
	tcase_add_test(tc, status);
	tcase_add_test(tc, places);
	tcase_add_test(tc, lost);
	tcase_add_test(tc, destroy_refused);
	tcase_add_test(tc, many_places);
	tcase_add_test(tc, who);
	tcase_add_test(tc, lost_state);
}

int main(int argc, char **argv)
{
	program = argv[0];
	return argc == 2 ? child(argv[1]) : suite_run("leaks", add);
}
