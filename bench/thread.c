/* SPDX-License-Identifier: MIT */
/* thread.c - workloads of several threads. */
#include "workload.h"

#include "ring.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#define MAX_THREADS 64u

/* Why this subject is left out, or NULL. */
static const char *const no_remote_free = SUBJ_NO_REMOTE_FREE;
static const char *const no_thread_exit = SUBJ_NO_THREAD_EXIT;

static void start_thread(pthread_t *thread, void *(*fn)(void *arg), void *arg)
{
	int rc = pthread_create(thread, NULL, fn, arg);

	if (rc)
		harness_die("no thread: %s", strerror(rc));
}

static void sleep_ns(uint64_t ns)
{
	struct timespec t = { .tv_sec = (time_t)(ns / 1000000000),
			      .tv_nsec = (long)(ns % 1000000000) };

	nanosleep(&t, NULL);
}

/* ------------------------------------------------------------------------
 * Producers and one consumer, a ring from each producer
 */

#define POP_RUN 64u /* objects taken from one ring before the next */
#define CLOCK_RUN 4096u /* objects between two looks at the clock */

struct producer {
	struct ring ring;
	alignas(64) subj_pool pool;
	unsigned id;
	uint64_t taken; /* by the consumer */
	pthread_t thread;
};

static struct producer producers[MAX_THREADS];
static atomic_bool pipe_stop;

static void *produce(void *arg)
{
	struct producer *p = arg;
	unsigned spins = 0;
	uint64_t sent = 0;

	cpu_bind(p->id + 1);
	subj_thread_enter();
	while (!atomic_load_explicit(&pipe_stop, memory_order_relaxed)) {
		void *obj = subj_pipe_alloc(&p->pool, p->id);

		touch(obj, sent++);
		while (!ring_push(&p->ring, obj))
			ring_pause(&spins);
	}
	/* A last message without an object in it. */
	while (!ring_push(&p->ring, p))
		ring_pause(&spins);
	ring_push_flush(&p->ring);
	subj_thread_leave();
	return NULL;
}

/* Take up to POP_RUN objects; true if the last message came. */
static bool consume(struct producer *p, uint64_t *taken)
{
	for (unsigned i = 0; i < POP_RUN; i++) {
		void *obj = ring_pop(&p->ring);

		if (!obj)
			return false;
		if (obj == p)
			return true;
		check(obj, p->taken++);
		subj_pipe_free(&p->pool, p->id, obj);
		++*taken;
	}
	return false;
}

struct consumer {
	uint64_t warm_ns; /* end of the warm-up */
	uint64_t start_ns;
	uint64_t taken;
	uint64_t taken_at_start;
};

/* Measure from the end of the warm-up; true when enough was measured. */
static bool consumer_clock(struct consumer *c, const struct request *q, struct report *r)
{
	uint64_t now = clock_ns();

	if (!c->start_ns) {
		if (now >= c->warm_ns) {
			c->start_ns = now;
			c->taken_at_start = c->taken;
		}
		return false;
	}
	if (now - c->start_ns < q->target_ns)
		return false;
	r->ops = c->taken - c->taken_at_start;
	r->ns = (double)(now - c->start_ns) / (double)r->ops;
	return true;
}

static void consume_all(const struct request *q, struct report *r)
{
	struct consumer c = { .warm_ns = clock_ns() + q->target_ns / 4 };
	uint64_t next = CLOCK_RUN;
	size_t running = q->n;
	unsigned spins = 0;
	bool done[MAX_THREADS] = { false };

	while (running) {
		uint64_t before = c.taken;

		for (size_t i = 0; i < q->n; i++) {
			if (!done[i] && consume(&producers[i], &c.taken)) {
				done[i] = true;
				running--;
			}
		}
		if (c.taken == before)
			ring_pause(&spins);
		if (c.taken < next)
			continue;
		next = c.taken + CLOCK_RUN;
		if (!atomic_load_explicit(&pipe_stop, memory_order_relaxed) &&
		    consumer_clock(&c, q, r))
			atomic_store_explicit(&pipe_stop, true, memory_order_relaxed);
	}
}

/* n producers, the main thread consumes. */
int run_prodcons(const struct request *q, struct report *r)
{
	subj_pool pool;

	if (no_remote_free) {
		r->skip = no_remote_free;
		return 0;
	}
	if (q->n < 1 || q->n > MAX_THREADS)
		harness_die("n=%zu: 1 to %u producers", q->n, MAX_THREADS);
	memset(producers, 0, sizeof(producers));
	if (subj_open(&pool, q->size, q->n * 2 * RING_SIZE) ||
	    subj_pipe_open((unsigned)q->n, q->size))
		return -1;
	memory_start(r);
	cpu_bind(0);
	for (size_t i = 0; i < q->n; i++) {
		producers[i].pool = pool;
		producers[i].id = (unsigned)i;
		start_thread(&producers[i].thread, produce, &producers[i]);
	}
	consume_all(q, r);
	for (size_t i = 0; i < q->n; i++)
		pthread_join(producers[i].thread, NULL);
	memory_after(r);
	subj_reclaim();
	memory_reclaimed(r);
	memory_peak(r);
	return 0;
}

/* ------------------------------------------------------------------------
 * Threads that work for themselves
 */

#define OWN_BATCH 100u /* objects allocated, then freed */
#define SHARED_BATCH 1000u

struct worker {
	alignas(64) subj_pool *pool;
	size_t batch;
	void **objs;
	unsigned id;
	uint64_t ops;
	uint64_t ns;
	pthread_t thread;
};

static struct worker workers[MAX_THREADS];
static subj_pool worker_pools[MAX_THREADS];
static pthread_barrier_t workers_ready;
static atomic_bool workers_stop;

static void worker_batch(struct worker *w)
{
	for (size_t i = 0; i < w->batch; i++)
		touch(w->objs[i] = subj_alloc(w->pool), i);
	for (size_t i = 0; i < w->batch; i++) {
		check(w->objs[i], i);
		subj_free(w->pool, w->objs[i]);
	}
}

static void *worker_run(void *arg)
{
	struct worker *w = arg;
	uint64_t start;

	cpu_bind(w->id);
	subj_thread_enter();
	for (unsigned i = 0; i < 10; i++)
		worker_batch(w);
	pthread_barrier_wait(&workers_ready);
	start = clock_ns();
	do {
		worker_batch(w);
		w->ops += w->batch;
	} while (!atomic_load_explicit(&workers_stop, memory_order_relaxed));
	w->ns = clock_ns() - start;
	subj_thread_leave();
	return NULL;
}

/* Cost per operation as one processor sees it: flat if nothing is shared. */
static void workers_report(const struct request *q, struct report *r)
{
	unsigned cpus = cpus_usable();
	uint64_t longest = 0;

	r->ops = 0;
	for (unsigned i = 0; i < q->threads; i++) {
		r->ops += workers[i].ops;
		if (workers[i].ns > longest)
			longest = workers[i].ns;
	}
	if (cpus > q->threads)
		cpus = q->threads;
	r->ns = (double)longest * cpus / (double)r->ops;
}

static int run_workers(const struct request *q, struct report *r, size_t batch, unsigned pools)
{
	if (q->threads < 1 || q->threads > MAX_THREADS)
		harness_die("threads=%u: 1 to %u", q->threads, MAX_THREADS);
	for (unsigned i = 0; i < pools; i++)
		if (subj_open(&worker_pools[i], q->size, batch * q->threads / pools))
			return -1;
	pthread_barrier_init(&workers_ready, NULL, q->threads + 1);
	memory_start(r);
	for (unsigned i = 0; i < q->threads; i++) {
		workers[i].pool = &worker_pools[i % pools];
		workers[i].batch = batch;
		workers[i].id = i;
		workers[i].objs = harness_array(batch * sizeof(void *));
		start_thread(&workers[i].thread, worker_run, &workers[i]);
	}
	pthread_barrier_wait(&workers_ready);
	sleep_ns(q->target_ns);
	atomic_store_explicit(&workers_stop, true, memory_order_relaxed);
	for (unsigned i = 0; i < q->threads; i++)
		pthread_join(workers[i].thread, NULL);
	workers_report(q, r);
	memory_after(r);
	subj_reclaim();
	memory_reclaimed(r);
	memory_peak(r);
	return 0;
}

/* Each thread with a pool of its own. */
int run_scale(const struct request *q, struct report *r)
{
	if (q->threads > 1 && no_remote_free) {
		r->skip = no_remote_free;
		return 0;
	}
	return run_workers(q, r, OWN_BATCH, q->threads);
}

/* All threads on one pool, in batches that most per-thread caches do not hold. */
int run_share(const struct request *q, struct report *r)
{
	if (q->threads > 1 && no_remote_free) {
		r->skip = no_remote_free;
		return 0;
	}
	return run_workers(q, r, SHARED_BATCH, 1);
}

/* ------------------------------------------------------------------------
 * Threads that come and go
 */

#define WAVE 8u /* threads alive at once */
#define BURST_OBJS 100u /* objects of each thread */
#define BURST_LEFT 10u /* of these, freed by the main thread */

struct visitor {
	void *objs[BURST_OBJS];
	pthread_t thread;
};

static struct visitor visitors[WAVE];
static subj_pool burst_pool;

static void *visit(void *arg)
{
	struct visitor *v = arg;

	subj_thread_enter();
	for (size_t i = 0; i < BURST_OBJS; i++)
		touch(v->objs[i] = subj_alloc(&burst_pool), i);
	for (size_t i = BURST_LEFT; i < BURST_OBJS; i++) {
		check(v->objs[i], i);
		subj_free(&burst_pool, v->objs[i]);
	}
	subj_thread_leave();
	return NULL;
}

static uint64_t burst_wave(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < WAVE; i++)
		start_thread(&visitors[i].thread, visit, &visitors[i]);
	for (unsigned i = 0; i < WAVE; i++) {
		pthread_join(visitors[i].thread, NULL);
		for (size_t k = 0; k < BURST_LEFT; k++) {
			check(visitors[i].objs[k], k);
			subj_free(&burst_pool, visitors[i].objs[k]);
		}
	}
	return WAVE;
}

/* n threads one after the other, some at once; ns is per thread. */
int run_burst(const struct request *q, struct report *r)
{
	uint64_t start;

	if (no_thread_exit) {
		r->skip = no_thread_exit;
		return 0;
	}
	if (subj_open(&burst_pool, q->size, (size_t)WAVE * BURST_OBJS))
		return -1;
	memory_start(r);
	burst_wave(NULL);
	start = clock_ns();
	while (r->ops < q->n)
		r->ops += burst_wave(NULL);
	r->ns = (double)(clock_ns() - start) / (double)r->ops;
	memory_after(r);
	subj_reclaim();
	memory_reclaimed(r);
	memory_peak(r);
	return 0;
}
