/* SPDX-License-Identifier: MIT */
/* measure.h - clock, memory, random numbers: what the measured programs share. */
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What one run is asked for. */
struct request {
	const char *workload;
	size_t size; /* bytes of an object */
	size_t n; /* objects, or as the workload says */
	unsigned threads;
	uint64_t target_ns; /* time to measure */
	uint64_t seed;
};

/* What it reports; memory in bytes, -1 where not measured. */
struct report {
	double ns; /* per operation */
	uint64_t ops;
	int64_t live; /* resident with live_bytes in use, less the start */
	int64_t live_bytes;
	int64_t peak; /* most resident at once, less the start */
	int64_t after; /* resident after freeing all, less the start */
	int64_t reclaimed; /* the same after asking the allocator to give back */
	int64_t start; /* resident before the first allocation */
	const char *skip; /* why this cannot be measured */
};

/* Arguments of the form name=value; exits with a message if one is not understood. */
struct request request_parse(int argc, char **argv);
/* Print one line for the driver; returns main's exit status. */
int report_print(const struct report *r);

uint64_t clock_ns(void);

/* Note the memory resident now as the start. */
void memory_start(struct report *r);
void memory_live(struct report *r, size_t bytes);
void memory_after(struct report *r);
void memory_reclaimed(struct report *r);
void memory_peak(struct report *r);

unsigned cpus_usable(void);
/* Keep the calling thread on one of them, the which'th, counted round and round. */
void cpu_bind(unsigned which);

/* xorshift64*; state must not be 0. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * UINT64_C(0x2545f4914f6cdd1d);
}

static inline uint32_t random_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)(((random_next(state) >> 32) * n) >> 32);
}

/* Arrays for the harness itself, mapped and touched, not from any malloc. */
void *harness_array(size_t bytes);
/* 0 .. n-1 in random order. */
uint32_t *harness_shuffle(size_t n, uint64_t seed);
/* count random numbers below n. */
uint32_t *harness_random(size_t count, size_t n, uint64_t seed);

/* Print to standard error and exit 1. */
#if defined(__GNUC__)
__attribute__((noreturn, format(printf, 1, 2)))
#endif
void harness_die(const char *format, ...);

#ifdef __cplusplus
}
#endif
#endif
