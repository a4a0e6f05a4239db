/* SPDX-License-Identifier: MIT */
/* limit.c - the reference: thread-local lists, and rings between threads. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "limit.h"

/*
 * All objects of a pipe find room in the ring back: those of the ring there, and what
 * each side has in its hands.
 */
#define RING_SIZE 2048u
#include "ring.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#define BLOCK_SIZE ((size_t)64 << 10)
#define REGION_SIZE ((size_t)64 << 20)

struct node {
	struct node *next;
};

/* What a thread has not yet handed out of its last block. */
struct rest {
	char *next;
	size_t left; /* bytes */
};

static size_t pool_size[LIMIT_POOLS]; /* written before any thread allocates of it */
static atomic_uint pools;

static __attribute__((tls_model("initial-exec"))) _Thread_local struct node *list[LIMIT_POOLS];
static __attribute__((tls_model("initial-exec"))) _Thread_local struct rest rest[LIMIT_POOLS];
static _Thread_local struct rest region;

static size_t slot_size(size_t size)
{
	return (size + 15) & ~(size_t)15;
}

static void *region_take(size_t bytes)
{
	char *p;

	if (region.left < bytes) {
		void *map = mmap(NULL, REGION_SIZE, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

		if (map == MAP_FAILED)
			return NULL;
		region.next = map;
		region.left = REGION_SIZE;
	}
	p = region.next;
	region.next += bytes;
	region.left -= bytes;
	return p;
}

static __attribute__((noinline)) void *carve_slow(struct rest *r, size_t size)
{
	char *p;

	if (r->left < size) {
		r->next = region_take(BLOCK_SIZE);
		if (!r->next)
			return NULL;
		r->left = BLOCK_SIZE;
	}
	p = r->next;
	r->next += size;
	r->left -= size;
	return p;
}

int limit_open(size_t size, unsigned *id)
{
	unsigned n = atomic_fetch_add(&pools, 1);

	if (n >= LIMIT_POOLS || slot_size(size) > BLOCK_SIZE)
		return -1;
	pool_size[n] = slot_size(size);
	*id = n;
	return 0;
}

void *limit_alloc(unsigned id)
{
	struct node *p = list[id];

	if (__builtin_expect(!p, 0))
		return carve_slow(&rest[id], pool_size[id]);
	list[id] = p->next;
	return p;
}

void limit_free(unsigned id, void *p)
{
	struct node *node = p;

	node->next = list[id];
	list[id] = node;
}

static struct ring pipe_ring[LIMIT_PRODUCERS];
static struct rest pipe_rest[LIMIT_PRODUCERS];
static size_t pipe_size;

int limit_pipe_open(unsigned producers, size_t size)
{
	pipe_size = slot_size(size);
	return producers <= LIMIT_PRODUCERS && pipe_size <= BLOCK_SIZE ? 0 : -1;
}

void *limit_pipe_alloc(unsigned producer)
{
	void *p = ring_pop(&pipe_ring[producer]);

	if (__builtin_expect(!p, 0))
		return carve_slow(&pipe_rest[producer], pipe_size);
	return p;
}

void limit_pipe_free(unsigned producer, void *p)
{
	unsigned spins = 0;

	while (__builtin_expect(!ring_push(&pipe_ring[producer], p), 0))
		ring_pause(&spins);
}
