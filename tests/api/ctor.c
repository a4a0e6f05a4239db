/* SPDX-License-Identifier: MIT */
/*
 * ctor.c - constructors run once per object, destructors when the slab goes back.
 */
#include "../suite.h"

#include <pthread.h>

struct node {
	uint64_t stamp;		/* the constructor's, the user leaves it */
	char payload[100];	/* the user's, left as the user likes */
	uint64_t seal;		/* the constructor's too */
};

static _Atomic size_t made, unmade;

static void construct(void *obj)
{
	struct node *n = obj;

	made++;
	n->stamp = (uintptr_t)obj ^ 0x5eed;
	memset(n->payload, 'c', sizeof(n->payload));
	n->seal = 42;
}

static void construct_arg(void *obj, void *arg)
{
	ck_assert_ptr_eq(arg, &made);
	construct(obj);
}

static void destruct_arg(void *obj, void *arg)
{
	struct node *n = obj;

	ck_assert_ptr_eq(arg, &made);
	ck_assert_uint_eq(n->stamp, (uintptr_t)obj ^ 0x5eed);
	ck_assert_uint_eq(n->seal, 42);
	n->stamp = 0; /* once only */
	unmade++;
}

static const struct mp_cache_args with_both = {
	.struct_size = sizeof(with_both),
	.ctor = construct_arg,
	.dtor = destruct_arg,
	.arg = &made,
};

static struct mp_cache *c;
static struct node *p[20000];

static size_t many(void)
{
	return 2 * stats_of(c).objects_per_slab + 3;
}

static void allocate(size_t n)
{
	ck_assert_uint_le(n, sizeof(p) / sizeof(p[0]));
	for (size_t i = 0; i < n; i++) {
		p[i] = mp_cache_alloc(c);
		ck_assert_ptr_nonnull(p[i]);
		ck_assert_uint_eq(p[i]->stamp, (uintptr_t)p[i] ^ 0x5eed);
		ck_assert_uint_eq(p[i]->seal, 42);
	}
}

/* Back they go, constructed; what the user wrote is left alone. */
static void release(size_t n, char with)
{
	for (size_t i = 0; i < n; i++) {
		memset(p[i]->payload, with, sizeof(p[i]->payload));
		mp_cache_free(c, p[i]);
	}
}

START_TEST(counted_exactly)
{
	size_t n;

	c = mp_cache_create_args("nodes", sizeof(struct node), &with_both, 0);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(made, 0);
	n = many();
	for (int round = 0; round < 5; round++) {
		allocate(n);
		ck_assert_uint_eq(made - unmade, stats_of(c).capacity);
		release(n, 'u');
		ck_assert_uint_eq(made - unmade, stats_of(c).capacity);
	}
	ck_assert_int_eq(mp_cache_shrink(c), 0);
	ck_assert_uint_eq(unmade, made);
	allocate(3);
	release(3, 'v');
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	ck_assert_uint_eq(unmade, made);
	ck_assert_uint_gt(made, n);
}
END_TEST

/* Not once more for objects that go round without their slab going back. */
START_TEST(once_per_object)
{
	size_t first;

	c = mp_cache_create("nodes", sizeof(struct node), 0, 0, construct);
	ck_assert_ptr_nonnull(c);
	allocate(10);
	first = made;
	ck_assert_uint_eq(first, stats_of(c).objects_per_slab);
	for (int round = 0; round < 1000; round++) {
		release(10, 'u');
		allocate(10);
	}
	ck_assert_uint_eq(made, first);
	release(10, 'u');
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

START_TEST(nothing_written_while_free)
{
	size_t n, capacity;

	c = mp_cache_create("nodes", sizeof(struct node), 0, MP_POISON, construct);
	ck_assert_ptr_nonnull(c);
	n = stats_of(c).objects_per_slab;
	allocate(n);
	release(n, 'u');
	mp_thread_flush();
	capacity = stats_of(c).capacity;
	allocate(n);
	ck_assert_uint_eq(stats_of(c).capacity, capacity);
	for (size_t i = 0; i < n; i++)
		ck_assert(is_filled(p[i]->payload, sizeof(p[i]->payload), 'u'));
	check_cache(c, n);
	release(n, 'w');
	check_cache(c, 0);
}
END_TEST

START_TEST(zalloc_refused)
{
	struct mp_cache *args;

	c = mp_cache_create("nodes", sizeof(struct node), 0, 0, construct);
	args = mp_cache_create_args("nodes", sizeof(struct node), &with_both, 0);
	ck_assert(c != NULL && args != NULL);
	errno = 0;
	ck_assert_ptr_null(mp_cache_zalloc(c));
	ck_assert_int_eq(errno, EINVAL);
	errno = 0;
	ck_assert_ptr_null(mp_cache_zalloc(args));
	ck_assert_int_eq(errno, EINVAL);
	allocate(1);
	release(1, 'x');
}
END_TEST

START_TEST(destructor_alone)
{
	struct mp_cache_args args = with_both;
	size_t capacity;
	struct node *n;

	args.ctor = NULL;
	args.dtor = NULL;
	c = mp_cache_create_args("plain", sizeof(struct node), &args, 0);
	ck_assert_ptr_nonnull(c);
	n = mp_cache_zalloc(c);
	ck_assert_ptr_nonnull(n);
	mp_cache_free(c, n);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	ck_assert_uint_eq(made, 0);
	args = with_both;
	c = mp_cache_create_args("both", sizeof(struct node), &args, 0);
	args.arg = NULL; /* was copied */
	allocate(1);
	release(1, 'x');
	capacity = stats_of(c).capacity;
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	ck_assert_uint_eq(unmade, capacity);
}
END_TEST

static struct mp_cache *inner;

/* A constructor may use other caches, and mp_alloc(), and look around. */
static void construct_with_help(void *obj)
{
	void **slot = obj;

	slot[0] = mp_cache_alloc(inner);
	slot[1] = mp_alloc(100);
	ck_assert(slot[0] != NULL && slot[1] != NULL);
	mp_free(mp_alloc((size_t)MP_MAX_FIXED_SIZE * 3));
	ck_assert_uint_ge(stats_of(inner).live, 1);
	made++;
}

START_TEST(constructor_uses_caches)
{
	void **obj;

	inner = mp_cache_create("inner", 64, 0, 0, NULL);
	c = mp_cache_create("outer", 64, 0, 0, construct_with_help);
	ck_assert(inner != NULL && c != NULL);
	obj = mp_cache_alloc(c);
	ck_assert_ptr_nonnull(obj);
	memset(obj[0], 1, 64);
	memset(obj[1], 2, 100);
	check_cache(inner, made);
	mp_cache_free(c, obj);
	check_cache(c, 0);
}
END_TEST

static void *churn(void *arg)
{
	struct node *mine[64] = { NULL };
	uint64_t seed = (uintptr_t)arg + 1;

	for (int i = 0; i < 20000; i++) {
		unsigned k = (unsigned)(suite_random(&seed) % 64);

		if (mine[k] != NULL) {
			mp_cache_free(c, mine[k]);
			mine[k] = NULL;
		} else {
			mine[k] = mp_cache_alloc(c);
			ck_assert_ptr_nonnull(mine[k]);
			ck_assert_uint_eq(mine[k]->stamp, (uintptr_t)mine[k] ^ 0x5eed);
		}
		if (i % 1000 == 0)
			(void)mp_cache_shrink(c);
	}
	for (int k = 0; k < 64; k++)
		mp_cache_free(c, mine[k]);
	return NULL;
}

START_TEST(counted_with_threads)
{
	pthread_t t[4];

	c = mp_cache_create_args("nodes", sizeof(struct node), &with_both, 0);
	ck_assert_ptr_nonnull(c);
	for (uintptr_t i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, churn, (void *)i), 0);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	ck_assert_uint_eq(made - unmade, stats_of(c).capacity);
	check_cache(c, 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	ck_assert_uint_eq(made, unmade);
}
END_TEST

/* Large ones: a slab of several chunks, or one object each. */
START_TEST(large_objects)
{
	struct mp_cache_args args = with_both;

	for (size_t size = MP_CHUNK_SIZE / 3; size <= (size_t)1 << 20; size *= 3) {
		c = mp_cache_create_args("large nodes", size, &args, 0);
		ck_assert_ptr_nonnull(c);
		allocate(5);
		ck_assert_uint_eq(made - unmade, stats_of(c).capacity);
		release(5, 'x');
		ck_assert_int_eq(mp_cache_destroy(c), 0);
		ck_assert_uint_eq(made, unmade);
	}
}
END_TEST

/*
 * A thread that gives back the slabs of two caches at once, one of them idle in it, runs a
 * destructor of the one, which destroys the other: wherever that happens.
 */
#define IDLE_OBJECTS 2000
#define BUSY_OBJECTS 40000

static struct mp_cache *idle;
static bool armed;

static void destroy_idle(void *obj, void *arg)
{
	struct mp_cache *gone = idle;

	(void)obj;
	(void)arg;
	if (!armed || gone == NULL)
		return;
	idle = NULL;
	ck_assert_int_eq(mp_cache_destroy(gone), 0);
}

static void destroy_within(int from)
{
	struct mp_cache_args args = { .struct_size = sizeof(args), .dtor = destroy_idle };
	struct mp_cache *busy = mp_cache_create_args("busy", 200, &args, 0);
	static void *of_idle[IDLE_OBJECTS], *of_busy[BUSY_OBJECTS];

	idle = mp_cache_create("idle", 1000, 0, 0, NULL);
	armed = false;
	ck_assert(busy != NULL && idle != NULL);
	for (int i = 0; i < BUSY_OBJECTS; i++)
		ck_assert_ptr_nonnull(of_busy[i] = mp_cache_alloc(busy));
	for (int i = 0; i < IDLE_OBJECTS; i++)
		ck_assert_ptr_nonnull(of_idle[i] = mp_cache_alloc(idle));
	for (int i = 0; i < IDLE_OBJECTS; i++)
		mp_cache_free(idle, of_idle[i]);
	for (int i = 0; i < BUSY_OBJECTS; i++) {
		armed = i >= from;
		mp_cache_free(busy, of_busy[i]);
	}
	ck_assert_int_eq(mp_cache_destroy(busy), 0);
	if (idle != NULL)
		ck_assert_int_eq(mp_cache_destroy(idle), 0);
}

START_TEST(destructor_destroys_another)
{
	for (int from = 0; from < BUSY_OBJECTS; from += 500)
		destroy_within(from);
}
END_TEST

static void wave(size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = mp_cache_alloc(c);
	for (size_t i = 0; i < n; i++)
		mp_cache_free(c, p[i]);
	mp_thread_flush();
}

/* Slabs that come and go in waves are kept, and their objects not made anew; a quiet time later
 * they are not. */
START_TEST(waves_are_kept)
{
	size_t before, most;

	c = mp_cache_create_args("waves", 4096, &with_both, 0);
	ck_assert_ptr_nonnull(c);
	for (unsigned i = 0; i < 20; i++)
		wave(180);
	before = made;
	for (unsigned i = 0; i < 20; i++)
		wave(180);
	ck_assert_uint_eq(made, before);
	most = stats_of(c).slabs_empty;
	for (unsigned i = 0; i < 2000; i++)
		wave(2);
	ck_assert_uint_le(stats_of(c).slabs_empty, 2 + most / 8);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	ck_assert_uint_eq(made, unmade);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, waves_are_kept);
	tcase_add_test(tc, destructor_destroys_another);
	tcase_add_test(tc, counted_exactly);
	tcase_add_test(tc, once_per_object);
	tcase_add_test(tc, nothing_written_while_free);
	tcase_add_test(tc, zalloc_refused);
	tcase_add_test(tc, destructor_alone);
	tcase_add_test(tc, constructor_uses_caches);
	tcase_add_test(tc, counted_with_threads);
	tcase_add_test(tc, large_objects);
}

int main(void)
{
	return suite_run("ctor", add);
}
