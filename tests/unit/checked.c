/* SPDX-License-Identifier: MIT */
/*
 * checked.c - what a watched object's way out and in does about marks, headers and free lists
 * that are damaged, with a handler that leaves by longjmp.
 */
#include "../suite.h"
#include "../jumps.h"

#include "checked.h"
#include "init.h"
#include "object.h"
#include "spancache.h"
#include "spanwatch.h"

static struct tally tally;
static struct mp_cache *c;
static void *p, *q;
static struct mpp_watched o;
static void *many[200];
static size_t n;

#define JUMPS(what, call) JUMPS_OUT_OF(jump, &tally, what, call)

static void exact(size_t live, size_t leaked)
{
	check_counts(c, live, leaked);
	if (c->counted)
		ck_assert_uint_eq(mpp_load_relaxed(&c->live), live);
	ck_assert_msg(mp_cache_validate(c) == 0, "%s", tally.message);
	ck_assert_uint_eq(tally.n, 0);
}

static void use_and_destroy(size_t leaked)
{
	exact(0, leaked);
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 200, many), 0);
	exact(200, leaked);
	mp_cache_free_bulk(c, 200, many);
	exact(0, leaked);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	ck_assert_uint_eq(tally.n, 0);
}

static const unsigned watched[] = {
	MP_CONSISTENCY_CHECKS,
	MP_RED_ZONE,
	MP_POISON,
	MP_HARDENED,
	MP_STORE_USER,
	MP_CONSISTENCY_CHECKS | MP_RED_ZONE | MP_POISON | MP_HARDENED,
};

#define WATCHED ((int)(sizeof(watched) / sizeof(watched[0])))

static void start(int i)
{
	tally_start(&tally);
	c = mp_cache_create("orders", 100, 0, watched[i], NULL);
	ck_assert_ptr_nonnull(c);
	ck_assert_ptr_nonnull(p = mp_cache_alloc(c));
	ck_assert_ptr_nonnull(q = mp_cache_alloc(c));
	mpp_find_watched(c, p, &o);
}

static void set_mark(unsigned char to)
{
	mpp_store_relaxed(mpp_watch_mark(&o), to);
}

START_TEST(mark_of_a_live_object)
{
	start(_i);
	set_mark(0x11);
	JUMPS(MP_ERROR_SLAB_HEADER, mp_cache_free(c, p));
	ck_assert_int_eq(mpp_watch_marked(&o), MPP_MARK_LOST);
	exact(1, 1);
	mp_cache_free(c, launder(p));
	exact(1, 1);
	mp_cache_free(c, q);
	use_and_destroy(1);
}
END_TEST

/* Free in a thread's hands: it is not handed out. */
START_TEST(mark_of_a_free_object)
{
	start(_i);
	mp_cache_free(c, p);
	set_mark(0x11);
	JUMPS(MP_ERROR_SLAB_HEADER, (void)!mp_cache_alloc(c));
	ck_assert_int_eq(mpp_watch_marked(&o), MPP_MARK_LOST);
	exact(1, 1);
	mp_cache_free(c, q);
	use_and_destroy(1);
}
END_TEST

/* Free in its slab, and freed again: the free list says what it is. */
START_TEST(mark_in_the_slab)
{
	start(_i);
	mp_cache_free(c, p);
	mp_thread_flush();
	set_mark(0x11);
	JUMPS(MP_ERROR_SLAB_HEADER, mp_cache_free(c, launder(p)));
	ck_assert_int_eq(mpp_watch_marked(&o), MPP_MARK_FREE);
	exact(1, 0);
	mp_cache_free(c, q);
	use_and_destroy(0);
}
END_TEST

/* As if the program had it already. */
START_TEST(mark_that_says_live)
{
	start(_i);
	mp_cache_free(c, p);
	set_mark(MPP_MARK_LIVE);
	JUMPS(MP_ERROR_SLAB_HEADER, (void)!mp_cache_alloc(c));
	exact(1, 1);
	mp_cache_free(c, q);
	use_and_destroy(1);
}
END_TEST

/* Damaged while in hand, and well again afterwards: what came by meanwhile is lost, once each. */
START_TEST(header)
{
	uintptr_t magic;

	start(_i);
	if (watched[_i] == MP_HARDENED)
		return; /* looks at marks alone */
	magic = mpp_load_relaxed(&o.s->magic);
	mp_cache_free(c, q);
	mpp_store_relaxed(&o.s->magic, 1);
	JUMPS(MP_ERROR_SLAB_HEADER, mp_cache_free(c, p));
	mp_cache_free(c, launder(p));
	ck_assert_uint_eq(tally.n, 0);
	JUMPS(MP_ERROR_SLAB_HEADER, (void)!mp_cache_alloc(c));
	mpp_store_relaxed(&o.s->magic, magic);
	exact(0, 2);
	use_and_destroy(2);
}
END_TEST

static void *free_late(void *arg)
{
	(void)arg;
	mp_cache_free(c, p);
	return NULL;
}

/* A cache without letters, p and q live, nothing at hand: the slab of p. */
static struct mpp_slab *plain_slab(void)
{
	struct mpp_found found;

	tally_start(&tally);
	c = mp_cache_create("orders", 100, 0, 0, NULL);
	ck_assert_ptr_nonnull(p = mp_cache_alloc(c));
	ck_assert_ptr_nonnull(q = mp_cache_alloc(c));
	mp_thread_flush();
	mpp_find(p, &found);
	return mpp_slab_of(found.head, &c->g);
}

/* The same without letters: found when a magazine is drained. */
START_TEST(header_at_a_drain)
{
	struct mpp_slab *s = plain_slab();
	uintptr_t magic = mpp_load_relaxed(&s->magic);
	mpp_store_relaxed(&s->magic, 1);
	mp_set_error_handler(jump, NULL);
	reports = 0;
	if (setjmp(jump_out) == 0) { /* without magazines at once */
		(void)free_late(NULL);
		mp_thread_flush();
	}
	ck_assert_uint_eq(reports, 1);
	ck_assert_int_eq(kind, MP_ERROR_SLAB_HEADER);
	tally_start(&tally);
	mpp_store_relaxed(&s->magic, magic);
	exact(1, 1);
	mp_cache_free(c, q);
	use_and_destroy(1);
}
END_TEST

/* The same in the lists of a limited cache, at an allocation: the limit holds as before. */
START_TEST(header_in_the_lists)
{
	uintptr_t magic;

	n = 0;
	tally_start(&tally);
	c = mp_cache_create("orders", 10000, 0, 0, NULL);
	ck_assert_int_eq(mp_cache_set_max(c, 100), 0);
	for (; n < 40; n++)
		ck_assert_ptr_nonnull(many[n] = mp_cache_alloc(c));
	mpp_find_watched(c, many[0], &o);
	mp_cache_free(c, many[0]);
	mp_thread_flush();
	magic = mpp_load_relaxed(&o.s->magic);
	mpp_store_relaxed(&o.s->magic, 1);
	JUMPS(MP_ERROR_SLAB_HEADER, while (n < 80 && (many[n] = mp_cache_alloc(c)) != NULL) n++);
	mpp_store_relaxed(&o.s->magic, magic);
	exact(n - 1, 0);
	while ((many[n] = mp_cache_alloc(c)) != NULL)
		n++;
	ck_assert_uint_eq(n - 1, 100);
	for (size_t i = 1; i < n; i++)
		mp_cache_free(c, many[i]);
	exact(0, 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	ck_assert_uint_eq(stats_of_all().slabs, 0);
}
END_TEST

/* The free list says that a live object is free: with F it is found, and lost. */
START_TEST(free_list)
{
	start(0);
	(void)mpp_or_acq_rel(&o.s->bits[o.index / MPP_BITS], (mpp_bits)1 << o.index % MPP_BITS);
	JUMPS(MP_ERROR_FREE_LIST, mp_cache_free(c, p));
	(void)mpp_and_acq_rel(&o.s->bits[o.index / MPP_BITS],
			      ~((mpp_bits)1 << o.index % MPP_BITS));
	exact(1, 1);
	mp_cache_free(c, q);
	use_and_destroy(1);
}
END_TEST

/* A slab that is out of use: nothing is wrong with the rest, before and after its objects come. */
START_TEST(sick)
{
	struct mpp_slab *s = plain_slab();

	for (uint32_t w = 0; w < c->g.words; w++)
		mpp_store_relaxed(&s->bits[w], 0);
	JUMPS(MP_ERROR_FREE_LIST, (void)!mp_cache_alloc(c));
	ck_assert_int_eq(mpp_word_state(mpp_load_relaxed(&s->word)), MPP_SLAB_SICK);
	exact(2, 0);
	mp_cache_free(c, p);
	mp_cache_free(c, q);
	mp_thread_flush();
	exact(0, 0);
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 200, many), 0);
	exact(200, 0);
	mp_cache_free_bulk(c, 200, many);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	ck_assert_uint_eq(tally.n, 0);
}
END_TEST

#define SPAN 100000

/* As with MEMPOOL_DEBUG=ZP,large. */
static unsigned char *watched_span(void)
{
	unsigned char *span;

	tally_start(&tally);
	ck_assert(mpp_init());
	mpp_spanwatch_letters = MPP_D_ZONES | MPP_D_POISON;
	memset(&mpp_spans_plain, 0, sizeof(mpp_spans_plain));
	ck_assert_ptr_nonnull(span = mp_alloc(SPAN));
	return launder(span);
}

/* Damage that is found when a span moves: where it was to go nothing is lost. */
START_TEST(span_moved)
{
	unsigned char *span = watched_span(), *moved;

	span[SPAN] = 1;
	JUMPS(MP_ERROR_OVERFLOW, (void)!mp_realloc(span, 2 * SPAN));
	ck_assert_uint_eq(stats_of_all().large_live, 0);
	mp_free(launder(span)); /* told before */
	span = watched_span();
	span[SPAN] = 1;
	span[0] = 7;
	moved = mp_realloc(span, 2 * SPAN);
	ck_assert_ptr_nonnull(moved);
	ck_assert_uint_eq(moved[0], 7);
	ck_assert_uint_eq(tally.n, 1);
	tally_expect(&tally, MP_ERROR_OVERFLOW, span);
	ck_assert_uint_eq(stats_of_all().large_live, 1);
	mp_free(moved);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
}
END_TEST

/* One that was freed is known, and written to told once. */
START_TEST(span_freed)
{
	unsigned char *span = watched_span();

	mp_free(launder(span));
	JUMPS(MP_ERROR_DOUBLE_FREE, (void)!mp_usable_size(span));
	JUMPS(MP_ERROR_DOUBLE_FREE, (void)!mp_realloc(span, 10));
	JUMPS(MP_ERROR_DOUBLE_FREE, (void)!mp_realloc(span, 2 * SPAN));
	JUMPS(MP_ERROR_DOUBLE_FREE, mp_free(span));
	span[5] ^= 1;
	JUMPS(MP_ERROR_USE_AFTER_FREE_WRITE, (void)mp_reclaim(0));
	(void)mp_reclaim(0);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
	ck_assert_uint_eq(tally.n, 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, span_moved);
	tcase_add_test(tc, span_freed);
	tcase_add_loop_test(tc, mark_of_a_live_object, 0, WATCHED);
	tcase_add_loop_test(tc, mark_of_a_free_object, 0, WATCHED);
	tcase_add_loop_test(tc, mark_in_the_slab, 0, WATCHED);
	tcase_add_loop_test(tc, mark_that_says_live, 0, WATCHED);
	tcase_add_loop_test(tc, header, 0, WATCHED);
	tcase_add_test(tc, header_at_a_drain);
	tcase_add_test(tc, header_in_the_lists);
	tcase_add_test(tc, free_list);
	tcase_add_test(tc, sick);
}

int main(void)
{
	return suite_run("checked", add);
}
