/* SPDX-License-Identifier: MIT */
/*
 * caches.c - torture: caches created, used and destroyed from many threads.
 *
 * Places for caches, more than have their magazines inside the state of a
 * thread.  A thread that finds a place empty makes a cache there; others
 * use it, leave objects with it and free those of others; one that finds nobody
 * at work there destroys it.  Constructors and destructors are counted
 * exactly: when mp_cache_destroy() has returned, every object that was
 * constructed has been destructed.  Other threads meanwhile flush, reclaim
 * and print, calls that touch every cache.
 */
#include "torture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACES 500u
#define LEFT 64u	/* objects left with a cache */
#define BUILT 0xb1

struct place {
	_Atomic int users;	/* -1: somebody makes or destroys it */
	struct mp_cache *c;	/* NULL: none; changed with users -1 */
	char name[24];
	size_t size;
	bool counts;		/* has a constructor and a destructor */
	pthread_mutex_t mutex;
	void *left[LEFT];	/* under the mutex, filled by pattern */
	size_t n;
	_Atomic long built;
	_Atomic long torn;
	_Atomic bool alive;	/* the destructor may run */
};

static struct place places[PLACES];
static _Atomic unsigned alive, most_alive, made, destroyed, refused;
static _Atomic unsigned reports;
static _Atomic bool stop;

static enum mp_error_action handler(const struct mp_error *e, void *arg)
{
	(void)arg;
	if (e->kind != MP_ERROR_LIVE_AT_DESTROY)
		t_fail(__FILE__, __LINE__, "a report: %s", e->message);
	atomic_fetch_add(&reports, 1);
	return MP_ERROR_CONTINUE;
}

static void ctor(void *obj, void *arg)
{
	struct place *p = arg;

	t_expect(atomic_load(&p->alive));
	memset(obj, BUILT, p->size);
	atomic_fetch_add(&p->built, 1);
}

static void dtor(void *obj, void *arg)
{
	struct place *p = arg;

	if (!atomic_load(&p->alive))
		t_fail(__FILE__, __LINE__, "a destructor ran after mp_cache_destroy() returned");
	t_expect(t_all_bytes(obj, p->size, BUILT));
	atomic_fetch_add(&p->torn, 1);
}

static bool enter(struct place *p)
{
	int users = atomic_load(&p->users);

	while (users >= 0)
		if (atomic_compare_exchange_weak(&p->users, &users, users + 1))
			return true;
	return false;
}

static void leave(struct place *p)
{
	atomic_fetch_sub(&p->users, 1);
}

static bool enter_alone(struct place *p)
{
	int none = 0;

	return atomic_compare_exchange_strong(&p->users, &none, -1);
}

static void leave_alone(struct place *p)
{
	atomic_store(&p->users, 0);
}

static void raise_most(unsigned n)
{
	unsigned most = atomic_load(&most_alive);

	while (n > most && !atomic_compare_exchange_weak(&most_alive, &most, n))
		continue;
}

static void create(struct place *p, struct t_random *r)
{
	static const unsigned flags[] = { 0, 0, 0, MP_POISON, MP_TYPE_STABLE, MP_HWCACHE_ALIGN };
	struct mp_cache_args args = { .struct_size = sizeof(args) };
	unsigned f = flags[t_below(r, 6)];

	p->counts = t_below(r, 2) == 0 && f != MP_POISON;
	p->size = t_log_between(r, 1, t_below(r, 20) == 0 ? 30000 : 2000);
	args.ctor = p->counts ? ctor : NULL;
	args.dtor = p->counts ? dtor : NULL;
	args.arg = p;
	args.prealloc = t_below(r, 8) == 0 ? t_below(r, 40) : 0;
	snprintf(p->name, sizeof(p->name), "place-%u-%u", (unsigned)(p - places),
		 (unsigned)t_below(r, 1000));
	atomic_store(&p->built, 0);
	atomic_store(&p->torn, 0);
	atomic_store(&p->alive, true);
	p->c = mp_cache_create_args(p->name, p->size, &args, f);
	t_expect(p->c != NULL);
	t_expect(mp_cache_size(p->c) == p->size && strcmp(mp_cache_name(p->c), p->name) == 0);
	atomic_fetch_add(&made, 1);
	raise_most(atomic_fetch_add(&alive, 1) + 1);
}

static uint64_t pattern_of(const struct place *p)
{
	return (uint64_t)(p - places) + 1;
}

static void *get(struct place *p)
{
	void *obj = mp_cache_alloc(p->c);

	t_expect(obj != NULL);
	t_claim(obj, (uint32_t)(p - places) + 1);
	t_expect(!p->counts || t_all_bytes(obj, p->size, BUILT));
	t_fill(obj, p->size, pattern_of(p));
	return obj;
}

static void put(struct place *p, void *obj, bool by_pointer)
{
	t_expect(t_holds(obj, p->size, pattern_of(p)));
	if (p->counts)
		memset(obj, BUILT, p->size);
	t_unclaim(obj, (uint32_t)(p - places) + 1);
	if (by_pointer)
		mp_free(obj);
	else
		mp_cache_free(p->c, obj);
}

/* Work on a cache that others may be using too. */
static void use(struct place *p, struct t_random *r)
{
	void *mine[40];
	size_t n = t_below(r, 40);

	for (size_t i = 0; i < n; i++)
		mine[i] = get(p);
	pthread_mutex_lock(&p->mutex);
	for (size_t i = 0; i < n; i++) { /* change some for those that others left */
		size_t at = t_below(r, LEFT);

		if (at < p->n) {
			void *other = p->left[at];

			p->left[at] = mine[i];
			mine[i] = other;
		} else if (p->n < LEFT) {
			p->left[p->n++] = mine[i];
			mine[i] = NULL;
		}
	}
	pthread_mutex_unlock(&p->mutex);
	for (size_t i = 0; i < n; i++)
		if (mine[i] != NULL)
			put(p, mine[i], t_below(r, 2) == 0);
	if (t_below(r, 30) == 0)
		t_expect(mp_cache_validate(p->c) == 0);
	if (t_below(r, 30) == 0)
		t_expect(mp_cache_shrink(p->c) >= 0);
}

/* Alone with it: try with live objects, then really. */
static void destroy(struct place *p, struct t_random *r)
{
	if (p->n > 0 && t_below(r, 10) == 0) {
		t_expect(mp_cache_destroy(p->c) == -EBUSY);
		atomic_fetch_add(&refused, 1);
	}
	while (p->n > 0)
		put(p, p->left[--p->n], false);
	t_expect(mp_cache_destroy(p->c) == 0);
	atomic_store(&p->alive, false);
	if (p->counts)
		t_equal(atomic_load(&p->torn), atomic_load(&p->built));
	p->c = NULL;
	atomic_fetch_sub(&alive, 1);
	atomic_fetch_add(&destroyed, 1);
}

static void visit(struct place *p, struct t_random *r)
{
	if (enter(p)) {
		bool here = p->c != NULL;

		if (here)
			use(p, r);
		leave(p);
		if (here && t_below(r, 3) != 0)
			return;
	}
	if (!enter_alone(p))
		return;
	if (p->c == NULL)
		create(p, r);
	else if (t_below(r, 2) == 0)
		destroy(p, r);
	leave_alone(p);
}

static void *work(void *arg)
{
	struct t_random r = t_random_for((uintptr_t)arg);
	size_t n = 2000 + t_below(&r, 3000);

	for (size_t i = 0; i < n && !atomic_load(&stop); i++) {
		visit(&places[t_below(&r, PLACES)], &r);
		t_count(1);
	}
	return NULL;
}

static int count_cache(struct mp_cache *c, void *arg)
{
	unsigned *n = arg;

	(void)c; /* it may be destroyed by now: not to be used */
	++*n;
	return 0;
}

/* Calls that touch every cache, whoever makes or destroys it. */
static void *meddle(void *arg)
{
	struct t_random r = t_random_for(1000000 + (uintptr_t)arg);
	FILE *null = fopen("/dev/null", "w");

	t_expect(null != NULL);
	while (!atomic_load(&stop)) {
		unsigned n = 0;

		switch (t_below(&r, 6)) {
		case 0:
			(void)mp_reclaim(0);
			break;
		case 1:
			mp_thread_flush();
			break;
		case 2:
			t_expect(mp_slabinfo_print(null) == 0);
			break;
		case 3:
			t_expect(mp_cache_for_each(count_cache, &n) == 0 && n >= 1);
			break;
		case 4:
			t_expect(mp_cache_find("no cache has this name") == NULL);
			break;
		default:
			t_expect(t_stats().caches >= 1);
			break;
		}
		for (int i = 0; i < 20; i++) /* so that there is something to flush */
			visit(&places[t_below(&r, PLACES)], &r);
	}
	fclose(null);
	return NULL;
}

static void run_threads(unsigned first)
{
	unsigned n = t_options.threads;
	pthread_t *threads = calloc(n, sizeof(*threads)), meddler;

	t_expect(threads != NULL);
	atomic_store(&stop, false);
	meddler = t_thread(meddle, (void *)(uintptr_t)first);
	for (unsigned i = 0; i < n; i++)
		threads[i] = t_thread(work, (void *)(uintptr_t)(first + i));
	for (unsigned i = 0; i < n; i++)
		t_join(threads[i]);
	atomic_store(&stop, true);
	t_join(meddler);
	free(threads);
}

int main(int argc, char **argv)
{
	struct t_random r;
	size_t caches, meta;
	unsigned first = 1;

	t_start("caches", 3, 5, argc, argv);
	r = t_random_for(0);
	mp_set_error_handler(handler, NULL);
	for (unsigned i = 0; i < PLACES; i++)
		t_expect(pthread_mutex_init(&places[i].mutex, NULL) == 0);
	caches = t_stats().caches;
	do {
		run_threads(first);
		first += t_options.threads;
	} while (!t_time_up());
	for (unsigned i = 0; i < PLACES; i++)
		if (places[i].c != NULL)
			destroy(&places[i], &r);
	printf("torture-caches: %u caches made, at most %u at once\n", atomic_load(&made),
	       atomic_load(&most_alive));
	t_equal(atomic_load(&made), atomic_load(&destroyed));
	t_equal(atomic_load(&reports), atomic_load(&refused));
	t_equal(t_stats().faults, atomic_load(&refused));
	t_check(atomic_load(&most_alive) > 256);
	t_check(T_THREAD_SANITIZER || atomic_load(&made) > 1000);
	t_equal(t_stats().caches, caches);
	t_equal(t_claimed(), 0);
	mp_thread_flush();
	(void)mp_reclaim(0);
	t_equal(t_stats().bytes_slabs, 0);
	meta = t_stats().bytes_meta;
	t_check(meta < 16 * T_MIB);
	return t_finish();
}
