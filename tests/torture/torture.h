/* SPDX-License-Identifier: MIT */
/*
 * torture.h - what the torture programs share: options, random numbers, checks,
 * contents, a table of who holds what, and boxes for handing objects over.
 *
 * A program prints its seed first and "torture-NAME: N passed, 0 failed" last;
 * the first check that fails ends it with exit status 1.
 */
#ifndef TORTURE_H
#define TORTURE_H

#include "../portable.h"

#include <mempool.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__SANITIZE_THREAD__)
#define T_THREAD_SANITIZER 1
#elif defined(__SANITIZE_ADDRESS__)
#define T_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define T_THREAD_SANITIZER 1
#elif __has_feature(address_sanitizer)
#define T_ADDRESS_SANITIZER 1
#endif
#endif
#ifndef T_THREAD_SANITIZER
#define T_THREAD_SANITIZER 0
#endif
#ifndef T_ADDRESS_SANITIZER
#define T_ADDRESS_SANITIZER 0
#endif

#define T_KIB ((size_t)1024)
#define T_MIB ((size_t)1024 * 1024)

/* ---- options and the run */

struct t_options {
	const char *name;
	uint64_t seed;		/* --seed N or TORTURE_SEED, else from the clock */
	double seconds;		/* --seconds S or TORTURE_SECONDS */
	unsigned threads;	/* --threads N or TORTURE_THREADS */
};

extern struct t_options t_options;

/* Parse the command line, print the seed, start the clock. */
void t_start(const char *name, double seconds, unsigned threads, int argc, char **argv);

/* Whether the time is up. */
bool t_time_up(void);

/* Seconds since t_start(). */
double t_elapsed(void);

/* Count operations, for the closing lines. */
void t_count(uint64_t operations);

/* Print the closing lines; returns the exit status, 0. */
int t_finish(void);

/* ---- checks */

_Noreturn void t_fail(const char *file, int line, const char *what, ...)
	__attribute__((format(printf, 3, 4)));
void t_passed(void);

/* A condition that the run depends on; counted when it holds. */
#define t_check(cond) \
	((cond) ? t_passed() : t_fail(__FILE__, __LINE__, "%s", #cond))
/* The same, not counted, for conditions in hot loops. */
#define t_expect(cond) ((void)((cond) || (t_fail(__FILE__, __LINE__, "%s", #cond), 0)))
/* The same, showing the two numbers. */
#define t_equal(a, b) t_equal_at(__FILE__, __LINE__, #a " == " #b, (long long)(a), (long long)(b))
void t_equal_at(const char *file, int line, const char *what, long long a, long long b);

/* ---- random numbers: splitmix64, one state per thread */

struct t_random {
	uint64_t state;
};

struct t_random t_random_for(uint64_t stream);
uint64_t t_next(struct t_random *r);
/* From 0 to n - 1. */
size_t t_below(struct t_random *r, size_t n);
/* From low to high, as likely in each doubling. */
size_t t_log_between(struct t_random *r, size_t low, size_t high);

/* ---- contents: bytes that follow from a pattern */

void t_fill(void *p, size_t size, uint64_t pattern);
bool t_holds(const void *p, size_t size, uint64_t pattern);
/* The same for one word in each 256 bytes and the last byte, for large blocks. */
void t_stamp(void *p, size_t size, uint64_t pattern);
/* Stamps of a block of size bytes, as far as they lie in the first part bytes. */
bool t_stamped(const void *p, size_t size, size_t part, uint64_t pattern);
bool t_all_bytes(const void *p, size_t size, unsigned char byte);

/* ---- who holds what: a word for each address that is a multiple of 8 */

/* p was handed to owner (not 0): nobody else may hold it. */
void t_claim(const void *p, uint32_t owner);
/* owner is about to give p up or hand it to another. */
void t_unclaim(const void *p, uint32_t owner);
/* Addresses claimed now. */
size_t t_claimed(void);

/* ---- something that is handed from thread to thread */

struct t_item {
	void *p;
	size_t size;
	uint64_t pattern;
	uint32_t owner;
	uint32_t kind;		/* the program's: which cache */
	struct t_item *next;	/* in a list of the holder or a locked box */
};

struct t_list {
	struct t_item *first;
	size_t n;
};

void t_push(struct t_list *l, struct t_item *item);
struct t_item *t_pop(struct t_list *l);

/* A box behind a mutex, any number; and one of single slots exchanged atomically. */
#define T_SLOTS 256u

struct t_box {
	pthread_mutex_t mutex;
	struct t_list list;	/* under the mutex */
	_Atomic(struct t_item *) slots[T_SLOTS];
};

void t_box_init(struct t_box *box);
void t_box_put(struct t_box *box, struct t_item *item);
struct t_item *t_box_get(struct t_box *box);
/* Exchange with slot i: put item (or NULL), get what was there (or NULL). */
struct t_item *t_box_swap(struct t_box *box, size_t i, struct t_item *item);
/* Anything left, from wherever; NULL when empty. */
struct t_item *t_box_drain(struct t_box *box);

/* ---- the library's statistics, checked for success */

struct mp_cache_stats t_cache_stats(struct mp_cache *c);
struct mp_stats t_stats(void);

/* Start and join, checked for success. */
pthread_t t_thread(void *(*fn)(void *), void *arg);
void t_join(pthread_t thread);

#endif /* TORTURE_H */
