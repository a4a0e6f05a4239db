/* SPDX-License-Identifier: MIT */
/*
 * hot.c - torture: all threads on the same slab.
 *
 * Caches with so few objects that one or two slabs hold them all, and so
 * little in magazines that nearly every call goes to the free list: limited caches, which
 * have no magazines, and others whose magazines are flushed all the time.
 * While one thread takes from a slab, others free into the same words of bits; a slab
 * becomes full, partial and empty thousands of times a second.
 */
#include "torture.h"

#include <errno.h>
#include <stdlib.h>

#define CACHES 6u
#define MOST 40u	/* objects that all threads have of a limited cache */
#define HELD 12u

struct hot {
	struct mp_cache *c;
	size_t size, max;
	_Atomic size_t held;
};

/* From as many objects in a slab as there can be to a few in several chunks. */
static struct hot hots[CACHES] = {
	{ .size = 700, .max = MOST },  { .size = 700 },  { .size = 30000, .max = 6 },
	{ .size = 3, .max = MOST },    { .size = 200 },	 { .size = 100000, .max = 5 },
};
static struct t_box box;

struct worker {
	uint32_t number;
	struct t_random r;
	struct t_item *held[HELD];
	size_t n;
};

static struct t_item *new_item(struct worker *w, unsigned kind, void *p)
{
	struct t_item *item = calloc(1, sizeof(*item));
	struct hot *h = &hots[kind];
	size_t held = atomic_fetch_add_explicit(&h->held, 1, memory_order_relaxed) + 1;

	t_expect(item != NULL);
	t_expect(h->max == 0 || held <= h->max);
	item->p = p;
	item->size = h->size < 256 ? h->size : 256; /* so much of it is filled */
	item->kind = kind;
	item->owner = w->number;
	item->pattern = t_next(&w->r);
	t_claim(p, w->number);
	t_fill(p, item->size, item->pattern);
	return item;
}

/* Look at it and let go of it; it is to be freed next. */
static void *release(struct t_item *item)
{
	void *p = item->p;

	t_expect(t_holds(p, item->size, item->pattern));
	t_unclaim(p, item->owner);
	atomic_fetch_sub_explicit(&hots[item->kind].held, 1, memory_order_relaxed);
	free(item);
	return p;
}

static void free_item(struct t_item *item)
{
	struct mp_cache *c = hots[item->kind].c;

	mp_cache_free(c, release(item));
}

static void step(struct worker *w, unsigned kind)
{
	struct hot *h = &hots[kind];
	struct t_item *item;
	void *objs[4];

	if (w->n + 4 < HELD && t_below(&w->r, 5) == 0) {
		if (mp_cache_alloc_bulk(h->c, 4, objs) == 0)
			for (unsigned i = 0; i < 4; i++)
				w->held[w->n++] = new_item(w, kind, objs[i]);
		else
			t_expect(h->max != 0);
	} else if (w->n < HELD && t_below(&w->r, 2) == 0) {
		objs[0] = mp_cache_alloc(h->c);
		t_expect(objs[0] != NULL || (h->max != 0 && errno == ENOMEM));
		if (objs[0] != NULL)
			w->held[w->n++] = new_item(w, kind, objs[0]);
	} else if (w->n > 0) {
		size_t at = t_below(&w->r, w->n);

		/* change it for one of another thread, and free that */
		item = t_box_swap(&box, t_below(&w->r, 8), w->held[at]);
		w->held[at] = w->held[--w->n];
		if (item != NULL)
			free_item(item);
	}
	if (h->max == 0 && t_below(&w->r, 4) == 0)
		mp_thread_flush();
	if (t_below(&w->r, 3000) == 0)
		t_equal(mp_cache_validate(h->c), 0);
	if (t_below(&w->r, 500) == 0)
		t_expect(mp_cache_shrink(h->c) >= 0);
}

static void *work(void *arg)
{
	struct worker *w = calloc(1, sizeof(*w));
	uint64_t steps = 0;

	t_expect(w != NULL);
	w->number = (uint32_t)(uintptr_t)arg;
	w->r = t_random_for(w->number);
	while (!t_time_up()) {
		/* all threads are on the same cache for about 20 ms */
		unsigned kind = (unsigned)(t_elapsed() * 50) % CACHES;

		for (unsigned i = 0; i < 500; i++)
			step(w, kind);
		steps += 500;
	}
	t_count(steps);
	while (w->n > 0)
		free_item(w->held[--w->n]);
	free(w);
	return NULL;
}

int main(int argc, char **argv)
{
	struct t_item *item;
	pthread_t *threads;

	t_start("hot", 3, 4, argc, argv);
	t_box_init(&box);
	for (unsigned i = 0; i < CACHES; i++) {
		hots[i].c = mp_cache_create("hot", hots[i].size, 8, 0, NULL);
		t_expect(hots[i].c != NULL);
		t_expect(mp_cache_set_max(hots[i].c, hots[i].max) == 0);
	}
	threads = calloc(t_options.threads, sizeof(*threads));
	t_expect(threads != NULL);
	for (unsigned i = 0; i < t_options.threads; i++)
		threads[i] = t_thread(work, (void *)(uintptr_t)(i + 1));
	for (unsigned i = 0; i < t_options.threads; i++)
		t_join(threads[i]);
	free(threads);
	while ((item = t_box_drain(&box)) != NULL)
		free_item(item);
	t_equal(t_claimed(), 0);
	for (unsigned i = 0; i < CACHES; i++) {
		t_equal(mp_cache_validate(hots[i].c), 0);
		t_equal(t_cache_stats(hots[i].c).live, 0);
		t_equal(mp_cache_destroy(hots[i].c), 0);
	}
	t_equal(t_stats().faults, 0);
	return t_finish();
}
