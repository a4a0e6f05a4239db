/* SPDX-License-Identifier: MIT */
/* mixed.c - workloads of one thread and many sizes. */
#include "workload.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#define SEQUENCE ((size_t)1 << 16) /* operations before they repeat */
#define BATCH 256u
#define PAGE 4096u
#define SLOTS_LARGE 16u /* blocks live at once in largemix */
#define SMALLEST_LARGE 5120.0
#define LARGEST_LARGE 1048576.0

static const char one_size_only[] = "objects of one size only";

struct block {
	char *p;
	size_t size;
};

struct mixed {
	struct block *blocks;
	uint32_t *size; /* of the next blocks */
	uint32_t *slot; /* where they go */
	size_t slots;
	size_t at; /* place in both */
};

/* Write one byte of each page: what a user of the memory does at the least. */
static void touch_pages(char *p, size_t size)
{
	if (!p)
		harness_die("allocation failed");
	for (size_t i = 0; i < size; i += PAGE)
		p[i] = 1;
	p[size - 1] = 1;
	use(p);
}

static uint64_t work_large(void *arg)
{
	const struct request *q = arg;

	for (unsigned i = 0; i < BATCH; i++) {
		char *p = subj_malloc(q->size);

		touch_pages(p, q->size);
		subj_mfree(p);
	}
	return BATCH;
}

static void finish(struct report *r)
{
	memory_after(r);
	subj_reclaim();
	memory_reclaimed(r);
	memory_peak(r);
}

/* Allocate, write to each page, free. */
int run_large(const struct request *q, struct report *r)
{
	struct request local = *q;

	if (!SUBJ_ANY_SIZE) {
		r->skip = one_size_only;
		return 0;
	}
	memory_start(r);
	time_batches(q, r, work_large, &local);
	finish(r);
	return 0;
}

/* Put a block of the next size in the next slot, for the one that was there. */
static void replace(struct mixed *m)
{
	size_t at = m->at++ % SEQUENCE;
	struct block *b = &m->blocks[m->slot[at]];

	if (b->p)
		subj_mfree(b->p);
	b->size = m->size[at];
	b->p = subj_malloc(b->size);
}

static uint64_t work_largemix(void *arg)
{
	struct mixed *m = arg;

	for (unsigned i = 0; i < BATCH; i++) {
		struct block *b = &m->blocks[m->slot[m->at % SEQUENCE]];

		replace(m);
		touch_pages(b->p, b->size);
	}
	return BATCH;
}

static uint64_t work_mix(void *arg)
{
	struct mixed *m = arg;

	for (unsigned i = 0; i < BATCH; i++) {
		struct block *b = &m->blocks[m->slot[m->at % SEQUENCE]];

		replace(m);
		if (!b->p)
			harness_die("allocation failed");
		b->p[0] = 1;
		b->p[b->size / 2] = 1;
		b->p[b->size - 1] = 1;
		use(b->p);
	}
	return BATCH;
}

/* Fill, time, and see what is resident with and without the blocks. */
static void run_blocks(struct mixed *m, const struct request *q, struct report *r,
		       uint64_t (*work)(void *arg))
{
	size_t bytes = 0;

	memory_start(r);
	for (size_t i = 0; i < SEQUENCE; i += BATCH)
		work(m);
	time_batches(q, r, work, m);
	for (size_t i = 0; i < m->slots; i++) {
		if (m->blocks[i].p)
			memset(m->blocks[i].p, 1, m->blocks[i].size);
		bytes += m->blocks[i].size;
	}
	memory_live(r, bytes);
	for (size_t i = 0; i < m->slots; i++)
		if (m->blocks[i].p)
			subj_mfree(m->blocks[i].p);
	finish(r);
}

static void mixed_open(struct mixed *m, size_t slots)
{
	m->at = 0;
	m->slots = slots;
	m->blocks = harness_array(slots * sizeof(*m->blocks));
	memset(m->blocks, 0, slots * sizeof(*m->blocks));
	m->size = harness_array(SEQUENCE * sizeof(*m->size));
	m->slot = harness_array(SEQUENCE * sizeof(*m->slot));
}

static double random_unit(uint64_t *state)
{
	return (double)(random_next(state) >> 11) * 0x1p-53;
}

/* Sizes from 5 KiB to 1 MiB, as many from each doubling, in 16 slots. */
int run_largemix(const struct request *q, struct report *r)
{
	struct mixed m;
	uint64_t state = q->seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	if (!SUBJ_ANY_SIZE) {
		r->skip = one_size_only;
		return 0;
	}
	mixed_open(&m, SLOTS_LARGE);
	for (size_t i = 0; i < SEQUENCE; i++) {
		m.size[i] = (uint32_t)(SMALLEST_LARGE *
				       pow(LARGEST_LARGE / SMALLEST_LARGE, random_unit(&state)));
		m.slot[i] = random_below(&state, SLOTS_LARGE);
	}
	run_blocks(&m, q, r, work_largemix);
	return 0;
}

/* How many of a thousand blocks lie in a range of sizes. */
static const struct {
	unsigned share;
	double least, most; /* bytes */
} size_mix[] = {
	{ 400, 8, 64 },	    { 300, 64, 256 },	 { 200, 256, 1024 },
	{ 80, 1024, 4096 }, { 19, 4096, 32768 }, { 1, 32768, 524288 },
};

static uint32_t mix_size(uint64_t *state)
{
	unsigned at = random_below(state, 1000);
	size_t i = 0;

	while (at >= size_mix[i].share)
		at -= size_mix[i++].share;
	return (uint32_t)(size_mix[i].least *
			  pow(size_mix[i].most / size_mix[i].least, random_unit(state)));
}

/*
 * n blocks of small sizes with a long tail.  Four of five are short-lived:
 * they come and go in a tenth of the slots.
 */
int run_mix(const struct request *q, struct report *r)
{
	struct mixed m;
	uint64_t state = q->seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	if (!SUBJ_ANY_SIZE) {
		r->skip = one_size_only;
		return 0;
	}
	mixed_open(&m, q->n);
	for (size_t i = 0; i < SEQUENCE; i++) {
		bool brief = random_below(&state, 5) != 0;

		m.size[i] = mix_size(&state);
		m.slot[i] = random_below(&state, (uint32_t)(brief ? q->n / 10 + 1 : q->n));
	}
	run_blocks(&m, q, r, work_mix);
	return 0;
}

/* ------------------------------------------------------------------------
 * A program that changes the size it works with
 */

#define PHASE_BYTES ((size_t)16 << 20)

static const size_t phase_size[] = { 16, 64, 256, 1024, 4096 };
#define PHASES (sizeof(phase_size) / sizeof(phase_size[0]))

struct phase {
	subj_pool pool[PHASES];
	void **objs;
};

static uint64_t phase_one(struct phase *s, size_t phase)
{
	size_t n = PHASE_BYTES / phase_size[phase];

	for (size_t i = 0; i < n; i++)
		touch(s->objs[i] = subj_alloc(&s->pool[phase]), i);
	for (size_t i = 0; i < n; i++) {
		check(s->objs[i], i);
		subj_free(&s->pool[phase], s->objs[i]);
	}
	return n;
}

static uint64_t work_phases(void *arg)
{
	uint64_t ops = 0;

	for (size_t i = 0; i < PHASES; i++)
		ops += phase_one(arg, i);
	return ops;
}

/* 16 MiB of one size, all freed, then 16 MiB of the next; the peak tells. */
int run_phase(const struct request *q, struct report *r)
{
	static struct phase s;

	s.objs = harness_array(PHASE_BYTES / phase_size[0] * sizeof(void *));
	for (size_t i = 0; i < PHASES; i++)
		if (subj_open(&s.pool[i], phase_size[i], PHASE_BYTES / phase_size[i]))
			return -1;
	memory_start(r);
	time_batches(q, r, work_phases, &s);
	r->live_bytes = (int64_t)PHASE_BYTES;
	finish(r);
	return 0;
}
