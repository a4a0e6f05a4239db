/* SPDX-License-Identifier: MIT */
/*
 * freelists.c - three free lists that a slab could have, measured alone: HACKING, "What was
 * tried".  Prints a table; takes no options.
 *
 *   bits    a bit for each object and a count, in the header: what the library has
 *   index   a list of 16-bit numbers in the header, its head and a count in one word
 *   links   the same with the links in the first word of each free object
 *
 * All take for one owner and are given objects back by any thread.  The lists are taken whole
 * by an exchange, the rest kept by the owner, so that no head is ever put back in
 * place of another: there is no ABA and no tag.  In front of each stands what stands in front
 * of the library's, objects collected in batches and sorted by slab in a small table.
 */
#include "measure.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK 65536u
#define MEMORY (32u << 20)
#define BATCH 255
#define ROUNDS 9
#define SLAB_MAX 4096u /* objects */
#define PENDING 64

enum kind { BITS, INDEX, LINKS, KINDS };
enum order { FORWARD, BACKWARD, RANDOM, CONTENDED, ORDERS };

static const char *const kind_names[] = { "bits", "index", "links" };
static const char *const order_names[] = { "first first", "last first", "random", "2 threads" };

struct slab {
	_Alignas(64) _Atomic uint64_t head; /* lists: count << 32 | first + 1; bits: the count */
	uint32_t own;			    /* lists: first + 1 of what the owner took */
	union {
		_Atomic uint64_t bits[SLAB_MAX / 64];
		uint16_t next[SLAB_MAX]; /* + 1 */
	} u;
};

/* What waits to be given back to a slab at once. */
struct pending {
	struct slab *slab;
	uint64_t mask;
	uint32_t word;
	uint32_t first, last; /* + 1 */
	uint32_t n;
};

struct heap {
	enum kind kind;
	uint32_t size, first, capacity, slabs;
	uint64_t inverse; /* of size, for 32 bits */
	unsigned char *base;
	void **objects;
	size_t n;
};

static unsigned char *object_at(const struct heap *h, struct slab *s, uint32_t i)
{
	return (unsigned char *)s + h->first + (size_t)i * h->size;
}

static uint32_t index_of(const struct heap *h, const void *p)
{
	return (uint32_t)((((uintptr_t)p % CHUNK) - h->first) * h->inverse >> 32);
}

static struct slab *slab_of(void *p)
{
	return (struct slab *)((uintptr_t)p & ~(uintptr_t)(CHUNK - 1));
}

static uint32_t link_get(const struct heap *h, struct slab *s, uint32_t i)
{
	uint32_t next;

	if (h->kind == INDEX)
		return s->u.next[i];
	memcpy(&next, object_at(h, s, i), sizeof(next));
	return next;
}

static void link_set(const struct heap *h, struct slab *s, uint32_t i, uint32_t next)
{
	if (h->kind == INDEX)
		s->u.next[i] = (uint16_t)next;
	else
		memcpy(object_at(h, s, i), &next, sizeof(next));
}

/* ---- giving back */

static void flush(const struct heap *h, struct pending *w)
{
	struct slab *s = w->slab;
	uint64_t old, new;

	if (s == NULL || w->n == 0)
		return;
	if (h->kind == BITS) {
		atomic_fetch_or_explicit(&s->u.bits[w->word], w->mask, memory_order_release);
		atomic_fetch_add_explicit(&s->head, w->n, memory_order_release);
	} else {
		old = atomic_load_explicit(&s->head, memory_order_relaxed);
		do {
			link_set(h, s, w->last - 1, (uint32_t)old);
			new = (((old >> 32) + w->n) << 32) | w->first;
		} while (!atomic_compare_exchange_weak_explicit(
			&s->head, &old, new, memory_order_release, memory_order_relaxed));
	}
	w->n = 0;
	w->mask = 0;
}

static void give(const struct heap *h, struct pending *table, void *p)
{
	struct slab *s = slab_of(p);
	struct pending *w = &table[(uintptr_t)s / CHUNK % PENDING];
	uint32_t i = index_of(h, p);

	if (w->slab != s) {
		flush(h, w);
		w->slab = s;
	}
	if (h->kind == BITS) {
		if (w->mask != 0 && w->word != i / 64) {
			(void)atomic_fetch_or_explicit(&s->u.bits[w->word], w->mask,
						       memory_order_release);
			w->mask = 0;
		}
		w->word = i / 64;
		w->mask |= (uint64_t)1 << i % 64;
	} else {
		if (w->n == 0)
			w->last = i + 1;
		else
			link_set(h, s, i, w->first);
		w->first = i + 1;
	}
	w->n++;
}

static void give_all(const struct heap *h, size_t from, size_t step)
{
	struct pending table[PENDING];

	memset(table, 0, sizeof(table));
	for (size_t i = from; i < h->n;) {
		for (size_t k = 0; k < BATCH && i < h->n; k++, i += step)
			give(h, table, h->objects[i]);
		for (size_t k = 0; k < PENDING; k++)
			flush(h, &table[k]);
	}
}

/* ---- taking */

static size_t take_bits(const struct heap *h, struct slab *s, void **out, size_t want)
{
	size_t n = 0;

	for (uint32_t w = 0; w * 64 < h->capacity && n < want; w++) {
		uint64_t v = atomic_load_explicit(&s->u.bits[w], memory_order_relaxed), chosen = v;

		if (v == 0)
			continue;
		while ((size_t)__builtin_popcountll(chosen) > want - n)
			chosen &= chosen - 1;
		atomic_fetch_and_explicit(&s->u.bits[w], ~chosen, memory_order_acquire);
		for (; chosen != 0; chosen &= chosen - 1)
			out[n++] = object_at(h, s, w * 64 + (uint32_t)__builtin_ctzll(chosen));
	}
	if (n > 0)
		atomic_fetch_sub_explicit(&s->head, n, memory_order_relaxed);
	return n;
}

static size_t take_list(const struct heap *h, struct slab *s, void **out, size_t want)
{
	size_t n = 0;

	if (s->own == 0)
		s->own = (uint32_t)atomic_exchange_explicit(&s->head, 0, memory_order_acquire);
	while (n < want && s->own != 0) {
		uint32_t i = s->own - 1;

		s->own = link_get(h, s, i);
		out[n++] = object_at(h, s, i);
	}
	return n;
}

static void take_all(struct heap *h)
{
	size_t n = 0;

	for (uint32_t k = 0; k < h->slabs; k++) {
		struct slab *s = (struct slab *)(h->base + (size_t)k * CHUNK);
		size_t got;

		do {
			got = h->kind == BITS ? take_bits(h, s, h->objects + n, BATCH) :
						take_list(h, s, h->objects + n, BATCH);
			for (size_t i = n; i < n + got; i++) /* the program writes to them */
				*(volatile uint64_t *)h->objects[i] = i;
			n += got;
		} while (got != 0);
	}
	if (n != h->n) {
		fprintf(stderr, "freelists: %zu objects of %zu came back\n", n, h->n);
		exit(EXIT_FAILURE);
	}
}

/* ---- the measurement */

static void heap_init(struct heap *h, enum kind kind, uint32_t size)
{
	h->kind = kind;
	h->size = size;
	h->first = (uint32_t)(sizeof(struct slab) + 1023) & ~1023u;
	h->inverse = ((uint64_t)1 << 32) / size + 1;
	h->capacity = (CHUNK - h->first) / size;
	h->slabs = MEMORY / CHUNK;
	h->n = (size_t)h->capacity * h->slabs;
	h->base = aligned_alloc(CHUNK, MEMORY);
	h->objects = calloc(h->n, sizeof(*h->objects));
	if (h->base == NULL || h->objects == NULL) {
		perror("freelists");
		exit(EXIT_FAILURE);
	}
	memset(h->base, 0, MEMORY);
	for (uint32_t k = 0; k < h->slabs; k++) {
		struct slab *s = (struct slab *)(h->base + (size_t)k * CHUNK);

		for (uint32_t i = 0; i < h->capacity; i++)
			h->objects[(size_t)k * h->capacity + i] = object_at(h, s, i);
	}
	give_all(h, 0, 1);
}

static void heap_free(struct heap *h)
{
	free(h->base);
	free(h->objects);
}

static void shuffle(struct heap *h, enum order order)
{
	uint64_t state = 1;

	for (size_t i = 0; i < h->n; i++) {
		size_t k = order == BACKWARD ? h->n - 1 - i : random_next(&state) % h->n;
		void *p = h->objects[i];

		if (order == BACKWARD && k <= i)
			break;
		h->objects[i] = h->objects[k];
		h->objects[k] = p;
	}
}

static void *give_odd(void *arg)
{
	give_all(arg, 1, 2);
	return NULL;
}

/* Nanoseconds for each object: given back, then taken again. */
static void one_round(struct heap *h, enum order order, double *put, double *get)
{
	uint64_t start;
	pthread_t other;

	take_all(h);
	if (order != FORWARD)
		shuffle(h, order);
	start = clock_ns();
	if (order != CONTENDED) {
		give_all(h, 0, 1);
	} else {
		if (pthread_create(&other, NULL, give_odd, h) != 0)
			exit(EXIT_FAILURE);
		give_all(h, 0, 2);
		(void)pthread_join(other, NULL);
	}
	*put = (double)(clock_ns() - start) / (double)h->n;
	start = clock_ns();
	take_all(h);
	*get = (double)(clock_ns() - start) / (double)h->n;
	give_all(h, 0, 1);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void measure(uint32_t size, enum order order)
{
	static double put[KINDS][ROUNDS], get[KINDS][ROUNDS];
	struct heap heaps[KINDS];

	for (int k = 0; k < KINDS; k++)
		heap_init(&heaps[k], (enum kind)k, size);
	for (int r = -1; r < ROUNDS; r++) {
		for (int k = 0; k < KINDS; k++)
			one_round(&heaps[k], order, &put[k][r < 0 ? 0 : r], &get[k][r < 0 ? 0 : r]);
	}
	printf("%5u %-12s", size, order_names[order]);
	for (int k = 0; k < KINDS; k++) {
		qsort(put[k], ROUNDS, sizeof(double), compare);
		qsort(get[k], ROUNDS, sizeof(double), compare);
		printf("  %6.1f %6.1f", put[k][ROUNDS / 2], get[k][ROUNDS / 2]);
		heap_free(&heaps[k]);
	}
	printf("\n");
	fflush(stdout);
}

int main(void)
{
	static const uint32_t sizes[] = { 16, 64, 256, 1024 };

	printf("ns for an object given back and taken again, %u MiB of slabs of %u KiB\n",
	       MEMORY >> 20, CHUNK >> 10);
	printf("%5s %-12s", "bytes", "freed");
	for (int k = 0; k < KINDS; k++)
		printf("  %6s %-6s", kind_names[k], "take");
	printf("\n");
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		for (int order = 0; order < ORDERS; order++)
			measure(sizes[i], (enum order)order);
	}
	return 0;
}
