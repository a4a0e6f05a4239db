/* SPDX-License-Identifier: MIT */
/*
 * ring.h - a ring between one producer and one consumer.
 *
 * Each side has a line of its own with its place and its last view of the other's, tells
 * the other how far it is after every RING_RUN objects, and looks at the other's line
 * only when that view says full or empty.  So the ring itself moves few lines between
 * the two, and what is measured is the allocator.
 */
#ifndef BENCH_RING_H
#define BENCH_RING_H

#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#ifndef RING_SIZE
#define RING_SIZE 1024u
#endif
#define RING_RUN 32u

struct ring {
	alignas(64) _Atomic(size_t) pushed; /* published by the producer */
	size_t push_at; /* the rest of the line is its own */
	size_t popped_seen;
	alignas(64) _Atomic(size_t) popped; /* published by the consumer */
	size_t pop_at; /* the rest of the line is its own */
	size_t pushed_seen;
	alignas(64) void *slot[RING_SIZE];
};

/* Let the consumer see all that was pushed. */
static inline void ring_push_flush(struct ring *r)
{
	atomic_store_explicit(&r->pushed, r->push_at, memory_order_release);
}

/* Let the producer have all that was popped. */
static inline void ring_pop_flush(struct ring *r)
{
	atomic_store_explicit(&r->popped, r->pop_at, memory_order_release);
}

static inline bool ring_push(struct ring *r, void *p)
{
	if (r->push_at - r->popped_seen == RING_SIZE) {
		ring_push_flush(r);
		r->popped_seen = atomic_load_explicit(&r->popped, memory_order_acquire);
		if (r->push_at - r->popped_seen == RING_SIZE)
			return false;
	}
	r->slot[r->push_at++ % RING_SIZE] = p;
	if (r->push_at % RING_RUN == 0)
		ring_push_flush(r);
	return true;
}

static inline void *ring_pop(struct ring *r)
{
	void *p;

	if (r->pop_at == r->pushed_seen) {
		ring_pop_flush(r);
		r->pushed_seen = atomic_load_explicit(&r->pushed, memory_order_acquire);
		if (r->pop_at == r->pushed_seen)
			return NULL;
	}
	p = r->slot[r->pop_at++ % RING_SIZE];
	if (r->pop_at % RING_RUN == 0)
		ring_pop_flush(r);
	return p;
}

/* Wait a little; on a busy machine let the other side run. */
static inline void ring_pause(unsigned *spins)
{
	if (++*spins % 32 == 0) {
		sched_yield();
		return;
	}
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
