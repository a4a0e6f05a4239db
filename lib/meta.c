/* SPDX-License-Identifier: MIT */
/*
 * meta.c - layer 3: the library's own tables.
 *
 * Lock: MPP_RANK_META, the last of all; held for a few list operations
 * and while a block is zeroed, never over a system call.
 */
#include "meta.h"

#include "annotate.h"
#include "bits.h"
#include "budget.h"
#include "lock.h"
#include "os.h"

#include <string.h>

#define ARENA (256 * MPP_KIB)
#define SHIFT_MIN 6u /* a cache line */
#define SHIFT_MAX 16u
_Static_assert((1u << SHIFT_MAX) == MPP_META_MAX, "the largest pooled block");

struct block {
	struct block *next;
};

static struct mpp_lock lock = MPP_LOCK_INIT(MPP_RANK_META);
static struct block *pool[SHIFT_MAX + 1];	/* lock:lock, free blocks by log2 of size */
static char *arena;				/* lock:lock, fresh and zero */
static size_t arena_left;			/* lock:lock, bytes */
static size_t mapped;				/* lock:lock, bytes */
static _Atomic size_t used;			/* atomic: bytes, a statistic */

static unsigned shift_of(size_t size)
{
	return size <= ((size_t)1 << SHIFT_MIN) ? SHIFT_MIN : mpp_width(size - 1);
}

static size_t whole_pages(size_t size)
{
	return mpp_round_up(size, mpp_os_page());
}

/* What size occupies: a power of two, or whole pages. */
static size_t real_size(size_t size)
{
	return size > MPP_META_MAX ? whole_pages(size) : (size_t)1 << shift_of(size);
}

/* What is left of the arena goes to the pools, in the largest blocks that fit. */
static void pool_rest_locked(void)
{
	for (unsigned s = SHIFT_MAX; s >= SHIFT_MIN; s--) {
		for (; arena_left >= ((size_t)1 << s); arena_left -= (size_t)1 << s) {
			struct block *b = (void *)arena;

			b->next = pool[s];
			pool[s] = b;
			arena += (size_t)1 << s;
		}
	}
}

/* A zeroed block of 1 << shift bytes, or NULL when a new arena is needed. */
static void *take_locked(unsigned shift)
{
	size_t size = (size_t)1 << shift;
	struct block *b = pool[shift];
	void *p;

	if (b != NULL) {
		pool[shift] = b->next;
		memset(b, 0, size);
		return b;
	}
	if (arena_left < size)
		return NULL;
	p = arena;
	arena += size;
	arena_left -= size;
	return p;
}

static void *take(unsigned shift)
{
	void *p, *fresh;

	mpp_lock_acquire(&lock);
	while ((p = take_locked(shift)) == NULL) {
		mpp_lock_release(&lock);
		fresh = mpp_os_map(ARENA, mpp_os_page());
		if (fresh == NULL)
			return NULL;
		(void)mpp_annotate_root(fresh, ARENA); /* never unmapped */
		mpp_lock_acquire(&lock);
		pool_rest_locked();
		arena = fresh;
		arena_left = ARENA;
		mapped += ARENA;
	}
	mpp_lock_release(&lock);
	return p;
}

static void count_mapped(size_t more, size_t less)
{
	mpp_lock_acquire(&lock);
	mapped += more;
	mapped -= less;
	mpp_lock_release(&lock);
}

void *mpp_meta_alloc(size_t size)
{
	size_t real = real_size(size);
	void *p;

	if (real < size || !mpp_budget_take(real))
		return NULL;
	if (size > MPP_META_MAX) {
		p = mpp_os_map(real, mpp_os_page());
		if (p != NULL)
			count_mapped(real, 0);
	} else {
		p = take(shift_of(size));
	}
	if (p == NULL)
		mpp_budget_give(real);
	else /* relaxed: a statistic */
		mpp_add_relaxed(&used, real);
	return p;
}

void mpp_meta_free(void *p, size_t size)
{
	size_t real = real_size(size);
	struct block *b = p;

	if (p == NULL)
		return;
	if (size > MPP_META_MAX) {
		/* a refused unmap loses address space only: purge the pages */
		if (mpp_os_unmap(p, real))
			count_mapped(0, real);
		else
			(void)mpp_os_purge(p, real);
	} else {
		mpp_lock_acquire(&lock);
		b->next = pool[shift_of(size)];
		pool[shift_of(size)] = b;
		mpp_lock_release(&lock);
	}
	/* relaxed: a statistic */
	mpp_sub_relaxed(&used, real);
	mpp_budget_give(real);
}

size_t mpp_meta_used(void)
{
	/* relaxed: a statistic */
	return mpp_load_relaxed(&used);
}

size_t mpp_meta_mapped(void)
{
	size_t n;

	mpp_lock_acquire(&lock);
	n = mapped;
	mpp_lock_release(&lock);
	return n;
}

void mpp_meta_lock(void)
{
	mpp_lock_acquire(&lock);
}

void mpp_meta_unlock(void)
{
	mpp_lock_release(&lock);
}
