/* SPDX-License-Identifier: MIT */
/*
 * objects.c - guarded objects are objects like all others: what the interface says of
 * them, what is found at their free, and what happens when no more can be had.
 */
#include "guard.h"

#include "../jumps.h"

#include <pthread.h>
#include <stdio.h>

static const size_t sizes[] = { 1, 16, 64, 100, 1000, 4096 };

#define SIZES ((int)(sizeof(sizes) / sizeof(sizes[0])))

static struct mp_object_info info_of(const void *p)
{
	struct mp_object_info info = { .struct_size = sizeof(info) };

	ck_assert_int_eq(mp_object_info(p, &info), 0);
	return info;
}

/* So many are live and leaked, and nothing is wrong. */
static void exact(struct mp_cache *c, size_t live, size_t leaked)
{
	struct mp_cache_stats s = stats_of(c);

	check_counts(c, live, leaked);
	ck_assert_uint_eq(s.bytes_asked, live * s.object_size);
	ck_assert_int_eq(mp_cache_validate(c), 0);
}

/* Left and right edges, the whole object usable, aligned, told of, freed, not live. */
START_TEST(edges)
{
	struct mp_cache *c = guarded_cache("orders", sizes[_i], 1);
	unsigned left = 0, right = 0;

	ck_assert_ptr_nonnull(c);
	for (unsigned i = 0; i < 200; i++) {
		unsigned char *p = mp_cache_alloc(c);
		struct mp_object_info info;
		size_t size = mp_cache_size(c);

		ck_assert_ptr_nonnull(p);
		ck_assert(is_guarded(p));
		ck_assert(is_aligned(p, MP_ALIGN_SIZE));
		pattern_fill(p, size, i);
		if ((uintptr_t)p == page_of(p))
			left++;
		else
			right++;
		info = info_of(p + size - 1);
		ck_assert_ptr_eq(info.cache, c);
		ck_assert_ptr_eq(info.object, p);
		ck_assert_uint_eq(info.object_size, size);
		ck_assert_uint_eq(info.asked, size);
		ck_assert_uint_eq(info.offset, size - 1);
		ck_assert_int_eq(info.state, MP_OBJECT_LIVE);
		ck_assert(info.allocated.thread != 0);
		ck_assert(pattern_holds(p, size, i));
		ck_assert_uint_eq(stats_of(c).live, 1);
		mp_cache_free(c, p);
		ck_assert_int_eq(info_of(p).state, MP_OBJECT_FREE);
		ck_assert(info_of(p).freed.thread != 0);
		ck_assert_uint_eq(stats_of(c).live, 0);
	}
	if (mp_cache_size(c) < portable_page()) {
		ck_assert_uint_gt(left, 20);
		ck_assert_uint_gt(right, 20);
	}
	ck_assert_int_eq(mp_cache_validate(c), 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

/* One in so many, as often as that. */
START_TEST(rate)
{
	struct mp_cache *c = guarded_cache("orders", 48, 50);
	unsigned guarded = 0;

	for (unsigned i = 0; i < 20000; i++) {
		void *p = mp_cache_alloc(c);

		ck_assert_ptr_nonnull(p);
		guarded += is_guarded(p);
		mp_cache_free(c, p);
	}
	ck_assert_msg(guarded > 250 && guarded < 600, "%u of 20000", guarded);
	ck_assert_int_eq(mp_cache_validate(c), 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

static unsigned guarded_one(struct mp_cache *c)
{
	void *p = mp_cache_alloc(c);
	unsigned guarded = is_guarded(p);

	ck_assert_ptr_nonnull(p);
	mp_cache_free(c, p);
	return guarded;
}

/* The same for who uses caches of differing rates in turn. */
START_TEST(rates_in_turn)
{
	struct mp_cache *c[3] = { guarded_cache("often", 48, 20), guarded_cache("seldom", 48, 21),
				  guarded_cache("rarely", 48, 400) };
	unsigned guarded[3] = { 0 };

	for (unsigned i = 0; i < 20000; i++)
		for (unsigned k = 0; k < 3; k++)
			guarded[k] += guarded_one(c[k]);
	ck_assert_msg(guarded[0] > 700 && guarded[0] < 1300, "%u of 20000", guarded[0]);
	ck_assert_msg(guarded[1] > 700 && guarded[1] < 1300, "%u of 20000", guarded[1]);
	ck_assert_msg(guarded[2] > 10 && guarded[2] < 130, "%u of 20000", guarded[2]);
	for (unsigned k = 0; k < 3; k++)
		ck_assert_int_eq(mp_cache_destroy(c[k]), 0);
}
END_TEST

/* A freed object's page is not used again before the others were. */
START_TEST(used_again_late)
{
	struct mp_cache *c = guarded_cache("orders", 48, 1);
	void *p = mp_cache_alloc(c);
	uintptr_t page = page_of(p);

	mp_cache_free(c, p);
	for (unsigned i = 1; i < GUARD_SLOTS; i++) {
		p = mp_cache_alloc(c);
		ck_assert(is_guarded(p));
		ck_assert(page_of(p) != page);
		mp_cache_free(c, p);
	}
	p = mp_cache_alloc(c);
	ck_assert(page_of(p) == page);
	mp_cache_free(c, p);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

/* All pages in use: ordinary objects, and guarded ones again when some were freed. */
START_TEST(no_more)
{
	static void *held[GUARD_SLOTS + 100];
	struct mp_cache *c = guarded_cache("orders", 48, 1);

	for (unsigned i = 0; i < GUARD_SLOTS + 100; i++) {
		held[i] = mp_cache_alloc(c);
		ck_assert_ptr_nonnull(held[i]);
		ck_assert(is_guarded(held[i]) == (i < GUARD_SLOTS));
		memset(held[i], (int)i, 48);
	}
	exact(c, GUARD_SLOTS + 100, 0);
	ck_assert_uint_ge(stats_of(c).capacity, GUARD_SLOTS + 100);
	for (unsigned i = 0; i < GUARD_SLOTS + 100; i++) {
		ck_assert(is_filled(held[i], 48, (unsigned char)i));
		mp_cache_free(c, held[i]);
	}
	held[0] = mp_cache_alloc(c);
	ck_assert(is_guarded(held[0]));
	mp_cache_free(c, held[0]);
	ck_assert_int_eq(mp_cache_validate(c), 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

static int count(void *obj, void *arg)
{
	unsigned *n = arg;

	ck_assert(is_guarded(obj));
	++*n;
	return 0;
}

START_TEST(bulk_and_walk)
{
	struct mp_cache *c = guarded_cache("orders", 48, 1);
	void *held[50];
	unsigned n = 0;

	ck_assert_int_eq(mp_cache_alloc_bulk(c, 50, held), 0);
	for (unsigned i = 0; i < 50; i++)
		ck_assert(is_guarded(held[i]));
	ck_assert_int_eq(mp_cache_for_each_object(c, count, &n), 0);
	ck_assert_uint_eq(n, 50);
	mp_cache_free_bulk(c, 50, held);
	ck_assert_uint_eq(stats_of(c).live, 0);
	ck_assert_int_eq(mp_cache_validate(c), 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

/* Zeroed, resized and measured like others; freed by mp_free(), without the cache. */
START_TEST(general)
{
	struct mp_cache *c = guarded_cache("orders", 48, 1);
	char *p = mp_cache_zalloc(c), *q;

	ck_assert(is_guarded(p));
	ck_assert(is_filled(p, 48, 0));
	ck_assert_uint_eq(mp_usable_size(p), 48);
	pattern_fill(p, 48, 5);
	ck_assert_ptr_eq(mp_realloc(p, 40), p);
	q = mp_realloc(p, 480);
	ck_assert_ptr_nonnull(q);
	ck_assert(pattern_holds(q, 40, 5));
	ck_assert_uint_eq(stats_of(c).live, 0);
	mp_free(q);
	mp_free(mp_cache_alloc(c));
	ck_assert_uint_eq(stats_of(c).live, 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

START_TEST(limit)
{
	struct mp_cache_args args = { .struct_size = sizeof(args), .guard_rate = 1,
				      .max_objects = 3 };
	struct mp_cache *c = mp_cache_create_args("orders", 48, &args, 0);
	void *held[3];

	for (unsigned i = 0; i < 3; i++) {
		held[i] = mp_cache_alloc(c);
		ck_assert(is_guarded(held[i]));
	}
	errno = 0;
	ck_assert_ptr_null(mp_cache_alloc(c));
	ck_assert_int_eq(errno, ENOMEM);
	mp_cache_free(c, held[0]);
	held[0] = mp_cache_alloc(c);
	ck_assert_ptr_nonnull(held[0]);
	for (unsigned i = 0; i < 3; i++)
		mp_cache_free(c, held[i]);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

static void built(void *obj, void *arg)
{
	(void)arg;
	memset(obj, 7, 48);
}

/* Objects that are built once, keep their type, or fill more than a page, stay in slabs. */
START_TEST(not_for_these)
{
	struct mp_cache_args args = { .struct_size = sizeof(args), .guard_rate = 1 };
	struct mp_cache *c[3];

	c[0] = mp_cache_create_args("stable", 48, &args, MP_TYPE_STABLE);
	args.ctor = built;
	c[1] = mp_cache_create_args("built", 48, &args, 0);
	c[2] = guarded_cache("big", portable_page() + 1, 1);
	for (unsigned i = 0; i < 3; i++) {
		void *p = mp_cache_alloc(c[i]);

		ck_assert_ptr_nonnull(p);
		ck_assert(!is_guarded(p));
		mp_cache_free(c[i], p);
		ck_assert_int_eq(mp_cache_destroy(c[i]), 0);
	}
}
END_TEST

/* ---- what is wrong with a free, with a handler that carries on */

START_TEST(wrong_frees)
{
	struct mp_cache *c = guarded_cache("orders", 48, 1), *other = guarded_cache("o", 48, 1);
	struct tally tally;
	char *p = mp_cache_alloc(c), *edge = address(page_of(p) - 8);

	tally_start(&tally);
	mp_cache_free(c, p + 8);
	tally_expect(&tally, MP_ERROR_INTERIOR_POINTER, p + 8);
	mp_cache_free(other, p);
	tally_expect(&tally, MP_ERROR_WRONG_CACHE, p);
	wrong_free(edge);
	tally_expect(&tally, MP_ERROR_BAD_FREE, edge);
	ck_assert_uint_eq(mp_usable_size(p + 8), 0);
	tally_expect(&tally, MP_ERROR_INTERIOR_POINTER, p + 8);
	ck_assert_uint_eq(stats_of(c).live, 1);
	mp_cache_free(c, p);
	mp_cache_free(c, launder(p));
	tally_expect(&tally, MP_ERROR_DOUBLE_FREE, p);
	wrong_free(p);
	tally_expect(&tally, MP_ERROR_DOUBLE_FREE, p);
	ck_assert_ptr_null(mp_realloc(launder(p), 100));
	tally_expect(&tally, MP_ERROR_DOUBLE_FREE, p);
	ck_assert_uint_eq(stats_of(c).live, 0);
	ck_assert_int_eq(mp_cache_validate(c), 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	ck_assert_int_eq(mp_cache_destroy(other), 0);
	wrong_free(p); /* of a cache that is gone */
	tally_expect(&tally, MP_ERROR_DOUBLE_FREE, p);
	ck_assert_str_eq(tally.cache_name, "orders");
}
END_TEST

/* Bytes of the page beside the object written to: found at the free, the object kept back. */
START_TEST(damage)
{
	struct tally tally;

	tally_start(&tally);
	for (unsigned i = 0; i < 40; i++) {
		struct mp_cache *c = guarded_cache("orders", 100, 1);
		unsigned char *p = mp_cache_alloc(c), byte;
		bool left = (uintptr_t)p == page_of(p);
		ptrdiff_t at = left || i % 2 == 0 ? (ptrdiff_t)mp_cache_size(c) : -1;
		unsigned char *q = launder(p + at);

		if (page_of(q) != page_of(p))
			continue; /* no byte between the object and the edge */
		byte = *q;
		*q = 0x11;
		mp_cache_free(c, p);
		tally_expect(&tally, at < 0 ? MP_ERROR_UNDERFLOW : MP_ERROR_OVERFLOW, p);
		ck_assert_uint_ne(byte, 0x11);
		exact(c, 0, 1);
	}
}
END_TEST

/* ---- the same with a handler that leaves by longjmp */

static struct mp_cache *jumping, *other;
static unsigned char *obj, *beside;

/* With a limit, so that the count of live objects is kept in two places. */
START_TEST(jumps)
{
	struct mp_cache_args args = { .struct_size = sizeof(args), .guard_rate = 1,
				      .max_objects = _i == 0 ? 0 : 3 };
	volatile size_t leaked = 0;

	jumping = mp_cache_create_args("orders", 100, &args, 0);
	other = guarded_cache("others", 100, 1);
	mp_set_error_handler(jump, NULL);
	ck_assert_ptr_nonnull(obj = mp_cache_alloc(jumping));
	JUMPS_NOW(MP_ERROR_INTERIOR_POINTER, mp_cache_free(jumping, launder(obj + 8)));
	JUMPS_NOW(MP_ERROR_WRONG_CACHE, mp_cache_free(other, obj));
	JUMPS_NOW(MP_ERROR_WRONG_CACHE, mp_cache_free_bulk(other, 1, (void *[]){ obj }));
	JUMPS_NOW(MP_ERROR_INTERIOR_POINTER, (void)mp_usable_size(obj + 8));
	JUMPS_NOW(MP_ERROR_LIVE_AT_DESTROY, (void)mp_cache_destroy(jumping));
	exact(jumping, 1, 0);
	mp_cache_free(jumping, obj);
	JUMPS_NOW(MP_ERROR_DOUBLE_FREE, mp_cache_free(jumping, launder(obj)));
	JUMPS_NOW(MP_ERROR_DOUBLE_FREE, wrong_free(obj));
	JUMPS_NOW(MP_ERROR_DOUBLE_FREE, (void)!mp_realloc(launder(obj), 10));
	exact(jumping, 0, 0);
	while (leaked < 5) {
		ck_assert_ptr_nonnull(obj = mp_cache_alloc(jumping));
		beside = launder(obj + ((uintptr_t)obj == page_of(obj) ? 100 : -1));
		*beside = 0x11;
		JUMPS_NOW(beside > obj ? MP_ERROR_OVERFLOW : MP_ERROR_UNDERFLOW,
			  mp_cache_free(jumping, obj));
		leaked++;
		exact(jumping, 0, leaked);
	}
	if (_i == 1) { /* three may be live, as before */
		void *held[3];

		ck_assert_int_eq(mp_cache_alloc_bulk(jumping, 3, held), 0);
		ck_assert_ptr_null(mp_cache_alloc(jumping));
		mp_cache_free_bulk(jumping, 3, held);
	}
	exact(jumping, 0, leaked);
	ck_assert_int_eq(mp_cache_destroy(jumping), 0);
	ck_assert_int_eq(mp_cache_destroy(other), 0);
}
END_TEST

START_TEST(live_at_destroy)
{
	struct mp_cache *c = guarded_cache("orders", 48, 1);
	struct tally tally;
	void *p = mp_cache_alloc(c);

	tally_start(&tally);
	ck_assert_int_ne(mp_cache_destroy(c), 0);
	ck_assert_uint_eq(tally.n, 1);
	ck_assert_int_eq(tally.kind, MP_ERROR_LIVE_AT_DESTROY);
	ck_assert_ptr_nonnull(strstr(tally.message, "allocated by thread"));
	mp_cache_free(c, p);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

/* A few in many threads, freed by others. */
static struct mp_cache *shared;
static void *box[64];
static pthread_mutex_t box_lock = PTHREAD_MUTEX_INITIALIZER;

static void *work(void *arg)
{
	uint64_t seed = (uintptr_t)arg;

	for (unsigned i = 0; i < (SANITIZED ? 2000 : 10000); i++) {
		unsigned at = suite_random(&seed) % 64;
		uint64_t *p = mp_cache_alloc(shared), *q;

		if (p == NULL)
			return NULL;
		*p = (uintptr_t)p;
		pthread_mutex_lock(&box_lock);
		q = box[at];
		box[at] = p;
		pthread_mutex_unlock(&box_lock);
		if (q != NULL && *q != (uintptr_t)q)
			return NULL;
		mp_cache_free(shared, q);
	}
	return arg;
}

START_TEST(threads)
{
	pthread_t thread[4];
	void *result;

	shared = guarded_cache("shared", 64, 3);
	for (uintptr_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, work, address(i + 1)), 0);
	for (uintptr_t i = 0; i < 4; i++) {
		ck_assert_int_eq(pthread_join(thread[i], &result), 0);
		ck_assert_ptr_eq(result, address(i + 1));
	}
	for (unsigned i = 0; i < 64; i++)
		mp_cache_free(shared, box[i]);
	ck_assert_uint_eq(stats_of(shared).live, 0);
	ck_assert_int_eq(mp_cache_validate(shared), 0);
	ck_assert_int_eq(mp_cache_destroy(shared), 0);
}
END_TEST

/* ---- questions about objects that others take and free meanwhile */

enum { KINDS = 3 };

static const size_t kinds[KINDS] = { 16, 100, 1000 };
static const char *const names[KINDS] = { "sixteen", "hundred", "thousand" };
static struct mp_cache *known[KINDS];
static _Atomic uintptr_t lately[64];
static _Atomic bool stop;

static enum mp_error_action ignore(const struct mp_error *e, void *arg)
{
	(void)e;
	(void)arg;
	return MP_ERROR_CONTINUE;
}

/* A cache of its own, too, that comes and goes. */
static void *take_and_free(void *arg)
{
	uint64_t seed = (uintptr_t)arg;

	for (unsigned i = 0; i < (SANITIZED ? 1000 : 5000); i++) {
		unsigned k = (unsigned)(suite_random(&seed) % KINDS);
		struct mp_cache *mine = i % 16 == 0 ? guarded_cache(names[k], kinds[k], 1) : NULL;
		struct mp_cache *c = mine != NULL ? mine : known[k];
		void *p = mp_cache_alloc(c);

		if (p == NULL)
			return NULL;
		lately[suite_random(&seed) % 64] = (uintptr_t)p;
		memset(p, (int)k, kinds[k]);
		mp_cache_free(c, p);
		if (mine != NULL && mp_cache_destroy(mine) != 0)
			return NULL;
	}
	return arg;
}

/* Whatever there is at p, it is of one piece. */
static bool is_of_one_piece(const void *p)
{
	struct mp_object_info info = { .struct_size = sizeof(info) };
	size_t size = mp_usable_size(p);

	if (size != 0 && size != kinds[0] && size != kinds[1] && size != kinds[2])
		return false;
	if (mp_object_info(p, &info) != 0)
		return true;
	for (unsigned k = 0; k < KINDS; k++)
		if (info.cache == known[k] && info.object_size != kinds[k])
			return false;
	return info.allocated.thread != 0 && info.allocated.frames <= 16 &&
	       page_of(info.object) == page_of(p);
}

static void *ask(void *arg)
{
	uint64_t seed = (uintptr_t)arg;

	while (!stop) {
		void *p = address(lately[suite_random(&seed) % 64]);

		if (p != NULL && !is_of_one_piece(p))
			return NULL;
	}
	return arg;
}

START_TEST(questions)
{
	pthread_t thread[5];
	void *result;

	mp_set_error_handler(ignore, NULL); /* mp_usable_size() of what is free */
	for (unsigned k = 0; k < KINDS; k++)
		known[k] = guarded_cache(names[k], kinds[k], 1);
	mp_cache_free(known[0], mp_cache_alloc(known[0])); /* from now on all are guarded */
	for (uintptr_t i = 0; i < 5; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, i < 3 ? take_and_free : ask,
						address(i + 1)), 0);
	for (uintptr_t i = 0; i < 5; i++) {
		if (i == 3)
			stop = true;
		ck_assert_int_eq(pthread_join(thread[i], &result), 0);
		ck_assert_ptr_eq(result, address(i + 1));
	}
	for (unsigned k = 0; k < KINDS; k++) {
		exact(known[k], 0, 0);
		ck_assert_int_eq(mp_cache_destroy(known[k]), 0);
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, edges, 0, SIZES);
	tcase_add_test(tc, rate);
	tcase_add_test(tc, rates_in_turn);
	tcase_add_test(tc, used_again_late);
	tcase_add_test(tc, no_more);
	tcase_add_test(tc, bulk_and_walk);
	tcase_add_test(tc, general);
	tcase_add_test(tc, limit);
	tcase_add_test(tc, not_for_these);
	tcase_add_test(tc, wrong_frees);
	tcase_add_test(tc, damage);
	tcase_add_loop_test(tc, jumps, 0, 2);
	tcase_add_test(tc, live_at_destroy);
	tcase_add_test(tc, threads);
	tcase_add_test(tc, questions);
}

int main(void)
{
	return suite_run("guard-objects", add);
}
