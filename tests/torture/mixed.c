/* SPDX-License-Identifier: MIT */
/*
 * mixed.c - torture: every call on many caches, from threads that come and go.
 *
 * Each object is filled with bytes that follow from a pattern and looked at
 * before it is given up; a table says who holds which address, so an object
 * that is handed out twice is found at once.  Objects are freed by other
 * threads than allocated them, and threads end with objects cached and live.
 * Meanwhile other caches are made, limited and destroyed, the process forks,
 * and in every other run (an odd seed) the system now and then refuses memory.
 */
#include "torture.h"

#include "os.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if !defined(_WIN32)
#include <sys/wait.h>
#include <unistd.h>
#endif

#define CACHES 20u
#define GENERAL CACHES		/* the kind of what mp_alloc() gave */
#define HELD 1024u		/* most objects a thread holds */
#define HELD_BYTES (2 * T_MIB)
#define BULK 150u
#define CONSTRUCTED 0x5c

struct kind {
	struct mp_cache *c;
	size_t size, max;
	unsigned flags;
	bool has_ctor;
	_Atomic size_t held;	/* objects in the program's hands */
	_Atomic long built;	/* constructed and not destructed */
};

struct worker {
	unsigned number;	/* from 1, never again */
	struct t_random r;
	struct t_item *held[HELD];
	size_t n, bytes;
};

static struct kind kinds[CACHES + 1];
static struct t_box box;
static _Atomic size_t box_bytes;
static _Atomic unsigned numbers;
static bool refusing;	/* requests to the system are refused now and then */

/* ---- the caches */

static void ctor(void *obj, void *arg)
{
	struct kind *k = arg;

	atomic_fetch_add_explicit(&k->built, 1, memory_order_relaxed);
	memset(obj, CONSTRUCTED, k->size);
}

static void dtor(void *obj, void *arg)
{
	struct kind *k = arg;

	t_expect(t_all_bytes(obj, k->size, CONSTRUCTED));
	atomic_fetch_sub_explicit(&k->built, 1, memory_order_relaxed);
}

static void make_cache(struct kind *k, unsigned i, struct t_random *r)
{
	static const unsigned flags[] = { 0, 0, MP_HWCACHE_ALIGN, MP_POISON, MP_ZERO_ON_FREE,
					  MP_TYPE_STABLE };
	struct mp_cache_args args = { .struct_size = sizeof(args) };
	char name[32];

	k->size = i == 0 ? 100000 : i == 1 ? 8 : t_log_between(r, 1, 12000);
	k->flags = flags[i % 6];
	k->has_ctor = i % 7 == 3 && !(k->flags & (MP_ZERO_ON_FREE | MP_POISON));
	k->max = i % 5 == 4 ? 20 + t_below(r, 400) : 0;
	args.align = t_below(r, 3) == 0 ? (size_t)8 << t_below(r, 10) : 0;
	args.ctor = k->has_ctor ? ctor : NULL;
	args.dtor = k->has_ctor ? dtor : NULL;
	args.arg = k;
	args.max_objects = k->max;
	args.prealloc = t_below(r, 2) * t_below(r, 100);
	snprintf(name, sizeof(name), "mixed-%u", i);
	k->c = mp_cache_create_args(name, k->size, &args, k->flags);
	t_check(k->c != NULL);
}

/* ---- one object */

static void fill(struct t_item *item)
{
	t_fill(item->p, item->size, item->pattern);
}

/* It is mine now: claim it, look at it, fill it. */
static void adopt(struct worker *w, struct t_item *item, void *p, size_t size, uint32_t kind)
{
	struct kind *k = &kinds[kind];
	size_t held = atomic_fetch_add_explicit(&k->held, 1, memory_order_relaxed) + 1;

	item->p = p;
	item->size = size;
	item->kind = kind;
	item->owner = w->number;
	item->pattern = t_next(&w->r);
	t_claim(p, w->number);
	t_expect(k->max == 0 || held <= k->max);
	t_expect(!k->has_ctor || t_all_bytes(p, size, CONSTRUCTED));
	fill(item);
	w->held[w->n++] = item;
	w->bytes += size;
}

/* Take item out of the worker's hands. */
static struct t_item *pick(struct worker *w, size_t i)
{
	struct t_item *item = w->held[i];

	w->held[i] = w->held[--w->n];
	w->bytes -= item->size;
	return item;
}

/* Look at it, and give it up: it is not claimed then, and may be freed. */
static void release(struct t_item *item)
{
	struct kind *k = &kinds[item->kind];

	t_expect(t_holds(item->p, item->size, item->pattern));
	if (k->has_ctor)
		memset(item->p, CONSTRUCTED, item->size);
	t_unclaim(item->p, item->owner);
	atomic_fetch_sub_explicit(&k->held, 1, memory_order_relaxed);
}

static void free_item(struct worker *w, struct t_item *item)
{
	struct kind *k = &kinds[item->kind];

	release(item);
	errno = 77;
	if (item->kind == GENERAL && t_below(&w->r, 3) == 0)
		mp_free_sized(item->p, item->size);
	else if (item->kind == GENERAL || t_below(&w->r, 4) == 0)
		mp_free(item->p);
	else
		mp_cache_free(k->c, item->p);
	t_expect(errno == 77);
	free(item);
}

static bool has_room(const struct worker *w, size_t size)
{
	return w->n < HELD && w->bytes + size <= HELD_BYTES;
}

static struct t_item *new_item(void)
{
	struct t_item *item = calloc(1, sizeof(*item));

	t_expect(item != NULL);
	return item;
}

/* ---- operations */

static void op_cache_alloc(struct worker *w)
{
	uint32_t kind = (uint32_t)t_below(&w->r, CACHES);
	struct kind *k = &kinds[kind];
	bool zero = t_below(&w->r, 4) == 0;
	void *p;

	if (!has_room(w, k->size))
		return;
	errno = 0;
	p = zero ? mp_cache_zalloc(k->c) : mp_cache_alloc(k->c);
	if (p == NULL) {
		t_expect(zero && k->has_ctor ? errno == EINVAL :
					       errno == ENOMEM && (k->max != 0 || refusing));
		return;
	}
	t_expect(!zero || t_all_bytes(p, k->size, 0));
	t_expect(mp_usable_size(p) >= k->size);
	adopt(w, new_item(), p, k->size, kind);
}

static void op_alloc(struct worker *w)
{
	size_t size = t_log_between(&w->r, 1, t_below(&w->r, 20) == 0 ? 200000 : 5000);
	bool zero = t_below(&w->r, 4) == 0;
	void *p;

	if (!has_room(w, size))
		return;
	p = zero ? mp_calloc(1, size) : mp_alloc(size);
	if (p == NULL && refusing)
		return;
	t_expect(p != NULL && (!zero || t_all_bytes(p, size, 0)));
	t_expect(mp_usable_size(p) == mp_good_size(size));
	adopt(w, new_item(), p, size, GENERAL);
}

static void op_aligned(struct worker *w)
{
	size_t align = (size_t)8 << t_below(&w->r, 10), size = t_log_between(&w->r, 1, 9000);
	struct t_item *item;
	void *p;

	if (!has_room(w, size))
		return;
	p = mp_aligned_alloc(align, size);
	if (p == NULL && refusing)
		return;
	t_expect(p != NULL && (uintptr_t)p % align == 0);
	adopt(w, new_item(), p, size, GENERAL);
	/* it may be of a larger class than its size: to be freed here */
	item = pick(w, w->n - 1);
	release(item);
	if (t_below(&w->r, 2) == 0)
		mp_free_aligned_sized(p, align, size);
	else
		mp_free(p);
	free(item);
}

static void op_free(struct worker *w)
{
	if (w->n > 0)
		free_item(w, pick(w, t_below(&w->r, w->n)));
}

static void op_realloc(struct worker *w)
{
	size_t i = w->n > 0 ? t_below(&w->r, w->n) : 0, size, keep;
	struct t_item *item;
	void *p, *old;

	if (w->n == 0 || w->held[i]->kind != GENERAL)
		return;
	size = t_log_between(&w->r, 1, 20000);
	item = pick(w, i);
	keep = size < item->size ? size : item->size;
	t_expect(t_holds(item->p, item->size, item->pattern));
	t_unclaim(item->p, item->owner);
	atomic_fetch_sub_explicit(&kinds[GENERAL].held, 1, memory_order_relaxed);
	old = item->p;
	p = mp_realloc(old, size);
	if (p == NULL && refusing) { /* all is as it was */
		p = old;
		size = keep = item->size;
	}
	t_expect(p != NULL);
	t_expect(t_holds(p, keep & ~(size_t)7, item->pattern));
	adopt(w, item, p, size, GENERAL);
}

static void op_alloc_bulk(struct worker *w)
{
	uint32_t kind = (uint32_t)t_below(&w->r, CACHES);
	struct kind *k = &kinds[kind];
	void *objs[BULK];
	size_t n = t_below(&w->r, BULK);

	if (w->n + n > HELD || w->bytes + n * k->size > HELD_BYTES)
		return;
	if (mp_cache_alloc_bulk(k->c, n, objs) != 0) {
		t_expect(k->max != 0 || refusing);
		return;
	}
	for (size_t i = 0; i < n; i++)
		adopt(w, new_item(), objs[i], k->size, kind);
}

/* Free many: all of one cache, or whatever there is. */
static void op_free_bulk(struct worker *w)
{
	void *objs[BULK];
	size_t n = 0, max = t_below(&w->r, BULK);
	uint32_t kind = w->n > 0 ? w->held[t_below(&w->r, w->n)]->kind : GENERAL;
	bool any = kind == GENERAL || t_below(&w->r, 2) == 0;

	for (size_t i = w->n; i > 0 && n < max; i--) {
		struct t_item *item;

		if (!any && w->held[i - 1]->kind != kind)
			continue;
		item = pick(w, i - 1);
		release(item);
		objs[n++] = item->p;
		free(item);
		if (n < max && t_below(&w->r, 10) == 0)
			objs[n++] = NULL;
	}
	mp_cache_free_bulk(any ? NULL : kinds[kind].c, n, objs);
}

/* Hand one over, by either way. */
static void op_give(struct worker *w)
{
	struct t_item *item, *other;

	if (w->n == 0 || atomic_load(&box_bytes) > 16 * T_MIB)
		return;
	item = pick(w, t_below(&w->r, w->n));
	atomic_fetch_add(&box_bytes, item->size);
	if (t_below(&w->r, 2) == 0) {
		t_box_put(&box, item);
		return;
	}
	other = t_box_swap(&box, t_below(&w->r, T_SLOTS), item);
	if (other != NULL) {
		atomic_fetch_sub(&box_bytes, other->size);
		free_item(w, other);
	}
}

static void op_take(struct worker *w)
{
	struct t_item *item = t_below(&w->r, 2) == 0
				      ? t_box_get(&box)
				      : t_box_swap(&box, t_below(&w->r, T_SLOTS), NULL);

	if (item == NULL)
		return;
	atomic_fetch_sub(&box_bytes, item->size);
	if (!has_room(w, item->size) || t_below(&w->r, 2) == 0) {
		free_item(w, item);
		return;
	}
	t_expect(t_holds(item->p, item->size, item->pattern));
	t_unclaim(item->p, item->owner);
	t_claim(item->p, w->number);
	item->owner = w->number;
	w->held[w->n++] = item;
	w->bytes += item->size;
}

static int look_at(void *obj, void *arg)
{
	size_t *n = arg;

	t_expect(obj != NULL);
	return ++*n > 1000;
}

static void op_look(struct worker *w)
{
	struct kind *k = &kinds[t_below(&w->r, CACHES)];
	struct mp_object_info info = { .struct_size = sizeof(info) };
	struct mp_cache_stats s;
	struct t_item *item;
	size_t n = 0;

	s = t_cache_stats(k->c);
	t_expect(k->max == 0 || s.max_objects == k->max);
	(void)mp_cache_for_each_object(k->c, look_at, &n);
	if (w->n == 0)
		return;
	item = w->held[t_below(&w->r, w->n)];
	t_expect(mp_object_info((char *)item->p + t_below(&w->r, item->size), &info) == 0);
	t_expect(info.object == item->p && info.state == MP_OBJECT_LIVE);
	t_expect(item->kind == GENERAL || info.cache == kinds[item->kind].c);
}

static void op_validate(struct worker *w)
{
	int faults = mp_cache_validate(kinds[t_below(&w->r, CACHES)].c);

	t_expect(faults == 0 || (refusing && faults == -ENOMEM));
}

static void op_shrink(struct worker *w)
{
	int left = mp_cache_shrink(kinds[t_below(&w->r, CACHES)].c);

	t_expect(left == 0 || left == 1);
}

static void op_flush(struct worker *w)
{
	(void)w;
	mp_thread_flush();
}

static void op_reclaim(struct worker *w)
{
	(void)mp_reclaim(t_below(&w->r, 2) * t_below(&w->r, T_MIB));
}

static void op_prealloc(struct worker *w)
{
	struct kind *k = &kinds[t_below(&w->r, CACHES)];

	t_expect(mp_cache_prealloc(k->c, t_below(&w->r, T_MIB / 4 / k->size + 1)) == 0 ||
		 refusing);
}

/* A cache of the worker's own: made, limited, filled, emptied, destroyed. */
static void op_own_cache(struct worker *w)
{
	size_t size = t_log_between(&w->r, 1, 3000), max = 1 + t_below(&w->r, 60), n = 0;
	struct mp_cache *c = mp_cache_create("own", size, 0, 0, NULL);
	void *objs[61];

	t_expect(c != NULL || refusing);
	if (c == NULL)
		return;
	t_equal(mp_cache_set_max(c, max), 0);
	while (n <= max && (objs[n] = mp_cache_alloc(c)) != NULL)
		t_claim(objs[n++], w->number);
	t_expect(n == max || (refusing && n < max));
	t_equal(mp_cache_validate(c), 0);
	while (n > 0) {
		t_unclaim(objs[--n], w->number);
		mp_cache_free(c, objs[n]);
	}
	t_equal(mp_cache_destroy(c), 0);
}

#if defined(_WIN32)

/* There is none. */
static void op_fork(struct worker *w)
{
	(void)w;
}

#else

/* In the child of a fork, whatever the other threads were at. */
static void use_in_child(void)
{
	for (unsigned i = 0; i < CACHES; i++) {
		void *p = mp_cache_alloc(kinds[i].c);

		if (p != NULL && !kinds[i].has_ctor)
			memset(p, 1, kinds[i].size);
		mp_cache_free(kinds[i].c, p);
	}
	for (size_t size = 1; size < 3 * T_MIB; size *= 3) {
		void *p = mp_alloc(size);

		t_expect(p != NULL);
		mp_free(p);
	}
}

static void op_fork(struct worker *w)
{
	int status = 0;
	pid_t pid;

	(void)w;
	if (T_THREAD_SANITIZER || refusing) /* it does not follow a fork of many threads */
		return;
	pid = fork();
	t_expect(pid >= 0);
	if (pid == 0) {
		alarm(60);
		use_in_child();
		_exit(0);
	}
	t_expect(waitpid(pid, &status, 0) == pid);
	t_equal(status, 0);
}

#endif

static const struct {
	void (*fn)(struct worker *w);
	unsigned weight; /* in 10,000 */
} ops[] = {
	{ op_cache_alloc, 3586 },
	{ op_free, 3700 },
	{ op_alloc, 800 },
	{ op_take, 600 },
	{ op_give, 500 },
	{ op_realloc, 300 },
	{ op_alloc_bulk, 170 },
	{ op_free_bulk, 170 },
	{ op_aligned, 100 },
	{ op_look, 20 },
	{ op_shrink, 14 },
	{ op_validate, 10 },
	{ op_flush, 8 },
	{ op_prealloc, 6 },
	{ op_own_cache, 13 },
	{ op_reclaim, 2 },
	{ op_fork, 1 },
};

/* ---- threads */

static void *work(void *arg)
{
	struct worker *w = calloc(1, sizeof(*w));
	size_t todo;

	(void)arg;
	t_expect(w != NULL);
	w->number = atomic_fetch_add(&numbers, 1) + 1;
	w->r = t_random_for(w->number);
	todo = t_log_between(&w->r, 1, 20000);
	for (size_t i = 0; i < todo; i++) {
		unsigned dice = (unsigned)t_below(&w->r, 10000);
		size_t op = 0;

		while (dice >= ops[op].weight)
			dice -= ops[op++].weight;
		ops[op].fn(w);
	}
	t_count(todo);
	/* some leave everything to others, some free half */
	while (w->n > 0) {
		struct t_item *item = pick(w, w->n - 1);

		if (w->number % 2 == 0 && t_below(&w->r, 2) == 0) {
			free_item(w, item);
			continue;
		}
		atomic_fetch_add(&box_bytes, item->size);
		t_box_put(&box, item);
	}
	free(w);
	return NULL;
}

static void clear_box(struct worker *w)
{
	struct t_item *item;

	while ((item = t_box_drain(&box)) != NULL) {
		atomic_fetch_sub(&box_bytes, item->size);
		free_item(w, item);
	}
}

static void check_end(void)
{
	struct mp_stats s;

	t_equal(t_claimed(), 0);
	for (unsigned i = 0; i < CACHES; i++) {
		struct mp_cache_stats cs = t_cache_stats(kinds[i].c);

		t_equal(mp_cache_validate(kinds[i].c), 0);
		t_equal(cs.live, 0);
		t_equal(cs.capacity, cs.cached + cs.free);
		/* those of limited and watched caches are exact */
		t_equal(cs.allocs - cs.frees,
			cs.max_objects != 0 || (cs.flags & MP_POISON) ? 0 : cs.cached);
		t_equal(mp_cache_destroy(kinds[i].c), 0);
		t_equal(atomic_load(&kinds[i].built), 0);
	}
	mp_thread_flush();
	(void)mp_reclaim(0);
	s = t_stats();
	t_equal(s.faults, 0);
	t_equal(s.large_live, 0);
	t_equal(s.bytes_large, 0);
	t_equal(s.bytes_slabs, 0);
}

int main(int argc, char **argv)
{
	struct worker *main_worker = calloc(1, sizeof(*main_worker));
	pthread_t *threads;
	struct t_random r;

	t_start("mixed", 4, 6, argc, argv);
	r = t_random_for(0);
	refusing = t_options.seed % 2 == 1;
	t_box_init(&box);
	t_expect(main_worker != NULL);
	main_worker->number = UINT32_MAX;
	main_worker->r = t_random_for(UINT32_MAX);
	for (unsigned i = 0; i < CACHES; i++)
		make_cache(&kinds[i], i, &r);
	threads = calloc(t_options.threads, sizeof(*threads));
	t_expect(threads != NULL);
	for (unsigned i = 0; i < t_options.threads; i++)
		threads[i] = t_thread(work, NULL);
	for (unsigned i = 0; !t_time_up(); i = (i + 1) % t_options.threads) {
		if (refusing)
			mpp_os_inject(1 + (long)t_below(&r, 30), (long)t_below(&r, 30));
		t_join(threads[i]);
		clear_box(main_worker);
		threads[i] = t_thread(work, NULL);
	}
	for (unsigned i = 0; i < t_options.threads; i++)
		t_join(threads[i]);
	mpp_os_inject(0, 0);
	clear_box(main_worker);
	check_end();
	free(threads);
	free(main_worker);
	return t_finish();
}
