/* SPDX-License-Identifier: MIT */
/*
 * early_late.c - use before main, in atexit handlers, and in destructors of
 * thread-specific data, before and behind the library's own.
 */
#include "../suite.h"

#include "../spawn.h"

#include <pthread.h>
#include <stdio.h>

static const char *program;

static struct mp_cache *early;
static void *early_object, *early_memory, *early_span;

#if defined(__GNUC__) || defined(__clang__)
__attribute__((constructor(101))) static void before_main(void)
{
	early = mp_cache_create("early", 72, 0, 0, NULL);
	early_object = mp_cache_alloc(early);
	early_memory = mp_zalloc(300);
	early_span = mp_alloc((size_t)MP_MAX_FIXED_SIZE * 5);
}
#endif

static void need(int condition, const char *what)
{
	if (!condition) {
		printf("FAILED: %s\n", what);
		fflush(stdout);
		_exit(3);
	}
}

/* Some of everything, freed again. */
static void work(void)
{
	void *p[50];

	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 50; i++) {
			p[i] = i % 2 ? mp_cache_alloc(early) : mp_alloc(1 + i * i * 20);
			need(p[i] != NULL, "memory");
			memset(p[i], (int)i, i % 2 ? 72 : 1 + i * i * 20);
		}
		for (unsigned i = 0; i < 50; i++) {
			need(*(unsigned char *)p[i] == i, "contents");
			mp_free(p[i]);
		}
	}
	need(mp_cache_validate(early) == 0, "validation");
}

static void at_exit(void)
{
	work();
	mp_cache_free(early, early_object);
	need(mp_cache_destroy(early) == 0, "destruction");
	puts("at exit");
}

static void *run_in_thread(void *arg)
{
	pthread_key_t *keys = arg;

	for (int i = 0; i < 20; i++)
		need(pthread_setspecific(keys[i], mp_alloc(100 + (size_t)i)) == 0, "setspecific");
	work();
	return NULL;
}

/* Frees what was set, works, and for some rounds sets something anew. */
static _Atomic int destructions;

static void destroy_value(void *value)
{
	destructions++;
	mp_free(value);
	work();
}

static int exercise(void)
{
	pthread_key_t keys[20];
	struct mp_stats s = { .struct_size = sizeof(s) };
	pthread_t t;

	need(early != NULL && early_object != NULL && early_memory != NULL && early_span != NULL,
	     "before main");
	memset(early_object, 1, 72);
	mp_free(early_memory);
	mp_free(early_span);
	for (int i = 0; i < 20; i++) /* some of them made before the library's key is armed */
		need(pthread_key_create(&keys[i], destroy_value) == 0, "key");
	for (int i = 0; i < 10; i++) {
		need(pthread_create(&t, NULL, run_in_thread, keys) == 0, "thread");
		need(pthread_join(t, NULL) == 0, "join");
	}
	need(destructions == 200, "destructors");
	need(mp_get_stats(&s) == 0 && s.threads == 1, "states of ended threads");
	need(atexit(at_exit) == 0, "atexit");
	puts("in main");
	return 0;
}

START_TEST(whole_life)
{
	struct spawn s = { .program = program, .argument = "work" };

	spawn(&s);
	spawn_expect_exit(&s, 0);
	ck_assert_str_eq(s.out, "in main\nat exit\n");
	ck_assert_str_eq(s.err, "");
}
END_TEST

/* The table at exit comes after the handlers of the program, and is whole. */
START_TEST(statistics_at_exit)
{
	struct spawn s = { .program = program, .argument = "work",
			   .setting = "MEMPOOL_STATS=exit" };

	spawn(&s);
	spawn_expect_exit(&s, 0);
	ck_assert_str_eq(s.out, "in main\nat exit\n");
	ck_assert_int_eq(strncmp(s.err, "slabinfo - version: 2.1\n", 24), 0);
	ck_assert_ptr_nonnull(strstr(s.err, "mp-"));
	ck_assert_int_eq(s.err[strlen(s.err) - 1], '\n');
}
END_TEST

START_TEST(statistics_in_a_file)
{
	struct spawn s = { .program = program, .argument = "work",
			   .setting = "MEMPOOL_STATS=exit:early-late-stats.tmp" };
	char line[100] = "";
	FILE *f;

	spawn(&s);
	spawn_expect_exit(&s, 0);
	ck_assert_str_eq(s.err, "");
	f = fopen("early-late-stats.tmp", "r");
	ck_assert_ptr_nonnull(f);
	ck_assert_ptr_nonnull(fgets(line, sizeof(line), f));
	ck_assert_str_eq(line, "slabinfo - version: 2.1\n");
	fclose(f);
	ck_assert_int_eq(remove("early-late-stats.tmp"), 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, whole_life);
	tcase_add_test(tc, statistics_at_exit);
	tcase_add_test(tc, statistics_in_a_file);
}

int main(int argc, char **argv)
{
	program = argv[0];
	return argc == 2 ? exercise() : suite_run("early_late", add);
}
