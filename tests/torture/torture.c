/* SPDX-License-Identifier: MIT */
/*
 * torture.c - what the torture programs share, see torture.h.
 */
#include "torture.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct t_options t_options;

static double started;
static _Atomic uint64_t operations;
static _Atomic uint64_t passed;

/* ---- options and the run */

static double now(void)
{
	struct timespec ts = { 0, 0 };

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static _Noreturn void usage(void)
{
	fprintf(stderr, "usage: %s [--seed N] [--seconds S] [--threads N]\n", t_options.name);
	exit(2);
}

/* Set one option; text is all of its value. */
static void set(const char *option, const char *text)
{
	char *end = NULL;

	if (text == NULL || *text == '\0')
		usage();
	if (strcmp(option, "seed") == 0)
		t_options.seed = strtoull(text, &end, 0);
	else if (strcmp(option, "seconds") == 0)
		t_options.seconds = strtod(text, &end);
	else if (strcmp(option, "threads") == 0)
		t_options.threads = (unsigned)strtoul(text, &end, 0);
	if (end == NULL || *end != '\0' || t_options.threads == 0)
		usage();
}

static void set_from_environment(const char *option, const char *variable)
{
	const char *text = getenv(variable);

	if (text != NULL)
		set(option, text);
}

void t_start(const char *name, double seconds, unsigned threads, int argc, char **argv)
{
	struct timespec ts = { 0, 0 };

	clock_gettime(CLOCK_REALTIME, &ts);
	t_options.name = name;
	t_options.seed = ((uint64_t)ts.tv_sec * 1000003 + (uint64_t)ts.tv_nsec +
			  (uint64_t)getpid()) & 0xffffffffu;
	t_options.seconds = seconds;
	t_options.threads = threads;
	set_from_environment("seed", "TORTURE_SEED");
	set_from_environment("seconds", "TORTURE_SECONDS");
	set_from_environment("threads", "TORTURE_THREADS");
	for (int i = 1; i < argc; i += 2) {
		if (strncmp(argv[i], "--", 2) != 0 || i + 1 == argc)
			usage();
		set(argv[i] + 2, argv[i + 1]);
	}
	started = now();
	printf("torture-%s: seed %" PRIu64 ", %u threads, %.1f s\n", name, t_options.seed,
	       t_options.threads, t_options.seconds);
	fflush(stdout);
}

double t_elapsed(void)
{
	return now() - started;
}

bool t_time_up(void)
{
	return t_elapsed() >= t_options.seconds;
}

void t_count(uint64_t n)
{
	atomic_fetch_add_explicit(&operations, n, memory_order_relaxed);
}

int t_finish(void)
{
	printf("torture-%s: %s, seed %" PRIu64 ", %.1f s, %" PRIu64 " operations\n",
	       t_options.name, mp_version(), t_options.seed, t_elapsed(),
	       atomic_load(&operations));
	printf("torture-%s: %" PRIu64 " passed, 0 failed\n", t_options.name, atomic_load(&passed));
	return 0;
}

/* ---- checks */

void t_passed(void)
{
	atomic_fetch_add_explicit(&passed, 1, memory_order_relaxed);
}

void t_fail(const char *file, int line, const char *what, ...)
{
	va_list args;

	va_start(args, what);
	fprintf(stderr, "%s:%d: torture-%s (seed %" PRIu64 ", after %.2f s): ", file, line,
		t_options.name, t_options.seed, t_elapsed());
	vfprintf(stderr, what, args);
	va_end(args);
	fprintf(stderr, "\ntorture-%s: %" PRIu64 " passed, 1 failed\n", t_options.name,
		atomic_load(&passed));
	if (getenv("TORTURE_ABORT") != NULL) /* to look at it in a debugger */
		abort();
	_exit(1);
}

void t_equal_at(const char *file, int line, const char *what, long long a, long long b)
{
	if (a != b)
		t_fail(file, line, "%s: %lld and %lld", what, a, b);
	t_passed();
}

/* ---- random numbers */

uint64_t t_next(struct t_random *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

struct t_random t_random_for(uint64_t stream)
{
	struct t_random r = { t_options.seed * UINT64_C(0x2545f4914f6cdd1d) + stream };

	r.state = t_next(&r);
	return r;
}

size_t t_below(struct t_random *r, size_t n)
{
	return (size_t)(t_next(r) % n);
}

size_t t_log_between(struct t_random *r, size_t low, size_t high)
{
	unsigned doublings = 0;
	size_t n;

	while (low << doublings < high)
		doublings++;
	n = low << t_below(r, doublings + 1);
	n += t_below(r, n);
	return n > high ? high : n;
}

/* ---- contents */

void t_fill(void *p, size_t size, uint64_t pattern)
{
	struct t_random r = { pattern };
	unsigned char *at = p;

	for (; size >= sizeof(uint64_t); size -= sizeof(uint64_t), at += sizeof(uint64_t)) {
		uint64_t word = t_next(&r);

		memcpy(at, &word, sizeof(word));
	}
	if (size > 0) {
		uint64_t word = t_next(&r);

		memcpy(at, &word, size);
	}
}

bool t_holds(const void *p, size_t size, uint64_t pattern)
{
	struct t_random r = { pattern };
	const unsigned char *at = p;

	for (; size >= sizeof(uint64_t); size -= sizeof(uint64_t), at += sizeof(uint64_t)) {
		uint64_t word = t_next(&r);

		if (memcmp(at, &word, sizeof(word)) != 0)
			return false;
	}
	if (size > 0) {
		uint64_t word = t_next(&r);

		return memcmp(at, &word, size) == 0;
	}
	return true;
}

#define STRIDE ((size_t)256)

void t_stamp(void *p, size_t size, uint64_t pattern)
{
	unsigned char *at = p;

	for (size_t i = 0; i + sizeof(uint64_t) <= size; i += STRIDE) {
		uint64_t word = pattern + i;

		memcpy(at + i, &word, sizeof(word));
	}
	at[size - 1] = (unsigned char)pattern;
}

bool t_stamped(const void *p, size_t size, size_t part, uint64_t pattern)
{
	const unsigned char *at = p;

	/* the last byte may lie on a stamp: look at that one's first bytes only */
	for (size_t i = 0; i + sizeof(uint64_t) <= part; i += STRIDE) {
		uint64_t word = pattern + i;

		if (memcmp(at + i, &word, i + sizeof(word) < size ? sizeof(word) : 7) != 0)
			return false;
	}
	return part < size || at[size - 1] == (unsigned char)pattern;
}

bool t_all_bytes(const void *p, size_t size, unsigned char byte)
{
	const unsigned char *at = p;

	return size == 0 || (at[0] == byte && memcmp(at, at + 1, size - 1) == 0);
}

/* ---- who holds what */

#define AREA_SHIFT 20u		/* address bits that one table is for */
#define AREAS 65536u		/* hashed; areas are never dropped */
#define AREA_WORDS ((size_t)1 << (AREA_SHIFT - 3))

struct area {
	uintptr_t number;
	_Atomic uint32_t owner[AREA_WORDS];
};

static _Atomic(struct area *) areas[AREAS];
static _Atomic size_t claimed;

static struct area *area_new(uintptr_t number)
{
	struct area *a = calloc(1, sizeof(*a));

	if (a == NULL)
		t_fail(__FILE__, __LINE__, "no memory for the test's own table");
	a->number = number;
	return a;
}

static _Atomic uint32_t *word_for(const void *p)
{
	uintptr_t number = (uintptr_t)p >> AREA_SHIFT;
	size_t i = (size_t)(number * UINT64_C(0x9e3779b97f4a7c15) >> 32);
	struct area *a, *fresh;

	for (;; i++) {
		a = atomic_load(&areas[i % AREAS]);
		if (a == NULL) {
			fresh = area_new(number);
			if (atomic_compare_exchange_strong(&areas[i % AREAS], &a, fresh))
				a = fresh;
			else
				free(fresh);
		}
		if (a->number == number)
			return &a->owner[((uintptr_t)p >> 3) % AREA_WORDS];
	}
}

/*
 * Relaxed throughout: the table must not order what the library has to order.
 */
void t_claim(const void *p, uint32_t owner)
{
	uint32_t was = atomic_exchange_explicit(word_for(p), owner, memory_order_relaxed);

	if (was != 0)
		t_fail(__FILE__, __LINE__, "%p was handed to %u while %u holds it", p, owner, was);
	atomic_fetch_add_explicit(&claimed, 1, memory_order_relaxed);
}

void t_unclaim(const void *p, uint32_t owner)
{
	uint32_t was = atomic_exchange_explicit(word_for(p), 0, memory_order_relaxed);

	if (was != owner)
		t_fail(__FILE__, __LINE__, "%p is held by %u, not by %u", p, was, owner);
	atomic_fetch_sub_explicit(&claimed, 1, memory_order_relaxed);
}

size_t t_claimed(void)
{
	return atomic_load(&claimed);
}

/* ---- lists and boxes */

void t_push(struct t_list *l, struct t_item *item)
{
	item->next = l->first;
	l->first = item;
	l->n++;
}

struct t_item *t_pop(struct t_list *l)
{
	struct t_item *item = l->first;

	if (item != NULL) {
		l->first = item->next;
		l->n--;
	}
	return item;
}

void t_box_init(struct t_box *box)
{
	memset(box, 0, sizeof(*box));
	t_expect(pthread_mutex_init(&box->mutex, NULL) == 0);
}

void t_box_put(struct t_box *box, struct t_item *item)
{
	pthread_mutex_lock(&box->mutex);
	t_push(&box->list, item);
	pthread_mutex_unlock(&box->mutex);
}

struct t_item *t_box_get(struct t_box *box)
{
	struct t_item *item;

	pthread_mutex_lock(&box->mutex);
	item = t_pop(&box->list);
	pthread_mutex_unlock(&box->mutex);
	return item;
}

struct t_item *t_box_swap(struct t_box *box, size_t i, struct t_item *item)
{
	/* release: the item and the object; acquire: the other's */
	return atomic_exchange_explicit(&box->slots[i % T_SLOTS], item, memory_order_acq_rel);
}

struct t_item *t_box_drain(struct t_box *box)
{
	struct t_item *item = t_box_get(box);

	for (size_t i = 0; item == NULL && i < T_SLOTS; i++)
		item = t_box_swap(box, i, NULL);
	return item;
}

/* ---- the library's statistics, and threads */

struct mp_cache_stats t_cache_stats(struct mp_cache *c)
{
	struct mp_cache_stats s = { .struct_size = sizeof(s) };

	t_expect(mp_cache_get_stats(c, &s) == 0);
	return s;
}

struct mp_stats t_stats(void)
{
	struct mp_stats s = { .struct_size = sizeof(s) };

	t_expect(mp_get_stats(&s) == 0);
	return s;
}

pthread_t t_thread(void *(*fn)(void *), void *arg)
{
	pthread_t thread;
	int error = pthread_create(&thread, NULL, fn, arg);

	if (error != 0)
		t_fail(__FILE__, __LINE__, "pthread_create: %s", strerror(error));
	return thread;
}

void t_join(pthread_t thread)
{
	t_expect(pthread_join(thread, NULL) == 0);
}
