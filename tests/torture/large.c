/* SPDX-License-Identifier: MIT */
/*
 * large.c - torture: large spans, 4 KiB to 8 MiB, allocated, resized, handed on
 * and freed by several threads, with alignments up to 2 MiB.  The tables
 * are validated meanwhile through the library's inside.
 */
#include "torture.h"

#include "large.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OPS 500u
#define HELD 64u
#define HELD_BYTES (24 * T_MIB)
#define LOWEST ((size_t)MP_MAX_FIXED_SIZE + 1)
#define HIGHEST (8 * T_MIB)
#define ZERO_LOOK (256 * T_KIB)	/* of zeroed memory, so much is looked at, at either end */

struct worker {
	uint32_t number;
	struct t_random r;
	struct t_item *held[HELD];
	size_t n, bytes;
};

static struct t_box box;
static _Atomic size_t box_bytes;

static void adopt(struct worker *w, struct t_item *item, void *p, size_t size)
{
	t_expect(p != NULL && (uintptr_t)p % 4096 == 0);
	item->p = p;
	item->size = size;
	item->owner = w->number;
	item->pattern = t_next(&w->r) << 20; /* stamps add offsets */
	t_claim(p, w->number);
	t_stamp(p, size, item->pattern);
	w->held[w->n++] = item;
	w->bytes += size;
}

static struct t_item *pick(struct worker *w, size_t i)
{
	struct t_item *item = w->held[i];

	w->held[i] = w->held[--w->n];
	w->bytes -= item->size;
	return item;
}

static void free_item(struct worker *w, struct t_item *item)
{
	t_expect(t_stamped(item->p, item->size, item->size, item->pattern));
	t_expect(mp_usable_size(item->p) >= item->size);
	t_unclaim(item->p, item->owner);
	if (t_below(&w->r, 2) == 0)
		mp_free(item->p);
	else if (item->kind != 0) /* its alignment */
		mp_free_aligned_sized(item->p, item->kind, item->size);
	else
		mp_free_sized(item->p, item->size);
	free(item);
}

static size_t some_size(struct worker *w)
{
	return t_log_between(&w->r, LOWEST, HIGHEST);
}

static struct t_item *new_item(void)
{
	struct t_item *item = calloc(1, sizeof(*item));

	t_expect(item != NULL);
	return item;
}

static void op_alloc(struct worker *w)
{
	size_t size = some_size(w), align = 4096, part = size < ZERO_LOOK ? size : ZERO_LOOK;
	bool zero = false;
	void *p;

	if (w->n == HELD || w->bytes + size > HELD_BYTES)
		return;
	switch (t_below(&w->r, 4)) {
	case 0:
		p = mp_calloc(1, size);
		zero = true;
		break;
	case 1:
		align = (size_t)4096 << t_below(&w->r, 10);
		p = mp_aligned_alloc(align, size);
		break;
	default:
		p = mp_alloc(size);
		break;
	}
	t_expect(p != NULL && (uintptr_t)p % align == 0);
	t_expect(!zero || (t_all_bytes(p, part, 0) &&
			   t_all_bytes((char *)p + size - part, part, 0)));
	adopt(w, new_item(), p, size);
	w->held[w->n - 1]->kind = align > 4096 ? (uint32_t)align : 0;
}

static void op_free(struct worker *w)
{
	if (w->n > 0)
		free_item(w, pick(w, t_below(&w->r, w->n)));
}

static void op_realloc(struct worker *w)
{
	size_t size = some_size(w), part;
	struct t_item *item;
	void *p;

	if (w->n == 0)
		return;
	item = pick(w, t_below(&w->r, w->n));
	item->kind = 0; /* what mp_realloc() gives is as of mp_alloc() */
	if (t_below(&w->r, 2) == 0) /* a little more or less: in place if it can be */
		size = t_below(&w->r, 2) == 0 && item->size > 2 * LOWEST
			       ? item->size - item->size / 4
			       : item->size + item->size / 8;
	part = size < item->size ? size : item->size;
	t_expect(t_stamped(item->p, item->size, item->size, item->pattern));
	t_unclaim(item->p, item->owner);
	p = mp_realloc(item->p, size);
	/* the old last byte may stand in a stamp; that one is not looked at */
	t_expect(p != NULL && t_stamped(p, size + 1, part & ~(size_t)255, item->pattern));
	adopt(w, item, p, size);
}

static void op_give(struct worker *w)
{
	struct t_item *item, *other;

	if (w->n == 0 || atomic_load(&box_bytes) > HELD_BYTES)
		return;
	item = pick(w, t_below(&w->r, w->n));
	atomic_fetch_add(&box_bytes, item->size);
	if (t_below(&w->r, 2) == 0) {
		t_box_put(&box, item);
		return;
	}
	other = t_box_swap(&box, t_below(&w->r, 16), item);
	if (other != NULL) {
		atomic_fetch_sub(&box_bytes, other->size);
		free_item(w, other);
	}
}

static void op_take(struct worker *w)
{
	struct t_item *item = t_below(&w->r, 2) == 0
				      ? t_box_get(&box)
				      : t_box_swap(&box, t_below(&w->r, 16), NULL);

	if (item == NULL)
		return;
	atomic_fetch_sub(&box_bytes, item->size);
	free_item(w, item);
}

static void op_look(struct worker *w)
{
	struct mp_object_info info = { .struct_size = sizeof(info) };
	struct t_item *item;
	size_t at;

	if (w->n == 0)
		return;
	item = w->held[t_below(&w->r, w->n)];
	at = t_below(&w->r, item->size);
	t_expect(mp_object_info((char *)item->p + at, &info) == 0);
	t_expect(info.object == item->p && info.offset == at && info.cache == NULL);
	t_expect(info.state == MP_OBJECT_LIVE && info.object_size >= item->size);
}

static void op_reclaim(struct worker *w)
{
	(void)mp_reclaim(t_below(&w->r, 2) * t_below(&w->r, 16 * T_MIB));
}

static const struct {
	void (*fn)(struct worker *w);
	unsigned weight; /* in 1000 */
} ops[] = {
	{ op_alloc, 400 }, { op_free, 300 },  { op_realloc, 130 }, { op_give, 80 },
	{ op_take, 80 },   { op_look, 7 },    { op_reclaim, 3 },
};

static void *work(void *arg)
{
	struct worker *w = calloc(1, sizeof(*w));

	t_expect(w != NULL);
	w->number = (uint32_t)(uintptr_t)arg;
	w->r = t_random_for(w->number);
	for (size_t i = 0; i < OPS; i++) {
		unsigned dice = (unsigned)t_below(&w->r, 1000);
		size_t op = 0;

		while (dice >= ops[op].weight)
			dice -= ops[op++].weight;
		ops[op].fn(w);
	}
	t_count(OPS);
	while (w->n > 0) {
		struct t_item *item = pick(w, w->n - 1);

		if (w->n % 8 != 0) {
			free_item(w, item);
			continue;
		}
		atomic_fetch_add(&box_bytes, item->size);
		t_box_put(&box, item);
	}
	free(w);
	return NULL;
}

/* Nobody works: the tables are right, and the counts are those of what is held. */
static void check_quiet(void)
{
	t_equal(mpp_large_validate(), 0);
	t_equal(t_stats().large_live, t_claimed());
	t_equal(t_stats().faults, 0);
}

static void run(uint32_t first)
{
	pthread_t *threads = calloc(t_options.threads, sizeof(*threads));

	t_expect(threads != NULL);
	for (unsigned i = 0; i < t_options.threads; i++)
		threads[i] = t_thread(work, (void *)(uintptr_t)(first + i));
	for (unsigned i = 0; i < t_options.threads; i++)
		t_join(threads[i]);
	free(threads);
	check_quiet();
}

int main(int argc, char **argv)
{
	struct worker *w = calloc(1, sizeof(*w));
	uint32_t first = 1;
	struct t_item *item;

	t_start("large", 3, 4, argc, argv);
	t_expect(w != NULL);
	t_box_init(&box);
	for (; !t_time_up(); first += t_options.threads)
		run(first);
	while ((item = t_box_drain(&box)) != NULL)
		free_item(w, item);
	check_quiet();
	t_equal(t_claimed(), 0);
	t_equal(t_stats().bytes_large, 0);
	(void)mp_reclaim(0);
	t_equal(t_stats().bytes_kept, 0);
	t_equal(mpp_large_validate(), 0);
	free(w);
	return t_finish();
}
