/* SPDX-License-Identifier: MIT */
/*
 * walk.c - caches, live objects, and what is at any pointer.
 */
#include "../portable.h"
#include "../suite.h"

#include <pthread.h>
#include <stdio.h>

static struct mp_cache *c;
static void *p[20000];
static unsigned char seen[20000];
static size_t n;

static void setup(size_t size)
{
	c = mp_cache_create("walked", size, 0, 0, NULL);
	ck_assert_ptr_nonnull(c);
	n = 3 * stats_of(c).objects_per_slab;
	if (n > 4000)
		n = 4000;
	for (size_t i = 0; i < n; i++) {
		ck_assert_ptr_nonnull(p[i] = mp_cache_alloc(c));
		*(size_t *)p[i] = i;
	}
	memset(seen, 0, sizeof(seen));
}

static int note(void *obj, void *arg)
{
	size_t i = *(size_t *)obj;

	ck_assert_uint_lt(i, n);
	ck_assert_ptr_eq(obj, p[i]);
	ck_assert_uint_eq(seen[i], 0);
	seen[i] = 1;
	++*(size_t *)arg;
	return 0;
}

START_TEST(live_objects_exactly)
{
	static const size_t sizes[] = { 16, 200, 3000, 40000, 200000 };

	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		size_t count = 0, live;

		setup(sizes[k]);
		live = n;
		ck_assert_int_eq(mp_cache_for_each_object(c, note, &count), 0);
		ck_assert_uint_eq(count, live);
		for (size_t i = 0; i < n; i += 3) {
			mp_cache_free(c, p[i]);
			live--;
		}
		memset(seen, 0, sizeof(seen));
		count = 0;
		ck_assert_int_eq(mp_cache_for_each_object(c, note, &count), 0);
		ck_assert_uint_eq(count, live);
		for (size_t i = 0; i < n; i++)
			ck_assert_uint_eq(seen[i], i % 3 != 0);
		for (size_t i = 0; i < n; i++)
			if (i % 3 != 0)
				mp_cache_free(c, p[i]);
		count = 0;
		ck_assert_int_eq(mp_cache_for_each_object(c, note, &count), 0);
		ck_assert_uint_eq(count, 0);
		ck_assert_int_eq(mp_cache_destroy(c), 0);
	}
}
END_TEST

static int free_it(void *obj, void *arg)
{
	++*(size_t *)arg;
	mp_cache_free(c, obj);
	return 0;
}

/* The same, and what is wholly free goes back to the system at once, and elsewhere. */
static int free_it_for_good(void *obj, void *arg)
{
	static struct mp_cache *other;

	(void)free_it(obj, arg);
	mp_thread_flush();
	if (other == NULL)
		other = mp_cache_create("other", 64, 0, 0, NULL);
	(void)mp_cache_shrink(c);
	ck_assert_ptr_nonnull(mp_cache_alloc(other));
	if (*(size_t *)arg % 8 == 0)
		(void)mp_reclaim(0);
	return 0;
}

START_TEST(freeing_in_a_walk)
{
	size_t count = 0;

	setup(2000);
	ck_assert_int_eq(mp_cache_for_each_object(c, free_it, &count), 0);
	ck_assert_uint_eq(count, n);
	check_cache(c, 0);
	count = 0;
	setup(2000);
	ck_assert_int_eq(mp_cache_for_each_object(c, free_it_for_good, &count), 0);
	ck_assert_uint_eq(count, n);
	check_cache(c, 0);
	ck_assert_uint_eq(stats_of_all().faults, 0);
}
END_TEST

static int stop_at_third(void *obj, void *arg)
{
	(void)obj;
	return ++*(int *)arg == 3 ? 77 : 0;
}

static int stop_at_second(struct mp_cache *cache, void *arg)
{
	ck_assert_ptr_nonnull(mp_cache_name(cache));
	return ++*(int *)arg == 2 ? 99 : 0;
}

START_TEST(stopping)
{
	int calls = 0;

	setup(100);
	ck_assert_int_eq(mp_cache_for_each_object(c, stop_at_third, &calls), 77);
	ck_assert_int_eq(calls, 3);
	calls = 0;
	ck_assert_int_eq(mp_cache_for_each(stop_at_second, &calls), 99);
	ck_assert_int_eq(calls, 2);
}
END_TEST

struct found {
	struct mp_cache *cache[64];
	unsigned n;
	unsigned last_id;
};

static int collect(struct mp_cache *cache, void *arg)
{
	struct found *found = arg;

	ck_assert_uint_lt(found->n, 64);
	ck_assert_uint_gt(stats_of(cache).id, found->last_id); /* oldest id first */
	found->last_id = stats_of(cache).id;
	found->cache[found->n++] = cache;
	mp_free(mp_alloc(10)); /* no lock is held */
	return 0;
}

static int destroy_mine(struct mp_cache *cache, void *arg)
{
	if (strcmp(mp_cache_name(cache), "mine") == 0) {
		ck_assert_int_eq(mp_cache_destroy(cache), 0);
		++*(int *)arg;
	}
	return 0;
}

/* At the end of a program: all that are its own. */
START_TEST(destroying_in_a_walk)
{
	int destroyed = 0;

	for (int i = 0; i < 20; i++) {
		struct mp_cache *mine = mp_cache_create("mine", 32, 0, 0, NULL);

		mp_cache_free(mine, mp_cache_alloc(mine));
	}
	ck_assert_int_eq(mp_cache_for_each(destroy_mine, &destroyed), 0);
	ck_assert_int_eq(destroyed, 20);
	ck_assert_ptr_null(mp_cache_find("mine"));
}
END_TEST

START_TEST(all_caches)
{
	struct found found = { .n = 0 };
	struct mp_cache *mine[5];
	unsigned builtin = 0;

	for (size_t size = MP_MIN_BLOCK_SIZE; size <= MP_MAX_FIXED_SIZE; size *= 2)
		builtin++;
	for (int i = 0; i < 5; i++)
		ck_assert_ptr_nonnull(mine[i] = mp_cache_create("mine", 32, 0, 0, NULL));
	ck_assert_int_eq(mp_cache_destroy(mine[2]), 0);
	ck_assert_int_eq(mp_cache_for_each(collect, &found), 0);
	ck_assert_uint_eq(found.n, builtin + 4);
	ck_assert_uint_eq(stats_of_all().caches, builtin + 4);
	for (int i = 0; i < 5; i++) {
		unsigned hits = 0;

		for (unsigned k = 0; k < found.n; k++)
			hits += found.cache[k] == mine[i];
		ck_assert_uint_eq(hits, i == 2 ? 0 : 1);
	}
}
END_TEST

/* ---- one pointer */

static int look(const void *ptr, struct mp_object_info *info)
{
	*info = (struct mp_object_info){ .struct_size = sizeof(*info) };
	return mp_object_info(ptr, info);
}

static void expect_object(const void *ptr, void *object, enum mp_object_state state)
{
	struct mp_object_info info;

	ck_assert_int_eq(look(ptr, &info), 0);
	ck_assert_ptr_eq(info.cache, c);
	ck_assert_str_eq(info.cache_name, "walked");
	ck_assert_ptr_eq(info.object, object);
	ck_assert_uint_eq(info.object_size, mp_cache_size(c));
	ck_assert_uint_eq(info.offset, (size_t)((const char *)ptr - (char *)object));
	ck_assert_int_eq(info.state, state);
	ck_assert(is_aligned(info.slab, MP_CHUNK_SIZE));
	ck_assert((char *)info.slab < (char *)object);
}

START_TEST(pointers_to_objects)
{
	static const size_t sizes[] = { 16, 200, 3000, 40000, 200000 };

	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		setup(sizes[k]);
		for (size_t i = 0; i < n; i += 1 + n / 50) {
			char *obj = p[i];

			expect_object(obj, obj, MP_OBJECT_LIVE);
			expect_object(obj + 1, obj, MP_OBJECT_LIVE);
			expect_object(obj + sizes[k] / 2, obj, MP_OBJECT_LIVE);
			expect_object(obj + sizes[k] - 1, obj, MP_OBJECT_LIVE);
		}
		for (size_t i = 0; i < n; i++)
			mp_cache_free(c, p[i]);
		mp_thread_flush();
		p[0] = mp_cache_alloc(c);
		expect_object(p[0], p[0], MP_OBJECT_LIVE);
		mp_cache_free(c, p[0]);
		expect_object(p[0], p[0],
			      stats_of(c).cached > 0 ? MP_OBJECT_CACHED : MP_OBJECT_FREE);
		mp_thread_flush();
		expect_object((char *)p[0] + 5, p[0], MP_OBJECT_FREE);
		ck_assert_int_eq(mp_cache_destroy(c), 0);
	}
}
END_TEST

/* Header, every object, tail: each address of a slab is what it must be. */
START_TEST(every_address_of_a_slab)
{
	struct mp_object_info info;
	struct mp_cache_stats s;
	size_t objects = 0, elsewhere = 0;
	char *slab;

	c = mp_cache_create("walked", 520, 8, 0, NULL);
	p[0] = mp_cache_alloc(c);
	ck_assert_ptr_nonnull(p[0]);
	ck_assert_int_eq(look(p[0], &info), 0);
	slab = info.slab;
	s = stats_of(c);
	for (size_t at = 0; at < s.chunks_per_slab * MP_CHUNK_SIZE; at += 8) {
		if (look(slab + at, &info) != 0) {
			elsewhere += 8;
			continue;
		}
		ck_assert_uint_lt(info.index, s.objects_per_slab);
		ck_assert_uint_lt(info.offset, s.slot_size);
		ck_assert_ptr_eq((char *)info.object + info.offset, slab + at);
		objects += info.offset == 0;
	}
	ck_assert_uint_eq(objects, s.objects_per_slab);
	ck_assert_uint_eq(elsewhere,
			  s.chunks_per_slab * MP_CHUNK_SIZE - s.objects_per_slab * s.slot_size);
	ck_assert_int_eq(look(slab, &info), -ENOENT); /* the header */
}
END_TEST

START_TEST(pointers_to_spans)
{
	static const size_t sizes[] = { MP_MAX_FIXED_SIZE + 1, MP_MAX_FIXED_SIZE * 20,
					(size_t)20 << 20 };
	struct mp_object_info info;

	for (size_t k = 0; k < 3; k++) {
		char *large = mp_alloc(sizes[k]), *stale = launder(large);

		ck_assert_ptr_nonnull(large);
		for (size_t at = 0; at < sizes[k]; at += 1 + sizes[k] / 7) {
			ck_assert_int_eq(look(large + at, &info), 0);
			ck_assert_ptr_null(info.cache);
			ck_assert_str_eq(info.cache_name, "large");
			ck_assert_ptr_eq(info.object, large);
			ck_assert_uint_eq(info.offset, at);
			ck_assert_uint_ge(info.object_size, sizes[k]);
			ck_assert_int_eq(info.state, MP_OBJECT_LIVE);
		}
		mp_free(large);
		if (look(stale, &info) == 0)
			ck_assert_int_ne(info.state, MP_OBJECT_LIVE);
		mp_thread_flush();
		if (look(stale, &info) == 0)
			ck_assert_int_eq(info.state, MP_OBJECT_FREE);
		(void)mp_reclaim(0);
	}
}
END_TEST

static int global;

START_TEST(pointers_to_nothing)
{
	static const uint64_t wild[] = { 0, 1, 8, 4096, 0x7fffffffffff, 0x800000000000,
					 0xffffffffffff, 0xffff800000000000, UINT64_MAX };
	struct mp_object_info info;
	void *page = portable_no_access(65536);
	void *heap = malloc(100);
	uint64_t seed = 77;
	int local;

	setup(64);
	for (size_t i = 0; i < sizeof(wild) / sizeof(wild[0]); i++)
		ck_assert_int_eq(look(address((uintptr_t)wild[i]), &info), -ENOENT);
	ck_assert_int_eq(look(&local, &info), -ENOENT);
	ck_assert_int_eq(look(&global, &info), -ENOENT);
	ck_assert_int_eq(look(heap, &info), -ENOENT);
	ck_assert_int_eq(look((const void *)(uintptr_t)pointers_to_nothing, &info), -ENOENT);
	ck_assert_int_eq(look(page, &info), -ENOENT);
	for (int i = 0; i < 1000000; i++)
		(void)look(address((uintptr_t)(suite_random(&seed) >> (i % 40))), &info);
	ck_assert_uint_eq(stats_of_all().faults, 0);
	free(heap);
	portable_free_addresses(page, 65536);
}
END_TEST

START_TEST(struct_sizes)
{
	struct mp_object_info info = { .struct_size = sizeof(info) - 1 };

	setup(64);
	ck_assert_int_eq(mp_object_info(p[0], &info), -EINVAL);
	info.struct_size = 0;
	ck_assert_int_eq(mp_object_info(p[0], &info), -EINVAL);
}
END_TEST

/* Free objects that another thread holds are found there. */
static void *hold(void *arg)
{
	pthread_barrier_t *barrier = arg;

	for (size_t i = 0; i < 10; i++)
		mp_cache_free(c, p[i]);
	pthread_barrier_wait(barrier);
	pthread_barrier_wait(barrier);
	return NULL;
}

START_TEST(held_by_another_thread)
{
	pthread_barrier_t barrier;
	struct mp_object_info info;
	pthread_t thread;
	size_t count = 0;

	setup(64);
	pthread_barrier_init(&barrier, NULL, 2);
	ck_assert_int_eq(pthread_create(&thread, NULL, hold, &barrier), 0);
	pthread_barrier_wait(&barrier);
	for (size_t i = 0; i < 10; i++) {
		ck_assert_int_eq(look(p[i], &info), 0);
		ck_assert_int_ne(info.state, MP_OBJECT_LIVE);
	}
	ck_assert_int_eq(mp_cache_for_each_object(c, note, &count), 0);
	ck_assert_uint_eq(count, n - 10);
	check_cache(c, n - 10);
	pthread_barrier_wait(&barrier);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	check_cache(c, n - 10);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, live_objects_exactly);
	tcase_add_test(tc, freeing_in_a_walk);
	tcase_add_test(tc, stopping);
	tcase_add_test(tc, destroying_in_a_walk);
	tcase_add_test(tc, all_caches);
	tcase_add_test(tc, pointers_to_objects);
	tcase_add_test(tc, every_address_of_a_slab);
	tcase_add_test(tc, pointers_to_spans);
	tcase_add_test(tc, pointers_to_nothing);
	tcase_add_test(tc, struct_sizes);
	tcase_add_test(tc, held_by_another_thread);
}

int main(void)
{
	return suite_run("walk", add);
}
