/* SPDX-License-Identifier: MIT */
/*
 * frees.c - torture: false frees by the thousand, with a handler that carries on.
 *
 * Some threads misuse the library in every way that is found at the call: each
 * such call makes exactly one report, of the right kind, in that thread, and
 * nothing else happens.  Others work on the same caches and look at every byte
 * of what they hold.  At the end nothing is live, and every cache is valid.
 * Then double frees that are found only when a magazine is drained.
 */
#include "torture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CACHES 4u
#define HELD 256u

static struct mp_cache *caches[CACHES];
static const size_t sizes[CACHES] = { 24, 100, 720, 40000 };
static _Atomic uint64_t expected;	/* reports, of all threads */
static _Atomic uint64_t delayed;
static pthread_mutex_t large = PTHREAD_MUTEX_INITIALIZER;

/* The report a call made, in the thread that made it. */
static _Thread_local struct {
	unsigned n;
	enum mp_error_kind kind;
	const void *pointer;
} last;

static enum mp_error_action handler(const struct mp_error *e, void *arg)
{
	t_expect(arg == &expected && e->struct_size == sizeof(*e) && e->message != NULL);
	last.n++;
	last.kind = e->kind;
	last.pointer = e->pointer;
	free(mp_alloc(0) == NULL ? NULL : malloc(1)); /* it may allocate */
	return MP_ERROR_CONTINUE;
}

static void want(int line, enum mp_error_kind kind, const void *pointer)
{
	atomic_fetch_add(&expected, 1);
	if (last.n != 1 || last.kind != kind || last.pointer != pointer)
		t_fail(__FILE__, line, "%u reports, of kind %d for %p; not 1 of kind %d for %p",
		       last.n, (int)last.kind, last.pointer, (int)kind, pointer);
	last.n = 0;
	t_passed();
}

#define misuse(call, kind, pointer) (last.n = 0, (call), want(__LINE__, (kind), (pointer)))

/* Hidden from compilers, which would warn of what is done here on purpose. */
static void (*volatile false_free)(void *) = mp_free;

/* ---- those who work */

static void *work(void *arg)
{
	struct t_random r = t_random_for((uintptr_t)arg);
	struct {
		void *p;
		unsigned kind;
		uint64_t pattern;
	} held[HELD] = { { NULL, 0, 0 } };

	for (size_t i = 0; i % 64 != 0 || !t_time_up(); i++) {
		size_t at = t_below(&r, HELD);

		if (held[at].p != NULL) {
			t_expect(t_holds(held[at].p, sizes[held[at].kind], held[at].pattern));
			t_unclaim(held[at].p, 1);
			mp_cache_free(caches[held[at].kind], held[at].p);
			held[at].p = NULL;
			continue;
		}
		held[at].kind = (unsigned)t_below(&r, t_below(&r, 20) == 0 ? CACHES : CACHES - 1);
		held[at].pattern = t_next(&r);
		held[at].p = mp_cache_alloc(caches[held[at].kind]);
		t_expect(held[at].p != NULL);
		t_claim(held[at].p, 1);
		t_fill(held[at].p, sizes[held[at].kind], held[at].pattern);
		t_count(1);
	}
	for (size_t i = 0; i < HELD; i++) {
		if (held[i].p == NULL)
			continue;
		t_expect(t_holds(held[i].p, sizes[held[i].kind], held[i].pattern));
		t_unclaim(held[i].p, 1);
		mp_free(held[i].p);
	}
	t_expect(last.n == 0);
	return NULL;
}

/* ---- those who do not */

struct offender {
	struct t_random r;
	struct mp_cache *own[3];	/* plain, poisoned, limited: nobody else's */
};

static void free_twice(struct offender *o)
{
	struct mp_cache *c = o->own[t_below(&o->r, 3)];
	void *p = mp_cache_alloc(c);

	t_expect(p != NULL);
	mp_cache_free(c, p);
	if (t_below(&o->r, 2) == 0)
		misuse(mp_cache_free(c, p), MP_ERROR_DOUBLE_FREE, p);
	else
		misuse(false_free(p), MP_ERROR_DOUBLE_FREE, p);
}

static void free_inside(struct offender *o)
{
	unsigned kind = (unsigned)t_below(&o->r, CACHES);
	struct mp_object_info info = { .struct_size = sizeof(info) };
	char *p = mp_cache_alloc(caches[kind]), *q;

	t_expect(p != NULL);
	t_fill(p, sizes[kind], 5);
	q = p + 1 + t_below(&o->r, sizes[kind] - 1);
	misuse(mp_cache_free(caches[kind], q), MP_ERROR_INTERIOR_POINTER, q);
	misuse(false_free(q), MP_ERROR_INTERIOR_POINTER, q);
	misuse(mp_free_sized(q, 8), MP_ERROR_INTERIOR_POINTER, q);
	t_expect(mp_object_info(p, &info) == 0 && info.object == p);
	q = info.slab; /* a header, or its colour */
	misuse(false_free(q), MP_ERROR_INTERIOR_POINTER, q);
	t_expect(t_holds(p, sizes[kind], 5));
	mp_cache_free(caches[kind], p);
	t_expect(last.n == 0);
}

static void free_foreign(struct offender *o)
{
	static char data[64];
	char *heap = malloc(64), stack[64];
	char *wild = (char *)(uintptr_t)t_next(&o->r); /* nearly always far from anything */
	void *p;

	memset(stack, 1, sizeof(stack));
	t_expect(heap != NULL);
	misuse(false_free(heap), MP_ERROR_BAD_FREE, heap);
	misuse(mp_cache_free(caches[0], stack + 16), MP_ERROR_BAD_FREE, stack + 16);
	misuse(false_free(data), MP_ERROR_BAD_FREE, data);
	misuse(false_free((void *)16), MP_ERROR_BAD_FREE, (void *)16);
	if (((uintptr_t)wild >> 20) >> 28 != 0) /* outside the address space */
		misuse(false_free(wild), MP_ERROR_BAD_FREE, wild);
	p = heap;
	misuse(mp_cache_free_bulk(NULL, 1, &p), MP_ERROR_BAD_FREE, heap);
	misuse(p = mp_realloc(heap, 100), MP_ERROR_BAD_FREE, heap);
	t_expect(p == NULL);
	t_expect(t_all_bytes(stack, sizeof(stack), 1));
	free(heap);
}

static void free_to_another(struct offender *o)
{
	unsigned kind = (unsigned)t_below(&o->r, CACHES), other = (kind + 1) % CACHES;
	void *p = mp_cache_alloc(caches[kind]);

	t_expect(p != NULL);
	t_fill(p, sizes[kind], 6);
	misuse(mp_cache_free(caches[other], p), MP_ERROR_WRONG_CACHE, p);
	misuse(mp_cache_free_bulk(caches[other], 1, &p), MP_ERROR_WRONG_CACHE, p);
	t_expect(t_holds(p, sizes[kind], 6));
	mp_cache_free(caches[kind], p);
	p = mp_alloc(100);
	t_expect(p != NULL);
	misuse(mp_cache_free(caches[0], p), MP_ERROR_WRONG_CACHE, p);
	misuse(mp_free_sized(p, 1000), MP_ERROR_SIZE_MISMATCH, p);
	mp_free_sized(p, 100);
	t_expect(last.n == 0);
}

/* Only one thread at a time has spans, so that what it freed stays free. */
static void misuse_large(struct offender *o)
{
	size_t size = t_log_between(&o->r, MP_MAX_FIXED_SIZE + 1, 4 * T_MIB);
	char *p, *q;

	pthread_mutex_lock(&large);
	p = mp_alloc(size);
	t_expect(p != NULL);
	q = p + 1 + t_below(&o->r, size - 1);
	misuse(false_free(q), MP_ERROR_INTERIOR_POINTER, q);
	misuse(mp_cache_free(caches[0], p), MP_ERROR_WRONG_CACHE, p);
	false_free(p); /* which is right, once */
	t_expect(last.n == 0);
	misuse(false_free(p), MP_ERROR_DOUBLE_FREE, p);
	pthread_mutex_unlock(&large);
}

static void use_dead(struct offender *o)
{
	struct mp_cache *c;
	void *p;

	(void)o;
	pthread_mutex_lock(&large); /* so that the handle is not soon used again */
	c = mp_cache_create("dead", 64, 0, 0, NULL);
	p = c != NULL ? mp_cache_alloc(c) : NULL;
	t_expect(p != NULL);
	misuse(t_expect(mp_cache_destroy(c) == -EBUSY), MP_ERROR_LIVE_AT_DESTROY, NULL);
	mp_cache_free(c, p);
	t_expect(mp_cache_destroy(c) == 0 && last.n == 0);
	misuse(t_expect(mp_cache_alloc(c) == NULL), MP_ERROR_DEAD_CACHE, c);
	misuse(t_expect(mp_cache_destroy(c) == -EINVAL), MP_ERROR_DEAD_CACHE, c);
	misuse(mp_cache_free(c, &last), MP_ERROR_DEAD_CACHE, &last);
	pthread_mutex_unlock(&large);
}

static void (*const offences[])(struct offender *) = {
	free_twice, free_inside, free_foreign, free_to_another, misuse_large, use_dead,
};

static void *offend(void *arg)
{
	struct offender o = { .r = t_random_for((uintptr_t)arg) };

	o.own[0] = mp_cache_create("own", 80, 0, 0, NULL);
	o.own[1] = mp_cache_create("own-poisoned", 80, 0, MP_POISON, NULL);
	o.own[2] = mp_cache_create("own-limited", 80, 0, 0, NULL);
	t_expect(o.own[0] != NULL && o.own[1] != NULL && o.own[2] != NULL);
	t_expect(mp_cache_set_max(o.own[2], 3) == 0);
	while (!t_time_up()) {
		offences[t_below(&o.r, sizeof(offences) / sizeof(offences[0]))](&o);
		if (t_below(&o.r, 200) == 0)
			t_expect(mp_cache_validate(caches[t_below(&o.r, CACHES)]) == 0);
	}
	for (unsigned i = 0; i < 3; i++) {
		t_equal(t_cache_stats(o.own[i]).live, 0);
		t_equal(mp_cache_validate(o.own[i]), 0);
		t_equal(mp_cache_destroy(o.own[i]), 0);
	}
	return NULL;
}

/* ---- found late */

#define TWICE 300u

struct late {
	struct mp_cache *c;
	void *p[TWICE];
	pthread_barrier_t barrier;
};

static void *free_late(void *arg)
{
	struct late *l = arg;

	for (unsigned i = 0; i < TWICE; i++)
		mp_cache_free(l->c, l->p[i]);
	pthread_barrier_wait(&l->barrier);
	pthread_barrier_wait(&l->barrier);
	mp_thread_flush();
	atomic_fetch_add(&delayed, last.n);
	return NULL;
}

/*
 * Two threads free the same objects and then return them to their slabs, with
 * no allocation between.  That is found in the drains, of which each reports the
 * first few, also when the slab is gone by then.  With keep, an object in 64 stays
 * live for longer.
 */
static void free_in_two_threads(size_t size, unsigned step, bool keep)
{
	struct late l;
	size_t n = (size_t)TWICE * step;
	void **all = calloc(n, sizeof(*all));
	uint64_t before = atomic_load(&delayed), reports;
	pthread_t thread;

	t_expect(all != NULL && pthread_barrier_init(&l.barrier, NULL, 2) == 0);
	l.c = mp_cache_create("late", size, 0, 0, NULL);
	t_expect(l.c != NULL);
	for (size_t i = 0; i < n; i++)
		t_expect((all[i] = mp_cache_alloc(l.c)) != NULL);
	for (size_t i = 0; i < TWICE; i++)
		l.p[i] = all[i * step];
	last.n = 0;
	thread = t_thread(free_late, &l);
	pthread_barrier_wait(&l.barrier);
	for (size_t i = 0; i < n; i++)
		if (!keep || i % 64 != 1)
			mp_cache_free(l.c, all[i]);
	(void)mp_cache_shrink(l.c);
	pthread_barrier_wait(&l.barrier);
	t_join(thread);
	for (size_t i = 0; i < n; i++)
		if (keep && i % 64 == 1)
			mp_cache_free(l.c, all[i]);
	mp_thread_flush(); /* of those kept, some were freed by the thread */
	atomic_fetch_add(&delayed, last.n);
	reports = atomic_load(&delayed) - before;
	t_check(reports >= 1 && reports <= TWICE);
	last.n = 0;
	t_equal(t_cache_stats(l.c).live, 0);
	t_equal(mp_cache_validate(l.c), 0);
	t_equal(mp_cache_destroy(l.c), 0);
	t_expect(last.n == 0);
	pthread_barrier_destroy(&l.barrier);
	free(all);
}

/* A limited cache, an object freed by two threads at the same moment: one of them is told. */
#define RACES 2000u

struct race {
	struct mp_cache *c;
	_Atomic(void *) p;
	_Atomic unsigned round, done;
	_Atomic unsigned told;
};

static void free_in_race(struct race *x)
{
	last.n = 0;
	mp_cache_free(x->c, atomic_load(&x->p));
	atomic_fetch_add(&x->told, last.n);
	last.n = 0;
	atomic_fetch_add(&x->done, 1);
}

static void *race_along(void *arg)
{
	struct race *x = arg;

	for (unsigned i = 1; i <= RACES; i++) {
		while (atomic_load(&x->round) != i)
			continue;
		free_in_race(x);
	}
	return NULL;
}

static void race_to_free(void)
{
	struct race x = { .c = mp_cache_create("race", 64, 0, 0, NULL) };
	pthread_t thread;

	t_expect(x.c != NULL && mp_cache_set_max(x.c, 2) == 0);
	thread = t_thread(race_along, &x);
	for (unsigned i = 1; i <= RACES; i++) {
		atomic_store(&x.p, mp_cache_alloc(x.c));
		t_expect(atomic_load(&x.p) != NULL);
		atomic_store(&x.done, 0);
		atomic_store(&x.round, i);
		free_in_race(&x);
		while (atomic_load(&x.done) != 2)
			continue;
		t_expect(atomic_load(&x.told) == i);
	}
	t_join(thread);
	atomic_fetch_add(&delayed, atomic_load(&x.told));
	t_equal(atomic_load(&x.told), RACES);
	t_equal(t_cache_stats(x.c).live, 0);
	t_equal(mp_cache_validate(x.c), 0);
	t_equal(mp_cache_destroy(x.c), 0);
}

int main(int argc, char **argv)
{
	pthread_t *threads;
	unsigned n;

	t_start("frees", 2, 4, argc, argv);
	n = t_options.threads;
	mp_set_error_handler(handler, &expected);
	for (unsigned i = 0; i < CACHES; i++)
		t_expect((caches[i] = mp_cache_create("shared", sizes[i], 0, 0, NULL)) != NULL);
	threads = calloc(n, sizeof(*threads));
	t_expect(threads != NULL);
	for (unsigned i = 0; i < n; i++)
		threads[i] = t_thread(i % 2 == 0 ? offend : work, (void *)(uintptr_t)(i + 1));
	for (unsigned i = 0; i < n; i++)
		t_join(threads[i]);
	free(threads);
	t_equal(t_claimed(), 0);
	t_equal(t_stats().faults, atomic_load(&expected));
	for (unsigned i = 0; i < CACHES; i++) {
		t_equal(mp_cache_validate(caches[i]), 0);
		t_equal(t_cache_stats(caches[i]).live, 0);
		t_equal(mp_cache_destroy(caches[i]), 0);
	}
	t_equal(t_stats().large_live, 0);
	free_in_two_threads(1000, 1, false);
	free_in_two_threads(1000, 7, true);
	free_in_two_threads(64, 3, true);
	free_in_two_threads(5000, 1, true);
	race_to_free();
	t_equal(t_stats().faults, atomic_load(&expected) + atomic_load(&delayed));
	return t_finish();
}
