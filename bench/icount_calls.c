/* SPDX-License-Identifier: MIT */
/*
 * icount_calls.c - calls of the library's hit paths, a given number of times.
 *
 * bench/icount runs this under callgrind, twice for each path, and takes the difference.
 */
#include <mempool.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BULK 64u

static struct mp_cache *cache;

static void use(void *p)
{
	__asm__ volatile("" : : "r"(p) : "memory");
}

static void path_cache(void)
{
	void *p = mp_cache_alloc(cache);

	use(p);
	mp_cache_free(cache, p);
}

static void path_cache_zalloc(void)
{
	void *p = mp_cache_zalloc(cache);

	use(p);
	mp_cache_free(cache, p);
}

static void path_bulk(void)
{
	static void *objs[BULK];

	if (mp_cache_alloc_bulk(cache, BULK, objs))
		abort();
	use(objs);
	mp_cache_free_bulk(cache, BULK, objs);
}

static void path_alloc(void)
{
	void *p = mp_alloc(64);

	use(p);
	mp_free(p);
}

static void path_zalloc(void)
{
	void *p = mp_zalloc(64);

	use(p);
	mp_free_sized(p, 64);
}

static void path_calloc(void)
{
	void *p = mp_calloc(4, 16);

	use(p);
	mp_free_aligned_sized(p, 16, 64);
}

static void path_aligned(void)
{
	void *p = mp_aligned_alloc(64, 64);

	use(p);
	mp_free(p);
}

static void path_realloc(void)
{
	void *p = mp_realloc(mp_alloc(60), 64);

	use(p);
	if (mp_usable_size(p) < 64)
		abort();
	mp_free(p);
}

static const struct {
	const char *name;
	void (*run)(void);
} paths[] = {
	{ "cache", path_cache },     { "cache_zalloc", path_cache_zalloc },
	{ "bulk", path_bulk },	     { "alloc", path_alloc },
	{ "zalloc", path_zalloc },   { "calloc", path_calloc },
	{ "aligned", path_aligned }, { "realloc", path_realloc },
};

int main(int argc, char **argv)
{
	cache = mp_cache_create("icount", 64, 0, 0, NULL);
	if (argc != 3 || !cache) {
		fprintf(stderr, "usage: icount PATH TIMES\n");
		return 2;
	}
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		if (strcmp(argv[1], paths[i].name))
			continue;
		for (long times = atol(argv[2]); times > 0; times--)
			paths[i].run();
		return mp_cache_destroy(cache) ? 1 : 0;
	}
	fprintf(stderr, "icount: %s: no such path\n", argv[1]);
	return 2;
}
