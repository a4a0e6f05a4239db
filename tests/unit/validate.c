/* SPDX-License-Identifier: MIT */
/*
 * validate.c - mp_cache_validate() finds what was damaged, each fault once, and nothing else.
 */
#include "../suite.h"

#include "cache.h"

#include <pthread.h>

static struct mp_cache *c;
static struct tally tally;
static void *p[5000];

static struct mpp_slab *slab_of(const void *obj)
{
	void *head;

	ck_assert_uint_eq(mpp_map_find(obj, &head), mpp_cache_id(c));
	return mpp_slab_of(head, &c->g);
}

static void setup(unsigned flags)
{
	c = mp_cache_create("validated", 500, 0, flags, NULL);
	ck_assert_ptr_nonnull(c);
	for (int i = 0; i < 5000; i++)
		ck_assert_ptr_nonnull(p[i] = mp_cache_alloc(c));
	for (int i = 0; i < 5000; i += 2)
		mp_cache_free(c, p[i]);
	mp_thread_flush();
	tally_start(&tally);
	ck_assert_int_eq(mp_cache_validate(c), 0);
	ck_assert_uint_eq(tally.n, 0);
}

static void expect_faults(int n, enum mp_error_kind kind)
{
	ck_assert_int_eq(mp_cache_validate(c), n);
	ck_assert_uint_eq(tally.n, (unsigned)n);
	ck_assert_int_eq(tally.kind, kind);
	tally.n = 0;
}

START_TEST(a_bit_too_many)
{
	struct mpp_slab *s;

	setup(0);
	s = slab_of(p[1]);
	mpp_or_relaxed(&s->bits[0], (mpp_bits)2 & ~mpp_load_relaxed(&s->bits[0]));
	mpp_or_relaxed(&s->bits[0], (mpp_bits)1);
	expect_faults(1, MP_ERROR_FREE_LIST);
	ck_assert_ptr_nonnull(strstr(tally.message, "free bits of a slab"));
}
END_TEST

START_TEST(a_count_too_small)
{
	struct mpp_slab *s;

	setup(0);
	s = slab_of(p[1]);
	mpp_sub_relaxed(&s->word, 1);
	expect_faults(2, MP_ERROR_FREE_LIST); /* the slab's, and the cache's sum */
}
END_TEST

START_TEST(a_state_that_cannot_be)
{
	struct mpp_slab *s;
	uint32_t word;

	setup(0);
	s = slab_of(p[1]);
	word = mpp_load_relaxed(&s->word);
	ck_assert_int_eq(mpp_word_state(word), MPP_SLAB_PARTIAL);
	mpp_store_relaxed(&s->word, mpp_word(MPP_SLAB_FULL, mpp_word_count(word)));
	expect_faults(1, MP_ERROR_FREE_LIST);
	mpp_store_relaxed(&s->word, word);
	ck_assert_int_eq(mp_cache_validate(c), 0);
}
END_TEST

START_TEST(a_magic_gone)
{
	setup(0);
	slab_of(p[1])->magic++;
	expect_faults(1, MP_ERROR_SLAB_HEADER);
}
END_TEST

START_TEST(many_poisoned_objects_written_to)
{
	setup(MP_POISON);
	for (int i = 0; i < 100; i += 2)
		((char *)p[i])[i] = 1;
	expect_faults(50, MP_ERROR_USE_AFTER_FREE_WRITE); /* more than fit in one walk */
	for (int i = 0; i < 100; i += 2)
		((unsigned char *)p[i])[i] = 0xcc;
	ck_assert_int_eq(mp_cache_validate(c), 0);
}
END_TEST

START_TEST(no_cache)
{
	setup(0);
	ck_assert_int_lt(mp_cache_validate(NULL), 0);
}
END_TEST

/* Exact also while others work. */
static _Atomic bool stop;

static void *work(void *arg)
{
	void *mine[100];

	while (!stop) {
		for (int i = 0; i < 100; i++)
			mine[i] = mp_cache_alloc(c);
		for (int i = 0; i < 100; i++)
			mp_cache_free(c, mine[i]);
	}
	return arg;
}

START_TEST(while_others_work)
{
	pthread_t t[3];

	setup(0);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, work, NULL), 0);
	for (int i = 0; i < 500; i++)
		ck_assert_int_eq(mp_cache_validate(c), 0);
	stop = true;
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	check_cache(c, 2500);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, a_bit_too_many);
	tcase_add_test(tc, a_count_too_small);
	tcase_add_test(tc, a_state_that_cannot_be);
	tcase_add_test(tc, a_magic_gone);
	tcase_add_test(tc, many_poisoned_objects_written_to);
	tcase_add_test(tc, no_cache);
	tcase_add_test(tc, while_others_work);
}

int main(void)
{
	return suite_run("validate", add);
}
