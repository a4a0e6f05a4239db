/* SPDX-License-Identifier: MIT */
/*
 * debug.c - a long mixed run under MEMPOOL_DEBUG=FZPU, under H and with guards: sizes of
 * every kind, constructed objects, several threads, objects freed by others.  Nothing is
 * reported.
 *
 * The program runs itself once for each setting, for an equal share of the time.
 */
#include "torture.h"
#include "../spawn.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HELD 200u
#define BUILT UINT64_C(0x636f6e7374727563)

static const struct setting {
	const char *debug;
	const char *guard;
} settings[] = {
	{ "FZPU", "0" },
	{ "H", "0" },
	{ "F;Z,made;P,plain*;U,mp-*", "0" },
	{ "", "5" },
	{ "FZPU", "5" },
};

#define SETTINGS (sizeof(settings) / sizeof(settings[0]))

static struct mp_cache *caches[4];
static const char *const names[4] = { "plain-24", "plain-1000", "made", "plain-9000" };
static const size_t sizes[4] = { 24, 1000, 72, 9000 };

static struct t_box box;

struct worker {
	struct t_random r;
	uint32_t number;
	unsigned n;
	struct t_item *held[HELD];
};

/* The first word stays as it was made. */
static void make(void *obj)
{
	uint64_t word = BUILT;

	memcpy(obj, &word, sizeof(word));
}

static bool is_made(const void *obj)
{
	uint64_t word;

	memcpy(&word, obj, sizeof(word));
	return word == BUILT;
}

/* Where the program's own contents begin. */
static size_t start_of(unsigned kind)
{
	return kind == 2 ? sizeof(uint64_t) : 0;
}

static struct t_item *new_item(struct worker *w)
{
	struct t_item *item = calloc(1, sizeof(*item));
	unsigned kind = (unsigned)t_below(&w->r, 6);
	char *p;

	t_expect(item != NULL);
	item->kind = kind;
	item->owner = w->number;
	item->pattern = t_next(&w->r);
	item->size = kind < 4 ? sizes[kind] : t_log_between(&w->r, 1, kind == 4 ? 5000 : 40000);
	p = kind < 4 ? mp_cache_alloc(caches[kind]) : mp_alloc(item->size);
	t_expect(p != NULL);
	if (kind == 2)
		t_expect(is_made(p));
	item->p = p;
	t_claim(p, w->number);
	t_fill(p + start_of(kind), item->size - start_of(kind), item->pattern);
	return item;
}

static void check_item(const struct t_item *item)
{
	t_expect(item->kind != 2 || is_made(item->p));
	t_expect(t_holds((char *)item->p + start_of(item->kind),
			 item->size - start_of(item->kind), item->pattern));
}

static void resize_item(struct worker *w, struct t_item *item)
{
	size_t size = t_log_between(&w->r, 1, 8000);
	uint32_t owner = item->owner;
	char *p;

	t_unclaim(item->p, owner);
	p = mp_realloc(item->p, size);
	t_expect(p != NULL);
	t_claim(p, owner);
	item->p = p;
	item->size = size;
	t_fill(p, size, item->pattern);
}

static void free_item(struct worker *w, struct t_item *item)
{
	check_item(item);
	t_unclaim(item->p, item->owner);
	if (item->kind < 4 && t_below(&w->r, 2) == 0)
		mp_cache_free(caches[item->kind], item->p);
	else if (item->kind >= 4 && t_below(&w->r, 2) == 0)
		mp_free_sized(item->p, item->size);
	else
		mp_free(item->p);
	free(item);
}

static void step(struct worker *w)
{
	size_t at = w->n > 0 ? t_below(&w->r, w->n) : 0;
	struct t_item *item;

	if (w->n < HELD && t_below(&w->r, 2) == 0) {
		w->held[w->n++] = new_item(w);
	} else if (w->n > 0 && t_below(&w->r, 3) == 0) {
		item = t_box_swap(&box, t_below(&w->r, 16), w->held[at]);
		w->held[at] = w->held[--w->n];
		if (item != NULL)
			free_item(w, item);
	} else if (w->n > 0 && w->held[at]->kind >= 4 && t_below(&w->r, 2) == 0) {
		check_item(w->held[at]);
		resize_item(w, w->held[at]);
	} else if (w->n > 0) {
		free_item(w, w->held[at]);
		w->held[at] = w->held[--w->n];
	}
	if (t_below(&w->r, 4000) == 0)
		t_equal(mp_cache_validate(caches[t_below(&w->r, 4)]), 0);
	if (t_below(&w->r, 1000) == 0)
		t_expect(mp_cache_shrink(caches[t_below(&w->r, 4)]) >= 0);
}

static void *work(void *arg)
{
	struct worker *w = calloc(1, sizeof(*w));
	uint64_t steps = 0;

	t_expect(w != NULL);
	w->number = (uint32_t)(uintptr_t)arg;
	w->r = t_random_for(w->number);
	for (; !t_time_up(); steps += 200)
		for (unsigned i = 0; i < 200; i++)
			step(w);
	t_count(steps);
	while (w->n > 0)
		free_item(w, w->held[--w->n]);
	free(w);
	return NULL;
}

static int validate(struct mp_cache *c, void *arg)
{
	(void)arg;
	t_equal(mp_cache_validate(c), 0);
	t_equal(t_cache_stats(c).live, 0);
	return 0;
}

static int run(int argc, char **argv)
{
	struct worker last = { .number = 0 };
	struct t_item *item;
	pthread_t *threads;

	t_start("debug", 3, 4, argc, argv);
	last.r = t_random_for(0);
	t_box_init(&box);
	for (unsigned i = 0; i < 4; i++) {
		caches[i] = mp_cache_create(names[i], sizes[i], 0, 0, i == 2 ? make : NULL);
		t_expect(caches[i] != NULL);
	}
	threads = calloc(t_options.threads, sizeof(*threads));
	t_expect(threads != NULL);
	for (unsigned i = 0; i < t_options.threads; i++)
		threads[i] = t_thread(work, (void *)(uintptr_t)(i + 1));
	for (unsigned i = 0; i < t_options.threads; i++)
		t_join(threads[i]);
	free(threads);
	while ((item = t_box_drain(&box)) != NULL)
		free_item(&last, item);
	t_equal(t_claimed(), 0);
	t_equal(mp_cache_for_each(validate, NULL), 0);
	for (unsigned i = 0; i < 4; i++)
		t_equal(mp_cache_destroy(caches[i]), 0);
	t_equal(t_stats().faults, 0);
	return t_finish();
}

/* The seconds asked for, in as many parts as there are settings. */
static void share_time(int argc, char **argv, char *text, size_t size)
{
	const char *s = getenv("TORTURE_SECONDS");
	double seconds = s != NULL ? atof(s) : 3;

	for (int i = 1; i + 1 < argc; i++)
		if (strcmp(argv[i], "--seconds") == 0) {
			seconds = atof(argv[i + 1]);
			argv[i + 1] = text;
		}
	snprintf(text, size, "%g", seconds / (double)SETTINGS);
}

int main(int argc, char **argv)
{
	static char seconds[40];

	if (getenv("TORTURE_PART") != NULL)
		return run(argc, argv);
	share_time(argc, argv, seconds, sizeof(seconds));
	portable_setenv("TORTURE_PART", "1");
	portable_setenv("TORTURE_SECONDS", seconds);
	for (size_t i = 0; i < SETTINGS; i++) {
		int status;

		portable_setenv("MEMPOOL_DEBUG", settings[i].debug);
		portable_setenv("MEMPOOL_GUARD", settings[i].guard);
		status = spawn_again(argv);
		if (status != 0) {
			fprintf(stderr, "MEMPOOL_DEBUG=%s MEMPOOL_GUARD=%s: status %d\n",
				settings[i].debug, settings[i].guard, status);
			return 1;
		}
	}
	return 0;
}
