/* SPDX-License-Identifier: MIT */
/*
 * info.c - layer 8: what the program may ask about the heap, and tell it.
 */
#include "malloc.h"

#include <errno.h>
#include <limits.h>
#include <mempool.h>

static int add_cache(struct mp_cache *c, void *arg)
{
	struct mp_cache_stats s = { .struct_size = sizeof(s) };
	struct mallinfo2 *info = arg;

	if (mp_cache_get_stats(c, &s) == 0)
		info->uordblks += s.live * s.slot_size;
	return 0;
}

EXPORT struct mallinfo2 mallinfo2(void)
{
	struct mp_stats s = { .struct_size = sizeof(s) };
	struct mallinfo2 info = { .arena = 0 };
	int saved = errno;

	if (mp_get_stats(&s) == 0) {
		(void)mp_cache_for_each(add_cache, &info);
		info.arena = s.bytes_slabs;
		info.ordblks = s.slabs;
		info.hblks = s.large_live;
		info.hblkhd = s.bytes_large;
		info.fordblks = info.arena > info.uordblks ? info.arena - info.uordblks : 0;
		info.uordblks += s.bytes_large;
		info.keepcost = s.bytes_kept;
	}
	errno = saved;
	return info;
}

static int cut(size_t n)
{
	return n < INT_MAX ? (int)n : INT_MAX;
}

EXPORT struct mallinfo mallinfo(void)
{
	struct mallinfo2 wide = mallinfo2();
	struct mallinfo info = {
		.arena = cut(wide.arena),
		.ordblks = cut(wide.ordblks),
		.hblks = cut(wide.hblks),
		.hblkhd = cut(wide.hblkhd),
		.uordblks = cut(wide.uordblks),
		.fordblks = cut(wide.fordblks),
		.keepcost = cut(wide.keepcost),
	};

	return info;
}

/* 1 if memory went back to the system.  There is no top of a heap to keep. */
EXPORT int malloc_trim(size_t keep)
{
	(void)keep;
	return mp_reclaim(0) > 0;
}

/*
 * The parameters of other allocators are hints about thresholds and arenas that this one does not
 * have: those that are known (they are negative, from -1 to -8, and M_MXFAST, 1) are accepted
 * and change nothing, any other is refused.
 */
EXPORT int mallopt(int parameter, int value)
{
	(void)value;
	return (parameter >= -8 && parameter <= -1) || parameter == 1;
}

EXPORT void malloc_stats(void)
{
	int saved = errno;

	(void)mp_slabinfo_print(stderr);
	errno = saved;
}

/* The totals as XML; options must be 0. */
EXPORT int malloc_info(int options, FILE *f)
{
	struct mallinfo2 info;

	if (options != 0) {
		errno = EINVAL;
		return -1;
	}
	info = mallinfo2();
	if (fprintf(f,
		    "<malloc version=\"mempool-%s\">\n"
		    "<total type=\"slabs\" count=\"%zu\" size=\"%zu\"/>\n"
		    "<total type=\"large\" count=\"%zu\" size=\"%zu\"/>\n"
		    "<total type=\"live\" size=\"%zu\"/>\n"
		    "<total type=\"kept\" size=\"%zu\"/>\n"
		    "</malloc>\n",
		    mp_version(), info.ordblks, info.arena, info.hblks, info.hblkhd, info.uordblks,
		    info.keepcost) < 0)
		return -1;
	return 0;
}
