/* SPDX-License-Identifier: MIT */
/*
 * magazine.c - magazines filled, emptied, grown within bounds.
 */
#include "../suite.h"

#include "budget.h"
#include "magazine.h"

#include <pthread.h>

static struct mp_cache *c;
static struct mpp_thread *t;
static struct mpp_slot *slot;
static struct mpp_side *side;
static struct mpp_work work;
static void *p[100000];

static void setup(size_t size)
{
	c = mp_cache_create("kept", size, 0, 0, NULL);
	ck_assert_ptr_nonnull(c);
	t = mpp_thread_get();
	slot = mpp_thread_slot(t, c, &side);
	ck_assert_ptr_nonnull(slot);
	mpp_work_init(&work);
}

static size_t capacity(void)
{
	return slot->limit == NULL ? 0 : (size_t)(slot->limit - slot->base);
}

START_TEST(most_objects)
{
	uint32_t last = UINT32_MAX;

	for (size_t size = 16; size <= MPP_OBJECT_MAX; size *= 2) {
		uint32_t n = mpp_magazine_max(size);

		ck_assert_uint_le(n, last); /* larger objects, fewer of them */
		ck_assert(n == 0 || mpp_is_pow2((size_t)n + 1)); /* 2^n - 1 */
		ck_assert_uint_le(n, MPP_MAGAZINE_MOST);
		if (n > 1)
			ck_assert_uint_le((n / 2) * size, MPP_MAGAZINE_BYTES);
		if (MPP_MAG_MAX_CONFIG == 0)
			ck_assert_uint_eq(n, 0);
		if (MPP_MAG_MAX_CONFIG == 1)
			ck_assert_uint_le(n, 1);
		last = n;
	}
	ck_assert(MPP_MAG_MAX_CONFIG >= 0 || mpp_magazine_max(16) == MPP_MAGAZINE_MOST);
}
END_TEST

/* A loop that wants more and more gets a larger magazine, within the bound. */
START_TEST(grows_with_demand)
{
	size_t n = 50000, seen = 0;

	setup(64);
	for (int round = 0; round < 4; round++) {
		for (size_t i = 0; i < n; i++)
			ck_assert_ptr_nonnull(p[i] = mp_cache_alloc(c));
		for (size_t i = 0; i < n; i++) {
			mp_cache_free(c, p[i]);
			ck_assert_uint_le(mpp_slot_count(slot), capacity());
		}
		ck_assert_uint_ge(capacity(), seen);
		seen = capacity();
	}
	ck_assert_uint_eq(capacity(), c->magazine_max);
	check_cache(c, 0);
}
END_TEST

/* All of a thread's magazines together have a bound as well. */
START_TEST(bounded_in_bytes)
{
	setup(64);
	for (int i = 0; i < 60; i++) {
		setup(4000);
		for (int k = 0; k < 3000; k++)
			ck_assert_ptr_nonnull(p[k] = mp_cache_alloc(c));
		mp_cache_free_bulk(c, 3000, p);
		ck_assert_uint_le(t->bytes, MPP_THREAD_BYTES + 60 * (MPP_MAGAZINE_FIRST + 1) *
								       4096);
		check_cache(c, 0);
	}
}
END_TEST

/* A thread's magazines that only run empty have a bound, however many caches there are. */
START_TEST(one_way_is_no_demand)
{
	size_t first = 0, bound;

	for (int i = 0; i < 60; i++) {
		setup(500);
		for (int k = 0; k < 1000; k++)
			ck_assert_ptr_nonnull(p[k] = mp_cache_alloc(c));
		first += MPP_MAGAZINE_FIRST * (size_t)c->g.slot;
	}
	bound = 256 * MPP_KIB + mpp_budget_used() / 16;
	ck_assert_uint_lt(t->bytes, bound + first);
}
END_TEST

/* The first magazine for objects of several pages is small. */
START_TEST(first_in_bytes)
{
	for (size_t size = 16; size <= MPP_MIB; size *= 2) {
		void *obj;

		setup(size);
		obj = mp_cache_alloc(c);
		ck_assert_ptr_nonnull(obj);
		mp_cache_free(c, obj);
		ck_assert_uint_le(capacity(), MPP_MAGAZINE_FIRST);
		ck_assert(capacity() <= 1 || capacity() * size <= MPP_MAGAZINE_FIRST_BYTES);
	}
}
END_TEST

/* A thread that only frees what others allocated keeps little of it. */
static void *only_frees(void *arg)
{
	size_t n = *(size_t *)arg, most = 0;

	for (size_t i = 0; i < n; i++) {
		size_t had = mpp_slot_count(mpp_thread_slot(mpp_thread_get(), c, &side));

		mp_cache_free(c, p[i]);
		t = mpp_thread_get();
		slot = mpp_thread_slot(t, c, &side);
		if (mpp_slot_count(slot) < had) /* it was full */
			ck_assert_uint_le(mpp_slot_count(slot), had / 8 + 1);
		most = mpp_max(most, mpp_slot_count(slot));
	}
	ck_assert_uint_le(most, 255);
	return NULL;
}

START_TEST(frees_of_others)
{
	size_t n = 5000;
	pthread_t thread;

	setup(64);
	for (size_t i = 0; i < n; i++)
		ck_assert_ptr_nonnull(p[i] = mp_cache_alloc(c));
	ck_assert_int_eq(pthread_create(&thread, NULL, only_frees, &n), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	check_cache(c, 0);
}
END_TEST

/* Slow paths of a cache, at which others are looked at. */
static void make_slow_paths(struct mp_cache *busy, unsigned n)
{
	uint32_t end = t->tick + n;

	while (t->tick < end) {
		for (int k = 0; k < 5000; k++)
			ck_assert_ptr_nonnull(p[k] = mp_cache_alloc(busy));
		for (int k = 0; k < 5000; k++)
			mp_cache_free(busy, p[k]);
	}
}

/* A magazine that comes to no slow path is emptied if it lies idle, and not if it is used. */
START_TEST(idle_and_used)
{
	struct mp_cache *used, *idle, *busy = mp_cache_create("busy", 40, 0, 0, NULL);
	struct mpp_slot *of_used, *of_idle;
	void *obj = NULL;

	setup(100);
	idle = c;
	of_idle = slot;
	setup(100);
	used = c;
	of_used = slot;
	mp_cache_free(idle, mp_cache_alloc(idle));
	mp_cache_free(used, mp_cache_alloc(used));
	if (c->magazine_max < 3) /* all paths are slow */
		return;
	for (int i = 0; i < 40; i++) {
		make_slow_paths(busy, 50);
		ck_assert_ptr_nonnull(of_used->base);
		if (obj == NULL)
			obj = mp_cache_alloc(used);
		else
			mp_cache_free(used, obj);
		if (i % 2 != 0)
			obj = NULL;
	}
	ck_assert_ptr_null(of_idle->base);
	check_cache(idle, 0);
	check_cache(used, 0);
}
END_TEST

/* Those of further ids, which have no place in the thread's first table, are seen too. */
START_TEST(idle_far)
{
	struct mp_cache *busy = mp_cache_create("busy", 40, 0, 0, NULL);

	for (unsigned i = 0; i < 3 * MPP_INLINE_IDS; i++)
		setup(100);
	if (c->magazine_max == 0)
		return;
	mp_cache_free(c, mp_cache_alloc(c));
	ck_assert_ptr_nonnull(slot->base);
	for (unsigned i = 0; i < 40; i++)
		make_slow_paths(busy, 50);
	ck_assert_ptr_null(slot->base);
	check_cache(c, 0);
}
END_TEST

START_TEST(flushed)
{
	size_t bytes;

	setup(64);
	bytes = t->bytes;
	for (int i = 0; i < 5000; i++)
		ck_assert_ptr_nonnull(p[i] = mp_cache_alloc(c));
	for (int i = 0; i < 5000; i++)
		mp_cache_free(c, p[i]);
	mpp_lock_acquire(&t->lock);
	mpp_magazine_flush_locked(t, c, slot, &work);
	mpp_lock_release(&t->lock);
	(void)mpp_work_finish(&work);
	ck_assert_uint_eq(mpp_slot_count(slot), 0);
	ck_assert_uint_eq(capacity(), 0);
	ck_assert_ptr_null(slot->active);
	ck_assert_uint_eq(t->bytes, bytes);
	ck_assert_uint_eq(mpp_cache_out(c), 0);
	check_cache(c, 0);
}
END_TEST

static mpp_cell cells[300];

START_TEST(take_and_put)
{
	struct mpp_slab *active = NULL;
	uint32_t n;

	setup(64);
	ck_assert_uint_eq(mpp_take_locked(c, &active, cells, 10, &work), 0); /* no slab yet */
	ck_assert_int_eq(mp_cache_prealloc(c, 300), 0);
	n = (uint32_t)mpp_min(stats_of(c).free, 300);
	mpp_lock_acquire(&t->lock);
	ck_assert_uint_eq(mpp_take_locked(c, &active, cells, n, &work), n);
	ck_assert_uint_eq(mpp_cache_out(c), n);
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t k = 0; k < i; k++)
			ck_assert_ptr_ne(mpp_load_relaxed(&cells[i]), mpp_load_relaxed(&cells[k]));
	ck_assert_uint_eq(mpp_put_locked(c, cells, n, &work), n);
	ck_assert_uint_eq(work.returned, n);
	if (active != NULL)
		mpp_leave_slab_locked(c, active, &work);
	mpp_lock_release(&t->lock);
	(void)mpp_work_finish(&work);
	ck_assert_uint_eq(mpp_cache_out(c), 0);
	check_cache(c, 0);
}
END_TEST

/* n cells in one of the orders in which programs free. */
static void arrange(uint32_t n, int order)
{
	for (uint32_t i = 0; i + 1 < n; i++) {
		uint32_t k = order == 0	  ? i :				/* as taken: downwards */
			     order == 1	  ? i + (i < n / 2 ? n - 1 - 2 * i : 0) :	/* upwards */
			     order == 2	  ? i ^ 1 :			/* in pairs */
			     order == 3	  ? (i % 7 == 0 ? n - 1 - i / 7 : i) :	/* runs cut */
					    i + (uint32_t)((i * 2654435761u) % (n - i)); /* any */
		void *obj = mpp_load_relaxed(&cells[i]);

		if (k >= n || (order == 2 && k < i))
			continue;
		mpp_store_relaxed(&cells[i], mpp_load_relaxed(&cells[k]));
		mpp_store_relaxed(&cells[k], obj);
	}
}

/* Whatever the order in which objects come back, each comes back, and once. */
START_TEST(orders)
{
	static const size_t sizes[] = { 16, 64, 1000, 5000 };
	struct mpp_slab *active = NULL;
	uint32_t n, skip = (uint32_t)_i / 5;

	setup(sizes[_i % 4]);
	ck_assert_int_eq(mp_cache_prealloc(c, 300), 0);
	mpp_lock_acquire(&t->lock);
	n = mpp_take_locked(c, &active, cells, 300, &work);
	ck_assert_uint_eq(n, 300);
	arrange(n, _i % 5);
	ck_assert_uint_eq(mpp_put_locked(c, cells, skip, &work), skip);
	ck_assert_uint_eq(mpp_put_locked(c, cells + skip, n - skip, &work), n - skip);
	ck_assert_uint_eq(work.faults.n, 0);
	ck_assert_uint_eq(work.returned, n);
	if (active != NULL)
		mpp_leave_slab_locked(c, active, &work);
	mpp_lock_release(&t->lock);
	(void)mpp_work_finish(&work);
	ck_assert_uint_eq(mpp_cache_out(c), 0);
	check_cache(c, 0);
}
END_TEST

/* Copies in one drain: reported as far as there is room, all told of, counted once. */
START_TEST(copies_in_a_drain)
{
	struct tally tally;
	struct mpp_slab *active = NULL;
	const char *more;
	size_t done = 0;

	setup(64);
	tally_start(&tally);
	ck_assert_int_eq(mp_cache_prealloc(c, 100), 0);
	mpp_lock_acquire(&t->lock);
	ck_assert_uint_eq(mpp_take_locked(c, &active, cells, 40, &work), 40);
	if (active != NULL)
		mpp_leave_slab_locked(c, active, &work);
	mpp_lock_release(&t->lock);
	for (int i = 40; i < 60; i++)
		mpp_store_relaxed(&cells[i], mpp_load_relaxed(&cells[i - 20]));
	while (done < 60) {
		mpp_lock_acquire(&t->lock);
		done += mpp_put_locked(c, cells + done, 60 - done, &work);
		mpp_lock_release(&t->lock);
		(void)mpp_work_finish(&work);
	}
	more = strstr(tally.message, "not shown: expected 0, found ");
	if (more != NULL)
		tally.n += (unsigned)strtoul(strstr(more, "found") + 6, NULL, 10);
	ck_assert_uint_eq(tally.n, 20);
	ck_assert_int_eq(tally.kind, MP_ERROR_DOUBLE_FREE);
	ck_assert_uint_eq(mpp_cache_out(c), 0);
	check_cache(c, 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, most_objects);
	tcase_add_test(tc, grows_with_demand);
	tcase_add_test(tc, bounded_in_bytes);
	tcase_add_test(tc, one_way_is_no_demand);
	tcase_add_test(tc, first_in_bytes);
	tcase_add_test(tc, frees_of_others);
	tcase_add_test(tc, idle_and_used);
	tcase_add_test(tc, idle_far);
	tcase_add_test(tc, flushed);
	tcase_add_test(tc, take_and_put);
	tcase_add_loop_test(tc, orders, 0, 200);
	tcase_add_test(tc, copies_in_a_drain);
}

int main(void)
{
	return suite_run("magazine", add);
}
