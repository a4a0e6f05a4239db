/* SPDX-License-Identifier: MIT */
/*
 * flags.c - MP_TYPE_STABLE, MP_ZERO_ON_FREE and MP_POISON.
 */
#include "../suite.h"

static struct mp_cache *c;
static unsigned char *p[150000];
static size_t n;

/* Two slabs' worth of objects of size bytes. */
static void setup(size_t size, unsigned flags)
{
	c = mp_cache_create("flagged", size, 0, flags, NULL);
	ck_assert_ptr_nonnull(c);
	n = 2 * stats_of(c).objects_per_slab;
	ck_assert_uint_le(n, sizeof(p) / sizeof(p[0]));
	for (size_t i = 0; i < n; i++) {
		p[i] = mp_cache_alloc(c);
		ck_assert_ptr_nonnull(p[i]);
		pattern_fill(p[i], size, (unsigned)i);
	}
}

static void release(void)
{
	for (size_t i = 0; i < n; i++)
		mp_cache_free(c, p[i]);
}

/* A stale pointer meets the same type, with what was last in it, until destroy. */
START_TEST(type_stable)
{
	size_t slabs;

	setup(240, MP_TYPE_STABLE);
	slabs = stats_of(c).slabs;
	release();
	ck_assert_int_eq(mp_cache_shrink(c), 1);
	(void)mp_reclaim(0);
	ck_assert_uint_eq(stats_of(c).slabs, slabs);
	for (size_t i = 0; i < n; i++) {
		struct mp_object_info info = { .struct_size = sizeof(info) };

		ck_assert(pattern_holds(p[i], 240, (unsigned)i));
		ck_assert_int_eq(mp_object_info(p[i], &info), 0);
		ck_assert_ptr_eq(info.cache, c);
		ck_assert_int_ne(info.state, MP_OBJECT_LIVE);
	}
	check_cache(c, 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

/* Without the flag the slabs go, so the test above can fail. */
START_TEST(not_type_stable)
{
	setup(240, 0);
	release();
	ck_assert_int_eq(mp_cache_shrink(c), 0);
}
END_TEST

START_TEST(zero_on_free)
{
	for (size_t size = 1; size < 5000; size = size * 3 + 2) {
		setup(size, MP_ZERO_ON_FREE | (_i == 0 ? 0 : MP_RED_ZONE));
		check_cache(c, n);
		for (size_t i = 0; i < n; i++) {
			mp_cache_free(c, p[i]);
			ck_assert(is_filled(launder(p[i]), size, 0));
		}
		ck_assert_int_eq(mp_cache_alloc_bulk(c, n, (void **)p), 0);
		for (size_t i = 0; i < n; i++)
			memset(p[i], 0xee, size);
		mp_cache_free_bulk(c, n, (void *const *)p);
		for (size_t i = 0; i < n; i++)
			ck_assert(is_filled(launder(p[i]), size, 0));
		ck_assert_int_eq(mp_cache_alloc_bulk(c, n, (void **)p), 0);
		for (size_t i = 0; i < n; i++) {
			memset(p[i], 0xee, size);
			mp_free(p[i]);
			ck_assert(is_filled(launder(p[i]), size, 0));
		}
		check_cache(c, 0);
		ck_assert_int_eq(mp_cache_destroy(c), 0);
	}
}
END_TEST

START_TEST(poison)
{
	for (size_t size = 1; size < 5000; size = size * 3 + 2) {
		setup(size, MP_POISON);
		check_cache(c, n);
		for (size_t i = 0; i < n; i++) {
			mp_cache_free(c, p[i]);
			ck_assert(is_filled(launder(p[i]), size, 0xcc));
		}
		check_cache(c, 0);
		p[0] = mp_cache_alloc(c);
		ck_assert_ptr_nonnull(p[0]);
		ck_assert(is_filled(p[0], size, 0xcd)); /* fresh ones look different */
		mp_cache_free(c, p[0]);
		p[0] = mp_cache_zalloc(c);
		ck_assert_ptr_nonnull(p[0]);
		ck_assert(is_filled(p[0], size, 0));
		mp_cache_free(c, p[0]);
		ck_assert_int_eq(mp_cache_destroy(c), 0);
	}
	ck_assert_uint_eq(stats_of_all().faults, 0);
}
END_TEST

/* Every byte is watched, at reuse; the object is then kept out of use. */
START_TEST(poison_verified)
{
	struct tally tally;
	size_t slot;

	tally_start(&tally);
	setup(24, MP_POISON);
	slot = stats_of(c).slot_size;
	for (size_t at = 0; at < slot; at++) {
		unsigned char *bad = p[at % n];

		if (bad == NULL)
			continue;
		mp_cache_free(c, bad);
		bad = launder(bad);
		bad[at] ^= 1;
		ck_assert_int_eq(mp_cache_validate(c), 1);
		tally_expect(&tally, MP_ERROR_USE_AFTER_FREE_WRITE, bad);
		for (size_t i = 0; i <= n; i++) { /* until it comes up */
			void *q = mp_cache_alloc(c);

			ck_assert_ptr_nonnull(q);
			ck_assert_ptr_ne(q, bad);
			if (tally.n > 0)
				break;
		}
		tally_expect(&tally, MP_ERROR_USE_AFTER_FREE_WRITE, bad);
		ck_assert_ptr_nonnull(strstr(tally.message, "damaged bytes at offset"));
		p[at % n] = NULL;
		ck_assert_int_eq(mp_cache_validate(c), 0); /* one report per object */
	}
}
END_TEST

/* A poisoned cache sees every double free at the call. */
START_TEST(poison_double_free)
{
	struct tally tally;

	tally_start(&tally);
	setup(100, MP_POISON);
	mp_cache_free(c, p[0]);
	mp_cache_free(c, p[1]);
	mp_cache_free(c, launder(p[0]));
	tally_expect(&tally, MP_ERROR_DOUBLE_FREE, p[0]);
	mp_cache_free_bulk(c, 2, (void *const *)p);
	ck_assert_uint_eq(tally.n, 2);
	check_cache(c, n - 2);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, type_stable);
	tcase_add_test(tc, not_type_stable);
	tcase_add_loop_test(tc, zero_on_free, 0, 2);
	tcase_add_test(tc, poison);
	tcase_add_test(tc, poison_verified);
	tcase_add_test(tc, poison_double_free);
}

int main(void)
{
	return suite_run("flags", add);
}
