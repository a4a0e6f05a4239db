/* SPDX-License-Identifier: MIT */
/*
 * meta.h - layer 3: memory for the library's own tables.
 *
 * Blocks of a power of two, zeroed, aligned to a cache line, out of
 * mappings that are never given back: a stale pointer to a table reads a
 * table.  Blocks over MPP_META_MAX are mappings of their own.
 */
#ifndef MPP_META_H
#define MPP_META_H

#include "base.h"

#define MPP_META_MAX (64 * MPP_KIB)

/* size bytes, zeroed, at least cache-line aligned; NULL without memory or over the limit. */
void *mpp_meta_alloc(size_t size);

/* Give back a block of mpp_meta_alloc(size). */
void mpp_meta_free(void *p, size_t size);

/* Bytes in use by tables. */
size_t mpp_meta_used(void);
/* Bytes of address space mapped for them. */
size_t mpp_meta_mapped(void);

void mpp_meta_lock(void);
void mpp_meta_unlock(void);

#endif /* MPP_META_H */
