/* SPDX-License-Identifier: MIT */
/*
 * index_alloc.c - the caches of the example "index", and the proof that
 * nothing is left in them.
 */
#define _POSIX_C_SOURCE 200809L

#include "index_alloc.h"
#include "index.h"

#include <stdarg.h>
#include <string.h>
#include <unistd.h>

bool alloc_on_malloc;
struct mp_cache *alloc_cache[KINDS];

static const struct {
	const char *name;
	size_t size;
	size_t align;
} kinds[KINDS] = {
	[KIND_DOC] = { "index-doc", sizeof(struct doc), _Alignof(struct doc) },
	[KIND_WORD] = { "index-word", sizeof(struct word), _Alignof(struct word) },
	[KIND_TERM] = { "index-term", sizeof(struct term), _Alignof(struct term) },
	[KIND_NODE] = { "index-node", sizeof(struct node), _Alignof(struct node) },
	[KIND_POSTING] = { "index-posting", sizeof(struct posting), _Alignof(struct posting) },
};

/* Other threads may be at work, so no handler of exit() is run. */
void die(const char *format, ...)
{
	va_list args;

	progress_end();
	fflush(stdout);
	fputs("index: error: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(1);
}

void alloc_start(void)
{
	for (int i = 0; i < KINDS && !alloc_on_malloc; i++) {
		alloc_cache[i] = mp_cache_create(kinds[i].name, kinds[i].size, kinds[i].align,
						 0, NULL);
		if (alloc_cache[i] == NULL)
			die("cannot create the cache %s", kinds[i].name);
	}
}

/* For mp_cache_for_each(): no cache may have a live object, mp_alloc()'s neither. */
static int check_empty(struct mp_cache *cache, void *arg)
{
	struct mp_cache_stats stats = { .struct_size = sizeof(stats) };

	(void)arg;
	if (mp_cache_get_stats(cache, &stats) != 0)
		die("no statistics of the cache %s", mp_cache_name(cache));
	if (stats.live != 0)
		die("%zu objects of %s were not freed", stats.live, mp_cache_name(cache));
	return 0;
}

unsigned alloc_end(void)
{
	struct mp_stats stats = { .struct_size = sizeof(stats) };

	if (alloc_on_malloc)
		return 0;
	mp_cache_for_each(check_empty, NULL);
	if (mp_get_stats(&stats) != 0 || stats.large_live != 0)
		die("%zu large blocks were not freed", stats.large_live);
	for (int i = 0; i < KINDS; i++) {
		int error = mp_cache_destroy(alloc_cache[i]);

		if (error != 0)
			die("cannot destroy the cache %s: %s", kinds[i].name, strerror(-error));
	}
	return KINDS;
}
