/* SPDX-License-Identifier: MIT */
/*
 * base.h - layer 0: attributes, the configured constants, small arithmetic.
 *
 * Knows nothing of memory, threads or the operating system.
 */
#ifndef MPP_BASE_H
#define MPP_BASE_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif
#define MP_BUILDING 1
#include "mempool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef MPP_HARDENED
#define MPP_HARDENED 0
#endif
#ifndef MPP_DEBUG_CHECKS
#define MPP_DEBUG_CHECKS 0
#endif
#ifndef MPP_MAG_MAX_CONFIG
#define MPP_MAG_MAX_CONFIG (-1)
#endif

#if defined(__GNUC__) || defined(__clang__)
#define mpp_likely(x) __builtin_expect(!!(x), 1)
#define mpp_unlikely(x) __builtin_expect(!!(x), 0)
#define mpp_noinline __attribute__((noinline))
#define mpp_cold __attribute__((noinline, cold))
/* A hit path: begins a cache line, so that its cost does not turn on what stands before it. */
#define mpp_hit __attribute__((aligned(64)))
#define mpp_inline static inline __attribute__((always_inline))
#if defined(__MINGW32__) /* where plain printf is that of msvcrt, which lacks %zu */
#define mpp_printf(f, a) __attribute__((format(gnu_printf, f, a)))
#else
#define mpp_printf(f, a) __attribute__((format(printf, f, a)))
#endif
#define mpp_prefetch_w(p) __builtin_prefetch((p), 1)
#else
#define mpp_likely(x) (x)
#define mpp_unlikely(x) (x)
#define mpp_noinline
#define mpp_cold
#define mpp_hit
#define mpp_inline static inline
#define mpp_printf(f, a)
#define mpp_prefetch_w(p) ((void)(p))
#endif

/* What loops over bytes work on at once: a vector where the processor is known to have them. */
#if defined(__SSE2__) || defined(__ARM_NEON) || defined(__VSX__)
typedef uint64_t mpp_wide __attribute__((vector_size(16)));
#else
typedef uint64_t mpp_wide;
#endif

/*
 * A variable of which each thread has its own: declared with mpp_thread_local in front, named
 * by mpp_own().
 *
 * For mingw gcc emulates them, in memory which its runtime frees while callbacks of the
 * thread's end are still to come, and goes on using.  So they are put where the system has
 * them: into the section .tls, of which each thread gets a copy that stays until its very
 * end (reference: PE Format, The .tls Section; the address of the copies is in the thread's
 * block, where compilers for Windows read it).
 */
#if defined(__MINGW32__) && defined(__GNUC__) && !defined(__clang__)
#define mpp_thread_local __attribute__((section(".tls$MP")))
#define mpp_own(v) (*(__typeof__(v) *)mpp_own_copy((uintptr_t)&(v)))
extern char *_tls_start;		/* where the section begins */
extern unsigned long _tls_index;	/* of this program's or library's copy */

mpp_inline void *mpp_own_copy(uintptr_t original)
{
	const uintptr_t *copies;

#if defined(__x86_64__)
	__asm__("movq %%gs:0x58, %0" : "=r"(copies));
#else
	__asm__("movl %%fs:0x2c, %0" : "=r"(copies));
#endif
	return (void *)(copies[_tls_index] + (original - (uintptr_t)&_tls_start));
}
#else
#define mpp_thread_local _Thread_local
#define mpp_own(v) (v)
#endif

/* One cache line, the unit at which threads disturb each other. */
#define MPP_LINE 64u

#define MPP_KIB ((size_t)1024)
#define MPP_MIB ((size_t)1024 * 1024)

/* Log2 of a constant power of two, usable in constant expressions. */
#define MPP_LOG2_4(x) ((x) >= 8 ? 3 : (x) >= 4 ? 2 : (x) >= 2 ? 1 : 0)
#define MPP_LOG2_8(x) ((x) >= 16 ? 4 + MPP_LOG2_4((x) >> 4) : MPP_LOG2_4(x))
#define MPP_LOG2_16(x) ((x) >= 256 ? 8 + MPP_LOG2_8((x) >> 8) : MPP_LOG2_8(x))
#define MPP_LOG2(x) ((x) >= 65536 ? 16 + MPP_LOG2_16((x) >> 16) : MPP_LOG2_16(x))

#define MPP_CHUNK_SHIFT MPP_LOG2(MP_CHUNK_SIZE)
#define MPP_CHUNK_MASK ((uintptr_t)MP_CHUNK_SIZE - 1)
#define MPP_MIN_SHIFT MPP_LOG2(MP_MIN_BLOCK_SIZE)

/* Power-of-two caches: one for each from MP_MIN_BLOCK_SIZE to MP_MAX_FIXED_SIZE. */
#define MPP_CLASSES (MPP_LOG2(MP_MAX_FIXED_SIZE) - MPP_MIN_SHIFT + 1)

/* Limits of mp_cache_create(). */
#define MPP_OBJECT_MAX (16 * MPP_MIB)
#define MPP_ALIGN_MAX \
	((size_t)(MP_CHUNK_SIZE / 4 > 4096 ? MP_CHUNK_SIZE / 4 : 4096))
#define MPP_ALIGN_MIN ((size_t)8)
#define MPP_NAME_MAX 64

_Static_assert((MP_CHUNK_SIZE & (MP_CHUNK_SIZE - 1)) == 0, "chunk size is a power of two");
_Static_assert((MP_MIN_BLOCK_SIZE & (MP_MIN_BLOCK_SIZE - 1)) == 0, "and the smallest block");
_Static_assert((MP_MAX_FIXED_SIZE & (MP_MAX_FIXED_SIZE - 1)) == 0, "and the largest");
_Static_assert((MP_ALIGN_SIZE & (MP_ALIGN_SIZE - 1)) == 0, "and the alignment");
_Static_assert(MP_MIN_BLOCK_SIZE >= MP_ALIGN_SIZE, "a block is at least as large as aligned");
_Static_assert(MP_MAX_FIXED_SIZE >= MP_MIN_BLOCK_SIZE, "at least one class");
_Static_assert(MP_MAX_FIXED_SIZE <= MP_CHUNK_SIZE / 8, "a slab holds several of the largest");
_Static_assert(MPP_CLASSES <= 32, "the class caches are few");

mpp_inline bool mpp_is_pow2(size_t n)
{
	return n != 0 && (n & (n - 1)) == 0;
}

/* n up to the next multiple of a, a power of two; wraps on overflow. */
mpp_inline size_t mpp_round_up(size_t n, size_t a)
{
	return (n + a - 1) & ~(a - 1);
}

mpp_inline size_t mpp_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

mpp_inline size_t mpp_max(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* The bytes from p to q, for pointers and integers alike. */
mpp_inline void *mpp_at(const void *p, size_t offset)
{
	return (void *)((uintptr_t)p + offset);
}

#endif /* MPP_BASE_H */
