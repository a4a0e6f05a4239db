/* SPDX-License-Identifier: MIT */
/* seq.c - workloads of one thread and one size. */
#include "workload.h"

#include <string.h>

#define BATCH 4000u /* operations between two looks at the clock, at least */
#define BULK 64u /* objects in one bulk call */
#define SEQUENCE ((size_t)1 << 20) /* random numbers before they repeat */

/* What the workloads below work on. */
struct seq {
	subj_pool pool;
	size_t n; /* objects */
	void **objs;
	uint32_t *order; /* of the frees, or the slots to replace */
	size_t at; /* place in order */
	size_t rounds; /* of n operations, in one batch */
};

static int seq_open(struct seq *s, const struct request *q, struct report *r, size_t n)
{
	memset(s, 0, sizeof(*s));
	s->n = n;
	s->rounds = BATCH / n + 1;
	s->objs = harness_array(n * sizeof(*s->objs));
	if (subj_open(&s->pool, q->size, n))
		return -1;
	memory_start(r);
	return 0;
}

/* Resident memory with n whole objects in use, then without. */
static void seq_memory(struct seq *s, const struct request *q, struct report *r)
{
	for (size_t i = 0; i < s->n; i++) {
		touch(s->objs[i] = subj_alloc(&s->pool), i);
		memset(s->objs[i], 1, q->size);
	}
	memory_live(r, s->n * q->size);
	for (size_t i = 0; i < s->n; i++)
		subj_free(&s->pool, s->objs[i]);
	memory_after(r);
	subj_reclaim();
	memory_reclaimed(r);
	memory_peak(r);
}

static uint64_t work_pair(void *arg)
{
	struct seq *s = arg;

	for (size_t i = 0; i < s->rounds; i++) {
		void *p = subj_alloc(&s->pool);

		touch(p, i);
		check(p, i);
		subj_free(&s->pool, p);
	}
	return s->rounds;
}

int run_pair(const struct request *q, struct report *r)
{
	struct seq s;

	if (seq_open(&s, q, r, 1))
		return -1;
	time_batches(q, r, work_pair, &s);
	return 0;
}

/* Exactly n pairs, for counting instructions. */
int run_count(const struct request *q, struct report *r)
{
	struct seq s;

	if (seq_open(&s, q, r, 1))
		return -1;
	s.rounds = q->n;
	r->ops = work_pair(&s);
	return 0;
}

static void seq_fill(struct seq *s)
{
	for (size_t i = 0; i < s->n; i++)
		touch(s->objs[i] = subj_alloc(&s->pool), i);
}

static uint64_t work_lifo(void *arg)
{
	struct seq *s = arg;

	for (size_t round = 0; round < s->rounds; round++) {
		seq_fill(s);
		for (size_t i = s->n; i-- > 0;) {
			check(s->objs[i], i);
			subj_free(&s->pool, s->objs[i]);
		}
	}
	return s->rounds * s->n;
}

static uint64_t work_fifo(void *arg)
{
	struct seq *s = arg;

	for (size_t round = 0; round < s->rounds; round++) {
		seq_fill(s);
		for (size_t i = 0; i < s->n; i++) {
			check(s->objs[i], i);
			subj_free(&s->pool, s->objs[i]);
		}
	}
	return s->rounds * s->n;
}

static uint64_t work_random(void *arg)
{
	struct seq *s = arg;

	for (size_t round = 0; round < s->rounds; round++) {
		seq_fill(s);
		for (size_t i = 0; i < s->n; i++) {
			uint32_t at = s->order[i];

			check(s->objs[at], at);
			subj_free(&s->pool, s->objs[at]);
		}
	}
	return s->rounds * s->n;
}

static uint64_t work_bulk(void *arg)
{
	struct seq *s = arg;

	for (size_t round = 0; round < s->rounds; round++) {
		if (subj_alloc_bulk(&s->pool, s->n, s->objs))
			harness_die("allocation failed");
		for (size_t i = 0; i < s->n; i++)
			touch(s->objs[i], i);
		subj_free_bulk(&s->pool, s->n, s->objs);
	}
	return s->rounds * s->n;
}

static int run_all(const struct request *q, struct report *r, size_t n, uint64_t (*work)(void *arg))
{
	struct seq s;
	uint32_t *order = harness_shuffle(n, q->seed);

	if (seq_open(&s, q, r, n))
		return -1;
	s.order = order;
	time_batches(q, r, work, &s);
	seq_memory(&s, q, r);
	return 0;
}

int run_lifo(const struct request *q, struct report *r)
{
	return run_all(q, r, q->n, work_lifo);
}

int run_fifo(const struct request *q, struct report *r)
{
	return run_all(q, r, q->n, work_fifo);
}

int run_random(const struct request *q, struct report *r)
{
	return run_all(q, r, q->n, work_random);
}

int run_bulk(const struct request *q, struct report *r)
{
	return run_all(q, r, BULK, work_bulk);
}

static uint64_t work_replace(void *arg)
{
	struct seq *s = arg;

	for (size_t i = 0; i < BATCH; i++) {
		uint32_t at = s->order[(s->at + i) % SEQUENCE];

		check(s->objs[at], at);
		subj_free(&s->pool, s->objs[at]);
		touch(s->objs[at] = subj_alloc(&s->pool), at);
	}
	s->at += BATCH;
	return BATCH;
}

/* n objects live; one at random is read and freed, and its place taken by a new one. */
int run_replace(const struct request *q, struct report *r)
{
	struct seq s;
	uint32_t *order = harness_random(SEQUENCE, q->n, q->seed);

	if (seq_open(&s, q, r, q->n))
		return -1;
	s.order = order;
	for (size_t i = 0; i < s.n; i++) {
		s.objs[i] = subj_alloc(&s.pool);
		touch(s.objs[i], i);
		memset((char *)s.objs[i] + sizeof(uint64_t), 1, q->size - sizeof(uint64_t));
	}
	/* Every slot once on average, so that the order of the first fill is gone. */
	for (size_t i = 0; i < s.n; i += BATCH)
		work_replace(&s);
	time_batches(q, r, work_replace, &s);
	memory_live(r, s.n * q->size);
	for (size_t i = 0; i < s.n; i++) {
		check(s.objs[i], i);
		subj_free(&s.pool, s.objs[i]);
	}
	memory_after(r);
	subj_reclaim();
	memory_reclaimed(r);
	memory_peak(r);
	return 0;
}
