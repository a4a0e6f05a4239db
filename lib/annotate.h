/* SPDX-License-Identifier: MIT */
/*
 * annotate.h - layer 1: what AddressSanitizer and Valgrind's memcheck are told of our memory.
 *
 * Both are found at run time, so that a library built without them serves a program that
 * runs under one: the first by its symbols, the other by asking.  Where none runs, or
 * it is not wanted, each function is one look at mpp_annotate_tools.
 *
 * Knows addresses, not objects.  No lock; none may be held.
 */
#ifndef MPP_ANNOTATE_H
#define MPP_ANNOTATE_H

#include "base.h"

#define MPP_TOOL_ASAN 1u
#define MPP_TOOL_MEMCHECK 2u

/* MPP_TOOL_*, of those that run; set before the first allocation, constant afterwards. */
extern unsigned mpp_annotate_tools;

/* Find out which run.  Once, before all of the below. */
void mpp_annotate_init(void);

/* Bytes around and behind objects and spans that are hidden. */
#define MPP_TOOL_ZONE 16u

void mpp_annotate_hide_slow(void *p, size_t size);
void mpp_annotate_show_slow(void *p, size_t size);
void mpp_annotate_alloc_slow(void *p, size_t size, bool defined);
void mpp_annotate_free_slow(void *p, size_t size, bool readable);
bool mpp_annotate_root_slow(void *p, size_t size);
void mpp_annotate_unroot(void *p, size_t size);

/* Nobody may touch these bytes. */
mpp_inline void mpp_annotate_hide(void *p, size_t size)
{
	if (mpp_unlikely(mpp_annotate_tools != 0))
		mpp_annotate_hide_slow(p, size);
}

/* Anybody may, and what they hold counts as written. */
mpp_inline void mpp_annotate_show(void *p, size_t size)
{
	if (mpp_unlikely(mpp_annotate_tools != 0))
		mpp_annotate_show_slow(p, size);
}

/* size bytes at p become the program's; defined: what they hold counts as written. */
mpp_inline void mpp_annotate_alloc(void *p, size_t size, bool defined)
{
	if (mpp_unlikely(mpp_annotate_tools != 0))
		mpp_annotate_alloc_slow(p, size, defined);
}

/* What began at p is ours again, of size bytes; readable: the program may still read it. */
mpp_inline void mpp_annotate_free(void *p, size_t size, bool readable)
{
	if (mpp_unlikely(mpp_annotate_tools != 0))
		mpp_annotate_free_slow(p, size, readable);
}

/*
 * A mapping that may hold pointers to blocks of others: what only our objects point
 * to is no leak.  True if mpp_annotate_unroot() is due before it is unmapped.
 */
mpp_inline bool mpp_annotate_root(void *p, size_t size)
{
	return mpp_unlikely(mpp_annotate_tools != 0) && mpp_annotate_root_slow(p, size);
}

#endif /* MPP_ANNOTATE_H */
