/* SPDX-License-Identifier: MIT */
/*
 * cache.c - a cache's slabs: grown, settled on lists, supplied, stripped; and damage.
 */
#include "../suite.h"

#include "cache.h"
#include "os.h"

#include <limits.h>

static struct mp_cache *c;
static struct mpp_faults faults;
static _Atomic(void *) cells[8192];

static void setup(unsigned flags)
{
	c = mp_cache_create("slabs", MP_CHUNK_SIZE / 32, 0, flags, NULL);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_lt(c->g.capacity, 8192);
}

static enum mpp_slab_state state(const struct mpp_slab *s)
{
	return mpp_word_state(mpp_load_relaxed(&s->word));
}

static struct mpp_slab *grow(void)
{
	struct mpp_slab *s = mpp_cache_grow(c);

	ck_assert_ptr_nonnull(s);
	return s;
}

/* Take n objects of an ACTIVE slab. */
static void take(struct mpp_slab *s, uint32_t n)
{
	ck_assert_uint_eq(mpp_slab_reserve(s, n), n);
	ck_assert_uint_eq(mpp_slab_collect(s, &c->g, n, cells), n);
	mpp_cache_count_taken(c, n);
}

/* Free the first n objects of a slab; what that obliges to. */
static enum mpp_slab_duty put(struct mpp_slab *s, uint32_t n)
{
	enum mpp_slab_duty duty;

	for (uint32_t i = 0; i < n; i++)
		ck_assert_uint_ne(mpp_slab_set_bits(s, i / MPP_BITS,
						    (mpp_bits)1 << i % MPP_BITS), 0);
	duty = mpp_slab_publish(s, &c->g, n);
	mpp_cache_count_returned(c, n);
	return duty;
}

/* Settle one slab; how many slabs were surplus. */
static unsigned settle(struct mpp_slab *s)
{
	struct mpp_chain chain = { s }, surplus = { NULL };
	unsigned n = 0;

	s->chain = NULL;
	mpp_cache_settle(c, &chain, &surplus, &faults);
	ck_assert_ptr_null(chain.first);
	for (s = surplus.first; s != NULL; s = s->chain)
		n++;
	(void)mpp_cache_retire(c, &surplus);
	return n;
}

START_TEST(grown)
{
	struct mpp_slab *s;

	setup(0);
	s = grow();
	ck_assert_int_eq(state(s), MPP_SLAB_ACTIVE);
	ck_assert_uint_eq(mpp_map_get(mpp_slab_chunk(s)), mpp_cache_id(c));
	ck_assert_uint_eq(c->slabs, 1);
	ck_assert_ptr_eq(mpp_cache_slab(c, mpp_slab_chunk(s), s, &faults), s);
	ck_assert_int_eq(mp_cache_validate(c), 0);
	settle(s);
	ck_assert_int_eq(state(s), MPP_SLAB_EMPTY);
	ck_assert_uint_eq(c->empties, 1);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	ck_assert_uint_eq(mpp_map_get(mpp_slab_chunk(s)), 0);
}
END_TEST

START_TEST(supplied)
{
	struct mpp_slab *a, *b, *e, *slabs[8];

	setup(0);
	a = grow();
	b = grow();
	e = grow();
	take(a, c->g.capacity - 2);
	take(b, c->g.capacity - 3);
	settle(a);
	settle(b);
	settle(e);
	ck_assert_int_eq(state(a), MPP_SLAB_PARTIAL);
	ck_assert_int_eq(mp_cache_validate(c), 0);
	/* the oldest partial first, as few as are needed, the empty one last */
	ck_assert_uint_eq(mpp_cache_supply(c, 1, 8, slabs, &faults), 1);
	ck_assert_ptr_eq(slabs[0], a);
	settle(a);
	ck_assert_uint_eq(mpp_cache_supply(c, 4, 8, slabs, &faults), 2);
	ck_assert_ptr_eq(slabs[0], b);
	ck_assert_ptr_eq(slabs[1], a);
	ck_assert_uint_eq(mpp_cache_supply(c, 4, 8, slabs, &faults), 1);
	ck_assert_ptr_eq(slabs[0], e);
	ck_assert_uint_eq(mpp_cache_supply(c, 4, 8, slabs, &faults), 0);
	settle(a);
	settle(b);
	settle(e);
	ck_assert_uint_eq(mpp_cache_supply(c, 100, 1, slabs, &faults), 1);
	settle(slabs[0]);
	ck_assert_int_eq(mp_cache_validate(c), 0);
	ck_assert_uint_eq(faults.n, 0);
}
END_TEST

START_TEST(full_and_back)
{
	struct mpp_slab *s;
	uint32_t n;

	setup(0);
	s = grow();
	n = c->g.capacity;
	take(s, n);
	ck_assert(mpp_slab_leave_full(s));
	ck_assert_int_eq(mp_cache_validate(c), 0);
	ck_assert_int_eq(put(s, 1), MPP_DUTY_LIST);
	settle(s);
	ck_assert_int_eq(state(s), MPP_SLAB_PARTIAL);
	for (uint32_t i = 1; i < n; i++)
		ck_assert_uint_ne(mpp_slab_set_bits(s, i / MPP_BITS,
						    (mpp_bits)1 << i % MPP_BITS), 0);
	ck_assert_int_eq(mpp_slab_publish(s, &c->g, n - 1), MPP_DUTY_UNLIST);
	mpp_cache_count_returned(c, n - 1);
	settle(s);
	ck_assert_int_eq(state(s), MPP_SLAB_EMPTY);
	ck_assert_uint_eq(mpp_cache_out(c), 0);
	ck_assert_int_eq(mp_cache_validate(c), 0);
}
END_TEST

/* Few empty slabs are kept, those that prealloc wants, all if type-stable. */
START_TEST(surplus)
{
	unsigned gone = 0;
	struct mpp_slab *s[20];
	size_t before;

	setup(0);
	for (int i = 0; i < 20; i++)
		s[i] = grow();
	for (int i = 0; i < 20; i++)
		gone += settle(s[i]);
	ck_assert_uint_gt(gone, 10);
	ck_assert_uint_eq(c->slabs, 20 - gone);
	ck_assert_uint_eq(c->slabs, c->empties);
	ck_assert_int_eq(mp_cache_validate(c), 0);

	setup(0);
	ck_assert_uint_eq(mpp_cache_want(c, 20 * c->g.capacity, &before), 0);
	ck_assert_uint_eq(before, 0);
	for (int i = 0; i < 20; i++)
		ck_assert_uint_eq(settle(grow()), 0);
	ck_assert_uint_eq(mpp_cache_want(c, 1, &before), 20 * c->g.capacity);
	ck_assert_uint_eq(before, 20);
	mpp_cache_unwant(c, 30 * c->g.capacity, 0); /* it was raised no further than to 20 */
	ck_assert_uint_eq(c->keep, 20);
	mpp_cache_unwant(c, 20 * c->g.capacity, 7);
	ck_assert_uint_eq(c->keep, 7);
	mpp_cache_unkeep(c);

	setup(MP_TYPE_STABLE);
	for (int i = 0; i < 20; i++)
		ck_assert_uint_eq(settle(grow()), 0);
	ck_assert_uint_eq(c->slabs, 20);
}
END_TEST

START_TEST(stripped)
{
	struct mpp_chain chain = { NULL };
	struct mpp_slab *kept;

	setup(0);
	kept = grow();
	take(kept, 1);
	settle(kept);
	settle(grow());
	mpp_cache_strip(c, &chain, &faults);
	ck_assert_ptr_nonnull(chain.first);
	ck_assert_uint_eq(mpp_cache_retire(c, &chain), c->g.chunks * (size_t)MP_CHUNK_SIZE);
	ck_assert_uint_eq(c->slabs, 1);
	mpp_cache_strip(c, &chain, &faults);
	ck_assert_ptr_null(chain.first);
	ck_assert_int_eq(mp_cache_validate(c), 0);
	put(kept, 1);
}
END_TEST

START_TEST(refused)
{
	struct mp_stats before = stats_of_all();
	unsigned n = 0;

	setup(0);
	mpp_os_inject(1, LONG_MAX);
	while (mpp_cache_grow(c) != NULL)
		n++;
	mpp_os_inject(0, 0);
	ck_assert_uint_eq(c->slabs, n);
	ck_assert_uint_eq(stats_of_all().bytes_slabs - before.bytes_slabs,
			  n * c->g.chunks * (size_t)MP_CHUNK_SIZE);
	ck_assert_int_eq(mp_cache_validate(c), 0);
	grow();
}
END_TEST

START_TEST(admission)
{
	setup(0);
	ck_assert_int_eq(mp_cache_set_max(c, 10), 0);
	ck_assert(mpp_cache_admit(c, 4));
	ck_assert(!mpp_cache_admit(c, 7));
	ck_assert(mpp_cache_admit(c, 6));
	ck_assert(!mpp_cache_admit(c, 1));
	ck_assert(!mpp_cache_admit(c, SIZE_MAX));
	mpp_cache_release(c, 10);
	ck_assert(mpp_cache_admit(c, 10));
}
END_TEST

/* ---- damage */

static struct tally tally;

/* A partial slab, and one object of it, live. */
static struct mpp_slab *victim(void **obj)
{
	struct mpp_slab *s;
	void *head;

	setup(0);
	*obj = mp_cache_alloc(c);
	ck_assert_ptr_nonnull(*obj);
	mp_thread_flush();
	ck_assert_uint_eq(mpp_map_find(*obj, &head), mpp_cache_id(c));
	s = mpp_slab_of(head, &c->g);
	ck_assert_int_eq(state(s), MPP_SLAB_PARTIAL);
	tally_start(&tally);
	return s;
}

static void expect_header_fault(void)
{
	ck_assert_uint_ge(tally.n, 1);
	ck_assert_int_eq(tally.kind, MP_ERROR_SLAB_HEADER);
	ck_assert_str_eq(tally.cache_name, "slabs");
	tally.n = 0;
}

/* Objects come from elsewhere; none lies in the damaged slab. */
static void allocate_elsewhere(const struct mpp_slab *s)
{
	for (uint32_t i = 0; i < 3 * c->g.capacity; i++) {
		char *p = mp_cache_alloc(c);

		ck_assert_ptr_nonnull(p);
		ck_assert(p < (char *)mpp_slab_chunk(s) ||
			  p >= (char *)mpp_slab_chunk(s) + c->g.chunks * (size_t)MP_CHUNK_SIZE);
		memset(p, 1, mp_cache_size(c));
	}
}

START_TEST(magic_overwritten_then_free)
{
	void *obj;
	struct mpp_slab *s = victim(&obj);

	s->magic ^= 1;
	mp_cache_free(c, obj);
	mp_thread_flush();
	expect_header_fault();
	allocate_elsewhere(s);
}
END_TEST

START_TEST(magic_overwritten_then_alloc)
{
	void *obj;
	struct mpp_slab *s = victim(&obj);

	s->magic = 0;
	allocate_elsewhere(s);
	expect_header_fault();
}
END_TEST

START_TEST(whole_header_overwritten)
{
	static const int bytes[] = { 0x00, 0x41, 0xff };

	for (int i = 0; i < 3; i++) {
		void *obj;
		struct mpp_slab *s = victim(&obj);

		memset(s, bytes[i], sizeof(*s));
		ck_assert_int_gt(mp_cache_validate(c), 0);
		expect_header_fault();
		mp_cache_free(c, obj);
		mp_thread_flush();
		expect_header_fault();
		allocate_elsewhere(s);
		tally.n = 0;
		/* what is damaged is left alone for good, the rest goes */
		mp_set_error_handler(NULL, NULL);
	}
}
END_TEST

/* The links lead away: they are not followed, and the other slabs are not lost. */
START_TEST(links_overwritten)
{
	struct mpp_link wild = { &wild, &wild };
	void *obj;
	struct mpp_slab *s = victim(&obj);

	s->link.next = &wild;
	allocate_elsewhere(s);
	expect_header_fault();
	s = victim(&obj);
	s->link.next = address(0x10);
	s->link.prev = address(0x20);
	allocate_elsewhere(s);
	expect_header_fault();
}
END_TEST

START_TEST(bits_overwritten)
{
	void *obj;
	struct mpp_slab *s = victim(&obj);

	for (uint32_t w = 0; w < c->g.words; w++)
		mpp_store_relaxed(&s->bits[w], 0);
	ck_assert_int_gt(mp_cache_validate(c), 0);
	ck_assert_int_eq(tally.kind, MP_ERROR_FREE_LIST);
	tally.n = 0;
	allocate_elsewhere(s);
	ck_assert_uint_ge(tally.n, 1);
	ck_assert_int_eq(tally.kind, MP_ERROR_FREE_LIST);
	ck_assert_int_eq(state(s), MPP_SLAB_SICK);
}
END_TEST

START_TEST(count_overwritten)
{
	void *obj;
	struct mpp_slab *s = victim(&obj);

	mpp_store_relaxed(&s->word, mpp_word(MPP_SLAB_PARTIAL, c->g.capacity));
	ck_assert_int_gt(mp_cache_validate(c), 0);
	tally.n = 0;
	mp_cache_free(c, obj);
	mp_thread_flush();
	ck_assert_uint_eq(tally.n, 1);
	ck_assert_int_eq(tally.kind, MP_ERROR_FREE_LIST);
	ck_assert_int_eq(state(s), MPP_SLAB_SICK);
	allocate_elsewhere(s);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, grown);
	tcase_add_test(tc, supplied);
	tcase_add_test(tc, full_and_back);
	tcase_add_test(tc, surplus);
	tcase_add_test(tc, stripped);
	tcase_add_test(tc, refused);
	tcase_add_test(tc, admission);
	tcase_add_test(tc, magic_overwritten_then_free);
	tcase_add_test(tc, magic_overwritten_then_alloc);
	tcase_add_test(tc, whole_header_overwritten);
	tcase_add_test(tc, links_overwritten);
	tcase_add_test(tc, bits_overwritten);
	tcase_add_test(tc, count_overwritten);
}

int main(void)
{
	return suite_run("cache", add);
}
