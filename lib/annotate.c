/* SPDX-License-Identifier: MIT */
/*
 * annotate.c - layer 1: what AddressSanitizer and Valgrind's memcheck are told of our memory.
 *
 * Memcheck sees each object as a block of its own: its reports name the size and who
 * allocated and freed it, and it looks for leaks among them.  AddressSanitizer knows
 * only which bytes may be touched, and where its leak check has to look for pointers.
 */
#include "annotate.h"

#if defined(HAVE_VALGRIND_MEMCHECK_H)
#include <valgrind/memcheck.h>
#endif

unsigned mpp_annotate_tools;

/* ---- AddressSanitizer: in the program, or in none */

#if defined(__ELF__) && (defined(__GNUC__) || defined(__clang__))

void __asan_poison_memory_region(const volatile void *p, size_t size) __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *p, size_t size) __attribute__((weak));
void __lsan_register_root_region(const void *p, size_t size) __attribute__((weak));
void __lsan_unregister_root_region(const void *p, size_t size) __attribute__((weak));

static bool asan_runs(void)
{
	return __asan_poison_memory_region != NULL && __asan_unpoison_memory_region != NULL;
}

static void asan_poison(const void *p, size_t size)
{
	__asan_poison_memory_region(p, size);
}

static void asan_unpoison(const void *p, size_t size)
{
	__asan_unpoison_memory_region(p, size);
}

static bool asan_root(const void *p, size_t size)
{
	if (__lsan_register_root_region == NULL || __lsan_unregister_root_region == NULL)
		return false;
	__lsan_register_root_region(p, size);
	return true;
}

static void asan_unroot(const void *p, size_t size)
{
	__lsan_unregister_root_region(p, size);
}

#else

static bool asan_runs(void)
{
	return false;
}

static void asan_poison(const void *p, size_t size)
{
	(void)p;
	(void)size;
}

static void asan_unpoison(const void *p, size_t size)
{
	(void)p;
	(void)size;
}

static bool asan_root(const void *p, size_t size)
{
	(void)p;
	(void)size;
	return false;
}

static void asan_unroot(const void *p, size_t size)
{
	(void)p;
	(void)size;
}

#endif

/* ---- memcheck: asked by instructions that do nothing elsewhere */

/* its header says NVALGRIND for a processor on which it does not run */
#if defined(HAVE_VALGRIND_MEMCHECK_H) && !defined(NVALGRIND)

/* The requests of its headers, whose casts are not ours, each in a function. */
#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#endif

static bool memcheck_runs(void)
{
	unsigned char probe = 0, bits = 0;

	/* only memcheck knows which bits are defined; other tools of Valgrind's say 0 */
	return RUNNING_ON_VALGRIND != 0 && VALGRIND_GET_VBITS(&probe, &bits, 1) == 1;
}

static void memcheck_hide(void *p, size_t size)
{
	(void)VALGRIND_MAKE_MEM_NOACCESS(p, size);
}

static void memcheck_show(void *p, size_t size)
{
	(void)VALGRIND_MAKE_MEM_DEFINED(p, size);
}

static void memcheck_alloc(void *p, size_t size, bool defined)
{
	VALGRIND_MALLOCLIKE_BLOCK(p, size, MPP_TOOL_ZONE, defined);
}

static void memcheck_free(void *p)
{
	VALGRIND_FREELIKE_BLOCK(p, MPP_TOOL_ZONE);
}

#else

static bool memcheck_runs(void)
{
	return false;
}

static void memcheck_hide(void *p, size_t size)
{
	(void)p;
	(void)size;
}

static void memcheck_show(void *p, size_t size)
{
	(void)p;
	(void)size;
}

static void memcheck_alloc(void *p, size_t size, bool defined)
{
	(void)p;
	(void)size;
	(void)defined;
}

static void memcheck_free(void *p)
{
	(void)p;
}

#endif

/* ---- both */

void mpp_annotate_init(void)
{
	mpp_annotate_tools = (asan_runs() ? MPP_TOOL_ASAN : 0) |
			     (memcheck_runs() ? MPP_TOOL_MEMCHECK : 0);
}

void mpp_annotate_hide_slow(void *p, size_t size)
{
	if (mpp_annotate_tools & MPP_TOOL_ASAN)
		asan_poison(p, size);
	if (mpp_annotate_tools & MPP_TOOL_MEMCHECK)
		memcheck_hide(p, size);
}

void mpp_annotate_show_slow(void *p, size_t size)
{
	if (mpp_annotate_tools & MPP_TOOL_ASAN)
		asan_unpoison(p, size);
	if (mpp_annotate_tools & MPP_TOOL_MEMCHECK)
		memcheck_show(p, size);
}

void mpp_annotate_alloc_slow(void *p, size_t size, bool defined)
{
	if (mpp_annotate_tools & MPP_TOOL_ASAN)
		asan_unpoison(p, size);
	if (mpp_annotate_tools & MPP_TOOL_MEMCHECK)
		memcheck_alloc(p, size, defined);
}

void mpp_annotate_free_slow(void *p, size_t size, bool readable)
{
	if (mpp_annotate_tools & MPP_TOOL_MEMCHECK)
		memcheck_free(p);
	if (readable)
		mpp_annotate_show_slow(p, size);
	else
		mpp_annotate_hide_slow(p, size);
}

bool mpp_annotate_root_slow(void *p, size_t size)
{
	return (mpp_annotate_tools & MPP_TOOL_ASAN) != 0 && asan_root(p, size);
}

void mpp_annotate_unroot(void *p, size_t size)
{
	asan_unroot(p, size);
}
