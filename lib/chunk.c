/* SPDX-License-Identifier: MIT */
/*
 * chunk.c - layer 3: regions cut into chunks.
 *
 * Knows nothing of slabs.  Lock: MPP_RANK_CHUNK, held for some bit
 * operations; memory is mapped, purged and unmapped without it.  A chunk being purged is
 * neither free nor in use, so nobody else can take it.
 *
 *  K1  A chunk is free, in use or being purged; only who holds the lock changes which.
 *      It is freed by who has it, once.
 *  K2  dirty is a subset of free: what is in use is its user's to count.
 *  K3  A region stays in its bucket while a chunk of it is in use.
 */
#include "chunk.h"

#include "annotate.h"
#include "bits.h"
#include "budget.h"
#include "check.h"
#include "list.h"
#include "lock.h"
#include "meta.h"
#include "os.h"

#define REGION_CHUNKS_WANTED (4 * MPP_MIB / MP_CHUNK_SIZE)
#define REGION_CHUNKS \
	((unsigned)(REGION_CHUNKS_WANTED > 64 ? 64 : \
		    REGION_CHUNKS_WANTED < 8 ? 8 : REGION_CHUNKS_WANTED))
#define REGION_SIZE ((size_t)REGION_CHUNKS * MP_CHUNK_SIZE)
#define HUGE_PAGE (2 * MPP_MIB)
/* Programs smaller than this never see a huge page that they might not fill. */
#define HUGE_FROM (16 * MPP_MIB)
#define BUCKETS 1024u
#define SCAN_MS 100u

/* REGION_SIZE bytes aligned to as much; or larger, then all free or all in use. */
struct region {
	struct mpp_link avail;	/* lock:lock, on a list while something is free */
	struct mpp_link all;	/* lock:lock */
	struct region *next;	/* lock:lock, in the bucket */
	char *base;		/* const */
	size_t size;		/* const: bytes */
	bool rooted;		/* owner: leak checkers look into it */
	uint64_t free;		/* lock:lock, a bit per chunk; of a larger one bit 0 is all */
	uint64_t dirty;		/* lock:lock, free and with pages; a subset of free */
	uint64_t freed_at;	/* lock:lock, milliseconds, of the last free */
};

static struct mpp_lock lock = MPP_LOCK_INIT(MPP_RANK_CHUNK);
/* lock:lock, regions with something free: chunks with pages, chunks without, large ones */
static struct mpp_link with_pages = { &with_pages, &with_pages };
static struct mpp_link without = { &without, &without };
static struct mpp_link large = { &large, &large };
static struct mpp_link all = { &all, &all };		/* lock:lock */
static struct region *buckets[BUCKETS];			/* lock:lock, by base */
static size_t in_use, kept, reserved;			/* lock:lock, bytes */
static size_t high;					/* lock:lock, bytes, recent most in use */
static uint64_t scanned_at;				/* lock:lock, milliseconds */

static bool is_large(const struct region *r)
{
	return r->size > REGION_SIZE;
}

static struct region **bucket_of(const void *p)
{
	return &buckets[((uintptr_t)p / REGION_SIZE) % BUCKETS];
}

/* The region that holds the chunk at p. */
static struct region *region_of_locked(const char *p)
{
	struct region *r = *bucket_of(p);

	while (r != NULL && !(p >= r->base && p < r->base + mpp_min(r->size, REGION_SIZE)))
		r = r->next;
	mpp_assert(r != NULL); /* K3 */
	return r;
}

/* The bytes that bit stands for in r. */
static size_t unit(const struct region *r)
{
	return is_large(r) ? r->size : MP_CHUNK_SIZE;
}

static size_t bytes_of(const struct region *r, uint64_t mask)
{
	size_t n = 0;

	for (; mask != 0; mask &= mask - 1)
		n++;
	return n * unit(r);
}

/* On the list where it belongs, at its head: what was used last is used next. */
static void place_locked(struct region *r)
{
	mpp_list_remove(&r->avail);
	if (r->free != 0)
		mpp_list_push(is_large(r) ? &large : r->dirty != 0 ? &with_pages : &without,
			      &r->avail);
}

static void take_locked(struct region *r, uint64_t mask)
{
	kept -= bytes_of(r, r->dirty & mask);
	in_use += bytes_of(r, mask);
	high = mpp_max(high, in_use);
	r->free &= ~mask;
	r->dirty &= ~mask;
	if (r->free == 0 || (r->dirty == 0 && !is_large(r)))
		place_locked(r);
}

/* Where n adjacent chunks of r are free, with pages if there are such; or -1. */
static int run_locked(const struct region *r, unsigned n)
{
	int bit = mpp_find_run(r->dirty, n);

	return bit >= 0 ? bit : mpp_find_run(r->free, n);
}

/* One chunk, one with pages if there is any. */
static void *take_one_locked(void)
{
	struct mpp_link *from = mpp_list_empty(&with_pages) ? &without : &with_pages;
	struct region *r;
	int bit;

	if (mpp_list_empty(from))
		return NULL;
	r = mpp_container(from->next, struct region, avail);
	bit = run_locked(r, 1);
	take_locked(r, UINT64_C(1) << bit);
	return r->base + (size_t)bit * MP_CHUNK_SIZE;
}

static void *take_run_from_locked(struct mpp_link *from, size_t n)
{
	struct mpp_link *l;

	mpp_list_each(l, from) {
		struct region *r = mpp_container(l, struct region, avail);
		int bit = run_locked(r, (unsigned)n);

		if (bit < 0)
			continue;
		take_locked(r, mpp_low_bits64((unsigned)n) << bit);
		return r->base + (size_t)bit * MP_CHUNK_SIZE;
	}
	return NULL;
}

/* More than a region holds: a large one that is not much too large. */
static void *take_large_locked(size_t size)
{
	struct mpp_link *l;

	mpp_list_each(l, &large) {
		struct region *r = mpp_container(l, struct region, avail);

		if (size > r->size || size < r->size / 2)
			continue;
		take_locked(r, 1);
		return r->base;
	}
	return NULL;
}

static void *take_run_locked(size_t n)
{
	void *p;

	if (n > REGION_CHUNKS)
		return take_large_locked(n * MP_CHUNK_SIZE);
	p = take_run_from_locked(&with_pages, n);
	return p != NULL ? p : take_run_from_locked(&without, n);
}

static uint64_t whole(const struct region *r)
{
	return is_large(r) ? 1 : mpp_low_bits64(REGION_CHUNKS);
}

static void link_locked(struct region *r)
{
	reserved += r->size;
	kept += bytes_of(r, r->dirty);
	r->next = *bucket_of(r->base);
	*bucket_of(r->base) = r;
	mpp_list_append(&all, &r->all);
	mpp_list_init(&r->avail);
	place_locked(r);
}

static void unlink_locked(struct region *r)
{
	struct region **at = bucket_of(r->base);

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	mpp_list_remove(&r->all);
	mpp_list_remove(&r->avail);
	reserved -= r->size;
	kept -= bytes_of(r, r->dirty);
}

static bool add_region(size_t n)
{
	size_t size = n > REGION_CHUNKS ? n * MP_CHUNK_SIZE : REGION_SIZE;
	struct region *r = mpp_meta_alloc(sizeof(*r));
	size_t total;

	if (r == NULL)
		return false;
	r->base = mpp_os_map(size, REGION_SIZE);
	if (r->base == NULL) {
		mpp_meta_free(r, sizeof(*r));
		return false;
	}
	r->size = size;
	r->free = whole(r);
	r->rooted = mpp_annotate_root(r->base, size);
	mpp_lock_acquire(&lock);
	total = reserved + size;
	mpp_lock_release(&lock);
	if (total > HUGE_FROM && size % HUGE_PAGE == 0)
		mpp_os_want_huge(r->base, size);
	mpp_lock_acquire(&lock);
	link_locked(r);
	mpp_lock_release(&lock);
	return true;
}

/* Free chunks with pages in r that may be purged now: those that were free for age ms. */
static uint64_t ripe_locked(const struct region *r, uint64_t now, unsigned age)
{
	return now - r->freed_at >= age ? r->dirty : 0;
}

/*
 * Drop the pages of the chunks in mask, which are neither free nor in use meanwhile.  Returns
 * those of them that the system did drop.
 */
static uint64_t purge_chunks(const struct region *r, uint64_t mask)
{
	uint64_t gone = 0;

	if (is_large(r))
		return mpp_os_purge(r->base, r->size) ? mask : 0;
	while (mask != 0) {
		unsigned from = (unsigned)mpp_find_run(mask, 1), n = 1;

		while (from + n < 64 && (mask >> (from + n) & 1) != 0)
			n++;
		if (mpp_os_purge(r->base + (size_t)from * MP_CHUNK_SIZE, n * (size_t)MP_CHUNK_SIZE))
			gone |= mpp_low_bits64(n) << from;
		mask &= ~(mpp_low_bits64(n) << from);
	}
	return gone;
}

/* Purge what is ripe until at least bytes were; the lock is held, and let go meanwhile. */
static size_t purge_locked(size_t bytes, unsigned age)
{
	struct mpp_link *l = all.next;
	size_t done = 0;

	while (l != &all && done < bytes) {
		struct region *r = mpp_container(l, struct region, all);
		/* each time anew: others free while the lock is let go */
		uint64_t mask = ripe_locked(r, mpp_os_clock_ms(), age), gone;

		if (mask != 0) {
			size_t mark = high; /* what is purged is not in use */

			take_locked(r, mask);
			high = mark;
			mpp_lock_release(&lock);
			gone = purge_chunks(r, mask);
			mpp_lock_acquire(&lock);
			done += bytes_of(r, gone);
			in_use -= bytes_of(r, mask);
			kept += bytes_of(r, mask & ~gone);
			r->free |= mask;
			r->dirty |= mask & ~gone;
			place_locked(r);
		}
		l = l->next; /* a region not wholly free did not leave the list */
	}
	return done;
}

/* Some region that is wholly free, off all lists; NULL. */
static struct region *take_region(void)
{
	struct mpp_link *l;
	struct region *found = NULL;

	mpp_lock_acquire(&lock);
	mpp_list_each(l, &all) {
		struct region *r = mpp_container(l, struct region, all);

		if (r->free == whole(r)) {
			found = r;
			break;
		}
	}
	if (found != NULL)
		unlink_locked(found);
	mpp_lock_release(&lock);
	return found;
}

size_t mpp_chunk_unmap(void)
{
	struct region *r;
	size_t bytes = 0;

	while ((r = take_region()) != NULL) {
		size_t dirty = bytes_of(r, r->dirty);

		if (r->rooted)
			mpp_annotate_unroot(r->base, r->size);
		if (mpp_os_unmap(r->base, r->size)) {
			bytes += dirty;
			mpp_meta_free(r, sizeof(*r));
			continue;
		}
		/* refused, too many mappings: it stays ours, and so will the next one */
		r->rooted = mpp_annotate_root(r->base, r->size);
		mpp_lock_acquire(&lock);
		link_locked(r);
		mpp_lock_release(&lock);
		break;
	}
	return bytes;
}

/*
 * The policy, looked at when a chunk is freed.  Kept pages are bounded by
 * the most that was in use lately, a mark that sinks by half in about a
 * second: what a program frees and soon needs again stays, and twice the need
 * is never held.  Pages unused for MPP_KEEP_MS go at the next look.
 */
static void settle_locked(void)
{
	uint64_t now = mpp_os_clock_ms();
	size_t bound = mpp_max(MPP_KEEP_MIN, high);

	if (kept > bound)
		(void)purge_locked(kept - bound + bound / 8, 0);
	if (now - scanned_at < SCAN_MS)
		return;
	scanned_at = now;
	high = mpp_max(in_use, high - high / 16);
	if (kept > 0)
		(void)purge_locked(SIZE_MAX, MPP_KEEP_MS);
}

void *mpp_chunk_alloc(size_t n)
{
	void *p;

	if (!mpp_budget_take(n * MP_CHUNK_SIZE))
		return NULL;
	for (;;) {
		mpp_lock_acquire(&lock);
		p = n == 1 ? take_one_locked() : take_run_locked(n);
		mpp_lock_release(&lock);
		if (p != NULL)
			return p;
		if (!add_region(n))
			break;
	}
	mpp_budget_give(n * MP_CHUNK_SIZE);
	return NULL;
}

void mpp_chunk_free(void *p, size_t n)
{
	struct region *r;
	uint64_t mask;

	mpp_lock_acquire(&lock);
	r = region_of_locked(p);
	mask = is_large(r) ? 1
			   : mpp_low_bits64((unsigned)n)
				     << (size_t)((char *)p - r->base) / MP_CHUNK_SIZE;
	mpp_assert((r->free & mask) == 0); /* K1 */
	r->free |= mask;
	r->dirty |= mask;
	place_locked(r);
	r->freed_at = mpp_os_clock_ms();
	in_use -= bytes_of(r, mask);
	kept += bytes_of(r, mask);
	settle_locked();
	mpp_lock_release(&lock);
	mpp_budget_give(n * MP_CHUNK_SIZE);
}

size_t mpp_chunk_purge(size_t bytes)
{
	size_t done;

	mpp_lock_acquire(&lock);
	done = purge_locked(bytes == 0 ? SIZE_MAX : bytes, 0);
	mpp_lock_release(&lock);
	return done;
}

void mpp_chunk_age(unsigned ms)
{
	mpp_lock_acquire(&lock);
	high = mpp_max(in_use, high / 2);
	(void)purge_locked(SIZE_MAX, ms);
	mpp_lock_release(&lock);
}

void mpp_chunk_stats(struct mpp_chunk_stats *out)
{
	mpp_lock_acquire(&lock);
	out->in_use = in_use;
	out->kept = kept;
	out->reserved = reserved;
	mpp_lock_release(&lock);
}

void mpp_chunk_lock(void)
{
	mpp_lock_acquire(&lock);
}

void mpp_chunk_unlock(void)
{
	mpp_lock_release(&lock);
}
