/* SPDX-License-Identifier: MIT */
/*
 * c.c - a C program of a user: only the installed header and library.
 */
#include <mempool.h>
#include <stdio.h>
#include <string.h>

struct point {
	int x, y;
};

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			fprintf(stderr, "line %d: failed: %s\n", __LINE__, #condition); \
			return 1; \
		} \
	} while (0)

static int use_cache(void)
{
	struct mp_cache_stats stats = { .struct_size = sizeof(stats) };
	struct mp_cache *c = MP_CACHE(point, 0);
	struct point *p;

	CHECK(c != NULL);
	p = mp_new(c, struct point);
	CHECK(p != NULL);
	p->x = 1;
	p->y = 2;
	CHECK(mp_cache_get_stats(c, &stats) == 0);
	CHECK(stats.live == 1 && stats.object_size == sizeof(*p));
	mp_cache_free(c, p);
	CHECK(mp_cache_destroy(c) == 0);
	return 0;
}

static int use_general(void)
{
	char *text = mp_alloc(100);

	CHECK(text != NULL);
	CHECK(mp_usable_size(text) >= 100);
	strcpy(text, "text");
	text = mp_realloc(text, 100000);
	CHECK(text != NULL);
	CHECK(strcmp(text, "text") == 0);
	mp_free(text);
	return 0;
}

int main(void)
{
	struct mp_version_info info = { .struct_size = sizeof(info) };

	CHECK(strcmp(mp_version(), MP_VERSION_STRING) == 0);
	CHECK(mp_version_info(&info) == 0);
	CHECK(info.major == MP_VERSION_MAJOR && info.minor == MP_VERSION_MINOR);
	CHECK(info.chunk_size == MP_CHUNK_SIZE && info.max_fixed_size == MP_MAX_FIXED_SIZE);
	CHECK(info.align_size == MP_ALIGN_SIZE && info.min_block_size == MP_MIN_BLOCK_SIZE);
	if (use_cache() != 0 || use_general() != 0)
		return 1;
	printf("libmempool %s from C: works\n", mp_version());
	return 0;
}
