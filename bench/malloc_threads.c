/* SPDX-License-Identifier: MIT */
/*
 * malloc_threads.c - the classic programs by which allocators are compared, written from
 * their published descriptions, in small.  One of them per run: scripts/bench-programs.
 *
 *   larson     threads that end hand their live blocks to their successors
 *   pipe       one thread allocates, another frees
 *   scratch    cache lines handed to other threads and reused there
 *   thrash     small blocks of several threads, written often: do they share cache lines?
 *   slots      many places, taken and given up at random, sizes by a long-tailed law
 *   mixed      one thread, sizes from 1 to 64 KiB, most of them small
 *   ending     threads that live for a few hundred allocations
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCKS 1000
#define WORKERS 2
#define RING 1024

static uint32_t chance(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void *get(size_t size)
{
	unsigned char *p = malloc(size);

	if (p == NULL)
		abort();
	p[0] = p[size - 1] = 1;
	return p;
}

/* Small sizes often, large ones seldom. */
static size_t some_size(uint32_t *state)
{
	uint32_t r = chance(state);

	return 1 + (chance(state) >> (r % 16 == 0 ? 16 : r % 4 == 0 ? 21 : 24));
}

struct worker {
	pthread_t thread;
	uint32_t state;
	int rounds;
	void *blocks[BLOCKS];
};

static void *churn(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < w->rounds; i++) {
		uint32_t at = chance(&w->state) % BLOCKS;

		free(w->blocks[at]);
		w->blocks[at] = get(10 + chance(&w->state) % 490);
	}
	return NULL;
}

static void *mix(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < w->rounds; i++) {
		uint32_t at = chance(&w->state) % BLOCKS;

		free(w->blocks[at]);
		w->blocks[at] = get(some_size(&w->state));
	}
	return NULL;
}

static void *scratch(void *arg)
{
	struct worker *w = arg;

	free(w->blocks[0]);
	for (int i = 0; i < w->rounds; i++) {
		volatile unsigned char *p = get(8);

		for (int k = 0; k < 200; k++)
			p[k % 8]++;
		free((void *)(uintptr_t)p);
	}
	w->blocks[0] = get(8);
	return NULL;
}

static void *thrash(void *arg)
{
	struct worker *w = arg;

	for (int i = 0; i < w->rounds; i++) {
		volatile unsigned char *p = get(8);

		for (int k = 0; k < 200; k++)
			p[k % 8]++;
		free((void *)(uintptr_t)p);
	}
	return NULL;
}

#define SLOTS 65536

static void *slots(void *arg)
{
	static unsigned char *all[WORKERS][SLOTS];
	static atomic_uint next;
	unsigned char **mine = all[atomic_fetch_add(&next, 1) % WORKERS];
	struct worker *w = arg;

	for (int i = 0; i < w->rounds; i++) {
		unsigned char **at = &mine[chance(&w->state) % SLOTS];

		if (*at != NULL && **at != 1)
			abort();
		free(*at);
		*at = *at != NULL ? NULL : get(some_size(&w->state) / 8 + 1);
	}
	for (int i = 0; i < SLOTS; i++)
		free(mine[i]);
	memset(mine, 0, SLOTS * sizeof(*mine));
	return NULL;
}

/* generations of WORKERS threads, the blocks passed on between them */
static void generations(void *(*run)(void *), int count, int rounds)
{
	static struct worker workers[WORKERS];

	for (int g = 0; g < count; g++) {
		for (int i = 0; i < WORKERS; i++) {
			workers[i].state = (uint32_t)(g * WORKERS + i + 1) * 2654435761u;
			workers[i].rounds = rounds;
			if (pthread_create(&workers[i].thread, NULL, run, &workers[i]) != 0)
				abort();
		}
		for (int i = 0; i < WORKERS; i++)
			pthread_join(workers[i].thread, NULL);
	}
	for (int i = 0; i < WORKERS; i++)
		for (int b = 0; b < BLOCKS; b++)
			free(workers[i].blocks[b]);
}

static _Atomic(void *) ring[RING];

static void *consume(void *arg)
{
	int n = *(int *)arg;

	for (int i = 0; i < n; i++) {
		void *p;

		while ((p = atomic_exchange(&ring[i % RING], NULL)) == NULL)
			sched_yield();
		free(p);
	}
	return NULL;
}

static void produce(int n)
{
	uint32_t state = 1;
	pthread_t t;

	if (pthread_create(&t, NULL, consume, &n) != 0)
		abort();
	for (int i = 0; i < n; i++) {
		void *p = get(16 + chance(&state) % 500);

		while (atomic_load(&ring[i % RING]) != NULL)
			sched_yield();
		atomic_store(&ring[i % RING], p);
	}
	pthread_join(t, NULL);
}

int main(int argc, char **argv)
{
	static struct worker alone = { .state = 7, .rounds = 12000000 };
	const char *which = argc > 1 ? argv[1] : "";

	if (strcmp(which, "larson") == 0)
		generations(churn, 80, 300000);
	else if (strcmp(which, "pipe") == 0)
		produce(3000000);
	else if (strcmp(which, "scratch") == 0)
		generations(scratch, 40, 50000);
	else if (strcmp(which, "thrash") == 0)
		generations(thrash, 40, 50000);
	else if (strcmp(which, "slots") == 0)
		generations(slots, 4, 4000000);
	else if (strcmp(which, "mixed") == 0)
		mix(&alone);
	else if (strcmp(which, "ending") == 0)
		generations(churn, 10000, 300);
	else
		return fprintf(stderr, "usage: %s larson|pipe|scratch|thrash|slots|mixed|ending\n", argv[0]), 1;
	return 0;
}
