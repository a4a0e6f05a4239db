/* SPDX-License-Identifier: MIT */
/*
 * os_trace_unix.c - layer 1: who calls, on POSIX systems: stacks, symbols, threads.
 *
 * Stacks come from the C library's backtrace(), which unwinds without frame pointers and
 * allocates at its first use only.  No lock.
 */
#include "os.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_BACKTRACE
#include <execinfo.h>
#endif
#ifdef HAVE_DL_ITERATE_PHDR
#include <link.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#endif

#define INNER 8 /* frames of the library itself at most */

enum { UNUSED, WANTED, PREPARING, READY };

static _Atomic uint32_t state;		/* atomic: of these; READY: stacks may be asked for */
static _Atomic uint32_t is_loaded;	/* atomic: constructors run */
#ifdef HAVE_BACKTRACE
static _Atomic uintptr_t code_start;	/* atomic: of this library, if it is one of its own */
static _Atomic uintptr_t code_end;	/* atomic: as above */
#endif

uint32_t mpp_os_thread_id(void)
{
#if defined(__linux__) && defined(SYS_gettid)
	return (uint32_t)syscall(SYS_gettid);
#elif defined(__APPLE__)
	uint64_t id = 0;

	(void)pthread_threadid_np(NULL, &id);
	return (uint32_t)id;
#else
	return (uint32_t)((uintptr_t)pthread_self() >> 4) | 1;
#endif
}

#if defined(HAVE_BACKTRACE) && defined(HAVE_DL_ITERATE_PHDR)
/* Note where the code of the object is that this function is in, unless that is the program. */
static int find_own(struct dl_phdr_info *info, size_t size, void *arg)
{
	(void)size;
	(void)arg;
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		uintptr_t start = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
		uintptr_t end = start + info->dlpi_phdr[i].p_memsz;

		if (info->dlpi_phdr[i].p_type != PT_LOAD || (uintptr_t)find_own < start ||
		    (uintptr_t)find_own >= end)
			continue;
		if (info->dlpi_name != NULL && info->dlpi_name[0] != '\0') {
			/* relaxed: published by ready */
			mpp_store_relaxed(&code_start, start);
			/* relaxed: as above */
			mpp_store_relaxed(&code_end, end);
		}
		return 1;
	}
	return 0;
}
#endif

/* backtrace() loads a library at its first use, which may allocate and so come back here. */
static void prepare(void)
{
#ifdef HAVE_BACKTRACE
	void *frames[1];
	uint32_t old = WANTED;

	/* acquire: nothing to see yet; only who comes first goes on */
	if (!mpp_cas_acquire(&state, &old, PREPARING))
		return;
	(void)backtrace(frames, 1);
#ifdef HAVE_DL_ITERATE_PHDR
	(void)dl_iterate_phdr(find_own, NULL);
#endif
	/* release: the bounds of the code; pairs with mpp_os_stack */
	mpp_store_release(&state, READY);
#endif
}

#if defined(__GNUC__) || defined(__clang__)
/* Before, the C library may not work yet: the dynamic loader allocates, too. */
static __attribute__((constructor(102))) void loaded(void)
{
	/* relaxed: the only thread */
	mpp_store_relaxed(&is_loaded, 1);
	prepare();
}
#define CAN_LOAD 0
#else
#define CAN_LOAD 1
#endif

void mpp_os_stack_ready(void)
{
	uint32_t old = UNUSED;

	/* acquire: nothing to see yet; a wish */
	(void)mpp_cas_acquire(&state, &old, WANTED);
	/* relaxed: set before there is a second thread */
	if (CAN_LOAD || mpp_load_relaxed(&is_loaded) != 0)
		prepare();
}

mpp_noinline unsigned mpp_os_stack(uintptr_t *frames, unsigned max)
{
	unsigned n = 0;
#ifdef HAVE_BACKTRACE
	void *all[INNER + 32];
	uintptr_t start, end;
	int have, i = 1; /* the first is this function */

	/* acquire: pairs with mpp_os_stack_ready */
	if (mpp_load_acquire(&state) != READY)
		return 0;
	/* relaxed: constant once ready */
	start = mpp_load_relaxed(&code_start);
	/* relaxed: as above */
	end = mpp_load_relaxed(&code_end);
	have = backtrace(all, (int)mpp_min(INNER + max, sizeof(all) / sizeof(all[0])));
	while (i < have - 1 && (uintptr_t)all[i] >= start && (uintptr_t)all[i] < end)
		i++;
	for (; i < have && n < max; i++)
		frames[n++] = (uintptr_t)all[i] - 1; /* in the call, not behind it */
#else
	(void)frames;
	(void)max;
#endif
	return n;
}

void mpp_os_symbol(uintptr_t address, struct mpp_os_symbol *out)
{
	Dl_info info;
	const char *slash;

	memset(out, 0, sizeof(*out));
	if (dladdr((void *)address, &info) == 0)
		return;
	if (info.dli_fname != NULL) {
		slash = strrchr(info.dli_fname, '/');
		out->file = slash != NULL ? slash + 1 : info.dli_fname;
		out->file_offset = address - (uintptr_t)info.dli_fbase;
	}
	if (info.dli_sname != NULL) {
		out->name = info.dli_sname;
		out->name_offset = address - (uintptr_t)info.dli_saddr;
	}
}
