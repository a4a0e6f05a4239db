/* SPDX-License-Identifier: MIT */
/*
 * chunk.c - chunks out of regions, and their pages.
 */
#include "../suite.h"

#include "budget.h"
#include "chunk.h"
#include "os.h"

#include <limits.h>
#include <pthread.h>

static struct mpp_chunk_stats now(void)
{
	struct mpp_chunk_stats s;

	mpp_chunk_stats(&s);
	ck_assert_uint_le(s.in_use + s.kept, s.reserved);
	return s;
}

START_TEST(aligned_and_apart)
{
	enum { N = 300 };
	static unsigned char *p[N];
	size_t n[N], before = now().in_use, budget = mpp_budget_used(), sum = 0;

	for (unsigned i = 0; i < N; i++) {
		n[i] = i % 5 == 4 ? 1 + i % 9 : 1;
		p[i] = mpp_chunk_alloc(n[i]);
		ck_assert_ptr_nonnull(p[i]);
		ck_assert(is_aligned(p[i], MP_CHUNK_SIZE));
		memset(p[i], (int)(i & 0xff), 64); /* first and last bytes tell overlaps */
		memset(p[i] + n[i] * MP_CHUNK_SIZE - 64, (int)(i & 0xff), 64);
		sum += n[i] * MP_CHUNK_SIZE;
	}
	ck_assert_uint_eq(now().in_use - before, sum);
	ck_assert_uint_ge(mpp_budget_used() - budget, sum);
	for (unsigned i = 0; i < N; i++) {
		ck_assert(is_filled(p[i], 64, (unsigned char)i));
		ck_assert(is_filled(p[i] + n[i] * MP_CHUNK_SIZE - 64, 64, (unsigned char)i));
		mpp_chunk_free(p[i], n[i]);
	}
	ck_assert_uint_eq(now().in_use, before);
}
END_TEST

START_TEST(larger_than_a_region)
{
	size_t n = 40 * MPP_MIB / MP_CHUNK_SIZE, reserved;
	void *p = mpp_chunk_alloc(n);

	ck_assert_ptr_nonnull(p);
	memset(p, 1, n * MP_CHUNK_SIZE);
	reserved = now().reserved;
	mpp_chunk_free(p, n);
	ck_assert_ptr_eq(mpp_chunk_alloc(n - 3), p); /* used again, as a whole */
	ck_assert_uint_eq(now().reserved, reserved);
	mpp_chunk_free(p, n - 3);
	ck_assert_uint_gt(mpp_chunk_purge(0), 0);
	ck_assert_uint_eq(now().kept, 0);
}
END_TEST

START_TEST(purge)
{
	enum { N = 32 };
	unsigned char *p[N];

	for (int i = 0; i < N; i++) {
		p[i] = mpp_chunk_alloc(1);
		ck_assert_ptr_nonnull(p[i]);
		memset(p[i], 0xaa, MP_CHUNK_SIZE);
	}
	for (int i = 0; i < N; i++)
		mpp_chunk_free(p[i], 1);
	ck_assert_uint_ge(now().kept, N * (size_t)MP_CHUNK_SIZE);
	ck_assert_uint_ge(mpp_chunk_purge(1), 1);
	(void)mpp_chunk_purge(0);
	ck_assert_uint_eq(now().kept, 0);
	for (int i = 0; i < N; i++) {
		p[i] = mpp_chunk_alloc(1);
		ck_assert_ptr_nonnull(p[i]);
		ck_assert(is_filled(p[i], MP_CHUNK_SIZE, 0)); /* the pages were dropped */
	}
}
END_TEST

/* Chunks that have pages are used again before any others, several adjacent ones too. */
START_TEST(with_pages_first)
{
	enum { N = 8 }; /* of a fresh region; others have nothing free or no pages */
	char *p[N], *q;

	(void)mpp_chunk_purge(0);
	for (int i = 0; i < N; i++) {
		p[i] = mpp_chunk_alloc(1);
		ck_assert_ptr_nonnull(p[i]);
	}
	for (int i = 0; i < N / 2; i++)
		mpp_chunk_free(p[i], 1);
	(void)mpp_chunk_purge(0);
	for (int i = N / 2; i < N; i++)
		mpp_chunk_free(p[i], 1);
	q = mpp_chunk_alloc(2);
	ck_assert(q >= p[N / 2] && q < p[N - 1]);
	mpp_chunk_free(q, 2);
	q = mpp_chunk_alloc(1);
	ck_assert(q >= p[N / 2] && q <= p[N - 1]);
	mpp_chunk_free(q, 1);
}
END_TEST

/* The system refuses to take pages: they stay counted, and the chunks usable. */
START_TEST(purge_refused)
{
	void *p = mpp_chunk_alloc(1);

	ck_assert_ptr_nonnull(p);
	mpp_chunk_free(p, 1);
	mpp_os_inject(1, LONG_MAX);
	ck_assert_uint_eq(mpp_chunk_purge(0), 0);
	ck_assert_uint_eq(now().kept, MP_CHUNK_SIZE);
	p = mpp_chunk_alloc(1);
	ck_assert_ptr_nonnull(p);
	mpp_chunk_free(p, 1);
	mpp_os_inject(0, 0);
	ck_assert_uint_eq(mpp_chunk_purge(0), MP_CHUNK_SIZE);
	ck_assert_uint_eq(now().kept, 0);
}
END_TEST

START_TEST(refused)
{
	size_t before = now().in_use, n = 0;
	void *last = NULL, *p;

	mpp_os_inject(1, LONG_MAX);
	while ((p = mpp_chunk_alloc(1)) != NULL) {
		last = p;
		n++;
	}
	ck_assert_uint_lt(n, 1000);
	ck_assert_ptr_null(mpp_chunk_alloc(1000));
	ck_assert_uint_eq(now().in_use, before + n * MP_CHUNK_SIZE);
	mpp_os_inject(0, 0);
	ck_assert_ptr_nonnull(mpp_chunk_alloc(1));
	mpp_budget_set_limit(mpp_budget_used() + MP_CHUNK_SIZE - 1);
	ck_assert_ptr_null(mpp_chunk_alloc(1));
	if (last != NULL) {
		mpp_chunk_free(last, 1);
		ck_assert_ptr_eq(mpp_chunk_alloc(1), last);
	}
}
END_TEST

#define THREADS 4

static void *churn(void *arg)
{
	uint64_t seed = (uintptr_t)arg + 1;
	unsigned char *p[16] = { NULL };
	size_t n[16];

	for (int i = 0; i < 5000; i++) {
		unsigned k = (unsigned)(suite_random(&seed) % 16);

		if (p[k] != NULL) {
			ck_assert_uint_eq(p[k][0], k);
			mpp_chunk_free(p[k], n[k]);
			p[k] = NULL;
			continue;
		}
		n[k] = 1 + (size_t)(suite_random(&seed) % 3);
		p[k] = mpp_chunk_alloc(n[k]);
		ck_assert_ptr_nonnull(p[k]);
		p[k][0] = (unsigned char)k;
		if (i % 100 == 0)
			(void)mpp_chunk_purge(1);
	}
	for (int k = 0; k < 16; k++)
		if (p[k] != NULL)
			mpp_chunk_free(p[k], n[k]);
	return NULL;
}

START_TEST(many_threads)
{
	pthread_t t[THREADS];
	size_t before = now().in_use;

	for (uintptr_t i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, churn, (void *)i), 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	ck_assert_uint_eq(now().in_use, before);
	(void)mpp_chunk_purge(0);
	ck_assert_uint_eq(now().kept, 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, aligned_and_apart);
	tcase_add_test(tc, larger_than_a_region);
	tcase_add_test(tc, purge);
	tcase_add_test(tc, with_pages_first);
	tcase_add_test(tc, purge_refused);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, many_threads);
}

int main(void)
{
	return suite_run("chunk", add);
}
