/* SPDX-License-Identifier: MIT */
/*
 * cases.c - every public function while requests to the system are refused.
 *
 * Each case prepares, calls the function between oom_arm() and oom_disarm(), looks
 * at what it returned, and frees everything.
 */
#include "oom.h"

#include "os.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MANY 300
static const size_t big = 100000, huge = (size_t)20 << 20;

static struct mp_cache *cache(size_t size)
{
	struct mp_cache *c = mp_cache_create("case", size, 0, 0, NULL);

	oom_check(c != NULL);
	return c;
}

static void destroy(struct mp_cache *c)
{
	oom_check(mp_cache_validate(c) == 0);
	oom_check(mp_cache_destroy(c) == 0);
}

static void *must(void *p)
{
	oom_check(p != NULL);
	return p;
}

/* ---- objects of a cache */

/* From a fresh cache: several slabs' worth. */
static void alloc_from(struct mp_cache *c, size_t n)
{
	void *objs[MANY];
	size_t got = 0;

	oom_arm();
	for (size_t i = 0; i < n; i++) {
		objs[got] = mp_cache_alloc(c);
		oom_check_got(objs[got]);
		if (objs[got] != NULL)
			memset(objs[got++], 1, mp_cache_size(c));
		errno = 0;
	}
	oom_disarm();
	while (got > 0)
		mp_cache_free(c, objs[--got]);
	destroy(c);
}

static void cache_alloc(void)
{
	alloc_from(cache(64), 20);
}

static void cache_alloc_slabs(void)
{
	alloc_from(cache(5000), MANY);
}

static void cache_alloc_chunks(void)
{
	alloc_from(cache(300000), 20);
}

static void cache_alloc_huge(void)
{
	alloc_from(cache((size_t)8 << 20), 2);
}

static void cache_alloc_limited(void)
{
	struct mp_cache *c = cache(64);

	oom_check(mp_cache_set_max(c, 30) == 0);
	alloc_from(c, 20);
}

static void cache_alloc_poisoned(void)
{
	struct mp_cache *c = mp_cache_create("case", 64, 0, MP_POISON, NULL);

	alloc_from(must(c), 20);
}

/* Its magazine is not inside a thread's state. */
static void cache_alloc_high_id(void)
{
	struct mp_cache *others[MANY];

	for (size_t i = 0; i < MANY; i++)
		others[i] = cache(64);
	alloc_from(cache(64), 20);
	for (size_t i = 0; i < MANY; i++)
		oom_check(mp_cache_destroy(others[i]) == 0);
}

static void cache_zalloc(void)
{
	struct mp_cache *c = cache(500);
	void *p;

	oom_arm();
	p = mp_cache_zalloc(c);
	oom_check_got(p);
	oom_disarm();
	for (size_t i = 0; p != NULL && i < 500; i++)
		oom_check(((char *)p)[i] == 0);
	mp_cache_free(c, p);
	destroy(c);
}

static void bulk_of(size_t size)
{
	struct mp_cache *c = cache(size);
	void *objs[MANY];
	int error;

	oom_arm();
	error = mp_cache_alloc_bulk(c, MANY, objs);
	oom_disarm();
	oom_check(error == 0 || error == -ENOMEM);
	if (error == 0)
		mp_cache_free_bulk(c, MANY, objs);
	destroy(c);
}

static void cache_alloc_bulk(void)
{
	bulk_of(100);
	bulk_of(3000);
}

static void cache_free(void)
{
	struct mp_cache *c = cache(3000);
	void *objs[MANY];

	for (size_t i = 0; i < MANY; i++)
		objs[i] = must(mp_cache_alloc(c));
	oom_arm();
	for (size_t i = 0; i < MANY; i++)
		mp_cache_free(c, objs[i]);
	oom_disarm();
	destroy(c);
}

struct handed {
	struct mp_cache *c;
	void *objs[MANY];
};

static void *free_handed(void *arg)
{
	struct handed *h = arg;

	oom_arm();
	for (size_t i = 0; i < MANY; i++)
		mp_cache_free(h->c, h->objs[i]);
	oom_disarm();
	return NULL;
}

/* The first thing that a thread does is to free. */
static void cache_free_elsewhere(void)
{
	struct handed h = { .c = cache(500) };
	pthread_t thread;

	for (size_t i = 0; i < MANY; i++)
		h.objs[i] = must(mp_cache_alloc(h.c));
	oom_check(pthread_create(&thread, NULL, free_handed, &h) == 0);
	oom_check(pthread_join(thread, NULL) == 0);
	destroy(h.c);
}

static void cache_free_bulk(void)
{
	struct mp_cache *c = cache(3000);
	void *objs[MANY];

	oom_check(mp_cache_alloc_bulk(c, MANY, objs) == 0);
	oom_arm();
	mp_cache_free_bulk(NULL, MANY / 2, objs);
	mp_cache_free_bulk(c, MANY - MANY / 2, objs + MANY / 2);
	oom_disarm();
	destroy(c);
}

/* What was had in advance is there when all is refused. */
static void cache_prealloc(void)
{
	struct mp_cache *c = cache(3000);
	void *objs[MANY];
	int error;

	oom_arm();
	error = mp_cache_prealloc(c, MANY);
	oom_disarm();
	oom_check(error == 0 || error == -ENOMEM);
	if (error == 0) {
		mpp_os_inject(1, LONG_MAX);
		for (size_t i = 0; i < MANY; i++)
			objs[i] = must(mp_cache_alloc(c));
		mpp_os_inject(0, 0);
		for (size_t i = 0; i < MANY; i++)
			mp_cache_free(c, objs[i]);
	}
	destroy(c);
}

static void cache_set_fail(void)
{
	struct mp_cache *c = cache(100);
	void *p;

	oom_arm();
	oom_check(mp_cache_set_fail(c, MP_FAIL_NTH, 2, 0) == 0);
	p = mp_cache_alloc(c);
	oom_check_got(p);
	oom_check(mp_cache_alloc(c) == NULL && errno == ENOMEM);
	oom_disarm();
	mp_cache_free(c, p);
	destroy(c);
}

static void cache_set_max(void)
{
	struct mp_cache *c = cache(100);
	void *p;

	oom_arm();
	oom_check(mp_cache_set_max(c, 1) == 0);
	p = mp_cache_alloc(c);
	oom_check_got(p);
	if (p != NULL)
		oom_check(mp_cache_alloc(c) == NULL && errno == ENOMEM);
	oom_disarm();
	mp_cache_free(c, p);
	destroy(c);
}

static void cache_shrink(void)
{
	struct mp_cache *c = cache(3000);
	void *objs[MANY];
	int left;

	oom_check(mp_cache_alloc_bulk(c, MANY, objs) == 0);
	mp_cache_free_bulk(c, MANY, objs);
	oom_arm();
	left = mp_cache_shrink(c);
	oom_disarm();
	oom_check(left == 0);
	destroy(c);
}

/* ---- caches */

static int built, torn;

static void ctor(void *obj, void *arg)
{
	oom_check(obj != NULL && arg == &built);
	built++;
}

static void dtor(void *obj, void *arg)
{
	oom_check(obj != NULL && arg == &built);
	torn++;
}

static void cache_create(void)
{
	struct mp_cache *c[MANY];

	oom_arm();
	for (size_t i = 0; i < MANY; i++) {
		c[i] = mp_cache_create("case", 100, 0, 0, NULL);
		oom_check_got(c[i]);
	}
	oom_disarm();
	for (size_t i = 0; i < MANY; i++)
		oom_check(mp_cache_destroy(c[i]) == 0);
}

static void cache_create_args(void)
{
	struct mp_cache_args args = { .struct_size = sizeof(args), .ctor = ctor, .dtor = dtor,
				      .arg = &built, .prealloc = 200 };
	struct mp_cache *c;

	built = torn = 0;
	oom_arm();
	c = mp_cache_create_args("case", 3000, &args, 0);
	oom_check_got(c);
	oom_disarm();
	oom_check(c != NULL ? built - torn >= 200 : torn == built);
	oom_check(mp_cache_destroy(c) == 0);
	oom_check(torn == built);
}

static void cache_destroy(void)
{
	struct mp_cache *c = cache(3000);
	void *objs[MANY];

	oom_check(mp_cache_alloc_bulk(c, MANY, objs) == 0);
	mp_cache_free_bulk(c, MANY, objs);
	oom_arm();
	oom_check(mp_cache_destroy(c) == 0);
	oom_disarm();
}

static void cache_find(void)
{
	struct mp_cache *c = mp_cache_create("to be found", 100, 0, 0, NULL);

	oom_check(c != NULL);
	oom_arm();
	oom_check(mp_cache_find("to be found") == c);
	oom_check(mp_cache_find("not there") == NULL && errno == ENOENT);
	oom_disarm();
	destroy(c);
}

static int count_cache(struct mp_cache *c, void *arg)
{
	oom_check(mp_cache_name(c)[0] != '\0');
	++*(int *)arg;
	return 0;
}

static void cache_for_each(void)
{
	int n = 0;

	oom_arm();
	oom_check(mp_cache_for_each(count_cache, &n) == 0);
	oom_disarm();
	oom_check(n > 0);
}

static int count_object(void *obj, void *arg)
{
	oom_check(obj != NULL);
	++*(int *)arg;
	return 0;
}

static void cache_for_each_object(void)
{
	struct mp_cache *c = cache(3000);
	void *objs[MANY];
	int error, n = 0;

	oom_check(mp_cache_alloc_bulk(c, MANY, objs) == 0);
	oom_arm();
	error = mp_cache_for_each_object(c, count_object, &n);
	oom_disarm();
	oom_check((error == 0 && n == MANY) || (error == -ENOMEM && n == 0));
	mp_cache_free_bulk(c, MANY, objs);
	destroy(c);
}

static void cache_get_stats(void)
{
	struct mp_cache_stats s = { .struct_size = sizeof(s) };
	struct mp_cache *c = cache(100);
	void *p = must(mp_cache_alloc(c));

	oom_arm();
	oom_check(mp_cache_get_stats(c, &s) == 0);
	oom_disarm();
	oom_check(s.live == 1);
	mp_cache_free(c, p);
	destroy(c);
}

static void cache_validate(void)
{
	struct mp_cache *c = cache(100);
	void *p = must(mp_cache_alloc(c));
	int faults;

	oom_arm();
	faults = mp_cache_validate(c);
	oom_disarm();
	oom_check(faults == 0 || faults == -ENOMEM);
	mp_cache_free(c, p);
	destroy(c);
}

static void cache_name(void)
{
	struct mp_cache *c = cache(100);

	oom_arm();
	oom_check(strcmp(mp_cache_name(c), "case") == 0);
	oom_disarm();
	destroy(c);
}

static void cache_size(void)
{
	struct mp_cache *c = cache(100);

	oom_arm();
	oom_check(mp_cache_size(c) == 100);
	oom_disarm();
	destroy(c);
}

/* ---- general allocation */

static void alloc_sizes(void *(*alloc)(size_t size))
{
	static const size_t sizes[] = { 1, 16, 100, 4096, 4097, 100000, (size_t)3 << 20,
					(size_t)20 << 20 };
	void *p[sizeof(sizes) / sizeof(sizes[0])];

	oom_arm();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		errno = 0;
		p[i] = alloc(sizes[i]);
		oom_check_got(p[i]);
		if (p[i] != NULL)
			*(char *)p[i] = 1;
	}
	oom_disarm();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		mp_free(p[i]);
}

static void alloc(void)
{
	alloc_sizes(mp_alloc);
}

static void zalloc(void)
{
	alloc_sizes(mp_zalloc);
}

static void *calloc_one(size_t size)
{
	char *p = mp_calloc(1, size);

	oom_check(p == NULL || (p[0] == 0 && p[size / 2] == 0 && p[size - 1] == 0));
	return p;
}

static void alloc_calloc(void)
{
	alloc_sizes(calloc_one);
}

/* So many that regions of every kind are wanted. */
static void alloc_many(void)
{
	void *p[MANY];

	oom_arm();
	for (size_t i = 0; i < MANY; i++) {
		errno = 0;
		p[i] = mp_alloc(i % 2 == 0 ? 2000 : 30000 + i * 100);
		oom_check_got(p[i]);
	}
	oom_disarm();
	for (size_t i = 0; i < MANY; i++)
		mp_free(p[i]);
}

static void aligned_alloc_(void)
{
	static const size_t aligns[] = { 16, 4096, 65536, (size_t)1 << 20, (size_t)2 << 20 };

	for (size_t i = 0; i < 5; i++) {
		void *p;

		oom_arm();
		p = mp_aligned_alloc(aligns[i], big);
		oom_check_got(p);
		oom_disarm();
		oom_check((uintptr_t)p % aligns[i] == 0);
		mp_free_aligned_sized(p, aligns[i], big);
	}
}

static void free_with(void (*fn)(void *p, size_t size))
{
	void *p[3] = { must(mp_alloc(100)), must(mp_alloc(big)), must(mp_alloc(huge)) };

	oom_arm();
	fn(p[0], 100);
	fn(p[1], big);
	fn(p[2], huge);
	oom_disarm();
}

static void plain(void *p, size_t size)
{
	(void)size;
	mp_free(p);
}

static void with_alignment(void *p, size_t size)
{
	mp_free_aligned_sized(p, 16, size);
}

static void free_(void)
{
	free_with(plain);
}

static void free_sized(void)
{
	free_with(mp_free_sized);
}

static void free_aligned_sized(void)
{
	free_with(with_alignment);
}

/* From one size to another; when refused, what was there stays as it was. */
static void resize(size_t from, size_t to)
{
	char *p = must(mp_alloc(from)), *q;
	size_t keep = from < to ? from : to;

	memset(p, 7, from);
	oom_arm();
	q = mp_realloc(p, to);
	oom_check_got(q);
	oom_disarm();
	p = q != NULL ? q : p;
	keep = q != NULL ? keep : from;
	oom_check(p[0] == 7 && p[keep / 2] == 7 && p[keep - 1] == 7);
	mp_free(p);
}

static void realloc_small(void)
{
	resize(100, 3000);
}

static void realloc_to_large(void)
{
	resize(3000, 300000);
}

static void realloc_large(void)
{
	resize(300000, 900000);
}

static void realloc_to_huge(void)
{
	resize(900000, (size_t)5 << 20);
}

static void realloc_huge(void)
{
	resize((size_t)5 << 20, (size_t)9 << 20);
}

static void realloc_down(void)
{
	resize((size_t)9 << 20, 100);
}

static void usable_size(void)
{
	void *p = must(mp_alloc(big)), *q = must(mp_alloc(100));

	oom_arm();
	oom_check(mp_usable_size(p) >= big && mp_usable_size(q) >= 100);
	oom_disarm();
	mp_free(p);
	mp_free(q);
}

static void good_size(void)
{
	oom_arm();
	oom_check(mp_good_size(100) >= 100 && mp_good_size(big) >= big);
	oom_disarm();
}

/* ---- the whole library */

static void object_info(void)
{
	struct mp_object_info info = { .struct_size = sizeof(info) };
	char *p = must(mp_alloc(100));

	oom_arm();
	oom_check(mp_object_info(p + 5, &info) == 0);
	oom_check(mp_object_info(&info, &info) == -ENOENT);
	oom_disarm();
	mp_free(p);
}

static void make_garbage(struct mp_cache *c)
{
	void *objs[MANY], *p[20];

	oom_check(mp_cache_alloc_bulk(c, MANY, objs) == 0);
	for (size_t i = 0; i < 20; i++)
		p[i] = must(mp_alloc(big * (i + 1) / 3));
	mp_cache_free_bulk(c, MANY, objs);
	for (size_t i = 0; i < 20; i++)
		mp_free(p[i]);
	p[0] = must(mp_alloc(huge));
	mp_free(p[0]);
}

static void reclaim(void)
{
	struct mp_cache *c = cache(3000);

	make_garbage(c);
	oom_arm();
	(void)mp_reclaim(0);
	oom_disarm();
	destroy(c);
}

static void thread_flush(void)
{
	struct mp_cache *c = cache(3000);

	make_garbage(c);
	oom_arm();
	mp_thread_flush();
	oom_disarm();
	destroy(c);
}

static void set_limit(void)
{
	void *p;

	oom_arm();
	oom_check(mp_set_limit((size_t)64 << 20) == 0);
	p = mp_alloc(big);
	oom_check_got(p);
	oom_check(mp_set_limit(0) == 0);
	oom_disarm();
	mp_free(p);
}

/* Refused, it is as if nothing had been asked for. */
static void set_purge(void)
{
	int error;

	oom_arm();
	error = mp_set_purge(3600000);
	oom_check(error == 0 || error == -EAGAIN);
	oom_disarm();
	oom_check(mp_set_purge(0) == 0);
}

static void get_stats(void)
{
	struct mp_stats s = { .struct_size = sizeof(s) };

	oom_arm();
	oom_check(mp_get_stats(&s) == 0);
	oom_disarm();
	oom_check(s.caches > 0);
}

static void set_error_handler(void)
{
	oom_arm();
	mp_set_error_handler(NULL, NULL);
	oom_disarm();
}

static void version(void)
{
	oom_arm();
	oom_check(mp_version() != NULL);
	oom_disarm();
}

static void version_info(void)
{
	struct mp_version_info info = { .struct_size = sizeof(info) };

	oom_arm();
	oom_check(mp_version_info(&info) == 0);
	oom_disarm();
}

/* Print with live objects about; what fn returns. */
static long print_with(long (*fn)(FILE *f))
{
	FILE *f = fopen("/dev/null", "w");
	struct mp_cache *c = cache(3000);
	void *p = must(mp_cache_alloc(c)), *q = must(mp_alloc(big));
	long n;

	oom_check(f != NULL);
	oom_arm();
	n = fn(f);
	oom_disarm();
	fclose(f);
	mp_cache_free(c, p);
	mp_free(q);
	destroy(c);
	return n;
}

static long slabinfo(FILE *f)
{
	return mp_slabinfo_print(f);
}

static long json(FILE *f)
{
	return mp_stats_print_json(f);
}

static void slabinfo_print(void)
{
	oom_check(print_with(slabinfo) == 0);
}

static void stats_print_json(void)
{
	oom_check(print_with(json) == 0);
}

static void leak_report(void)
{
	oom_check(print_with(mp_leak_report) == 2);
}

/* ---- threads */

static void *live(void *arg)
{
	struct mp_cache *c = arg;
	void *objs[20];

	for (size_t i = 0; i < 20; i++) {
		errno = 0;
		objs[i] = mp_cache_alloc(c);
		oom_check_got(objs[i]);
	}
	for (size_t i = 0; i < 20; i++)
		mp_cache_free(c, objs[i]);
	return NULL;
}

/* A thread starts, works and ends while requests are refused. */
static void thread(void)
{
	struct mp_cache *c = cache(3000);
	pthread_t id;

	oom_arm();
	oom_check(pthread_create(&id, NULL, live, c) == 0);
	oom_check(pthread_join(id, NULL) == 0);
	oom_disarm();
	destroy(c);
}

const struct oom_case oom_cases[] = {
	{ "mp_aligned_alloc", aligned_alloc_ },
	{ "mp_alloc", alloc },
	{ "mp_alloc: many", alloc_many },
	{ "mp_cache_alloc", cache_alloc },
	{ "mp_cache_alloc: several slabs", cache_alloc_slabs },
	{ "mp_cache_alloc: slabs of several chunks", cache_alloc_chunks },
	{ "mp_cache_alloc: larger than a region", cache_alloc_huge },
	{ "mp_cache_alloc: limited", cache_alloc_limited },
	{ "mp_cache_alloc: poisoned", cache_alloc_poisoned },
	{ "mp_cache_alloc: high id", cache_alloc_high_id },
	{ "mp_cache_alloc_bulk", cache_alloc_bulk },
	{ "mp_cache_create", cache_create },
	{ "mp_cache_create_args", cache_create_args },
	{ "mp_cache_destroy", cache_destroy },
	{ "mp_cache_find", cache_find },
	{ "mp_cache_for_each", cache_for_each },
	{ "mp_cache_for_each_object", cache_for_each_object },
	{ "mp_cache_free", cache_free },
	{ "mp_cache_free: first in a thread", cache_free_elsewhere },
	{ "mp_cache_free_bulk", cache_free_bulk },
	{ "mp_cache_get_stats", cache_get_stats },
	{ "mp_cache_name", cache_name },
	{ "mp_cache_prealloc", cache_prealloc },
	{ "mp_cache_set_fail", cache_set_fail },
	{ "mp_cache_set_max", cache_set_max },
	{ "mp_cache_shrink", cache_shrink },
	{ "mp_cache_size", cache_size },
	{ "mp_cache_validate", cache_validate },
	{ "mp_cache_zalloc", cache_zalloc },
	{ "mp_calloc", alloc_calloc },
	{ "mp_free", free_ },
	{ "mp_free_aligned_sized", free_aligned_sized },
	{ "mp_free_sized", free_sized },
	{ "mp_get_stats", get_stats },
	{ "mp_good_size", good_size },
	{ "mp_leak_report", leak_report },
	{ "mp_object_info", object_info },
	{ "mp_realloc: within the classes", realloc_small },
	{ "mp_realloc: to a span", realloc_to_large },
	{ "mp_realloc: span", realloc_large },
	{ "mp_realloc: to a mapping of its own", realloc_to_huge },
	{ "mp_realloc: mapping of its own", realloc_huge },
	{ "mp_realloc: down", realloc_down },
	{ "mp_reclaim", reclaim },
	{ "mp_set_error_handler", set_error_handler },
	{ "mp_set_limit", set_limit },
	{ "mp_set_purge", set_purge },
	{ "mp_slabinfo_print", slabinfo_print },
	{ "mp_stats_print_json", stats_print_json },
	{ "mp_thread_flush", thread_flush },
	{ "mp_usable_size", usable_size },
	{ "mp_version", version },
	{ "mp_version_info", version_info },
	{ "mp_zalloc", zalloc },
	{ "a thread", thread },
};

const size_t oom_case_count = sizeof(oom_cases) / sizeof(oom_cases[0]);
