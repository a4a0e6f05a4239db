/* SPDX-License-Identifier: MIT */
/*
 * operators.c - layer 8: operator new and delete of C++, by their mangled names.
 *
 * In C, so that no program needs a C++ library because of this one.  What to do without
 * memory (call the new-handler, throw std::bad_alloc) only the program's own
 * C++ library knows: its operator of the same name, next in the search order, is
 * asked to go on.  It comes back to malloc() after each call of the handler.
 *
 * operator delete does not check the size it is given: programs that run well elsewhere get it wrong
 * (a class with data behind it, a base class without a virtual destructor).
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* RTLD_NEXT */
#endif

#include "malloc.h"

#include "classes.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

/* std::size_t and the types of the arguments in a mangled name */
#if defined(__SIZEOF_SIZE_T__) && __SIZEOF_SIZE_T__ == 8 && defined(__LP64__)
#define Z "m"
#else
#define Z "j"
#endif
#define NOTHROW "RKSt9nothrow_t"
#define ALIGN "St11align_val_t"

void *next_symbol(const char *name)
{
	void *fn = dlsym(RTLD_NEXT, name);

	if (fn == NULL)
		abort();
	return fn;
}

#define NEXT(type, name, ...)                      \
	do {                                       \
		void *address_ = next_symbol(name);       \
		type fn_;                          \
                                                   \
		memcpy(&fn_, &address_, sizeof(fn_)); \
		return fn_(__VA_ARGS__);           \
	} while (0)

typedef void *new_fn(size_t size);
typedef void *new_nothrow_fn(size_t size, const void *tag);
typedef void *new_aligned_fn(size_t size, size_t align);
typedef void *new_aligned_nothrow_fn(size_t size, size_t align, const void *tag);

/* One operator new in its four forms, for single objects (w) and arrays (a). */
#define OPERATOR_NEW(which)                                                                  \
	EXPORT new_fn new_##which __asm__("_Zn" #which Z);                                   \
	static noinline void *new_##which##_slow(size_t size)                                \
	{                                                                                    \
		NEXT(new_fn *, "_Zn" #which Z, size);                                        \
	}                                                                                    \
	void *new_##which(size_t size)                                                       \
	{                                                                                    \
		void *p = malloc(size);                                                      \
                                                                                             \
		return likely(p != NULL) ? p : new_##which##_slow(size);                     \
	}                                                                                    \
	EXPORT new_nothrow_fn new_##which##_nothrow __asm__("_Zn" #which Z NOTHROW);         \
	void *new_##which##_nothrow(size_t size, const void *tag)                            \
	{                                                                                    \
		void *p = malloc(size);                                                      \
                                                                                             \
		if (likely(p != NULL))                                                       \
			return p;                                                            \
		NEXT(new_nothrow_fn *, "_Zn" #which Z NOTHROW, size, tag);                   \
	}                                                                                    \
	EXPORT new_aligned_fn new_##which##_aligned __asm__("_Zn" #which Z ALIGN);           \
	void *new_##which##_aligned(size_t size, size_t align)                               \
	{                                                                                    \
		void *p = memalign(align, size);                                             \
                                                                                             \
		if (likely(p != NULL))                                                       \
			return p;                                                            \
		NEXT(new_aligned_fn *, "_Zn" #which Z ALIGN, size, align);                   \
	}                                                                                    \
	EXPORT new_aligned_nothrow_fn new_##which##_aligned_nothrow __asm__(                 \
		"_Zn" #which Z ALIGN NOTHROW);                                               \
	void *new_##which##_aligned_nothrow(size_t size, size_t align, const void *tag)      \
	{                                                                                    \
		void *p = memalign(align, size);                                             \
                                                                                             \
		if (likely(p != NULL))                                                       \
			return p;                                                            \
		NEXT(new_aligned_nothrow_fn *, "_Zn" #which Z ALIGN NOTHROW, size, align, tag); \
	}

OPERATOR_NEW(w)
OPERATOR_NEW(a)

typedef void delete_fn(void *p);
typedef void delete_sized_fn(void *p, size_t size);
typedef void delete_nothrow_fn(void *p, const void *tag);
typedef void delete_sized_aligned_fn(void *p, size_t size, size_t align);
typedef void delete_aligned_nothrow_fn(void *p, size_t align, const void *tag);

/* One operator delete in its six forms. */
#define OPERATOR_DELETE(which)                                                               \
	EXPORT delete_fn delete_##which __asm__("_Zd" #which "Pv");                          \
	void delete_##which(void *p)                                                         \
	{                                                                                    \
		mp_free(p);                                                                  \
	}                                                                                    \
	EXPORT delete_sized_fn delete_##which##_sized __asm__("_Zd" #which "Pv" Z);          \
	void delete_##which##_sized(void *p, size_t size)                                    \
	{                                                                                    \
		(void)size;                                                                  \
		mp_free(p);                                                                  \
	}                                                                                    \
	EXPORT delete_nothrow_fn delete_##which##_nothrow __asm__("_Zd" #which "Pv" NOTHROW); \
	void delete_##which##_nothrow(void *p, const void *tag)                              \
	{                                                                                    \
		(void)tag;                                                                   \
		mp_free(p);                                                                  \
	}                                                                                    \
	EXPORT delete_sized_fn delete_##which##_aligned __asm__("_Zd" #which "Pv" ALIGN);    \
	void delete_##which##_aligned(void *p, size_t align)                                 \
	{                                                                                    \
		(void)align;                                                                 \
		mp_free(p);                                                                  \
	}                                                                                    \
	EXPORT delete_sized_aligned_fn delete_##which##_sized_aligned __asm__(               \
		"_Zd" #which "Pv" Z ALIGN);                                                  \
	void delete_##which##_sized_aligned(void *p, size_t size, size_t align)              \
	{                                                                                    \
		(void)size;                                                                  \
		(void)align;                                                                 \
		mp_free(p);                                                                  \
	}                                                                                    \
	EXPORT delete_aligned_nothrow_fn delete_##which##_aligned_nothrow __asm__(           \
		"_Zd" #which "Pv" ALIGN NOTHROW);                                            \
	void delete_##which##_aligned_nothrow(void *p, size_t align, const void *tag)        \
	{                                                                                    \
		(void)align;                                                                 \
		(void)tag;                                                                   \
		mp_free(p);                                                                  \
	}

OPERATOR_DELETE(l)
OPERATOR_DELETE(a)
