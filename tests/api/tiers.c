/* SPDX-License-Identifier: MIT */
/*
 * tiers.c - what each tier promises, with a handler that carries on: any value at all may
 * be freed, freed memory steers nothing, a hardened object is never out twice, and
 * allocations fail when they are told to.
 */
#include "../suite.h"

#include "../spawn.h"

#include <pthread.h>
#include <stdio.h>

static const char *program;
static _Atomic unsigned long reports;

static enum mp_error_action count(const struct mp_error *e, void *arg)
{
	(void)arg;
	if (e->kind == MP_ERROR_BAD_FREE || e->kind == MP_ERROR_DOUBLE_FREE)
		reports++;
	return MP_ERROR_CONTINUE;
}

/* A million values, each freed in two ways, none of them in a chunk of ours. */
START_TEST(any_value)
{
	enum { VALUES = 1000000 };
	struct mp_object_info info = { .struct_size = sizeof(info) };
	struct mp_cache *c = mp_cache_create("orders", 48, 0, 0, NULL);
	void *keep = mp_cache_alloc(c);
	uint64_t seed = 1234567;
	unsigned long tried = 0;

	ck_assert_ptr_nonnull(keep);
	mp_set_error_handler(count, NULL);
	while (tried < VALUES) {
		uint64_t value = suite_random(&seed);
		uintptr_t ours = (uintptr_t)keep & ~(uintptr_t)(MP_CHUNK_SIZE - 1);
		void *p;

		switch (tried % 4) {
		case 0: /* anything */
			break;
		case 1: /* what a user's address looks like */
			value &= UINT64_C(0x00007fffffffffff);
			break;
		case 2: /* small */
			value &= 0xffff;
			break;
		default: /* near to what is ours */
			value = (ours & ~UINT64_C(0xffffff)) + (value & 0xffffff);
			break;
		}
		p = address((uintptr_t)value);
		if (p == NULL || (value & ~(uint64_t)(MP_CHUNK_SIZE - 1)) == ours ||
		    mp_object_info(p, &info) == 0)
			continue;
		wrong_free(p);
		mp_cache_free(c, p);
		tried++;
	}
	ck_assert_uint_eq(reports, 2 * VALUES);
	check_cache(c, 1);
	mp_cache_free(c, keep);
}
END_TEST

/* Every byte of what is free becomes an attacker's address; it is never handed out. */
START_TEST(freed_memory_steers_nothing)
{
	enum { N = 2000 };
	static const size_t sizes[] = { 16, 48, 100, 512, 4096 };
	static void *p[N], *q[N];

	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		struct mp_cache *c = mp_cache_create("steered", sizes[k], 0, 0, NULL);

		ck_assert_int_eq(mp_cache_alloc_bulk(c, N, p), 0);
		for (size_t i = 0; i < N; i++)
			mp_cache_free(c, p[i]);
		for (size_t i = 0; i < N; i++) {
			struct mp_object_info info = { .struct_size = sizeof(info) };

			if (mp_object_info(p[i], &info) != 0)
				continue; /* its slab went back */
			for (size_t at = 0; at + sizeof(void *) <= sizes[k]; at += sizeof(void *))
				memcpy((char *)launder(p[i]) + at, &(void *){ &k }, sizeof(void *));
		}
		for (size_t i = 0; i < N; i++) {
			struct mp_object_info info = { .struct_size = sizeof(info) };

			ck_assert_ptr_nonnull(q[i] = mp_cache_alloc(c));
			ck_assert_int_eq(mp_object_info(q[i], &info), 0);
			ck_assert(info.cache == c && info.object == q[i]);
			memset(q[i], (int)(i & 0xff), sizes[k]);
		}
		for (size_t i = 0; i < N; i++) /* all different */
			ck_assert(is_filled(q[i], sizes[k], (unsigned char)i));
		check_cache(c, N);
		mp_cache_free_bulk(c, N, q);
		ck_assert_int_eq(mp_cache_destroy(c), 0);
	}
	ck_assert_uint_eq(stats_of_all().faults, 0);
}
END_TEST

struct race {
	struct mp_cache *c;
	pthread_barrier_t start, end;
	void *p;
	bool stop;
};

static void *racer(void *arg)
{
	struct race *r = arg;

	for (;;) {
		pthread_barrier_wait(&r->start);
		if (r->stop)
			return NULL;
		mp_cache_free(r->c, r->p);
		pthread_barrier_wait(&r->end);
	}
}

/* Two threads free the same object: exactly one is told, and it is out once afterwards. */
START_TEST(hardened_race)
{
	enum { ROUNDS = 3000 };
	struct race r = { .stop = false };
	void *all[64];
	pthread_t thread;

	r.c = mp_cache_create("hard", 64, 0, MP_HARDENED, NULL);
	ck_assert_ptr_nonnull(r.c);
	mp_set_error_handler(count, NULL);
	pthread_barrier_init(&r.start, NULL, 2);
	pthread_barrier_init(&r.end, NULL, 2);
	ck_assert_int_eq(pthread_create(&thread, NULL, racer, &r), 0);
	for (unsigned i = 1; i <= ROUNDS; i++) {
		ck_assert_ptr_nonnull(r.p = mp_cache_alloc(r.c));
		pthread_barrier_wait(&r.start);
		mp_cache_free(r.c, r.p);
		pthread_barrier_wait(&r.end);
		ck_assert_uint_eq(reports, i);
	}
	r.stop = true;
	pthread_barrier_wait(&r.start);
	pthread_join(thread, NULL);
	ck_assert_int_eq(mp_cache_alloc_bulk(r.c, 64, all), 0);
	for (unsigned i = 0; i < 64; i++)
		memset(all[i], (int)i, 64);
	for (unsigned i = 0; i < 64; i++)
		ck_assert(is_filled(all[i], 64, (unsigned char)i));
	check_cache(r.c, 64);
	mp_cache_free_bulk(r.c, 64, all);
	ck_assert_int_eq(mp_cache_destroy(r.c), 0);
}
END_TEST

/* Freed and allocated again between: only this tier is sure to see the second free. */
START_TEST(hardened_order)
{
	enum { N = 100 };
	struct mp_cache *c = mp_cache_create("hard", 32, 0, MP_HARDENED, NULL);
	void *p[N];
	unsigned forward = 0;

	for (unsigned i = 0; i < N; i++)
		ck_assert_ptr_nonnull(p[i] = mp_cache_alloc(c));
	for (unsigned i = 1; i < N; i++)
		forward += (char *)p[i] - (char *)p[i - 1] == (ptrdiff_t)stats_of(c).slot_size;
	if (stats_of(c).cached > 0) /* it is magazines that are shuffled */
		ck_assert_uint_lt(forward, N / 2); /* by chance 1; in order N - 1 */
	mp_set_error_handler(count, NULL);
	for (unsigned i = 0; i < N; i++)
		mp_cache_free(c, p[i]);
	for (unsigned i = 0; i < N; i++)
		mp_cache_free(c, launder(p[i]));
	ck_assert_uint_eq(reports, N);
	check_cache(c, 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

/* ---- allocations that fail */

static void *try(struct mp_cache *c)
{
	void *p;

	errno = 0;
	p = mp_cache_alloc(c);
	ck_assert_int_eq(p == NULL, errno == ENOMEM);
	return p;
}

static struct mp_cache *changing;
static _Atomic bool changed_enough;

static void *allocate_meanwhile(void *arg)
{
	while (!changed_enough)
		mp_cache_free(changing, mp_cache_alloc(changing));
	return arg;
}

/* A plan is changed while others allocate: each is refused by the one or the other. */
START_TEST(set_fail_meanwhile)
{
	pthread_t t;
	int refused = 0;

	changing = mp_cache_create("changing", 48, 0, 0, NULL);
	ck_assert_int_eq(mp_cache_set_fail(changing, MP_FAIL_NEVER, 0, 0), 0);
	ck_assert_int_eq(pthread_create(&t, NULL, allocate_meanwhile, NULL), 0);
	for (int i = 0; i < 1000000; i++) /* a few instructions are hit seldom */
		refused |= mp_cache_set_fail(changing, MP_FAIL_EVERY, 10, 0) |
			   mp_cache_set_fail(changing, MP_FAIL_NEVER, 0, 0);
	changed_enough = true;
	ck_assert_int_eq(refused, 0);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	ck_assert_int_eq(mp_cache_destroy(changing), 0);
}
END_TEST

START_TEST(set_fail)
{
	struct mp_cache *c = mp_cache_create("failing", 48, 0, 0, NULL);
	char first[200], again[200];
	unsigned failed = 0;
	void *p, *bulk[3];

	ck_assert_int_eq(mp_cache_set_fail(NULL, MP_FAIL_NTH, 1, 0), -EINVAL);
	ck_assert_int_eq(mp_cache_set_fail(c, MP_FAIL_NTH, 0, 0), -EINVAL);
	ck_assert_int_eq(mp_cache_set_fail(c, (enum mp_fail_when)9, 1, 0), -EINVAL);
	ck_assert_int_eq(mp_cache_set_fail(c, MP_FAIL_NTH, 3, 0), 0);
	for (unsigned i = 1; i <= 20; i++) {
		p = try(c);
		ck_assert_int_eq(p == NULL, i == 3);
		mp_cache_free(c, p);
	}
	ck_assert_int_eq(mp_cache_set_fail(c, MP_FAIL_EVERY, 4, 0), 0);
	for (unsigned i = 1; i <= 20; i++) {
		p = try(c);
		ck_assert_int_eq(p == NULL, i % 4 == 0);
		mp_cache_free(c, p);
	}
	ck_assert_int_eq(mp_cache_set_fail(c, MP_FAIL_NTH, 1, 0), 0);
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 3, bulk), -ENOMEM);
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 3, bulk), 0);
	mp_cache_free_bulk(c, 3, bulk);
	for (unsigned round = 0; round < 2; round++) {
		char *to = round == 0 ? first : again;

		ck_assert_int_eq(mp_cache_set_fail(c, MP_FAIL_ONE_IN, 5, 42), 0);
		for (unsigned i = 0; i < 200; i++) {
			p = try(c);
			to[i] = p == NULL;
			failed += p == NULL;
			mp_cache_free(c, p);
		}
	}
	ck_assert_mem_eq(first, again, sizeof(first)); /* the seed repeats it */
	ck_assert(failed > 40 && failed < 140);
	ck_assert_int_eq(mp_cache_set_fail(c, MP_FAIL_NEVER, 0, 0), 0);
	for (unsigned i = 0; i < 50; i++) {
		ck_assert_ptr_nonnull(p = try(c));
		mp_cache_free(c, p);
	}
	check_cache(c, 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	c = mp_cache_create("used", 48, 0, 0, NULL);
	mp_cache_free(c, mp_cache_alloc(c));
	ck_assert_int_eq(mp_cache_set_fail(c, MP_FAIL_NTH, 1, 0), -EBUSY);
}
END_TEST

/* What fails of ten allocations of three kinds: a letter each. */
static int failing(void)
{
	struct mp_cache *c = mp_cache_create("orders", 40, 0, 0, NULL);

	for (int i = 0; i < 10; i++) {
		void *p = mp_cache_alloc(c), *q = mp_alloc(100), *r = mp_alloc(200000);

		printf("%c%c%c", p == NULL ? 'o' : '.', q == NULL ? 'm' : '.', r == NULL ? 'l' : '.');
		mp_cache_free(c, p);
		mp_free(q);
		mp_free(r);
	}
	return mp_cache_validate(c) == 0 && mp_cache_destroy(c) == 0 ? 0 : 3;
}

static void fails(const char *setting, const char *out)
{
	struct spawn s = { .program = program, .argument = "fail", .setting = setting };

	spawn(&s);
	spawn_expect_exit(&s, 0);
	ck_assert_str_eq(s.err, "");
	ck_assert_msg(strcmp(s.out, out) == 0, "%s: %s", setting, s.out);
}

START_TEST(fail_by_environment)
{
	fails(NULL, "..............................");
	fails("MEMPOOL_FAIL=nth=2", ".m............................");
	fails("MEMPOOL_FAIL=every=4", "...o...m...l...o...m...l...o..");
	fails("MEMPOOL_FAIL=nth=2,orders", "...o..........................");
	fails("MEMPOOL_FAIL=nth=3,large", "........l.....................");
	fails("MEMPOOL_FAIL=every=5,ord*", "............o..............o..");
	fails("MEMPOOL_FAIL=nth=1,nobody", "..............................");
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, any_value);
	tcase_add_test(tc, freed_memory_steers_nothing);
	tcase_add_test(tc, hardened_race);
	tcase_add_test(tc, hardened_order);
	tcase_add_test(tc, set_fail);
	tcase_add_test(tc, set_fail_meanwhile);
	tcase_add_test(tc, fail_by_environment);
}

int main(int argc, char **argv)
{
	program = argv[0];
	return argc == 2 ? failing() : suite_run("tiers", add);
}
