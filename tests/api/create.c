/* SPDX-License-Identifier: MIT */
/*
 * create.c - what caches can be made, and what is refused.
 */
#include "../suite.h"

#include <signal.h>

#define OBJECT_MAX ((size_t)16 << 20)	/* the documented limits */
#define ALIGN_SURE 4096

static void refused(int error, const char *name, size_t size, size_t align, unsigned flags)
{
	struct mp_cache_args args = { .struct_size = sizeof(args), .align = align };

	errno = 0;
	ck_assert_ptr_null(mp_cache_create(name, size, align, flags, NULL));
	ck_assert_int_eq(errno, error);
	errno = 0;
	ck_assert_ptr_null(mp_cache_create_args(name, size, &args, flags));
	ck_assert_int_eq(errno, error);
}

START_TEST(bad_arguments)
{
	static const size_t odd[] = { 3, 5, 12, 24, 48, 100, 4095, SIZE_MAX };
	struct mp_stats before = stats_of_all(), after;

	refused(EINVAL, NULL, 16, 0, 0);
	refused(EINVAL, "", 16, 0, 0);
	refused(EINVAL, "c", 0, 0, 0);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		refused(EINVAL, "c", 16, odd[i], 0);
	refused(E2BIG, "c", OBJECT_MAX + 1, 0, 0);
	refused(E2BIG, "c", SIZE_MAX, 0, 0);
	refused(E2BIG, "c", 16, (size_t)1 << 30, 0);
	after = stats_of_all();
	ck_assert_uint_eq(after.caches, before.caches);
	ck_assert_uint_eq(after.faults, 0); /* errno values, never a report */
}
END_TEST

static void construct(void *obj)
{
	(void)obj;
}

START_TEST(bad_flags)
{
	for (unsigned bit = 0x200; bit != 0; bit <<= 1)
		refused(EINVAL, "c", 16, 0, bit);
	refused(EINVAL, "c", 16, 0, MP_TYPE_STABLE | MP_POISON);
	refused(EINVAL, "c", 16, 0, MP_TYPE_STABLE | MP_ZERO_ON_FREE);
	/* nothing is written into a free object that is constructed */
	ck_assert_ptr_null(mp_cache_create("c", 16, 0, MP_ZERO_ON_FREE, construct));
	ck_assert_int_eq(errno, EINVAL);
}
END_TEST

START_TEST(bad_args)
{
	struct mp_cache_args args = { .struct_size = sizeof(args) - 1 };

	errno = 0;
	ck_assert_ptr_null(mp_cache_create_args("c", 16, &args, 0));
	ck_assert_int_eq(errno, EINVAL);
	args.struct_size = 0;
	errno = 0;
	ck_assert_ptr_null(mp_cache_create_args("c", 16, &args, 0));
	ck_assert_int_eq(errno, EINVAL);
	args = (struct mp_cache_args){ .struct_size = sizeof(args), .prealloc = SIZE_MAX / 2 };
	errno = 0;
	ck_assert_ptr_null(mp_cache_create_args("c", 16, &args, 0));
	ck_assert_int_eq(errno, ENOMEM);
	ck_assert_ptr_null(mp_cache_find("c"));
}
END_TEST

static int never_shown(void *obj, void *arg)
{
	(void)obj;
	(void)arg;
	ck_abort_msg("called");
	return 1;
}

START_TEST(no_cache)
{
	struct mp_cache *c = mp_cache_create("c", 16, 0, 0, NULL);
	void *objs[1];

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(mp_cache_alloc_bulk(NULL, 1, objs), -EINVAL);
	ck_assert_int_eq(mp_cache_prealloc(NULL, 1), -EINVAL);
	ck_assert_int_eq(mp_cache_set_max(NULL, 1), -EINVAL);
	ck_assert_int_eq(mp_cache_set_fail(NULL, MP_FAIL_NTH, 1, 0), -EINVAL);
	ck_assert_int_eq(mp_cache_set_fail(c, MP_FAIL_NTH, 0, 0), -EINVAL);
	ck_assert_int_eq(mp_cache_shrink(NULL), -EINVAL);
	ck_assert_int_eq(mp_cache_for_each_object(NULL, never_shown, NULL), -EINVAL);
	ck_assert_int_eq(mp_cache_for_each_object(c, NULL, NULL), -EINVAL);
	ck_assert_int_eq(mp_cache_for_each(NULL, NULL), -EINVAL);
	ck_assert_int_eq(mp_cache_for_each_object(c, never_shown, NULL), 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

START_TEST(args_given)
{
	struct mp_cache_args args = {
		.struct_size = sizeof(args), .align = 64, .max_objects = 3, .prealloc = 3
	};
	struct mp_cache *c = mp_cache_create_args("with args", 40, &args, 0), *plain;
	void *p[4];

	ck_assert_ptr_nonnull(c);
	ck_assert_uint_ge(stats_of(c).capacity, 3);
	ck_assert_uint_eq(stats_of(c).max_objects, 3);
	for (int i = 0; i < 4; i++)
		p[i] = mp_cache_alloc(c);
	ck_assert(is_aligned(p[0], 64) && is_aligned(p[1], 64));
	ck_assert_ptr_nonnull(p[2]);
	ck_assert_ptr_null(p[3]);
	for (int i = 0; i < 3; i++)
		mp_cache_free(c, p[i]);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	plain = mp_cache_create_args("without", 40, NULL, 0);
	ck_assert_ptr_nonnull(plain);
	ck_assert_int_eq(mp_cache_destroy(plain), 0);
}
END_TEST

/* A number that is used again is lower, and no older. */
START_TEST(oldest_of_a_name)
{
	enum { OTHERS = 70 };
	struct mp_cache *others[OTHERS], *a, *b = NULL;
	struct mp_cache_stats s = { .struct_size = sizeof(s) };
	unsigned id;

	for (int i = 0; i < OTHERS; i++)
		ck_assert_ptr_nonnull(others[i] = mp_cache_create("other", 16, 0, 0, NULL));
	a = mp_cache_create("orders", 16, 0, 0, NULL);
	ck_assert_int_eq(mp_cache_get_stats(a, &s), 0);
	id = s.id;
	for (int i = 0; i < OTHERS; i++)
		ck_assert_int_eq(mp_cache_destroy(others[i]), 0);
	b = mp_cache_create("orders", 16, 0, 0, NULL);
	ck_assert_int_eq(mp_cache_get_stats(b, &s), 0);
	ck_assert_uint_lt(s.id, id);
	ck_assert_ptr_eq(mp_cache_find("orders"), a);
	ck_assert_int_eq(mp_cache_destroy(a), 0);
	ck_assert_ptr_eq(mp_cache_find("orders"), b);
	ck_assert_int_eq(mp_cache_destroy(b), 0);
}
END_TEST

START_TEST(names)
{
	char name[200], *copy;
	struct mp_cache *a, *b, *c;

	strcpy(name, "orders");
	a = mp_cache_create(name, 16, 0, 0, NULL);
	b = mp_cache_create(name, 32, 0, 0, NULL); /* need not be unique */
	strcpy(name, "scribbled");
	ck_assert(a != NULL && b != NULL && a != b);
	ck_assert_str_eq(mp_cache_name(a), "orders");
	ck_assert_str_eq(mp_cache_name(b), "orders");
	ck_assert_ptr_eq(mp_cache_find("orders"), a); /* the oldest */
	ck_assert_int_eq(mp_cache_destroy(a), 0);
	ck_assert_ptr_eq(mp_cache_find("orders"), b);
	ck_assert_int_eq(mp_cache_destroy(b), 0);
	errno = 0;
	ck_assert_ptr_null(mp_cache_find("orders"));
	ck_assert_int_eq(errno, ENOENT);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	c = mp_cache_create(name, 16, 0, 0, NULL);
	ck_assert_ptr_nonnull(c);
	copy = name + 63; /* 63 bytes of it */
	*copy = '\0';
	ck_assert_str_eq(mp_cache_name(c), name);
	ck_assert_ptr_eq(mp_cache_find(name), c);
}
END_TEST

/* A few objects of each cache: aligned, apart, whole; then it goes. */
static void try_cache(size_t size, size_t align, unsigned flags)
{
	enum { N = 7 };
	struct mp_cache *c = mp_cache_create("try", size, align, flags, NULL);
	size_t want = align == 0 ? MP_ALIGN_SIZE : align < 8 ? 8 : align;
	struct mp_cache_stats s;
	unsigned char *p[N];

	ck_assert_msg(c != NULL, "size %zu align %zu: errno %d", size, align, errno);
	ck_assert_uint_eq(mp_cache_size(c), size);
	s = stats_of(c);
	ck_assert_uint_eq(s.object_size, size);
	ck_assert_uint_ge(s.slot_size, size);
	ck_assert_uint_ge(s.slot_size, MP_MIN_BLOCK_SIZE);
	ck_assert_uint_ge(s.align, want);
	ck_assert_uint_eq(s.slot_size % s.align, 0);
	ck_assert_uint_eq(s.flags, flags);
	for (unsigned i = 0; i < N; i++) {
		p[i] = mp_cache_alloc(c);
		ck_assert_ptr_nonnull(p[i]);
		ck_assert_msg(is_aligned(p[i], want), "%p, size %zu align %zu", (void *)p[i], size,
			      align);
		pattern_fill(p[i], size, i);
	}
	check_cache(c, N);
	for (unsigned i = 0; i < N; i++) {
		ck_assert(pattern_holds(p[i], size, i));
		mp_cache_free(c, p[i]);
	}
	check_cache(c, 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}

START_TEST(sizes)
{
	for (size_t size = 1; size <= 300; size++)
		try_cache(size, 0, 0);
	for (size_t size = 301; size <= (size_t)1 << 20; size += size / 5)
		try_cache(size, 0, 0);
	for (size_t size = 512; size <= (size_t)1 << 21; size *= 2)
		for (int off = -1; off <= 1; off++)
			try_cache(size + (size_t)off, 0, 0);
	try_cache(OBJECT_MAX, 0, 0);
	try_cache(OBJECT_MAX - 1, ALIGN_SURE, 0);
	(void)mp_reclaim(0);
	ck_assert_uint_eq(stats_of_all().slabs, 0);
	ck_assert_uint_eq(stats_of_all().bytes_slabs, 0);
}
END_TEST

START_TEST(alignments)
{
	for (size_t align = 1; align <= ALIGN_SURE; align *= 2)
		for (size_t size = 1; size <= 70000; size = size * 3 + 1)
			try_cache(size, align, 0);
	if (MP_CHUNK_SIZE / 4 >= 16384)
		for (size_t size = 1; size <= 70000; size = size * 3 + 1)
			try_cache(size, 16384, 0);
}
END_TEST

/* A 40-byte object can take 40 bytes. */
START_TEST(small_alignment)
{
	struct mp_cache *c = mp_cache_create("forty", 40, 8, 0, NULL);

	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(stats_of(c).slot_size, MP_MIN_BLOCK_SIZE > 40 ? MP_MIN_BLOCK_SIZE : 40);
	c = mp_cache_create("forty", 40, 1, 0, NULL);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(stats_of(c).align, 8);
}
END_TEST

START_TEST(cache_lines)
{
	static const struct {
		size_t size, align;
	} rows[] = { { 33, 64 }, { 64, 64 }, { 65, 64 }, { 1000, 64 }, { 32, 32 }, { 17, 32 },
		     { 16, 16 }, { 1, 8 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mp_cache *c =
			mp_cache_create("line", rows[i].size, 0, MP_HWCACHE_ALIGN, NULL);

		ck_assert_ptr_nonnull(c);
		ck_assert_uint_ge(stats_of(c).align, rows[i].align);
		ck_assert_uint_eq(stats_of(c).slot_size % rows[i].align, 0);
		ck_assert_int_eq(mp_cache_destroy(c), 0);
		try_cache(rows[i].size, 0, MP_HWCACHE_ALIGN);
		try_cache(rows[i].size, 256, MP_HWCACHE_ALIGN);
	}
}
END_TEST

struct pair {
	long a;
	char b;
};

START_TEST(typed_macros)
{
	struct mp_cache *c = MP_CACHE(pair, 0);
	struct pair *p;

	ck_assert_ptr_nonnull(c);
	ck_assert_str_eq(mp_cache_name(c), "pair");
	ck_assert_uint_eq(mp_cache_size(c), sizeof(struct pair));
	p = mp_new(c, struct pair);
	ck_assert_ptr_nonnull(p);
	ck_assert(is_aligned(p, _Alignof(struct pair)));
	p->a = 1;
	mp_cache_free(c, p);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

START_TEST(never_merged)
{
	struct mp_cache *a = mp_cache_create("a", 64, 0, 0, NULL);
	struct mp_cache *b = mp_cache_create("b", 64, 0, 0, NULL);
	void *p;

	ck_assert(a != NULL && b != NULL && a != b);
	p = mp_cache_alloc(a);
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(stats_of(a).live, 1);
	ck_assert_uint_eq(stats_of(b).live, 0);
	mp_cache_free(a, p);
}
END_TEST

START_TEST(panic_that_succeeds)
{
	struct mp_cache *c = mp_cache_create("panic", 64, 0, MP_PANIC, NULL);

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

/* Of a failing create that panics the program dies, whatever it fails for. */
static struct mp_cache_args panic_args = { .struct_size = sizeof(panic_args) - 1 };

START_TEST(panic_for_args)
{
	(void)!mp_cache_create_args("panic", 64, &panic_args, MP_PANIC);
}
END_TEST

START_TEST(panic_for_align)
{
	panic_args.struct_size = sizeof(panic_args);
	panic_args.align = 24;
	(void)!mp_cache_create_args("panic", 64, &panic_args, MP_PANIC);
}
END_TEST

START_TEST(panic_for_prealloc)
{
	panic_args.struct_size = sizeof(panic_args);
	panic_args.prealloc = SIZE_MAX;
	(void)!mp_cache_create_args("panic", 64, &panic_args, MP_PANIC);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, bad_arguments);
	tcase_add_test(tc, bad_flags);
	tcase_add_test(tc, bad_args);
	tcase_add_test(tc, no_cache);
	tcase_add_test(tc, args_given);
	tcase_add_test(tc, names);
	tcase_add_test(tc, oldest_of_a_name);
	tcase_add_test(tc, sizes);
	tcase_add_test(tc, alignments);
	tcase_add_test(tc, small_alignment);
	tcase_add_test(tc, cache_lines);
	tcase_add_test(tc, typed_macros);
	tcase_add_test(tc, never_merged);
	tcase_add_test(tc, panic_that_succeeds);
	tcase_add_test_raise_signal(tc, panic_for_args, SIGABRT);
	tcase_add_test_raise_signal(tc, panic_for_align, SIGABRT);
	tcase_add_test_raise_signal(tc, panic_for_prealloc, SIGABRT);
}

int main(void)
{
	return suite_run("create", add);
}
