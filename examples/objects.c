/* SPDX-License-Identifier: MIT */
/*
 * objects.c - the first program: a cache of one kind of object.
 *
 *   cc -o objects objects.c $(pkg-config --cflags --libs mempool)
 */
#include <mempool.h>

struct point {
	double x, y, z;
};

int main(void)
{
	struct mp_cache *points = MP_CACHE(point, 0);
	struct point *p[1000];

	if (points == NULL)
		return 1;
	for (int i = 0; i < 1000; i++) {
		p[i] = mp_new(points, struct point);
		if (p[i] == NULL)
			return 1;
		*p[i] = (struct point){ .x = i, .y = 2 * i, .z = 3 * i };
	}
	if (mp_slabinfo_print(stdout) != 0) /* 1000 objects of "point" */
		return 1;
	for (int i = 0; i < 1000; i++)
		mp_cache_free(points, p[i]);
	return mp_cache_destroy(points) == 0 ? 0 : 1; /* -EBUSY if one was still live */
}
