/* SPDX-License-Identifier: MIT */
/*
 * span.h - layer 4: regions of pages, and the spans they are cut into.
 *
 *   region  | span (live) | span (free) | span (live) |     free      |
 *   table    h . . . . . t h . . . . . t h . . . . . t h . . . . . . t
 *
 * A region has a table with an entry per page, in the library's own memory: a span's
 * first entry says how long it is, its last where it starts, so a freed span finds its
 * free neighbours and joins them.  Free spans stand in bins by length.
 *
 * A region of MPP_REGION_SIZE has a number while there are any left.  Its granules' code is
 * that number and leads to bytes, one for each 4096, that say where live spans start and how
 * long they are: S4 in span.c.
 *
 * Everything that ends in _locked wants the lock of large.c ("large" below).
 */
#ifndef MPP_SPAN_H
#define MPP_SPAN_H

#include "atomic.h"
#include "list.h"
#include "map.h"
#include "os.h"

enum mpp_span_use {
	MPP_SPAN_INSIDE = 0,	/* not the first page of a span */
	MPP_SPAN_LIVE,
	MPP_SPAN_FREE,		/* in a bin, or on its way to or from one */
};

struct mpp_span {
	struct mpp_link bin;	/* lock:large, while free in a bin */
	struct mpp_link age;	/* lock:large, while free with pages, oldest first */
	struct mpp_region *region;	/* const while a first entry */
	_Atomic uint32_t state;	/* atomic: enum mpp_span_use */
	uint32_t first;		/* lock:large, of a last entry: index of the first */
	_Atomic uint32_t pages;	/* atomic: of a first entry; changes under the lock */
	union {
		uint32_t freed_at;	/* lock:large, while free: milliseconds, the low bits */
		uint32_t slack;		/* owner, while live: see mpp_large_note() */
	};
	bool dirty;		/* lock:large while free: may have pages, may not be zero */
};

struct mpp_region {
	struct mpp_link all;			/* lock:large */
	_Atomic(struct mpp_region *) next;	/* atomic: in the bucket */
	_Atomic uintptr_t base;			/* atomic: 0 when unused */
	size_t pages;				/* const while in use */
	struct mpp_span *spans;			/* const while in use: the table */
	struct mpp_span own;			/* the table of a region that is one span */
	bool rooted;				/* owner: leak checkers look into it */
	int number;				/* const while in use; -1 for none */
	_Atomic uint8_t *lengths;		/* const while in use: of the number, or NULL */
	struct mpp_region *spare;		/* lock:large, in the line of unused ones */
};

/* Lengths of live spans are told in units, which no page is smaller than, up to so many bytes. */
#define MPP_UNIT_SHIFT 12u
#define MPP_UNIT ((size_t)1 << MPP_UNIT_SHIFT)
#define MPP_TOLD_MOST (128 * MPP_KIB)

/* What the number of a region leads to. */
struct mpp_numbered {
	_Atomic uintptr_t base;			/* atomic: of the region, 0 for none; how often that
						   changed in the bits below MPP_REGION_SIZE */
	_Atomic(_Atomic uint8_t *) lengths;	/* atomic: of each unit the units of the live span
						   that starts there, or 0; the same array for good */
};

extern struct mpp_numbered mpp_numbered[MPP_SPANS_CODES];
extern struct mpp_link mpp_regions;		/* lock:large, all of them */
extern struct mpp_link mpp_spans_aged;		/* lock:large, dirty free spans, oldest first */
extern size_t mpp_spans_kept;			/* lock:large, bytes of those */

mpp_inline bool mpp_region_is_single(const struct mpp_region *r)
{
	return r->spans == &r->own;
}

mpp_inline uintptr_t mpp_region_base(const struct mpp_region *r)
{
	/* relaxed: of a region that stays, or to be looked at again */
	return mpp_load_relaxed(&r->base);
}

mpp_inline void *mpp_region_page(const struct mpp_region *r, size_t page)
{
	return (void *)(mpp_region_base(r) + (page << mpp_os_page_shift()));
}

mpp_inline size_t mpp_span_pages(const struct mpp_span *s)
{
	/* relaxed: under the lock, or ordered behind mpp_span_state */
	return mpp_load_relaxed(&s->pages);
}

mpp_inline size_t mpp_span_bytes(const struct mpp_span *s)
{
	return mpp_span_pages(s) << mpp_os_page_shift();
}

/* Free and in a bin: the neighbours may take it. */
mpp_inline bool mpp_span_is_binned(const struct mpp_span *s)
{
	return s->bin.next != NULL && s->bin.next != &s->bin;
}

mpp_inline void mpp_span_set_state(struct mpp_span *s, enum mpp_span_use state)
{
	/* release: the span's length, to who asks for it; pairs with mpp_span_state */
	mpp_store_release(&s->state, (uint32_t)state);
}

mpp_inline enum mpp_span_use mpp_span_state(const struct mpp_span *s)
{
	/* acquire: the span's length; pairs with mpp_span_set_state */
	return (enum mpp_span_use)mpp_load_acquire(&s->state);
}

/*
 * Units of the live span that starts at p, if the code of p's granule is that of a number; 0 if
 * it is something else, or more than are told.  No lock, and right for any p at any time: S4.
 */
mpp_inline size_t mpp_span_look(const void *p, unsigned code)
{
	uintptr_t base, offset = (uintptr_t)p & (MPP_REGION_SIZE - 1);
	const struct mpp_numbered *n;
	const _Atomic uint8_t *length;
	size_t units;

	if (mpp_unlikely(code - MPP_CODE_SPANS >= MPP_SPANS_CODES))
		return 0;
	n = &mpp_numbered[code - MPP_CODE_SPANS];
	/* acquire: the array; pairs with mpp_number_set */
	base = mpp_load_acquire(&n->base);
	if (mpp_unlikely(((uintptr_t)p ^ base) >= MPP_REGION_SIZE) ||
	    mpp_unlikely((offset & (MPP_UNIT - 1)) != 0))
		return 0;
	/* relaxed: ordered by base */
	length = mpp_load_relaxed(&n->lengths) + (offset >> MPP_UNIT_SHIFT);
	/* acquire: base as it was then (S4); pairs with mpp_span_tell */
	units = mpp_load_acquire(length);
	/* relaxed: ordered by the acquire above */
	return mpp_likely(mpp_load_relaxed(&n->base) == base) ? units : 0;
}

/* A live span of pages starts at page, or with 0 none does: what mpp_span_look() finds. */
mpp_inline void mpp_span_tell(struct mpp_region *r, size_t page, size_t pages)
{
	uint32_t shift = mpp_os_page_shift() - MPP_UNIT_SHIFT;
	size_t units = pages << shift;

	if (r->lengths != NULL)
		/* release: the base that the number has now, to who looks (S4); pairs with
		 * mpp_span_look */
		mpp_store_release(&r->lengths[page << shift],
				  (uint8_t)(units <= MPP_TOLD_MOST / MPP_UNIT ? units : 0));
}

/* A number that no region has, taken; -1 if there is none left. */
int mpp_number_take_locked(void);
void mpp_number_give_locked(int number);
/* The number leads to the region at base from now on, 0 for none; its owner's alone. */
void mpp_number_set(int number, uintptr_t base);

/*
 * The region whose first granule is head, or NULL.  No lock: hash chains are
 * walked as they change; see span.c.
 */
struct mpp_region *mpp_region_find(const void *head);
void mpp_region_insert_locked(struct mpp_region *r);
void mpp_region_remove_locked(struct mpp_region *r);

/* A free span into (out of) its bin and, with pages, the line of those that age. */
void mpp_span_bin_locked(struct mpp_span *s);
void mpp_span_unbin_locked(struct mpp_span *s);
/* The same without the bin, for a region that is one span. */
void mpp_span_age_locked(struct mpp_span *s);
void mpp_span_unage_locked(struct mpp_span *s);

/* The smallest free span of at least pages, or nearly; NULL. */
struct mpp_span *mpp_span_best_locked(size_t pages);

/* Write the first and last entry of a span. */
void mpp_span_mark(struct mpp_region *r, size_t page, size_t pages, enum mpp_span_use state);

/* The free span at page, in no bin: joined with its free neighbours, into a bin. */
void mpp_span_join_locked(struct mpp_region *r, size_t page);

/* Cut [page, page + pages) out of the unbinned free span s, for a use; the rest is binned again. */
void mpp_span_cut_locked(struct mpp_region *r, struct mpp_span *s, size_t page, size_t pages,
			 enum mpp_span_use use);

#endif /* MPP_SPAN_H */
