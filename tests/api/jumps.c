/* SPDX-License-Identifier: MIT */
/*
 * jumps.c - an error handler that leaves by longjmp: wherever a fault is found, the counts are
 * exact afterwards, nothing is wrong with the cache, and it is used on and destroyed.  And
 * handlers that use the very cache, destroy another, change errno.
 */
#include "../suite.h"
#include "../jumps.h"

#include <pthread.h>

#if !defined(_WIN32)
#include <sys/wait.h>
#endif

static struct tally tally;

/* Not local variables, which may change between setjmp() and longjmp(). */
static struct mp_cache *c, *other;
static char *p, *q;
static void *many[5000];
static size_t n, leaked;

#define JUMPS(what, call) JUMPS_OUT_OF(jump, &tally, what, call)

/* So many are live and leaked, and nothing is wrong. */
static void exact(size_t live, size_t lost)
{
	check_counts(c, live, lost);
	ck_assert_int_eq(mp_cache_validate(c), 0);
	ck_assert_uint_eq(tally.n, 0);
}

static char *object(void)
{
	char *obj = mp_cache_alloc(c);

	ck_assert_ptr_nonnull(obj);
	return launder(obj);
}

/* The cache is as good as new, but for what leaked. */
static void use_and_destroy(size_t lost)
{
	size_t size = mp_cache_size(c);

	exact(0, lost);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 100; i++)
			pattern_fill(many[i] = object(), size, i);
		exact(100, lost);
		for (unsigned i = 0; i < 100; i++) {
			ck_assert(pattern_holds(many[i], size, i));
			mp_cache_free(c, many[i]);
		}
	}
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 100, many), 0);
	exact(100, lost);
	mp_cache_free_bulk(c, 100, many);
	mp_thread_flush();
	exact(0, lost);
	ck_assert_uint_eq(stats_of(c).cached, 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	ck_assert_uint_eq(tally.n, 0);
}

#define Z MP_RED_ZONE
#define P MP_POISON
#define F MP_CONSISTENCY_CHECKS
#define H MP_HARDENED
#define U MP_STORE_USER

static const unsigned watched[] = {
	F, Z, P, H, U, F | Z, F | P, F | H, Z | P, Z | H, P | H, F | Z | P, Z | P | H, F | P | H,
	F | Z | P | U, F | Z | P | U | H, MP_ZERO_ON_FREE | H, MP_ZERO_ON_FREE | Z,
};

static const size_t sizes[] = { 24, 1000, 5000, 70000 };

#define WATCHED ((int)(sizeof(watched) / sizeof(watched[0])))
#define ALL (WATCHED * (int)(sizeof(sizes) / sizeof(sizes[0])))

/* A cache, the number i of all combinations; its flags. */
static void start_with(size_t size, unsigned flags)
{
	leaked = 0; /* another round in the same process where there is no fork() */
	tally_start(&tally);
	c = mp_cache_create("orders", size, 0, flags, NULL);
	ck_assert_ptr_nonnull(c);
}

static unsigned start(int i)
{
	unsigned flags = watched[i % WATCHED];

	start_with(sizes[i / WATCHED], flags);
	return flags;
}

/* ---- frees */

START_TEST(double_free)
{
	(void)start(_i);
	p = object();
	q = object();
	mp_cache_free(c, p);
	mp_cache_free(c, q);
	JUMPS(MP_ERROR_DOUBLE_FREE, mp_cache_free(c, p));
	exact(0, 0);
	JUMPS(MP_ERROR_DOUBLE_FREE, wrong_free(q));
	JUMPS(MP_ERROR_DOUBLE_FREE, mp_cache_free_bulk(c, 1, (void *[]){ p }));
	JUMPS(MP_ERROR_DOUBLE_FREE, mp_cache_free_bulk(NULL, 1, (void *[]){ q }));
	JUMPS(MP_ERROR_DOUBLE_FREE, mp_free_sized(p, mp_cache_size(c)));
	JUMPS(MP_ERROR_DOUBLE_FREE, (void)!mp_realloc(q, 10));
	JUMPS(MP_ERROR_DOUBLE_FREE, (void)mp_usable_size(q));
	use_and_destroy(0);
}
END_TEST

/* Told once, and lost: neither live nor free. */
START_TEST(overflow)
{
	if (!(start(_i) & Z))
		return;
	p = object();
	q = object();
	p[mp_cache_size(c)] = 1;
	JUMPS(MP_ERROR_OVERFLOW, mp_cache_free(c, p));
	exact(1, 1);
	mp_cache_free(c, p);
	wrong_free(p);
	exact(1, 1);
	q[-1] = 1;
	JUMPS(MP_ERROR_UNDERFLOW, wrong_free(q));
	use_and_destroy(2);
}
END_TEST

#define MAX ((size_t)MP_MAX_FIXED_SIZE)

static size_t live_in(size_t size)
{
	char name[32];

	portable_snprintf(name, sizeof(name), "mp-%zu", size);
	return stats_of(mp_cache_find(name)).live;
}

/* Damage that is found when an object moves, or is resized where it is: nothing else is lost. */
START_TEST(overflow_resized)
{
	size_t before = live_in(MAX);

	if (!(start(_i) & Z))
		return;
	p = object();
	q = object();
	p[mp_cache_size(c)] = 1;
	JUMPS(MP_ERROR_OVERFLOW, (void)!mp_realloc(p, mp_cache_size(c) < MAX ? MAX : 100000));
	exact(1, 1);
	ck_assert_uint_eq(live_in(MAX), before);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
	q[mp_cache_size(c)] = 1;
	JUMPS(MP_ERROR_OVERFLOW, (void)!mp_realloc(q, mp_cache_size(c) - 1));
	use_and_destroy(2);
}
END_TEST

/* The same of a guarded object. */
START_TEST(overflow_guarded)
{
	struct mp_cache_args args = { .struct_size = sizeof(args), .guard_rate = 1 };
	size_t before = live_in(MAX);

	tally_start(&tally);
	c = mp_cache_create_args("orders", 100, &args, 0);
	ck_assert_ptr_nonnull(c);
	p = object();
	q = object();
	p[100] = q[100] = 1; /* in their pages, for alignment to 16 leaves room there */
	JUMPS(MP_ERROR_OVERFLOW, (void)!mp_realloc(p, MAX));
	exact(1, 1);
	ck_assert_uint_eq(live_in(MAX), before);
	JUMPS(MP_ERROR_OVERFLOW, (void)!mp_realloc(q, 100000));
	exact(0, 2);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
	p = object();
	p = mp_realloc(p, MAX);
	ck_assert_ptr_nonnull(p);
	exact(0, 2);
	mp_free(p);
	tally_start(&tally);
}
END_TEST

/* The red zone follows the size. */
START_TEST(resized)
{
	size_t size;

	if (!(start(_i) & Z))
		return;
	size = mp_cache_size(c);
	p = object();
	pattern_fill(p, size, 1);
	ck_assert_ptr_eq(mp_realloc(p, size - 5), p);
	ck_assert_uint_eq(mp_usable_size(p), size - 5);
	ck_assert(pattern_holds(p, size - 5, 1));
	exact(1, 0);
	ck_assert_ptr_eq(mp_realloc(p, size - 2), p);
	pattern_fill(p, size - 2, 2);
	ck_assert_ptr_eq(mp_realloc(p, size), p);
	ck_assert(pattern_holds(p, size - 2, 2));
	p[size - 1] = 3;
	ck_assert_ptr_eq(mp_realloc(p, 1), p);
	p[1] = 4;
	JUMPS(MP_ERROR_OVERFLOW, mp_cache_free(c, p));
	use_and_destroy(1);
}
END_TEST

/* Few faults come when all of the array is freed. */
START_TEST(bulk_free)
{
	bool zones = (start(_i) & Z) != 0;

	ck_assert_int_eq(mp_cache_alloc_bulk(c, 100, many), 0);
	q = many[41];
	p = launder(many[20]);
	many[41] = zones ? NULL : many[40];
	exact(100, 0);
	if (zones)
		p[mp_cache_size(c)] = 1;
	mp_set_error_handler(jump, NULL);
	reports = 0;
	if (setjmp(jump_out) == 0)
		mp_cache_free_bulk(c, 100, many);
	ck_assert_uint_eq(reports, 1);
	ck_assert_int_eq(kind, zones ? MP_ERROR_OVERFLOW : MP_ERROR_DOUBLE_FREE);
	tally_start(&tally);
	exact(1, zones);
	mp_cache_free(c, q);
	use_and_destroy(zones);
}
END_TEST

/* ---- allocations */

START_TEST(written_to)
{
	if (!(start(_i) & P))
		return;
	p = object();
	mp_cache_free(c, p);
	p[3] = 7;
	JUMPS(MP_ERROR_USE_AFTER_FREE_WRITE, (void)!mp_cache_alloc(c));
	exact(0, 1);
	p = object();
	mp_cache_free(c, p);
	p[mp_cache_size(c) - 1] = 7;
	/* refused for its constructor's sake are others */
	JUMPS(MP_ERROR_USE_AFTER_FREE_WRITE, (void)!mp_cache_zalloc(c));
	use_and_destroy(2);
}
END_TEST

START_TEST(bulk_alloc)
{
	if (!(start(_i) & P) || mp_cache_size(c) > 10000)
		return;
	ck_assert_int_eq(mp_cache_prealloc(c, 300), 0); /* no slab goes back */
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 100, many), 0);
	p = launder(many[40]);
	mp_cache_free_bulk(c, 100, many);
	p[3] = 7;
	n = 0; /* without magazines it may be some time until it is its turn */
	JUMPS(MP_ERROR_USE_AFTER_FREE_WRITE,
	      while (n < 4500 && mp_cache_alloc_bulk(c, 300, many + n) == 0) n += 300);
	exact(n, 1);
	mp_cache_free_bulk(c, n, many);
	use_and_destroy(1);
}
END_TEST

/* A limit is one of live objects, whatever was found. */
START_TEST(limited)
{
	unsigned flags = _i < WATCHED ? watched[_i] : 0;

	start_with(40, flags);
	ck_assert_int_eq(mp_cache_set_max(c, 3), 0);
	for (int i = 0; i < 3; i++)
		many[i] = object();
	p = launder(many[0]);
	mp_cache_free(c, p);
	JUMPS(MP_ERROR_DOUBLE_FREE, mp_cache_free(c, p));
	exact(2, 0);
	if (flags & P) {
		p[3] = 7;
		JUMPS(MP_ERROR_USE_AFTER_FREE_WRITE, (void)!mp_cache_alloc(c));
		exact(2, ++leaked);
	}
	if (flags & Z) {
		q = launder(many[1]);
		q[40] = 7;
		JUMPS(MP_ERROR_OVERFLOW, mp_cache_free(c, q));
		exact(1, ++leaked);
		many[1] = object();
	}
	exact(2, leaked);
	many[0] = object();
	ck_assert_ptr_null(mp_cache_alloc(c));
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 1, many + 3), -ENOMEM);
	mp_cache_free_bulk(c, 3, many);
	exact(0, leaked);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

/* ---- the default tier: found when the slab sees it */

static void return_all(int how)
{
	switch (how) {
	case 0:
		mp_thread_flush();
		break;
	case 1:
		(void)mp_reclaim(0);
		break;
	case 2:
		(void)mp_cache_shrink(c);
		break;
	default:
		(void)mp_cache_destroy(c);
		break;
	}
}

START_TEST(late)
{
	tally_start(&tally);
	c = mp_cache_create("orders", sizes[_i / 4], 0, 0, NULL);
	p = object();
	q = object();
	mp_cache_free(c, p);
	mp_cache_free(c, q);
	mp_set_error_handler(jump, NULL);
	reports = 0;
	if (setjmp(jump_out) == 0) { /* without magazines at once */
		mp_cache_free(c, p);
		return_all(_i % 4);
	}
	ck_assert_uint_eq(reports, 1);
	tally_start(&tally);
	use_and_destroy(0);
}
END_TEST

/* In the free of another object, which is freed. */
START_TEST(late_in_a_free)
{
	tally_start(&tally);
	c = mp_cache_create("orders", 64, 0, 0, NULL);
	for (n = 0; n < 5000; n++)
		many[n] = object();
	n = 0;
	JUMPS(MP_ERROR_DOUBLE_FREE, {
		for (; n < 5000; n++) {
			mp_cache_free(c, many[n]);
			if (n == 100)
				mp_cache_free(c, many[50]);
		}
	});
	for (n++; n < 5000; n++)
		mp_cache_free(c, many[n]);
	use_and_destroy(0);
}
END_TEST

static void *reclaim(void *arg)
{
	(void)mp_reclaim(0);
	return arg;
}

/* A copy in this thread's magazine, and a request to return what is there; false without one. */
static bool copy_and_request(void)
{
	pthread_t t;

	p = object();
	q = object();
	mp_cache_free(c, p);
	mp_cache_free(c, q);
	mp_cache_free(c, p);
	if (tally.n == 1) /* found at once */
		return false;
	ck_assert_int_eq(pthread_create(&t, NULL, reclaim, NULL), 0);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	return true;
}

/* In the allocation of another cache's object: nothing was taken.  In the free: it is done. */
START_TEST(late_elsewhere)
{
	struct mp_cache_stats s;

	tally_start(&tally);
	c = mp_cache_create("orders", 64, 0, 0, NULL);
	other = mp_cache_create("others", 64, 0, _i == 0 ? 0 : watched[_i - 1], NULL);
	if (!copy_and_request())
		return;
	JUMPS(MP_ERROR_DOUBLE_FREE, (void)!mp_cache_alloc(other));
	s = stats_of(other);
	ck_assert_uint_eq(s.live, 0);
	ck_assert_uint_eq(s.allocs, s.frees + s.cached);
	ck_assert_ptr_nonnull(many[0] = mp_cache_alloc(other));
	mp_thread_flush();
	ck_assert(copy_and_request());
	JUMPS(MP_ERROR_DOUBLE_FREE, mp_cache_free(other, many[0]));
	mp_thread_flush();
	s = stats_of(other);
	ck_assert_uint_eq(s.live, 0);
	ck_assert_uint_eq(s.allocs, s.frees);
	ck_assert_uint_eq(s.free, s.capacity);
	ck_assert_int_eq(mp_cache_destroy(other), 0);
	use_and_destroy(0);
}
END_TEST

/* ---- the rest */

START_TEST(destroy)
{
	(void)start(_i);
	p = object();
	for (int i = 0; i < 3; i++) {
		JUMPS(MP_ERROR_LIVE_AT_DESTROY, (void)mp_cache_destroy(c));
		exact(1, 0);
	}
	mp_cache_free(c, p);
	use_and_destroy(0);
}
END_TEST

START_TEST(validate)
{
	unsigned flags = start(_i);

	p = object();
	q = object();
	mp_cache_free(c, q);
	if (flags & Z) {
		p[mp_cache_size(c)] = 1;
		JUMPS(MP_ERROR_OVERFLOW, (void)mp_cache_validate(c));
		p[mp_cache_size(c)] = (char)0xbb;
		exact(1, 0);
	}
	if (flags & P) {
		q[3] = 1;
		JUMPS(MP_ERROR_USE_AFTER_FREE_WRITE, (void)mp_cache_validate(c));
		q[3] = (char)0xcc;
		exact(1, 0);
	}
	mp_cache_free(c, p);
	use_and_destroy(0);
}
END_TEST

static enum mp_error_action meddle(const struct mp_error *e, void *arg)
{
	static void *objs[50];

	reports++;
	kind = e->kind;
	for (int i = 0; i < 50; i++)
		ck_assert_ptr_nonnull(objs[i] = mp_cache_alloc(c));
	for (int i = 0; i < 50; i++)
		mp_cache_free(c, objs[i]);
	ck_assert_int_eq(mp_cache_alloc_bulk(c, 50, objs), 0);
	mp_cache_free_bulk(c, 50, objs);
	(void)mp_cache_shrink(c);
	(void)mp_reclaim(0);
	if (other != NULL)
		ck_assert_int_eq(mp_cache_destroy(other), 0);
	other = NULL;
	errno = EDOM;
	if (arg == NULL)
		longjmp(jump_out, 1);
	return MP_ERROR_CONTINUE;
}

/* A handler that works with the cache that the fault is of, and destroys another. */
START_TEST(meddlers)
{
	unsigned flags = start(_i);

	other = mp_cache_create("others", 64, 0, flags, NULL);
	mp_cache_free(other, mp_cache_alloc(other));
	p = object();
	q = object();
	mp_cache_free(c, p);
	mp_cache_free(c, q);
	JUMPS_OUT_OF(meddle, &tally, MP_ERROR_DOUBLE_FREE, mp_cache_free(c, p));
	exact(0, 0);
	if (flags & Z) {
		p = object();
		p[mp_cache_size(c)] = 1;
		mp_set_error_handler(meddle, &tally);
		errno = ERANGE;
		mp_cache_free(c, p);
		ck_assert_int_eq(errno, ERANGE);
		tally_start(&tally);
		exact(0, ++leaked);
	}
	if (flags & P) {
		p = object();
		mp_cache_free(c, p);
		p[3] = 1;
		JUMPS_OUT_OF(meddle, &tally, MP_ERROR_USE_AFTER_FREE_WRITE, (void)!mp_cache_alloc(c));
		exact(0, ++leaked);
		p = object();
		mp_cache_free(c, p);
		p[3] = 1;
		mp_set_error_handler(meddle, &tally);
		q = object();
		mp_cache_free(c, q);
		tally_start(&tally);
		exact(0, ++leaked);
	}
	use_and_destroy(leaked);
}
END_TEST

#if !defined(_WIN32)

static pthread_barrier_t barrier;

static void *free_twice(void *arg)
{
	p = object();
	q = object();
	mp_cache_free(c, p);
	mp_cache_free(c, q);
	mp_cache_free(c, p);
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return arg;
}

static void in_child(void)
{
	JUMPS(MP_ERROR_DOUBLE_FREE, (void)mp_cache_validate(c));
	exact(0, 0);
	ck_assert_uint_eq(stats_of(c).cached, 0);
	ck_assert_uint_eq(stats_of_all().threads, 1);
	use_and_destroy(0);
}

/* What another thread left behind at a fork. */
START_TEST(orphan)
{
	pthread_t t;
	int status;
	pid_t pid;

	tally_start(&tally);
	c = mp_cache_create("orders", 64, 0, 0, NULL);
	mp_free(mp_alloc(10)); /* this thread has a state */
	ck_assert_int_eq(pthread_barrier_init(&barrier, NULL, 2), 0);
	ck_assert_int_eq(pthread_create(&t, NULL, free_twice, NULL), 0);
	pthread_barrier_wait(&barrier);
	if (tally.n == 0) { /* without magazines it was found there */
		pid = fork();
		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			in_child();
			_exit(0);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
	}
	pthread_barrier_wait(&barrier);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	tally.n = 0; /* found when the thread ended */
	use_and_destroy(0);
}
END_TEST

#endif

/* ---- errno */

static enum mp_error_action change_errno(const struct mp_error *e, void *arg)
{
	(void)e;
	(void)arg;
	reports++;
	errno = EDOM;
	return MP_ERROR_CONTINUE;
}

/* Every free keeps it, whatever it finds. */
static void check_errno(char *obj, char *freed, size_t size)
{
	mp_set_error_handler(change_errno, NULL);
	reports = 0;
	errno = ERANGE;
	mp_cache_free(c, freed);
	wrong_free(freed);
	mp_cache_free_bulk(c, 1, (void *[]){ freed });
	mp_cache_free_bulk(NULL, 1, (void *[]){ freed });
	mp_free_sized(freed, size);
	mp_free_aligned_sized(freed, 8, size);
	mp_cache_free(other, obj);
	mp_cache_free(c, launder(obj + 1));
	wrong_free(obj + 1);
	mp_free_sized(launder(obj + 1), size);
	mp_free_sized(obj, 9000000);
	mp_free_aligned_sized(obj, 8, 9000000);
	ck_assert_int_eq(errno, ERANGE);
	ck_assert_uint_eq(reports, 12);
	tally_start(&tally);
}

START_TEST(errno_kept)
{
	bool zones = _i < ALL && (start(_i) & Z);

	if (_i >= ALL) {
		struct mp_cache_args args = { .struct_size = sizeof(args) };

		args.guard_rate = _i == ALL ? 1 : 0;
		args.max_objects = _i == ALL + 1 ? 10 : 0;
		tally_start(&tally);
		c = mp_cache_create_args("orders", 64, &args, 0);
		ck_assert_ptr_nonnull(c);
	}
	other = mp_cache_create("others", 64, 0, 0, NULL);
	p = object();
	q = object();
	mp_cache_free(c, q);
	check_errno(p, q, mp_cache_size(c));
	if (zones) {
		p[mp_cache_size(c)] = 1;
		mp_set_error_handler(change_errno, NULL);
		errno = ERANGE;
		mp_cache_free(c, p);
		ck_assert_int_eq(errno, ERANGE);
	} else {
		mp_cache_free(c, p);
	}
	tally_start(&tally);
	exact(0, zones);
}
END_TEST

START_TEST(errno_of_spans)
{
	char *span = mp_alloc(9 * MAX), *freed;

	c = other = mp_cache_create("others", 64, 0, 0, NULL);
	freed = mp_alloc(9 * MAX);
	mp_free(launder(freed));
	check_errno(span, freed, 9 * MAX);
	mp_free(span);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, double_free, 0, ALL);
	tcase_add_loop_test(tc, overflow, 0, ALL);
	tcase_add_loop_test(tc, overflow_resized, 0, ALL);
	if (MP_ALIGN_SIZE == 16)
		tcase_add_test(tc, overflow_guarded);
	tcase_add_loop_test(tc, resized, 0, ALL);
	tcase_add_loop_test(tc, bulk_free, 0, ALL);
	tcase_add_loop_test(tc, written_to, 0, ALL);
	tcase_add_loop_test(tc, bulk_alloc, 0, ALL);
	tcase_add_loop_test(tc, limited, 0, WATCHED + 1);
	tcase_add_loop_test(tc, late, 0, 16);
	tcase_add_test(tc, late_in_a_free);
	tcase_add_loop_test(tc, late_elsewhere, 0, WATCHED + 1);
	tcase_add_loop_test(tc, destroy, 0, ALL);
	tcase_add_loop_test(tc, validate, 0, ALL);
	tcase_add_loop_test(tc, meddlers, 0, ALL);
#if !defined(_WIN32)
	tcase_add_test(tc, orphan);
#endif
	tcase_add_loop_test(tc, errno_kept, 0, ALL + 3);
	tcase_add_test(tc, errno_of_spans);
}

int main(void)
{
	return suite_run("jumps", add);
}
