/* SPDX-License-Identifier: MIT */
/*
 * report.h - layer 2: misuse found becomes a message and a decision.
 *
 * Formats on the stack, writes with one system call, takes no lock while
 * it calls the program's handler.  Never called with a lock held.
 */
#ifndef MPP_REPORT_H
#define MPP_REPORT_H

#include "base.h"

#define MPP_DAMAGE_MAX 16
#define MPP_SAMPLE_MAX 8

#define MPP_FRAMES 14u	/* of a stack kept */

/* Who did it. */
struct mpp_user {
	uint32_t thread;	/* 0: not known */
	uint32_t frames;	/* in stack */
	uint64_t when;		/* milliseconds of mpp_os_clock_ms() */
	uintptr_t stack[MPP_FRAMES];
};

/* What was found, by value, so that reporting follows no pointer. */
struct mpp_fault {
	enum mp_error_kind kind;
	const char *where;		/* the check that found it, a constant */
	const void *pointer;		/* handed in, or where it was found */
	const void *object;		/* start of the object, or NULL */
	struct mp_cache *cache;		/* or NULL; not followed */
	char cache_name[MPP_NAME_MAX];	/* "" if unknown */
	unsigned cache_id;
	const void *slab;		/* or NULL: the next six are then unused */
	size_t index;
	size_t offset;
	size_t size;			/* of an object */
	size_t live;			/* objects not free in the slab */
	size_t capacity;
	size_t expected;		/* a size or a count, with note */
	size_t found;
	const char *note;		/* or NULL: a constant with one or two %zu */
	unsigned samples;		/* addresses at sample */
	const void *sample[MPP_SAMPLE_MAX];
	unsigned owners;		/* at owner: who allocated the first of these */
	const struct mpp_user *owner;	/* the caller's own memory */
	unsigned damaged;		/* bytes at damage, 0 is none */
	ptrdiff_t damage_offset;	/* from the start of the object */
	unsigned char damage[MPP_DAMAGE_MAX];
	struct mpp_user alloced;	/* of the object, where that is kept */
	struct mpp_user freed;
};

/* Set u to the calling thread, now, and its stack. */
mpp_noinline void mpp_report_user(struct mpp_user *u);

struct mpp_text;
/* A line for each frame of u's stack, and one in front that says what and who. */
void mpp_report_add_user(struct mpp_text *t, const char *what, const struct mpp_user *u);

/* Report; returns if the policy is to carry on, otherwise aborts. */
void mpp_report(const struct mpp_fault *f);

/* Only print, by way of buf: from a signal handler, which has little stack. */
void mpp_report_print(const struct mpp_fault *f, char *buf, size_t size);

/* A failed create with MP_PANIC: a message and abort. */
mpp_cold _Noreturn void mpp_report_panic(const char *cache_name, int error);

void mpp_report_set_handler(mp_error_handler *fn, void *arg);

/* Faults reported so far. */
uint64_t mpp_report_count(void);

/* "double-free" and so on. */
const char *mpp_report_kind(enum mp_error_kind kind);

/* Take and give back the handler's lock around fork. */
void mpp_report_lock(void);
void mpp_report_unlock(void);

#endif /* MPP_REPORT_H */
