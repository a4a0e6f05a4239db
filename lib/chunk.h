/* SPDX-License-Identifier: MIT */
/*
 * chunk.h - layer 3: chunks, MP_CHUNK_SIZE bytes aligned to as much.
 *
 * Chunks are cut from regions of several megabytes that stay mapped until
 * memory would have to be refused, so that even a stale look at a slab's
 * header, through a pointer freed twice, reads memory that is there.  Freed
 * chunks keep their pages for a while: they are purged once free for
 * MPP_KEEP_MS, looked at when chunks are freed, or at once over the bound.
 */
#ifndef MPP_CHUNK_H
#define MPP_CHUNK_H

#include "base.h"

/* How long freed memory keeps its pages, in milliseconds. */
#define MPP_KEEP_MS 1000u
/* The least bound on freed memory with pages, in bytes. */
#define MPP_KEEP_MIN (64 * MPP_MIB)

/* n adjacent chunks, contents undefined; NULL without memory or over the limit. */
void *mpp_chunk_alloc(size_t n);
void mpp_chunk_free(void *p, size_t n);

/*
 * Drop the pages of free chunks until at least bytes are, 0 for all.  Returns the bytes
 * dropped.
 */
size_t mpp_chunk_purge(size_t bytes);

/* The same of those that were free for ms milliseconds; called when a program may be idle. */
void mpp_chunk_age(unsigned ms);

/*
 * Unmap regions that are wholly free, for the address space, before an allocation
 * is refused.  Returns the bytes of pages dropped with them.
 */
size_t mpp_chunk_unmap(void);

struct mpp_chunk_stats {
	size_t in_use;		/* bytes */
	size_t kept;		/* bytes free with pages */
	size_t reserved;	/* bytes of address space */
};

void mpp_chunk_stats(struct mpp_chunk_stats *out);

void mpp_chunk_lock(void);
void mpp_chunk_unlock(void);

#endif /* MPP_CHUNK_H */
