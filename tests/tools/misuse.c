/* SPDX-License-Identifier: MIT */
/*
 * misuse.c - one deed, named by the argument, for a memory checker to find; "clean" is none.
 */
#include <mempool.h>

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node {
	char *text;
	int built;
};

static struct mp_cache *nodes;
static void *volatile kept;
static volatile unsigned char *small, *large;
static volatile struct node *node;
static volatile unsigned char sink;

static void *must(void *p)
{
	if (p == NULL)
		exit(9);
	return p;
}

static void build(void *obj)
{
	struct node *n = obj;

	n->text = NULL;
	n->built = 42;
}

static void *churn(void *arg)
{
	void *p[50];

	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < 50; i++) {
			p[i] = must(mp_alloc(1 + i * 190));
			memset(p[i], round, 1 + i * 190);
		}
		for (size_t i = 0; i < 50; i++)
			mp_free(p[i]);
	}
	return arg;
}

/* Each way to have and resize memory, within its bounds. */
static void clean(void)
{
	struct mp_cache *stable = must(mp_cache_create("stable", 40, 0, MP_TYPE_STABLE, NULL));
	struct mp_cache *wiped = must(mp_cache_create("wiped", 40, 0, MP_ZERO_ON_FREE, NULL));
	unsigned char *p = NULL;
	struct node *many[100];
	pthread_t t[3];

	for (size_t i = 0; i < 3; i++)
		if (pthread_create(&t[i], NULL, churn, NULL) != 0)
			exit(9);
	for (size_t n = 1; n < 9000000; n = n * 3 / 2 + 1) {
		p = must(mp_realloc(p, n));
		memset(p, 7, mp_usable_size(p));
	}
	for (size_t n = 3000000; n > 1; n = n / 3 + 1) {
		p = must(mp_realloc(p, n));
		if (p[0] != 7 || p[n - 1] != 7)
			exit(8);
		if (n == 2)
			break;
	}
	mp_free(p);
	for (int round = 0; round < 3; round++) {
		if (mp_cache_alloc_bulk(nodes, 100, (void **)many) != 0)
			exit(9);
		for (size_t i = 0; i < 100; i++)
			if (many[i]->built != 42 || many[i]->text != NULL)
				exit(7);
		mp_cache_free_bulk(nodes, 100, (void *const *)many);
	}
	p = must(mp_cache_alloc(stable));
	memset(p, 5, 40);
	mp_cache_free(stable, p);
	if (p[39] != 5) /* what is type-stable may be read when free */
		exit(6);
	p = must(mp_cache_zalloc(wiped));
	mp_cache_free(wiped, p);
	p = must(mp_zalloc(100000));
	for (size_t i = 0; i < 100000; i++)
		if (p[i] != 0)
			exit(5);
	mp_free_sized(p, 100000);
	for (size_t i = 0; i < 3; i++)
		if (pthread_join(t[i], NULL) != 0)
			exit(9);
	if (mp_cache_destroy(stable) != 0 || mp_cache_destroy(wiped) != 0)
		exit(4);
	(void)mp_reclaim(0);
}

/* Hide from the leak check what registers and old frames hold. */
static __attribute__((noinline)) void lose(void)
{
	kept = must(mp_alloc(200));
	memset(kept, 0, 200);
	kept = NULL;
}

static __attribute__((noinline)) void hold(void)
{
	struct node *n = must(mp_cache_alloc(nodes));

	n->text = must(malloc(1000));
	kept = n;
}

static void scrub(void)
{
	volatile char frame[8192];

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = 0;
}

int main(int argc, char **argv)
{
	const char *deed = argc == 2 ? argv[1] : "";

	small = must(mp_alloc(100));
	large = must(mp_alloc(8192));
	nodes = must(mp_cache_create("nodes", sizeof(struct node), 0, 0, build));
	node = must(mp_cache_alloc(nodes));
	if (strcmp(deed, "clean") == 0) {
		clean();
	} else if (strcmp(deed, "read-freed") == 0) {
		mp_free((void *)(uintptr_t)small);
		sink = small[3];
	} else if (strcmp(deed, "write-freed") == 0) {
		mp_free((void *)(uintptr_t)small);
		small[3] = 1;
	} else if (strcmp(deed, "write-freed-built") == 0) {
		mp_cache_free(nodes, (void *)(uintptr_t)node);
		node->built = 1;
	} else if (strcmp(deed, "read-freed-large") == 0) {
		mp_free((void *)(uintptr_t)large);
		sink = large[8191];
	} else if (strcmp(deed, "overflow") == 0) {
		small[100] = 1;
	} else if (strcmp(deed, "overflow-large") == 0) {
		large[8192] = 1;
	} else if (strcmp(deed, "underflow") == 0) {
		small[-1] = 1;
	} else if (strcmp(deed, "double-free") == 0) {
		mp_free((void *)(uintptr_t)small);
		mp_free((void *)(uintptr_t)small);
	} else if (strcmp(deed, "leak") == 0) {
		lose();
		scrub();
	} else if (strcmp(deed, "held") == 0) {
		hold();
		scrub();
	} else if (strcmp(deed, "leak-malloc") == 0) {
		hold();
		((struct node *)kept)->text = NULL;
		scrub();
	} else {
		return 2;
	}
	puts("ended");
	return 0;
}
