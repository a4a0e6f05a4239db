/* SPDX-License-Identifier: MIT */
/*
 * suite.h - what the Check programs share: a main(), faults counted instead of
 * fatal, values that the compiler knows nothing of.
 */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

#include "portable.h"
#include "suite_run.h"

#include <mempool.h>

#include <check.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* The same pointer, of which the compiler knows nothing. */
static inline void *launder(const void *p)
{
	void *volatile v = (void *)(uintptr_t)p;

	return v;
}

/* A pointer to an object of no kind. */
static inline void *address(uintptr_t a)
{
	return launder((const void *)a);
}

/* mp_free() of what should not be freed: the compiler does not learn of it. */
static inline void wrong_free(const void *p)
{
	mp_free(launder(p));
}

static inline bool is_aligned(const void *p, size_t align)
{
	return ((uintptr_t)p & (align - 1)) == 0;
}

/* xorshift64*: a sequence that is the same on every machine. */
static inline uint64_t suite_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* A pattern that depends on seed, and its verification. */
static inline void pattern_fill(void *p, size_t size, unsigned seed)
{
	unsigned char *bytes = p;

	for (size_t i = 0; i < size; i++)
		bytes[i] = (unsigned char)(seed * 131 + i * 7 + (i >> 8));
}

static inline bool pattern_holds(const void *p, size_t size, unsigned seed)
{
	const unsigned char *bytes = p;

	for (size_t i = 0; i < size; i++)
		if (bytes[i] != (unsigned char)(seed * 131 + i * 7 + (i >> 8)))
			return false;
	return true;
}

static inline bool is_filled(const void *p, size_t size, unsigned char byte)
{
	const unsigned char *bytes = p;

	for (size_t i = 0; i < size; i++)
		if (bytes[i] != byte)
			return false;
	return true;
}

/* Faults reported, when tally_start() was called: the library carries on. */
struct tally {
	unsigned n;
	enum mp_error_kind kind;	/* of the last, like the rest */
	const void *pointer;
	const void *object;
	struct mp_cache *cache;
	char cache_name[64];
	char message[1100];
};

static inline enum mp_error_action tally_count(const struct mp_error *e, void *arg)
{
	struct tally *tally = arg;

	tally->n++;
	tally->kind = e->kind;
	tally->pointer = e->pointer;
	tally->object = e->object;
	tally->cache = e->cache;
	strncpy(tally->cache_name, e->cache_name, sizeof(tally->cache_name) - 1);
	strncpy(tally->message, e->message, sizeof(tally->message) - 1);
	return MP_ERROR_CONTINUE;
}

static inline void tally_start(struct tally *tally)
{
	memset(tally, 0, sizeof(*tally));
	mp_set_error_handler(tally_count, tally);
}

/* Exactly one report since the last look, of this kind and pointer. */
static inline void tally_expect(struct tally *tally, enum mp_error_kind kind, const void *pointer)
{
	ck_assert_uint_eq(tally->n, 1);
	ck_assert_int_eq(tally->kind, kind);
	ck_assert_ptr_eq(tally->pointer, pointer);
	tally->n = 0;
}

static inline struct mp_cache_stats stats_of(struct mp_cache *c)
{
	struct mp_cache_stats s = { .struct_size = sizeof(s) };

	ck_assert_int_eq(mp_cache_get_stats(c, &s), 0);
	return s;
}

static inline struct mp_stats stats_of_all(void)
{
	struct mp_stats s = { .struct_size = sizeof(s) };

	ck_assert_int_eq(mp_get_stats(&s), 0);
	return s;
}

/* Nothing wrong with c, its counts add up, and live objects are as many as that. */
static inline void check_cache(struct mp_cache *c, size_t live)
{
	struct mp_cache_stats s = stats_of(c);

	ck_assert_int_eq(mp_cache_validate(c), 0);
	ck_assert_uint_eq(s.live, live);
	ck_assert_uint_eq(s.live + s.cached + s.free, s.capacity);
	ck_assert_uint_eq(s.capacity, s.slabs * s.objects_per_slab);
	ck_assert_uint_eq(s.chunks, s.slabs * s.chunks_per_slab);
	ck_assert_uint_eq(s.bytes_mapped, s.chunks * MP_CHUNK_SIZE);
	ck_assert_uint_eq(s.bytes_asked, live * s.object_size);
	ck_assert_uint_ge(s.peak, live);
}

#endif /* TESTS_SUITE_H */
