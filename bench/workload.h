/* SPDX-License-Identifier: MIT */
/*
 * workload.h - the workloads, each compiled once for each subject.
 *
 * Every object is written to when it is allocated and looked at before it is freed,
 * as the workload says.  A word in it tells whether it is still what the workload put
 * there, so that an allocator that hands out memory twice is found here too.
 */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include "measure.h"
#include "subject.h"

/* Fills the report; returns 0, or -1 if the subject ran out of memory. */
typedef int (*workload_run)(const struct request *q, struct report *r);

/* seq.c: one thread, one size. */
int run_pair(const struct request *q, struct report *r);
int run_count(const struct request *q, struct report *r);
int run_lifo(const struct request *q, struct report *r);
int run_fifo(const struct request *q, struct report *r);
int run_random(const struct request *q, struct report *r);
int run_bulk(const struct request *q, struct report *r);
int run_replace(const struct request *q, struct report *r);

/* mixed.c: one thread, many sizes. */
int run_large(const struct request *q, struct report *r);
int run_largemix(const struct request *q, struct report *r);
int run_mix(const struct request *q, struct report *r);
int run_phase(const struct request *q, struct report *r);

/* thread.c: several threads. */
int run_prodcons(const struct request *q, struct report *r);
int run_scale(const struct request *q, struct report *r);
int run_share(const struct request *q, struct report *r);
int run_burst(const struct request *q, struct report *r);

/*
 * Time work(arg), which does a batch of operations and returns how many, until
 * the time asked for is over.  The first batch is not timed.
 */
void time_batches(const struct request *q, struct report *r, uint64_t (*work)(void *arg),
		  void *arg);

/* A use of p that the compiler must take as reading and writing what it points to. */
static inline void use(void *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

/* Write the first word of a new object. */
static inline void touch(void *p, uint64_t tag)
{
	if (__builtin_expect(!p, 0))
		harness_die("allocation failed");
	*(uint64_t *)p = tag;
	use(p);
}

/* Read it before the object is freed. */
static inline void check(const void *p, uint64_t tag)
{
	if (__builtin_expect(*(const uint64_t *)p != tag, 0))
		harness_die("the object at %p was changed by somebody else", p);
}

#endif
