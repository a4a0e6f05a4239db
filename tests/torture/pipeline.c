/* SPDX-License-Identifier: MIT */
/*
 * pipeline.c - torture: objects that travel, and programs that change what they
 * allocate, in bounded memory.
 *
 * Pipelines: some threads allocate, each object passes through others, the last
 * ones free it.  Phases: all threads allocate one size, then free what
 * their neighbour allocated, then the next size.  Meanwhile the
 * bytes in slabs stay below what is stated at bound() below; in the end, all
 * flushed and reclaimed, there is no slab left.
 */
#include "torture.h"

#include "../portable.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING 1024u		/* objects between two stages */
#define STAGES 3u		/* rings between producers and consumers */
#define LARGEST ((size_t)2048)	/* at most MP_MAX_FIXED_SIZE in every build */
#define PHASE_BYTES (4 * T_MIB)	/* of each thread, in a phase */

/*
 * What a thread may hold besides what is live: its magazines, 4 MiB all together;
 * for every cache the slab it takes from, and a share of wholly free ones: an eighth of
 * all and one, which we count as another slab.  And what makes waves in a cache is kept
 * for it, a MiB at most.
 */
#define CACHES_USED 10u
#define CUSHION T_MIB
static size_t bound(size_t live, unsigned threads)
{
	size_t slabs = (size_t)CACHES_USED * 2 * MP_CHUNK_SIZE;

	return live + live / 4 + threads * (4 * T_MIB + slabs) + CACHES_USED * CUSHION + 4 * T_MIB;
}

static _Atomic size_t most;

static void sample(size_t limit)
{
	size_t now = t_stats().bytes_slabs, top = atomic_load(&most);

	if (now > limit)
		t_fail(__FILE__, __LINE__, "%zu bytes in slabs, the bound is %zu", now, limit);
	while (now > top && !atomic_compare_exchange_weak(&most, &top, now))
		continue;
	t_passed();
}

/* ---- pipelines: rings of one writer and one reader */

struct ring {
	_Alignas(64) _Atomic size_t head;	/* written by the reader */
	_Alignas(64) _Atomic size_t tail;	/* written by the writer */
	void *v[RING];
};

static bool ring_put(struct ring *q, void *p)
{
	size_t tail = atomic_load_explicit(&q->tail, memory_order_relaxed);

	if (tail - atomic_load_explicit(&q->head, memory_order_acquire) == RING)
		return false;
	q->v[tail % RING] = p;
	atomic_store_explicit(&q->tail, tail + 1, memory_order_release);
	return true;
}

static void *ring_get(struct ring *q)
{
	size_t head = atomic_load_explicit(&q->head, memory_order_relaxed);
	void *p;

	if (head == atomic_load_explicit(&q->tail, memory_order_acquire))
		return NULL;
	p = q->v[head % RING];
	atomic_store_explicit(&q->head, head + 1, memory_order_release);
	return p;
}

/* Starts every object; the rest of size bytes follows from the pattern. */
struct message {
	size_t size;
	uint64_t pattern;
};

struct line {
	struct ring rings[STAGES];
	struct mp_cache *c;
	uint64_t number;
	_Atomic bool stop;
	_Atomic unsigned done;	/* stages that have ended */
};

static void check_message(const struct message *m)
{
	t_expect(m->size >= sizeof(*m) && m->size <= LARGEST);
	t_expect(t_holds(m + 1, m->size - sizeof(*m), m->pattern));
}

static struct message *new_message(struct line *l, struct t_random *r)
{
	size_t size = 192;
	struct message *m;

	if (t_below(r, 2) == 0) {
		m = mp_cache_alloc(l->c);
	} else {
		size = t_log_between(r, sizeof(*m), LARGEST);
		m = mp_alloc(size);
	}
	t_expect(m != NULL);
	t_claim(m, 1);
	m->size = size;
	m->pattern = t_next(r);
	t_fill(m + 1, size - sizeof(*m), m->pattern);
	return m;
}

static void *produce(void *arg)
{
	struct line *l = arg;
	struct t_random r = t_random_for(l->number);

	while (!atomic_load(&l->stop)) {
		struct message *m = new_message(l, &r);

		while (!ring_put(&l->rings[0], m))
			sched_yield();
	}
	atomic_fetch_add(&l->done, 1);
	return NULL;
}

/* Between ring 0 and 1, and between 1 and 2: look, replace some, hand on. */
static void relay_from(struct line *l, unsigned i)
{
	struct t_random r = t_random_for(1000 + l->number + i);

	for (;;) {
		bool last = atomic_load(&l->done) > i;
		struct message *m = ring_get(&l->rings[i]);

		if (m == NULL) {
			if (last)
				break;
			sched_yield();
			continue;
		}
		check_message(m);
		if (t_below(&r, 4) == 0) {
			t_unclaim(m, 1);
			mp_free(m);
			m = new_message(l, &r);
		}
		while (!ring_put(&l->rings[i + 1], m))
			sched_yield();
	}
	atomic_fetch_add(&l->done, 1);
}

static void *relay_first(void *arg)
{
	relay_from(arg, 0);
	return NULL;
}

static void *relay_second(void *arg)
{
	relay_from(arg, 1);
	return NULL;
}

static void *consume(void *arg)
{
	struct line *l = arg;
	uint64_t n = 0;

	for (;;) {
		bool last = atomic_load(&l->done) == STAGES;
		struct message *m = ring_get(&l->rings[STAGES - 1]);

		if (m == NULL) {
			if (last)
				break;
			sched_yield();
			continue;
		}
		check_message(m);
		t_unclaim(m, 1);
		mp_free(m);
		n++;
	}
	t_count(n);
	return NULL;
}

#define LINES 2u

static void run_lines(double seconds)
{
	static void *(*const stages[])(void *) = { produce, relay_first, relay_second, consume };
	struct line *lines = portable_aligned_alloc(64, LINES * sizeof(*lines));
	pthread_t threads[LINES * 4];
	double end = t_elapsed() + seconds;
	struct mp_cache *c = mp_cache_create("message", 192, 0, 0, NULL);

	t_expect(lines != NULL && c != NULL);
	memset(lines, 0, LINES * sizeof(*lines));
	for (unsigned i = 0; i < LINES; i++) {
		lines[i].c = c;
		lines[i].number = i;
		for (unsigned k = 0; k < 4; k++)
			threads[i * 4 + k] = t_thread(stages[k], &lines[i]);
	}
	while (t_elapsed() < end) {
		/* the largest class has the most room lost by rounding up */
		sample(bound(LINES * STAGES * (RING + 2) * LARGEST, LINES * 4));
		sched_yield();
	}
	for (unsigned i = 0; i < LINES; i++)
		atomic_store(&lines[i].stop, true);
	for (unsigned i = 0; i < LINES * 4; i++)
		t_join(threads[i]);
	t_equal(t_claimed(), 0);
	t_equal(t_cache_stats(c).live, 0);
	t_equal(mp_cache_validate(c), 0);
	t_equal(mp_cache_destroy(c), 0);
	portable_aligned_free(lines);
}

/* ---- phases */

struct phases {
	pthread_barrier_t barrier;
	unsigned threads;
	void ***objs;		/* of each thread */
	size_t most_objs;
	_Atomic bool stop;
};

struct member {
	struct phases *p;
	unsigned number;
};

static void shuffle(void **v, size_t n, struct t_random *r)
{
	for (size_t i = n; i > 1; i--) {
		size_t at = t_below(r, i);
		void *p = v[i - 1];

		v[i - 1] = v[at];
		v[at] = p;
	}
}

/* One phase: the size, and whether objects are freed in the order they came. */
static void run_phase(struct member *m, unsigned phase, struct t_random *r)
{
	struct phases *p = m->p;
	size_t size = (size_t)16 << phase % 8, n = PHASE_BYTES / size;
	void **mine = p->objs[m->number], **next = p->objs[(m->number + 1) % p->threads];

	for (size_t i = 0; i < n; i++) {
		t_expect((mine[i] = mp_alloc(size)) != NULL);
		*(uintptr_t *)mine[i] = (uintptr_t)mine[i] ^ phase;
	}
	pthread_barrier_wait(&p->barrier);
	if (m->number == 0)
		sample(bound(p->threads * PHASE_BYTES, p->threads));
	if (phase % 3 == 2)
		shuffle(next, n, r);
	for (size_t i = 0; i < n; i++) {
		t_expect(*(uintptr_t *)next[i] == ((uintptr_t)next[i] ^ phase));
		mp_free(next[i]);
	}
	/* what magazines keep of such a phase would be spread over all its slabs */
	if (phase % 3 == 2)
		mp_thread_flush();
	t_count(n);
	pthread_barrier_wait(&p->barrier);
	if (m->number == 0)
		sample(bound(p->threads * PHASE_BYTES / 2, p->threads));
}

static void *be_member(void *arg)
{
	struct member *m = arg;
	struct t_random r = t_random_for(2000 + m->number);

	for (unsigned phase = 0;; phase++) {
		run_phase(m, phase, &r);
		if (m->number == 0 && t_time_up())
			atomic_store(&m->p->stop, true);
		pthread_barrier_wait(&m->p->barrier);
		if (atomic_load(&m->p->stop))
			break;
	}
	return NULL;
}

static void run_phases(unsigned threads)
{
	struct phases p = { .threads = threads, .most_objs = PHASE_BYTES / 16 };
	struct member *members = calloc(threads, sizeof(*members));
	pthread_t *ids = calloc(threads, sizeof(*ids));

	t_expect(members != NULL && ids != NULL);
	t_expect((p.objs = calloc(threads, sizeof(*p.objs))) != NULL);
	t_expect(pthread_barrier_init(&p.barrier, NULL, threads) == 0);
	for (unsigned i = 0; i < threads; i++)
		t_expect((p.objs[i] = calloc(p.most_objs, sizeof(void *))) != NULL);
	for (unsigned i = 0; i < threads; i++) {
		members[i] = (struct member){ &p, i };
		ids[i] = t_thread(be_member, &members[i]);
	}
	for (unsigned i = 0; i < threads; i++)
		t_join(ids[i]);
	for (unsigned i = 0; i < threads; i++)
		free(p.objs[i]);
	pthread_barrier_destroy(&p.barrier);
	free(p.objs);
	free(members);
	free(ids);
}

static int validate(struct mp_cache *c, void *arg)
{
	(void)arg;
	return mp_cache_validate(c);
}

int main(int argc, char **argv)
{
	size_t meta;

	t_start("pipeline", 3, 4, argc, argv);
	run_lines(t_options.seconds / 2);
	meta = t_stats().bytes_meta;
	run_phases(t_options.threads);
	t_equal(mp_cache_for_each(validate, NULL), 0);
	t_equal(t_stats().faults, 0);
	t_equal(t_stats().threads <= 1, 1);
	t_check(t_stats().bytes_meta <= meta + 4 * T_MIB);
	mp_thread_flush();
	(void)mp_reclaim(0);
	t_equal(t_stats().bytes_slabs, 0);
	printf("torture-pipeline: at most %zu KiB in slabs\n", atomic_load(&most) / 1024);
	return t_finish();
}
