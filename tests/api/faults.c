/* SPDX-License-Identifier: MIT */
/*
 * faults.c - misuse found, with a handler that carries on, allocates, or jumps away.
 * That a program dies of each by default, and of what message, is in tests/death.
 */
#include "../portable.h"
#include "../suite.h"

#include <pthread.h>
#include <setjmp.h>

#define MAX ((size_t)MP_MAX_FIXED_SIZE)

static struct tally tally;
static struct mp_cache *c;

static void setup(void)
{
	tally_start(&tally);
	c = mp_cache_create("orders", 96, 0, 0, NULL);
	ck_assert_ptr_nonnull(c);
}

static void *object(void)
{
	void *obj = mp_cache_alloc(c);

	ck_assert_ptr_nonnull(obj);
	return obj;
}

/* Nothing was harmed. */
static void carry_on(size_t live)
{
	void *p[200];

	check_cache(c, live);
	for (unsigned i = 0; i < 200; i++) {
		p[i] = object();
		pattern_fill(p[i], 96, i);
	}
	for (unsigned i = 0; i < 200; i++) {
		ck_assert(pattern_holds(p[i], 96, i));
		mp_cache_free(c, p[i]);
	}
	check_cache(c, live);
	ck_assert_uint_eq(tally.n, 0);
}

START_TEST(not_ours)
{
	static int global;
	void *page = portable_no_access(65536);
	void *heap = malloc(100);
	int local;
	void *bad[] = { launder(&global), launder(&local), launder(heap), page, address(1),
			address(8), address(4096), address(UINTPTR_MAX), address(UINTPTR_MAX - 15),
			address((uintptr_t)UINT64_C(0xffff800000000000)),
			address((uintptr_t)UINT64_C(0x0000800000000000)),
			address((uintptr_t)UINT64_C(0x00007ffffffff000)) };

	setup();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (bad[i] == NULL)
			continue; /* 32 bits */
		wrong_free(bad[i]);
		tally_expect(&tally, MP_ERROR_BAD_FREE, bad[i]);
		mp_cache_free(c, bad[i]);
		tally_expect(&tally, MP_ERROR_BAD_FREE, bad[i]);
		mp_free_sized(bad[i], 16);
		tally_expect(&tally, MP_ERROR_BAD_FREE, bad[i]);
		mp_cache_free_bulk(c, 1, &bad[i]);
		tally_expect(&tally, MP_ERROR_BAD_FREE, bad[i]);
		mp_cache_free_bulk(NULL, 1, &bad[i]);
		tally_expect(&tally, MP_ERROR_BAD_FREE, bad[i]);
		ck_assert_ptr_null(mp_realloc(bad[i], 10));
		tally_expect(&tally, MP_ERROR_BAD_FREE, bad[i]);
		ck_assert_uint_eq(mp_usable_size(bad[i]), 0);
		tally_expect(&tally, MP_ERROR_BAD_FREE, bad[i]);
	}
	carry_on(0);
	free(heap);
	portable_free_addresses(page, 65536);
}
END_TEST

START_TEST(not_the_first_byte)
{
	struct mp_object_info info = { .struct_size = sizeof(info) };
	static const size_t sizes[] = { 24, 96, 3000, 40000, 300000 };

	setup();
	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		struct mp_cache *d = mp_cache_create("inside", sizes[k], 8, 0, NULL);
		char *p = mp_cache_alloc(d);

		ck_assert_ptr_nonnull(p);
		for (size_t at = 1; at < sizes[k]; at += 1 + at / 3) {
			wrong_free(launder(p + at));
			tally_expect(&tally, MP_ERROR_INTERIOR_POINTER, p + at);
			ck_assert_ptr_eq(tally.object, p);
			ck_assert_ptr_eq(tally.cache, d);
			mp_cache_free(d, launder(p + at));
			tally_expect(&tally, MP_ERROR_INTERIOR_POINTER, p + at);
		}
		ck_assert_int_eq(mp_object_info(p, &info), 0);
		wrong_free(info.slab); /* the header */
		tally_expect(&tally, MP_ERROR_INTERIOR_POINTER, info.slab);
		wrong_free((char *)info.slab + stats_of(d).chunks_per_slab * MP_CHUNK_SIZE - 1);
		ck_assert_uint_eq(tally.n, 1);
		tally.n = 0;
		check_cache(d, 1);
		mp_cache_free(d, p);
	}
	carry_on(0);
}
END_TEST

START_TEST(of_another_cache)
{
	struct mp_cache *other = mp_cache_create("other", 96, 0, 0, NULL);
	void *p, *q, *large = mp_alloc(3 * MAX), *small = mp_alloc(96);

	setup();
	p = mp_cache_alloc(other);
	ck_assert(p != NULL && large != NULL && small != NULL);
	mp_cache_free(c, p);
	tally_expect(&tally, MP_ERROR_WRONG_CACHE, p);
	mp_cache_free(c, large);
	tally_expect(&tally, MP_ERROR_WRONG_CACHE, large);
	mp_cache_free(c, small);
	tally_expect(&tally, MP_ERROR_WRONG_CACHE, small);
	q = object();
	mp_cache_free(other, q);
	tally_expect(&tally, MP_ERROR_WRONG_CACHE, q);
	mp_cache_free_bulk(other, 1, &q);
	tally_expect(&tally, MP_ERROR_WRONG_CACHE, q);
	check_cache(other, 1);
	carry_on(1);
	mp_cache_free(other, p);
	mp_free(large);
	mp_free(small);
	mp_cache_free(c, q);
	ck_assert_uint_eq(tally.n, 0);
}
END_TEST

START_TEST(twice_at_once)
{
	void *p, *stale;

	setup();
	p = object();
	stale = launder(p);
	mp_cache_free(c, p);
	mp_cache_free(c, stale);
	tally_expect(&tally, MP_ERROR_DOUBLE_FREE, stale);
	wrong_free(stale);
	tally_expect(&tally, MP_ERROR_DOUBLE_FREE, stale);
	mp_cache_free_bulk(c, 1, &stale);
	tally_expect(&tally, MP_ERROR_DOUBLE_FREE, stale);
	mp_cache_free_bulk(NULL, 1, &stale);
	tally_expect(&tally, MP_ERROR_DOUBLE_FREE, stale);
	carry_on(0);
}
END_TEST

/* Frees of others between: found at the latest when the slab sees it. */
START_TEST(twice_and_later)
{
	void *p[40], *stale;

	setup();
	for (int i = 0; i < 40; i++)
		p[i] = object();
	stale = launder(p[7]);
	for (int i = 0; i < 40; i++)
		mp_cache_free(c, p[i]);
	mp_cache_free(c, stale);
	mp_thread_flush();
	tally_expect(&tally, MP_ERROR_DOUBLE_FREE, stale);
	carry_on(0);
}
END_TEST

START_TEST(twice_and_the_slab_is_gone)
{
	void *p, *stale;

	setup();
	p = object();
	stale = launder(p);
	mp_cache_free(c, p);
	ck_assert_int_eq(mp_cache_shrink(c), 0);
	mp_cache_free(c, stale); /* memory that is nobody's now */
	tally_expect(&tally, MP_ERROR_BAD_FREE, stale);
	carry_on(0);
}
END_TEST

START_TEST(spans_twice)
{
	char *p = mp_alloc(7 * MAX), *q = mp_alloc(7 * MAX), *stale = launder(p);

	setup();
	mp_free(p);
	wrong_free(stale);
	tally_expect(&tally, MP_ERROR_DOUBLE_FREE, stale);
	ck_assert_str_eq(tally.cache_name, "large");
	wrong_free(q + 1);
	tally_expect(&tally, MP_ERROR_INTERIOR_POINTER, q + 1);
	ck_assert_ptr_eq(tally.object, q);
	wrong_free(q + 4096);
	tally_expect(&tally, MP_ERROR_INTERIOR_POINTER, q + 4096);
	mp_free(q);
	mp_thread_flush();
	wrong_free(stale);
	tally_expect(&tally, MP_ERROR_DOUBLE_FREE, stale);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
	carry_on(0);
}
END_TEST

/* Another free between, and both copies come back without being handed out. */
START_TEST(spans_twice_and_later)
{
	char *p = mp_alloc(7 * MAX), *q = mp_alloc(7 * MAX), *stale = launder(p);

	setup();
	mp_free(p);
	mp_free(q);
	wrong_free(stale);
	mp_thread_flush();
	tally_expect(&tally, MP_ERROR_DOUBLE_FREE, stale);
	carry_on(0);
}
END_TEST

START_TEST(dead_handles)
{
	struct mp_cache *dead;
	void *p, *objs[2];

	setup();
	dead = c;
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	c = mp_cache_create("successor", 96, 0, 0, NULL);
	p = object();
	errno = 0;
	ck_assert_ptr_null(mp_cache_alloc(dead));
	ck_assert_int_eq(errno, EINVAL);
	tally_expect(&tally, MP_ERROR_DEAD_CACHE, dead);
	ck_assert_ptr_null(mp_cache_zalloc(dead));
	tally_expect(&tally, MP_ERROR_DEAD_CACHE, dead);
	mp_cache_free(dead, p);
	ck_assert_uint_eq(tally.n, 1);
	ck_assert_int_eq(tally.kind, MP_ERROR_DEAD_CACHE);
	tally.n = 0;
	mp_cache_free(dead, launder(objs)); /* an address whose code is 0, as a dead id is */
	ck_assert_uint_eq(tally.n, 1);
	ck_assert_int_eq(tally.kind, MP_ERROR_DEAD_CACHE);
	tally.n = 0;
	mp_cache_free_bulk(dead, 1, &p);
	ck_assert_uint_eq(tally.n, 1);
	ck_assert_int_eq(tally.kind, MP_ERROR_DEAD_CACHE);
	tally.n = 0;
	ck_assert_int_eq(mp_cache_alloc_bulk(dead, 2, objs), -EINVAL);
	tally_expect(&tally, MP_ERROR_DEAD_CACHE, dead);
	ck_assert_int_eq(mp_cache_destroy(dead), -EINVAL);
	tally_expect(&tally, MP_ERROR_DEAD_CACHE, dead);
	ck_assert_int_eq(mp_cache_prealloc(dead, 1), -EINVAL);
	tally_expect(&tally, MP_ERROR_DEAD_CACHE, dead);
	ck_assert_int_eq(mp_cache_set_max(dead, 1), -EINVAL);
	tally_expect(&tally, MP_ERROR_DEAD_CACHE, dead);
	ck_assert_int_eq(mp_cache_set_fail(dead, MP_FAIL_NTH, 1, 0), -EINVAL);
	tally_expect(&tally, MP_ERROR_DEAD_CACHE, dead);
	(void)mp_cache_shrink(dead);
	tally_expect(&tally, MP_ERROR_DEAD_CACHE, dead);
	ck_assert_int_lt(mp_cache_validate(dead), 0);
	carry_on(1);
	mp_cache_free(c, p);
	carry_on(0);
}
END_TEST

static int visit(void *obj, void *arg)
{
	(void)obj;
	(void)arg;
	return 0;
}

/* No cache at all is an argument like another; but see mp_cache_alloc(3). */
START_TEST(no_handle)
{
	struct mp_cache_stats s = { .struct_size = sizeof(s) };
	void *obj, *none[1] = { NULL };

	setup();
	errno = 0;
	ck_assert_ptr_null(mp_cache_zalloc(NULL));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_ptr_null(mp_cache_name(NULL));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_uint_eq(mp_cache_size(NULL), 0);
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_ptr_null(mp_cache_find(NULL));
	ck_assert_int_eq(errno, EINVAL);
	ck_assert_int_eq(mp_cache_alloc_bulk(NULL, 1, &obj), -EINVAL);
	ck_assert_int_eq(mp_cache_alloc_bulk(NULL, 0, NULL), -EINVAL);
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 1, NULL), -EINVAL);
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 0, NULL), 0);
	ck_assert_int_eq(mp_cache_prealloc(NULL, 1), -EINVAL);
	ck_assert_int_eq(mp_cache_set_max(NULL, 1), -EINVAL);
	ck_assert_int_eq(mp_cache_set_fail(NULL, MP_FAIL_NTH, 1, 0), -EINVAL);
	ck_assert_int_eq(mp_cache_shrink(NULL), -EINVAL);
	ck_assert_int_eq(mp_cache_validate(NULL), -EINVAL);
	ck_assert_int_eq(mp_cache_get_stats(NULL, &s), -EINVAL);
	ck_assert_int_eq(mp_cache_get_stats(c, NULL), -EINVAL);
	ck_assert_int_eq(mp_cache_for_each_object(NULL, visit, NULL), -EINVAL);
	ck_assert_int_eq(mp_cache_for_each_object(c, NULL, NULL), -EINVAL);
	ck_assert_int_eq(mp_cache_for_each(NULL, NULL), -EINVAL);
	ck_assert_int_eq(mp_object_info(c, NULL), -EINVAL);
	ck_assert_int_eq(mp_get_stats(NULL), -EINVAL);
	ck_assert_int_eq(mp_version_info(NULL), -EINVAL);
	ck_assert_int_eq(mp_slabinfo_print(NULL), -EINVAL);
	ck_assert_int_eq(mp_stats_print_json(NULL), -EINVAL);
	ck_assert_int_eq((int)mp_leak_report(NULL), -EINVAL);
	ck_assert_int_eq(mp_cache_destroy(NULL), 0);
	errno = ERANGE;
	mp_cache_free(c, NULL);
	mp_cache_free_bulk(NULL, 1, none);
	mp_cache_free_bulk(c, 1, none);
	mp_cache_free_bulk(c, 0, NULL);
	mp_free(NULL);
	mp_free_sized(NULL, 10);
	mp_free_aligned_sized(NULL, 8, 10);
	ck_assert_int_eq(errno, ERANGE);
	ck_assert_uint_eq(tally.n, 0);
	carry_on(0);
}
END_TEST

/* A freed object that is asked about, resized, or freed with a size, where that is cheap to see. */
START_TEST(freed_and_asked_about)
{
	static const size_t sizes[] = { 24, 96, MAX, 3 * MAX, 40000, 9000000 };
	struct mp_cache *general[6] = { NULL };
	void *p, *stale;

	setup();
	for (int i = 0; i < 6; i++) {
		if (sizes[i] <= MAX)
			general[i] = mp_cache_create("freed", sizes[i], 0, 0, NULL);
		for (int how = 0; how < 4; how++) {
			p = general[i] != NULL && how % 2 == 0 ? mp_cache_alloc(general[i])
							       : mp_alloc(sizes[i]);
			ck_assert_ptr_nonnull(p);
			ck_assert_uint_ge(mp_usable_size(p), sizes[i]);
			stale = launder(p);
			mp_free(p);
			if (how >= 2)
				mp_thread_flush(); /* in its slab; or nobody's, if that went */
			ck_assert_uint_eq(mp_usable_size(stale), 0);
			ck_assert_uint_eq(tally.n, 1);
			ck_assert_ptr_null(mp_realloc(stale, sizes[i] + 1));
			ck_assert_ptr_null(mp_realloc(stale, 1));
			mp_free_sized(stale, 2 * sizes[i] + 1); /* of another class */
			mp_free_aligned_sized(stale, 1, 1);
			ck_assert_uint_eq(tally.n, 5);
			if (how < 2)
				ck_assert_int_eq(tally.kind, MP_ERROR_DOUBLE_FREE);
			tally.n = 0;
		}
	}
	ck_assert_uint_eq(stats_of_all().large_live, 0);
	carry_on(0);
}
END_TEST

/* What keeps marks of its objects knows a freed one, whoever asks. */
START_TEST(questions_about_freed_objects)
{
	struct mp_cache *marked = mp_cache_create("marked", 96, 0, MP_POISON | MP_STORE_USER, NULL);
	void *p;

	tally_start(&tally);
	ck_assert_ptr_nonnull(marked);
	ck_assert_ptr_nonnull(p = launder(mp_cache_alloc(marked)));
	ck_assert_uint_eq(mp_usable_size(p), 96);
	mp_cache_free(marked, launder(p));
	ck_assert_uint_eq(mp_usable_size(p), 0);
	tally_expect(&tally, MP_ERROR_DOUBLE_FREE, p);
	errno = 0;
	ck_assert_ptr_null(mp_realloc(launder(p), 10));
	ck_assert_int_eq(errno, EINVAL);
	tally_expect(&tally, MP_ERROR_DOUBLE_FREE, p);
	mp_free_sized(launder(p), 96);
	tally_expect(&tally, MP_ERROR_DOUBLE_FREE, p);
	check_cache(marked, 0);
	ck_assert_int_eq(mp_cache_destroy(marked), 0);
}
END_TEST

static bool in_chunk_of(const void *obj, uintptr_t a)
{
	return (a ^ (uintptr_t)obj) < MP_CHUNK_SIZE;
}

/* As many reports as wild values, no more, no fewer, and no crash. */
START_TEST(a_million_wild_frees)
{
	enum { N = 1000000 };
	uint64_t seed = 4711;
	char *mine, *large = mp_alloc(20 * MAX);

	setup();
	mine = object();
	for (int i = 0; i < N; i++) {
		uint64_t r = suite_random(&seed);
		uintptr_t a;

		switch (i % 5) {
		case 0:
			a = (uintptr_t)r;
			break;
		case 1: /* what a system maps */
			a = (uintptr_t)(r >> 17);
			break;
		case 2: /* in and around our slabs, but no object starts there */
			a = (uintptr_t)mine + (uintptr_t)(r % (4 * MP_CHUNK_SIZE)) -
			    2 * MP_CHUNK_SIZE;
			a |= 1;
			break;
		case 3: /* in and around our spans */
			a = (uintptr_t)large + (uintptr_t)(r % (64 * MAX)) - 32 * MAX;
			a |= 1;
			break;
		default: /* small numbers */
			a = 1 + (uintptr_t)(r >> 44);
			break;
		}
		/*
		 * Where addresses have 32 bits, one of those at random is at times an object
		 * of ours, which may be freed, or was just now: not these.
		 */
		if (a == 0 || a == (uintptr_t)large || in_chunk_of(mine, a))
			a |= 1;
		if (i % 2 == 0)
			wrong_free(address(a));
		else
			mp_cache_free(c, address(a));
	}
	ck_assert_uint_eq(tally.n, N);
	ck_assert_uint_eq(stats_of_all().faults, N);
	tally.n = 0;
	carry_on(1);
	mp_cache_free(c, mine);
	mp_free(large);
	ck_assert_uint_eq(tally.n, 0);
}
END_TEST

/* ---- errno */

static enum mp_error_action change_errno(const struct mp_error *e, void *arg)
{
	(void)e;
	++*(unsigned *)arg;
	errno = EDOM;
	return MP_ERROR_CONTINUE;
}

START_TEST(errno_kept)
{
	void *p[8], *bad = address(0x1234560), *large[4], *many[20];
	unsigned reports = 0;

	setup();
	for (int i = 0; i < 8; i++)
		p[i] = object();
	for (int i = 0; i < 4; i++)
		ck_assert_ptr_nonnull(large[i] = mp_alloc((20 * MAX) << (3 * i)));
	mp_set_error_handler(change_errno, &reports);
	errno = ERANGE;
	mp_cache_free(c, p[0]);
	mp_free(p[1]);
	mp_free_sized(p[2], 96);
	mp_free_aligned_sized(p[3], 16, 96);
	mp_cache_free_bulk(c, 2, p + 4);
	mp_cache_free_bulk(NULL, 2, p + 6);
	mp_free(large[0]);
	mp_free_sized(large[1], (20 * MAX) << 3);
	mp_cache_free_bulk(NULL, 2, large + 2);
	mp_free(NULL);
	ck_assert_int_eq(errno, ERANGE);
	ck_assert_uint_eq(reports, 0);
	wrong_free(bad);
	ck_assert_int_eq(errno, ERANGE);
	mp_cache_free(c, bad);
	ck_assert_int_eq(errno, ERANGE);
	mp_free_sized(bad, 100);
	ck_assert_int_eq(errno, ERANGE);
	mp_free_aligned_sized(bad, 16, 100);
	ck_assert_int_eq(errno, ERANGE);
	mp_cache_free_bulk(c, 1, &bad);
	mp_cache_free_bulk(NULL, 1, &bad);
	ck_assert_int_eq(errno, ERANGE);
	ck_assert_uint_eq(reports, 6);
	for (int i = 0; i < 20; i++)
		many[i] = bad;
	mp_cache_free_bulk(c, 20, many); /* more than are gathered */
	ck_assert_int_eq(errno, ERANGE);
	ck_assert_uint_eq(reports, 26);
}
END_TEST

/* ---- handlers */

static enum mp_error_action allocate(const struct mp_error *e, void *arg)
{
	struct mp_cache *d = mp_cache_create("in the handler", 40, 0, 0, NULL);
	void *obj = mp_cache_alloc(d), *small = mp_alloc(50), *large = mp_alloc(9 * MAX);

	(void)e;
	++*(unsigned *)arg;
	ck_assert(obj != NULL && small != NULL && large != NULL);
	mp_free(large);
	mp_free(small);
	mp_cache_free(d, obj);
	ck_assert_int_eq(mp_cache_validate(d), 0);
	ck_assert_int_eq(mp_cache_destroy(d), 0);
	mp_thread_flush();
	return MP_ERROR_CONTINUE;
}

static jmp_buf out;

static enum mp_error_action jump(const struct mp_error *e, void *arg)
{
	(void)e;
	++*(unsigned *)arg;
	longjmp(out, 1);
}

/* One of each kind; frees and stays in balance. */
static void every_misuse(void)
{
	volatile int step = 0;
	void *volatile p = object();
	void *volatile large = mp_alloc(9 * MAX);
	char *volatile q = object();

	(void)setjmp(out); /* a handler that jumps comes back here, to the next step */
	switch (step++) {
	case 0:
		wrong_free(address(64));
		/* fall through */
	case 1:
		step = 2;
		mp_cache_free(c, q + 8);
		/* fall through */
	case 2:
		step = 3;
		wrong_free((char *)large + 1);
		/* fall through */
	case 3:
		step = 4;
		mp_cache_free(c, large);
		/* fall through */
	case 4:
		step = 5;
		mp_free_sized(q, MAX);
		/* fall through */
	case 5:
		step = 6;
		ck_assert(mp_usable_size(q + 1) == 0);
		/* fall through */
	case 6:
		step = 7;
		ck_assert_int_eq(mp_cache_destroy(c), -EBUSY);
		/* fall through */
	case 7:
		mp_cache_free(c, p);
		step = 8;
		mp_cache_free(c, p);
		/* fall through */
	default:
		break;
	}
	mp_cache_free(c, q);
	mp_free(large);
}

START_TEST(handler_allocates)
{
	unsigned reports = 0;

	setup();
	mp_set_error_handler(allocate, &reports);
	for (unsigned i = 1; i <= 50; i++) {
		every_misuse();
		ck_assert_uint_eq(reports, 8 * i);
	}
	tally_start(&tally);
	carry_on(0);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
}
END_TEST

START_TEST(handler_jumps)
{
	unsigned reports = 0;

	setup();
	mp_set_error_handler(jump, &reports);
	for (unsigned i = 1; i <= 50; i++) {
		every_misuse();
		ck_assert_uint_eq(reports, 8 * i);
	}
	tally_start(&tally);
	carry_on(0);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
}
END_TEST

/* Reports in threads: one each, all counted, while others work. */
static _Atomic unsigned reported;

static enum mp_error_action count(const struct mp_error *e, void *arg)
{
	(void)arg;
	ck_assert_ptr_nonnull(strstr(e->message, "found by"));
	reported++;
	return MP_ERROR_CONTINUE;
}

static void *misbehave(void *arg)
{
	for (uintptr_t i = 1; i <= 5000; i++) {
		void *p = object();

		wrong_free(address(i * 16 + (uintptr_t)arg));
		mp_cache_free(c, (char *)p + 1);
		mp_cache_free(c, p);
	}
	return NULL;
}

START_TEST(reports_in_threads)
{
	pthread_t t[4];

	setup();
	mp_set_error_handler(count, NULL);
	for (uintptr_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, misbehave, (void *)i), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	ck_assert_uint_eq(reported, 4 * 2 * 5000);
	ck_assert_uint_eq(stats_of_all().faults, 4 * 2 * 5000);
	tally_start(&tally);
	carry_on(0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, not_ours);
	tcase_add_test(tc, not_the_first_byte);
	tcase_add_test(tc, of_another_cache);
	tcase_add_test(tc, twice_at_once);
	tcase_add_test(tc, twice_and_later);
	tcase_add_test(tc, twice_and_the_slab_is_gone);
	tcase_add_test(tc, spans_twice);
	tcase_add_test(tc, spans_twice_and_later);
	tcase_add_test(tc, dead_handles);
	tcase_add_test(tc, no_handle);
	tcase_add_test(tc, freed_and_asked_about);
	tcase_add_test(tc, questions_about_freed_objects);
	tcase_add_test(tc, a_million_wild_frees);
	tcase_add_test(tc, errno_kept);
	tcase_add_test(tc, handler_allocates);
	tcase_add_test(tc, handler_jumps);
	tcase_add_test(tc, reports_in_threads);
}

int main(void)
{
	return suite_run("faults", add);
}
