/* SPDX-License-Identifier: MIT */
/*
 * large.h - layer 4: spans over MP_MAX_FIXED_SIZE, whole pages.
 *
 * Spans up to half a region are cut from regions of several megabytes, larger
 * ones have a mapping of their own.  Freed spans keep their pages for a
 * while under a bound, so that a loop over large blocks makes no system calls.
 */
#ifndef MPP_LARGE_H
#define MPP_LARGE_H

#include "report.h"

/* Largest alignment. */
#define MPP_LARGE_ALIGN_MAX ((size_t)1 << (sizeof(void *) > 4 ? 30 : 28))

/* Bytes that a request for bytes, whole pages, gets. */
size_t mpp_large_round(size_t bytes);

/*
 * size bytes in whole pages aligned to align, a power of two.  *zeroed says whether they
 * are known to be zero.  NULL without memory or over the limit.
 */
void *mpp_large_alloc(size_t size, size_t align, bool *zeroed);

enum mpp_large_verdict {
	MPP_LARGE_OK,
	MPP_LARGE_INTERIOR,	/* in a span, or in none, but not its first byte */
	MPP_LARGE_FREE,		/* the first byte of one that is free already */
	MPP_LARGE_FOREIGN,	/* its region is gone */
};

/* head is what mpp_map_find() gave for p. */
enum mpp_large_verdict mpp_large_free(void *p, void *head);

/* Usable bytes of a live span, 0 if p is not the start of one. */
size_t mpp_large_size(const void *p, void *head);

/* Under tools: note how many bytes of the live span at p were asked for; that number, or 0. */
void mpp_large_note(const void *p, size_t asked);
size_t mpp_large_asked(const void *p, void *head);

/* Whether the live span at p is a mapping of its own: rounded up, and never cut in place. */
bool mpp_large_is_single(const void *p, void *head);

/*
 * Make the live span at p hold size bytes where it is; false if that cannot be.
 */
bool mpp_large_resize(void *p, void *head, size_t size);

/*
 * Move a live span that has its mapping to itself to one of size bytes, by page tables
 * alone; NULL if that cannot be.
 */
void *mpp_large_move(void *p, void *head, size_t size);

struct mpp_large_info {
	void *start;
	size_t size;
	void *region;
	bool live;
};

/* The span that p is in; false if there is none. */
bool mpp_large_info(const void *p, void *head, struct mpp_large_info *out);

/* A fault of kind found with p, in the region at head, described as far as is known. */
void mpp_large_fault(struct mpp_fault *f, enum mp_error_kind kind, const void *p, void *head,
		     const char *where);

/* Give pages of free spans back until at least bytes are, 0 for all.  Returns the bytes. */
size_t mpp_large_purge(size_t bytes);

/* The same for spans that were free for ms milliseconds; called when a program may be idle. */
void mpp_large_age(unsigned ms);

struct mpp_large_stats {
	size_t live;		/* spans */
	size_t in_use;		/* bytes */
	size_t kept;		/* bytes free with pages */
	size_t reserved;	/* bytes of address space */
};

void mpp_large_stats(struct mpp_large_stats *out);

/* Live spans from number skip on, at most max; returns how many were written. */
size_t mpp_large_sample(struct mpp_large_info *out, size_t skip, size_t max);

/* Number of contradictions in the tables, 0 if all is well. */
unsigned mpp_large_validate(void);

void mpp_large_lock(void);
void mpp_large_unlock(void);

#endif /* MPP_LARGE_H */
