/* SPDX-License-Identifier: MIT */
/*
 * loading.h - shared libraries loaded by hand, under the names of POSIX or of Windows.
 */
#ifndef TESTS_LOADING_H
#define TESTS_LOADING_H

#include "portable.h"

#include <string.h>

#if defined(_WIN32)

#define LOADING_NAME "libmempool-0.dll"

/* Only one way to load there is: flags are not looked at. */
#define LOADING_NOW 0
#define LOADING_LAZY 0

static inline void *loading_open(const char *path, int flags)
{
	(void)flags;
	return LoadLibraryA(path);
}

static inline bool loading_close(void *library)
{
	return FreeLibrary((HMODULE)library) != 0;
}

/* Of object and function pointers alike, the bits. */
static inline void *loading_find(void *library, const char *name)
{
	FARPROC function = GetProcAddress((HMODULE)library, name);
	void *p;

	memcpy(&p, &function, sizeof(p));
	return p;
}

static inline const char *loading_error(void)
{
	static char text[40];

	snprintf(text, sizeof(text), "error %u", (unsigned)GetLastError());
	return text;
}

/* The file that the library of this program, which has that symbol, was loaded from. */
static inline bool loading_path(const char *symbol, char *path, size_t size)
{
	DWORD n = GetModuleFileNameA(GetModuleHandleA(LOADING_NAME), path, (DWORD)size);

	(void)symbol;
	return n > 0 && n < size;
}

#else

#include <dlfcn.h>

#if defined(__APPLE__)
#define LOADING_NAME "libmempool.dylib"
#else
#define LOADING_NAME "libmempool.so"
#endif

#define LOADING_NOW (RTLD_NOW | RTLD_LOCAL)
#define LOADING_LAZY (RTLD_LAZY | RTLD_GLOBAL)

static inline void *loading_open(const char *path, int flags)
{
	return dlopen(path, flags);
}

static inline bool loading_close(void *library)
{
	return dlclose(library) == 0;
}

static inline void *loading_find(void *library, const char *name)
{
	return dlsym(library, name);
}

static inline const char *loading_error(void)
{
	return dlerror();
}

static inline bool loading_path(const char *symbol, char *path, size_t size)
{
	void *address = dlsym(RTLD_DEFAULT, symbol);
	Dl_info info;

	if (address == NULL || dladdr(address, &info) == 0 || strlen(info.dli_fname) >= size)
		return false;
	strcpy(path, info.dli_fname);
	return true;
}

#endif

#endif /* TESTS_LOADING_H */
