/* SPDX-License-Identifier: MIT */
/*
 * os.h - layer 1: what the library asks of the operating system.
 *
 * Every operating-system condition lives behind these functions.  None of
 * them allocates from a heap, calls back except where it says so, or
 * changes errno.  Sizes are bytes; mpp_os_page() divides every address and size
 * passed to the mapping functions.
 */
#ifndef MPP_OS_H
#define MPP_OS_H

#include "atomic.h"
#include "base.h"

/* Log2 of the bytes in a page, asked once: 0 until then. */
extern _Atomic uint32_t mpp_os_page_log;
mpp_cold uint32_t mpp_os_ask_page(void);

mpp_inline uint32_t mpp_os_page_shift(void)
{
	/* relaxed: every thread that asks finds the same number */
	uint32_t shift = mpp_load_relaxed(&mpp_os_page_log);

	return mpp_likely(shift != 0) ? shift : mpp_os_ask_page();
}

mpp_inline size_t mpp_os_page(void)
{
	return (size_t)1 << mpp_os_page_shift();
}

/* Pages that bytes fill, the last perhaps in part. */
mpp_inline size_t mpp_os_pages(size_t bytes)
{
	return (bytes + mpp_os_page() - 1) >> mpp_os_page_shift();
}

/*
 * Zeroed, readable, writable memory of size bytes, aligned to align (a power of two,
 * at least a page); NULL when refused.  Nothing is resident before it is touched.
 */
void *mpp_os_map(size_t size, size_t align);

/*
 * Give memory of mpp_os_map() back, whole or in part.  False when the
 * system refuses (too many mappings): the memory is still there and still ours.
 */
bool mpp_os_unmap(void *p, size_t size);

/* Make the pages accessible, or not at all; contents stay.  False when refused. */
bool mpp_os_protect(void *p, size_t size, bool open);

/* Drop the pages now: they read as zero afterwards.  False when refused. */
bool mpp_os_purge(void *p, size_t size);

/* Ask for large pages in this range, where there are any. */
void mpp_os_want_huge(void *p, size_t size);

/* Whether there is any use in the next call. */
bool mpp_os_can_move(void);

/*
 * Move the pages of from to to, both of mpp_os_map(), old of old_size bytes becoming
 * new_size, which is no less; from is unmapped, to replaced.  False when the system
 * cannot: from is as it was, and to is gone.
 */
bool mpp_os_move(void *from, size_t old_size, void *to, size_t new_size);

/*
 * Counts one of the calls below to the system, and says whether a test wants it to
 * fail.  Within layer 1.
 */
bool mpp_os_refused(void);

/* Calls made to map, unmap, purge and move memory so far. */
uint64_t mpp_os_calls(void);

/* 64 bits that an outsider cannot guess, as good as the system has without blocking. */
uint64_t mpp_os_entropy(void);

/* A number from 0 to n - 1 that chooses, in nearly fair shares; each thread draws its own. */
uint32_t mpp_os_random(uint32_t n);

/* Milliseconds of a clock that never goes back; cheap and coarse. */
uint64_t mpp_os_clock_ms(void);

/* The environment variable, or NULL; always NULL in a setuid program. */
const char *mpp_os_env(const char *name);

/* Write all of it to a descriptor; false if that failed. */
bool mpp_os_write(int fd, const char *text, size_t size);

/* Create or truncate a file for mpp_os_write(); negative on failure. */
int mpp_os_create(const char *path);
void mpp_os_close(int fd);

_Noreturn void mpp_os_abort(void);

/* Sleep while *word is expected (may return early); wake one sleeper. */
void mpp_os_wait(_Atomic uint32_t *word, uint32_t expected);
void mpp_os_wake(_Atomic uint32_t *word);

/* A number for the calling thread, not 0; the system's own where it has one. */
uint32_t mpp_os_thread_id(void);

/*
 * Addresses of the calls that led here, innermost first, without those inside
 * the library where it can tell; how many.  mpp_os_stack_ready() once before: it may
 * allocate.
 */
void mpp_os_stack_ready(void);
mpp_noinline unsigned mpp_os_stack(uintptr_t *frames, unsigned max);

/* What is at an address of code; each may be unknown, NULL. */
struct mpp_os_symbol {
	const char *name;	/* of the function */
	uintptr_t name_offset;	/* of the address in it */
	const char *file;	/* program or library, its last component */
	uintptr_t file_offset;
};
void mpp_os_symbol(uintptr_t address, struct mpp_os_symbol *out);

/* What a program was about to do when a memory access failed. */
enum mpp_os_access { MPP_OS_ACCESS = 0, MPP_OS_READ, MPP_OS_WRITE };

/*
 * Call fn, from a signal handler, for each memory access that fails from now on; once.
 * Then goes on whatever would have happened without.
 */
void mpp_os_on_fault(void (*fn)(const void *address, enum mpp_os_access access));

/* Give the processor to another thread. */
void mpp_os_yield(void);

void mpp_os_sleep(unsigned ms);

/*
 * Run fn(arg) in another thread, which nobody waits for and in which no signal is handled.  False
 * if there can be none.  May allocate.
 */
bool mpp_os_thread_start(void *(*fn)(void *arg), void *arg);

/*
 * Run at_exit(value) when the calling thread ends, if value was armed in it.
 * mpp_os_thread_init() once, before the first arm.
 */
bool mpp_os_thread_init(void (*at_exit)(void *value));
bool mpp_os_thread_arm(void *value);
/* What was armed in this thread though its thread-local variables began anew, or NULL. */
void *mpp_os_thread_armed(void);

/* Around fork(): prepare before, then one of the others in parent and child. */
void mpp_os_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

/* At normal process end. */
void mpp_os_at_exit(void (*fn)(void));

/*
 * The same; fn is told the exit status, -1 where the system does not tell.  It may call
 * mpp_os_exit() to end with another one; output that is buffered is written first.
 */
void mpp_os_at_exit_status(void (*fn)(int status));
_Noreturn void mpp_os_exit(int status);

/*
 * For tests: let calls number first to first + count - 1 from now on (mapping, unmapping,
 * protecting, purging, moving, arming) fail as if the system had refused; 0 for none.
 */
void mpp_os_inject(long first, long count);
/* How many such calls were made since mpp_os_inject(). */
long mpp_os_injected_calls(void);

/* For tests: the clock stands at ms from now on; 0: it runs. */
void mpp_os_hold_clock(uint64_t ms);
/* Where it stands, 0 if it runs.  Within layer 1. */
uint64_t mpp_os_held_clock(void);

#endif /* MPP_OS_H */
