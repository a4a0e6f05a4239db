/* SPDX-License-Identifier: MIT */
/*
 * death.h - a misuse, its exact report, and the same without the misuse.
 *
 * Each program defines death and is run again by driver.c, which sees to it that
 *  - by default it dies of SIGABRT, having written exactly what it expects;
 *  - the same with standard error closed;
 *  - with MEMPOOL_ON_ERROR=report it writes the same once, goes on, and every cache
 *    validates clean;
 *  - with a handler that carries on likewise, and nothing is written;
 *  - the twin, without the fault, reports nothing at all.
 */
#ifndef TESTS_DEATH_H
#define TESTS_DEATH_H

#include <mempool.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct death {
	void (*fault)(void);		/* calls expect(), then commits the fault */
	void (*twin)(void);		/* the same, lawfully */
	enum mp_error_kind kind;	/* what the handler is told; 0: it is not asked */
	bool damaged;			/* a slab stays out of use and fails validation */
};

extern const struct death death;

/* What will be reported, before it is; several calls add up. */
#if defined(__GNUC__) || defined(__clang__)
__attribute__((format(printf, 1, 2)))
#endif
void expect(const char *format, ...);

/* The report's second line for p in an object of a cache with one slab. */
const char *place_of(const void *p);

/* The cache's id. */
unsigned id_of(struct mp_cache *c);

/* A cache "orders" of objects of size bytes; it is there, or the program ends. */
struct mp_cache *orders(size_t size);

/* The cache of MP_MAX_FIXED_SIZE bytes. */
struct mp_cache *largest_class(void);

/* mp_free(), but the compiler does not see it. */
void free_hidden(void *p);

/* The same pointer, which must not be NULL, of which the compiler knows nothing. */
void *checked(const void *p);

#endif /* TESTS_DEATH_H */
