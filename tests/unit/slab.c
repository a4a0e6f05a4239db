/* SPDX-License-Identifier: MIT */
/*
 * slab.c - one slab: geometry, the free list, every step of the protocol.
 */
#include "../suite.h"

#include "os.h"
#include "slab.h"

#include <pthread.h>

static const struct mpp_extra plain;
static struct mpp_geometry g;
static struct mpp_slab *s;

/* A slab for objects of size bytes, ACTIVE. */
static void dress(size_t size)
{
	void *chunk;

	mpp_geometry_init(&g, size, 16, &plain);
	chunk = mpp_os_map(g.chunks * (size_t)MP_CHUNK_SIZE, MP_CHUNK_SIZE);
	ck_assert_ptr_nonnull(chunk);
	s = mpp_slab_init(chunk, &g, 42);
}

static enum mpp_slab_state state(void)
{
	return mpp_word_state(mpp_load_relaxed(&s->word));
}

static uint32_t count(void)
{
	return mpp_word_count(mpp_load_relaxed(&s->word));
}

static void *cell_get(_Atomic(void *) *cell)
{
	return mpp_load_relaxed(cell);
}

/* Free the object at index: true if it was not free. */
static bool set_bit(uint32_t index)
{
	return mpp_slab_set_bits(s, index / MPP_BITS, (mpp_bits)1 << index % MPP_BITS) != 0;
}

static void check_geometry(size_t size, size_t align)
{
	size_t header;

	mpp_geometry_init(&g, size, align, &plain);
	header = offsetof(struct mpp_slab, bits) + g.words * sizeof(mpp_bits);
	ck_assert_uint_ge(g.slot, size);
	ck_assert_uint_ge(g.slot, MP_MIN_BLOCK_SIZE);
	ck_assert_uint_eq(g.slot % align, 0);
	ck_assert_uint_eq(g.first % align, 0);
	ck_assert_uint_gt(g.capacity, 0);
	ck_assert_uint_ge((size_t)g.words * MPP_BITS, g.capacity);
	/* whatever the colour, the header ends before the objects and they before the slab */
	ck_assert_uint_ge(g.first + (size_t)g.shifts, header + (size_t)g.colors);
	ck_assert_uint_le(g.first + (size_t)g.shifts + (size_t)g.capacity * g.slot,
			  (size_t)g.chunks * MP_CHUNK_SIZE);
	ck_assert_uint_eq(g.colors % MPP_LINE, 0);
	ck_assert(mpp_is_pow2((size_t)g.colors / MPP_LINE + 1));
	ck_assert(g.shifts == 0 || (g.shifts == g.colors && MPP_LINE % align == 0));
}

START_TEST(geometry)
{
	for (size_t align = 8; align <= MPP_ALIGN_MAX; align *= 2) {
		for (size_t size = 1; size <= MPP_OBJECT_MAX; size += 1 + size / 7)
			check_geometry(size, align);
		check_geometry(MPP_OBJECT_MAX, align);
	}
}
END_TEST

/* A waste of more than an eighth only where eight chunks do no better. */
START_TEST(little_waste)
{
	for (size_t size = 16; size <= MP_CHUNK_SIZE; size += 16) {
		mpp_geometry_init(&g, size, 16, &plain);
		if (g.chunks < 8)
			ck_assert_uint_ge(g.capacity * (size_t)g.slot * 100,
					  g.chunks * (size_t)MP_CHUNK_SIZE * 78);
	}
}
END_TEST

/* Slabs in chunks that follow each other begin at differing places of their pages. */
START_TEST(colors)
{
	size_t first = 0, n = 0;

	mpp_geometry_init(&g, 1024, 16, &plain);
	ck_assert_uint_gt(g.shifts, 0);
	for (uintptr_t i = 0; i <= g.shifts / MPP_LINE; i++, n++) {
		const void *at = (const void *)((i + 100) * MP_CHUNK_SIZE);

		ck_assert_uint_lt(mpp_slab_first(at, &g), g.first + g.shifts + 1);
		first += mpp_slab_first(at, &g) - g.first;
	}
	ck_assert_uint_eq(first, n * (n - 1) / 2 * MPP_LINE); /* each of them once */
	mpp_geometry_init(&g, 1024, 1024, &plain);
	ck_assert_uint_eq(g.shifts, 0);
	ck_assert_uint_eq(g.first % 1024, 0);
}
END_TEST

START_TEST(indexes)
{
	void *chunk;

	for (size_t size = 1; size < 100000; size = size * 2 + 9) {
		dress(size);
		chunk = mpp_slab_chunk(s);
		for (uint32_t i = 0; i < g.capacity; i++) {
			char *obj = mpp_slab_object(s, &g, i);

			ck_assert_uint_eq(mpp_slab_index(chunk, obj, &g), i);
			ck_assert_uint_ge(mpp_slab_index(chunk, obj + 1, &g), g.capacity);
			ck_assert_uint_ge(mpp_slab_index(chunk, obj + 8, &g), g.capacity);
			ck_assert_uint_ge(mpp_slab_index(chunk, obj + g.slot - 8, &g), g.capacity);
			if ((size_t)(obj - (char *)chunk) < MP_CHUNK_SIZE)
				ck_assert_uint_eq(mpp_slab_near_index(obj, &g), i);
		}
		for (uint32_t at = 0; at < mpp_slab_first(chunk, &g); at += 8)
			ck_assert_uint_ge(mpp_slab_index(chunk, (char *)chunk + at, &g),
					  g.capacity);
		ck_assert_uint_ge(mpp_slab_index(chunk, mpp_slab_object(s, &g, g.capacity), &g),
				  g.capacity);
	}
}
END_TEST

START_TEST(fresh)
{
	dress(48);
	ck_assert_int_eq(state(), MPP_SLAB_ACTIVE);
	ck_assert_uint_eq(count(), g.capacity);
	ck_assert_uint_eq(mpp_slab_count_bits_racy(s, &g), g.capacity);
	ck_assert_uint_eq(s->magic, mpp_slab_magic(s, 42));
	ck_assert(s->magic != mpp_slab_magic(s, 43));
	for (uint32_t i = 0; i < g.capacity; i++)
		ck_assert(mpp_slab_is_free(s, i));
}
END_TEST

START_TEST(take_in_address_order)
{
	_Atomic(void *) out[100];
	uint32_t next = 0, n;

	dress(64);
	while ((n = mpp_slab_reserve(s, 100)) > 0) {
		ck_assert_uint_eq(mpp_slab_collect(s, &g, n, out), n);
		for (uint32_t i = n; i > 0; i--) { /* popped from the end */
			ck_assert_ptr_eq(cell_get(&out[i - 1]), mpp_slab_object(s, &g, next));
			ck_assert(!mpp_slab_is_free(s, next));
			next++;
		}
	}
	ck_assert_uint_eq(next, g.capacity);
	ck_assert_uint_eq(count(), 0);
	ck_assert(mpp_slab_leave_full(s));
	ck_assert_int_eq(state(), MPP_SLAB_FULL);
}
END_TEST

/* What came back at low addresses goes out before what was never out: fewer pages are touched. */
START_TEST(lowest_address_first)
{
	_Atomic(void *) out[100];
	uint32_t low, high = 0, n;

	dress(16);
	for (n = 0; n + 100 < g.capacity; n += 100) {
		ck_assert_uint_eq(mpp_slab_reserve(s, 100), 100);
		ck_assert_uint_eq(mpp_slab_collect(s, &g, 100, out), 100);
	}
	for (low = 10; low < 10 + 7 * 50; low += 50) {
		ck_assert(set_bit(low));
		ck_assert_int_eq(mpp_slab_publish(s, &g, 1), MPP_DUTY_NONE);
	}
	ck_assert_uint_eq(mpp_slab_reserve(s, 8), 8);
	ck_assert_uint_eq(mpp_slab_collect(s, &g, 8, out), 8);
	for (uint32_t i = 8, at = 10; i > 1; i--, at += 50)
		ck_assert_ptr_eq(cell_get(&out[i - 1]), mpp_slab_object(s, &g, at));
	high = mpp_slab_index(mpp_slab_chunk(s), cell_get(&out[0]), &g);
	ck_assert_uint_eq(high, n);
}
END_TEST

static _Atomic(void *) taken[65536];

/* All taken and FULL. */
static void fill(size_t size)
{
	uint32_t n;

	dress(size);
	ck_assert_uint_le(g.capacity, 65536);
	n = mpp_slab_reserve(s, g.capacity);
	ck_assert_uint_eq(n, g.capacity);
	ck_assert_uint_eq(mpp_slab_collect(s, &g, n, taken), n);
	ck_assert(mpp_slab_leave_full(s));
}

START_TEST(every_duty)
{
	fill(1024);
	ck_assert(set_bit(3));
	ck_assert_int_eq(mpp_slab_publish(s, &g, 1), MPP_DUTY_LIST);
	ck_assert_int_eq(state(), MPP_SLAB_LISTING);
	ck_assert(set_bit(4)); /* somebody else's free meanwhile */
	ck_assert_int_eq(mpp_slab_publish(s, &g, 1), MPP_DUTY_NONE);
	ck_assert(!mpp_slab_activate(s));
	ck_assert_int_eq(mpp_slab_settle(s, &g), MPP_SLAB_PARTIAL);
	ck_assert_uint_eq(count(), 2);
	for (uint32_t i = 0; i + 1 < g.capacity; i++)
		if (i != 3 && i != 4) {
			ck_assert(set_bit(i));
			ck_assert_int_eq(mpp_slab_publish(s, &g, 1), MPP_DUTY_NONE);
		}
	ck_assert(set_bit(g.capacity - 1));
	ck_assert_int_eq(mpp_slab_publish(s, &g, 1), MPP_DUTY_UNLIST);
	ck_assert_int_eq(state(), MPP_SLAB_EMPTYING);
	ck_assert(!mpp_slab_activate(s));
	ck_assert_int_eq(mpp_slab_settle(s, &g), MPP_SLAB_EMPTY);
	ck_assert(mpp_slab_activate(s));
	ck_assert_int_eq(state(), MPP_SLAB_ACTIVE);
	ck_assert_uint_eq(count(), g.capacity);
}
END_TEST

START_TEST(double_free)
{
	fill(64);
	ck_assert(set_bit(1));
	ck_assert(!set_bit(1));
	ck_assert_uint_eq(mpp_slab_set_bits(s, 0, 7), 5); /* 0 and 2 were not free */
	ck_assert_int_eq(mpp_slab_publish(s, &g, 3), MPP_DUTY_LIST);
}
END_TEST

START_TEST(activation)
{
	fill(64);
	ck_assert(!mpp_slab_activate(s)); /* FULL is on no list */
	set_bit(0);
	ck_assert_int_eq(mpp_slab_publish(s, &g, 1), MPP_DUTY_LIST);
	ck_assert_int_eq(mpp_slab_settle(s, &g), MPP_SLAB_PARTIAL);
	ck_assert_uint_eq(mpp_slab_reserve(s, 1), 0); /* only from an ACTIVE one */
	ck_assert(mpp_slab_activate(s));
	ck_assert(!mpp_slab_activate(s));
	ck_assert(!mpp_slab_leave_full(s)); /* one is free */
	ck_assert_uint_eq(mpp_slab_reserve(s, 5), 1);
	ck_assert_uint_eq(mpp_slab_collect(s, &g, 1, taken), 1);
	ck_assert_ptr_eq(cell_get(&taken[0]), mpp_slab_object(s, &g, 0));
	ck_assert_int_eq(mpp_slab_settle(s, &g), MPP_SLAB_FULL);
}
END_TEST

START_TEST(sickness)
{
	fill(64);
	ck_assert_int_eq(mpp_slab_publish(s, &g, g.capacity + 1), MPP_DUTY_BROKEN);
	ck_assert_int_eq(state(), MPP_SLAB_SICK);
	ck_assert_int_eq(mpp_slab_publish(s, &g, 1), MPP_DUTY_NONE);
	ck_assert_int_eq(mpp_slab_settle(s, &g), MPP_SLAB_SICK);
	ck_assert(!mpp_slab_activate(s));
	ck_assert_uint_eq(mpp_slab_reserve(s, 1), 0);
	fill(64);
	mpp_slab_make_sick(s);
	ck_assert_int_eq(state(), MPP_SLAB_SICK);
	dress(64);
	mpp_store_relaxed(&s->word, mpp_word(MPP_SLAB_NONE, 0));
	ck_assert_int_eq(mpp_slab_publish(s, &g, 1), MPP_DUTY_BROKEN);
}
END_TEST

/* Bits lost to damage: the holder gets what there is. */
START_TEST(bits_missing)
{
	dress(1024);
	mpp_store_relaxed(&s->bits[0], (mpp_bits)0x6);
	ck_assert_uint_eq(mpp_slab_reserve(s, 4), 4);
	ck_assert_uint_eq(mpp_slab_collect(s, &g, 4, taken), g.words == 1 ? 2 : 4);
}
END_TEST

/*
 * One holder takes, three threads free what it took: each object is out once at a time,
 * each duty is given once.
 */
#define FREERS 3
#define RING 64

static _Atomic(void *) ring[FREERS][RING];
static _Atomic bool stop;
static _Atomic int out[8192];
static _Atomic int duties;

static void *freer(void *arg)
{
	_Atomic(void *) *mine = ring[(uintptr_t)arg];

	while (!atomic_load(&stop)) {
		bool idle = true;

		for (int i = 0; i < RING; i++) {
			void *obj = atomic_exchange(&mine[i], NULL);
			uint32_t index;

			if (obj == NULL)
				continue;
			idle = false;
			index = mpp_slab_index(mpp_slab_chunk(s), obj, &g);
			ck_assert_int_eq(atomic_fetch_sub(&out[index], 1), 1);
			ck_assert(set_bit(index));
			if (mpp_slab_publish(s, &g, 1) == MPP_DUTY_LIST)
				ck_assert_int_eq(atomic_fetch_add(&duties, 1), 0);
		}
		if (idle)
			mpp_os_yield();
	}
	return NULL;
}

/* Until the freers have given something back; a FULL slab comes through LISTING. */
static void take_back(void)
{
	while (atomic_load(&duties) == 0)
		mpp_os_yield();
	atomic_store(&duties, 0);
	(void)mpp_slab_settle(s, &g);
	if (mpp_slab_activate(s))
		return;
	/* meanwhile the last object came home: its freer has the duty, and is done with it */
	ck_assert_int_eq(state(), MPP_SLAB_EMPTYING);
	(void)mpp_slab_settle(s, &g);
	ck_assert(mpp_slab_activate(s));
}

START_TEST(many_threads)
{
	pthread_t t[FREERS];
	unsigned long total = 0;

	dress(1024);
	for (uintptr_t i = 0; i < FREERS; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, freer, (void *)i), 0);
	while (total < 40000) {
		_Atomic(void *) got[8];
		uint32_t n = mpp_slab_reserve(s, 8);

		if (n == 0) {
			if (mpp_slab_leave_full(s))
				take_back();
			continue;
		}
		ck_assert_uint_eq(mpp_slab_collect(s, &g, n, got), n);
		for (uint32_t i = 0; i < n; i++) {
			void *obj = cell_get(&got[i]), *none = NULL;
			uint32_t at = mpp_slab_index(mpp_slab_chunk(s), obj, &g);
			unsigned long k = total++;

			ck_assert_int_eq(atomic_fetch_add(&out[at], 1), 0);
			while (!atomic_compare_exchange_weak(&ring[k % FREERS][k / FREERS % RING],
							     &none, obj)) {
				none = NULL;
				k += 1;
			}
		}
	}
	for (;;) { /* all of them come home */
		int left = 0;

		for (uint32_t i = 0; i < g.capacity; i++)
			left += atomic_load(&out[i]);
		if (left == 0 && count() == g.capacity)
			break;
		mpp_os_yield();
	}
	atomic_store(&stop, true);
	for (int i = 0; i < FREERS; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	ck_assert_uint_eq(mpp_slab_count_bits_racy(s, &g), g.capacity);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, geometry);
	tcase_add_test(tc, little_waste);
	tcase_add_test(tc, colors);
	tcase_add_test(tc, indexes);
	tcase_add_test(tc, fresh);
	tcase_add_test(tc, take_in_address_order);
	tcase_add_test(tc, lowest_address_first);
	tcase_add_test(tc, every_duty);
	tcase_add_test(tc, double_free);
	tcase_add_test(tc, activation);
	tcase_add_test(tc, sickness);
	tcase_add_test(tc, bits_missing);
	tcase_add_test(tc, many_threads);
}

int main(void)
{
	return suite_run("slab", add);
}
