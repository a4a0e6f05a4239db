/* SPDX-License-Identifier: MIT */
/*
 * large.c - layer 4: spans over MP_MAX_FIXED_SIZE.
 *
 * Theory.  The state of a span's first entry is an atomic word: LIVE to
 * FREE by compare-and-swap without a lock, so exactly one of several frees
 * succeeds and each other is told.  All else changes under the lock
 * (MPP_RANK_LARGE).  No system call is made under it: a span being purged is
 * in no bin and nobody's, a mapping being unmapped has left the owner map
 * and the table of regions first.
 */
#include "large.h"

#include "annotate.h"
#include "budget.h"
#include "check.h"
#include "chunk.h"
#include "lock.h"
#include "map.h"
#include "meta.h"
#include "span.h"

#include <string.h>

#define REGION MPP_REGION_SIZE
#define HUGE_PAGE (2 * MPP_MIB)
#define HUGE_FROM (16 * MPP_MIB)
#define SCAN_MS 100u
/* What an entry can count, less what rounding may add. */
#define PAGES_MAX ((size_t)UINT32_MAX / 2)

static struct mpp_lock lock = MPP_LOCK_INIT(MPP_RANK_LARGE);
static struct mpp_link singles = { &singles, &singles }; /* lock:lock, free regions of one span */
static struct mpp_region *spares;		/* lock:lock */
static size_t live, in_use, reserved, high;	/* lock:lock */
static uint64_t scanned_at;			/* lock:lock, milliseconds */

/* ---- regions */

static size_t mapping_of(const struct mpp_region *r)
{
	return mpp_round_up(r->pages * mpp_os_page(), MP_CHUNK_SIZE);
}

static unsigned code_of(const struct mpp_region *r)
{
	return r->number < 0 ? MPP_CODE_LARGE : MPP_CODE_SPANS + (unsigned)r->number;
}

/* A descriptor, with a number if one is wanted and left. */
static struct mpp_region *new_region(bool numbered)
{
	struct mpp_region *r;
	int number = -1;

	mpp_lock_acquire(&lock);
	r = spares;
	if (r != NULL)
		spares = r->spare;
	if (numbered)
		number = mpp_number_take_locked();
	mpp_lock_release(&lock);
	if (r == NULL)
		r = mpp_meta_alloc(sizeof(*r));
	if (r != NULL) {
		r->number = number;
		return r;
	}
	if (number >= 0) {
		mpp_lock_acquire(&lock);
		mpp_number_give_locked(number);
		mpp_lock_release(&lock);
	}
	return NULL;
}

/* The lengths of a number, made at its first use; NULL without memory. */
static _Atomic uint8_t *lengths_of(int number)
{
	_Atomic(_Atomic uint8_t *) *at = &mpp_numbered[number].lengths;
	/* relaxed: the number's owner alone writes it */
	_Atomic uint8_t *lengths = mpp_load_relaxed(at);

	if (lengths == NULL) {
		lengths = mpp_meta_alloc(MPP_REGION_SIZE / MPP_UNIT * sizeof(*lengths));
		/* relaxed: published by mpp_number_set */
		mpp_store_relaxed(at, lengths);
	}
	return lengths;
}

/* What r is described in; false without memory. */
static bool make_tables(struct mpp_region *r, bool single)
{
	r->spans = single ? &r->own : mpp_meta_alloc(r->pages * sizeof(*r->spans));
	r->lengths = r->number < 0 ? NULL : lengths_of(r->number);
	return r->spans != NULL && (r->number < 0 || r->lengths != NULL);
}

/* A descriptor that is in no chain: unused now, for another region later. */
static void retire_region(struct mpp_region *r)
{
	if (r->number >= 0)
		mpp_number_set(r->number, 0);
	if (r->spans != NULL && !mpp_region_is_single(r))
		mpp_meta_free(r->spans, r->pages * sizeof(struct mpp_span));
	r->spans = NULL;
	/* relaxed: a reader that strayed here misses and looks again */
	mpp_store_relaxed(&r->base, 0);
	mpp_lock_acquire(&lock);
	if (r->number >= 0)
		mpp_number_give_locked(r->number);
	r->spare = spares;
	spares = r;
	mpp_lock_release(&lock);
}

/* Tools are told: nothing of the region is in use; it is none any more. */
static void hide_region(struct mpp_region *r)
{
	void *base = (void *)mpp_region_base(r);

	mpp_annotate_hide(base, mapping_of(r));
	r->rooted = mpp_annotate_root(base, mapping_of(r));
}

static void show_region(struct mpp_region *r)
{
	void *base = (void *)mpp_region_base(r);

	if (r->rooted)
		mpp_annotate_unroot(base, mapping_of(r));
	r->rooted = false;
	mpp_annotate_show(base, mapping_of(r));
}

/* Map size bytes and describe them; in the owner map, but in no chain and list yet. */
static struct mpp_region *map_region(size_t size, size_t align, bool single)
{
	struct mpp_region *r = new_region(!single);
	void *base = NULL;

	if (r == NULL)
		return NULL;
	r->pages = size >> mpp_os_page_shift();
	if (make_tables(r, single))
		base = mpp_os_map(mapping_of(r), mpp_max(align, MP_CHUNK_SIZE));
	/* relaxed: published by insert_locked */
	mpp_store_relaxed(&r->base, (uintptr_t)base);
	if (r->number >= 0)
		mpp_number_set(r->number, (uintptr_t)base);
	if (base != NULL && mpp_map_publish(base, mapping_of(r) / MP_CHUNK_SIZE, code_of(r))) {
		hide_region(r);
		return r;
	}
	if (base != NULL)
		(void)mpp_os_unmap(base, mapping_of(r));
	retire_region(r);
	return NULL;
}

/* Programs with little in spans never see a huge page that they might not fill. */
static void want_huge(const struct mpp_region *r)
{
	size_t total;

	mpp_lock_acquire(&lock);
	total = reserved;
	mpp_lock_release(&lock);
	if (total + mapping_of(r) > HUGE_FROM && mpp_region_base(r) % HUGE_PAGE == 0 &&
	    mapping_of(r) % HUGE_PAGE == 0)
		mpp_os_want_huge((void *)mpp_region_base(r), mapping_of(r));
}

static bool add_region(void)
{
	struct mpp_region *r = map_region(REGION, REGION, false);

	if (r == NULL)
		return false;
	want_huge(r);
	mpp_lock_acquire(&lock);
	reserved += mapping_of(r);
	mpp_region_insert_locked(r);
	mpp_span_mark(r, 0, r->pages, MPP_SPAN_FREE);
	r->spans[0].dirty = false;
	mpp_span_bin_locked(&r->spans[0]);
	mpp_lock_release(&lock);
	return true;
}

/* A region that is one free span, into its list or bin. */
static void offer_locked(struct mpp_region *r)
{
	if (!mpp_region_is_single(r)) {
		mpp_span_bin_locked(&r->spans[0]);
		return;
	}
	mpp_list_push(&singles, &r->own.bin);
	mpp_span_age_locked(&r->own);
}

static void withdraw_locked(struct mpp_region *r)
{
	if (!mpp_region_is_single(r)) {
		mpp_span_unbin_locked(&r->spans[0]);
		return;
	}
	mpp_list_remove(&r->own.bin);
	mpp_span_unage_locked(&r->own);
}

/* A region without live spans, off all lists but all: unmap it, or keep it, clean if that goes. */
static bool drop_region(struct mpp_region *r)
{
	void *base = (void *)mpp_region_base(r);
	size_t size = mapping_of(r);
	bool clean;

	mpp_map_withdraw(base, size / MP_CHUNK_SIZE);
	mpp_lock_acquire(&lock);
	mpp_region_remove_locked(r);
	mpp_lock_release(&lock);
	show_region(r);
	if (mpp_os_unmap(base, size)) {
		mpp_lock_acquire(&lock);
		reserved -= size;
		mpp_lock_release(&lock);
		retire_region(r);
		return true;
	}
	/* refused, too many mappings: the leaf is there, so publishing cannot fail */
	hide_region(r);
	(void)mpp_map_publish(base, size / MP_CHUNK_SIZE, code_of(r));
	r->spans[0].dirty = !mpp_os_purge(base, size);
	mpp_lock_acquire(&lock);
	mpp_region_insert_locked(r);
	clean = !r->spans[0].dirty;
	offer_locked(r);
	mpp_lock_release(&lock);
	return clean;
}

/* ---- giving pages back */

/* One free span with pages; the lock is held, and let go meanwhile.  Returns the bytes. */
static size_t purge_span_locked(struct mpp_span *s)
{
	struct mpp_region *r = s->region;
	size_t bytes = mpp_span_bytes(s), page = (size_t)(s - r->spans);
	bool done;

	if (mpp_span_pages(s) == r->pages) {
		withdraw_locked(r);
		mpp_lock_release(&lock);
		done = drop_region(r);
		mpp_lock_acquire(&lock);
		return done ? bytes : 0;
	}
	mpp_span_unbin_locked(s);
	mpp_lock_release(&lock);
	done = mpp_os_purge(mpp_region_page(r, page), bytes);
	mpp_lock_acquire(&lock);
	s->dirty = !done;
	mpp_span_join_locked(r, page);
	return done ? bytes : 0;
}

static size_t purge_locked(size_t bytes, unsigned age)
{
	size_t done = 0, rounds = 0;

	while (done < bytes && !mpp_list_empty(&mpp_spans_aged)) {
		struct mpp_span *s = mpp_container(mpp_spans_aged.next, struct mpp_span, age);
		size_t n;

		/* each time anew: others free while the lock is let go */
		if ((uint32_t)mpp_os_clock_ms() - s->freed_at < age)
			break;
		n = purge_span_locked(s);
		done += n;
		if (n == 0 && ++rounds > 64) /* the system refuses */
			break;
	}
	return done;
}

/* The policy of chunk.c, for spans. */
static void settle_locked(void)
{
	uint64_t now = mpp_os_clock_ms();
	size_t bound = mpp_max(MPP_KEEP_MIN, high);

	if (mpp_spans_kept > bound)
		(void)purge_locked(mpp_spans_kept - bound + bound / 8, 0);
	if (now - scanned_at < SCAN_MS)
		return;
	scanned_at = now;
	high = mpp_max(in_use, high - high / 16);
	if (mpp_spans_kept > 0)
		(void)purge_locked(SIZE_MAX, MPP_KEEP_MS);
}

size_t mpp_large_purge(size_t bytes)
{
	size_t done;

	mpp_lock_acquire(&lock);
	done = purge_locked(bytes == 0 ? SIZE_MAX : bytes, 0);
	mpp_lock_release(&lock);
	return done;
}

void mpp_large_age(unsigned ms)
{
	mpp_lock_acquire(&lock);
	high = mpp_max(in_use, high / 2);
	(void)purge_locked(SIZE_MAX, ms);
	mpp_lock_release(&lock);
}

/* ---- allocation */

static void count_locked(size_t spans, size_t bytes)
{
	live += spans;
	in_use += bytes;
	high = mpp_max(high, in_use);
}

/* A span out of a shared region; NULL if none has the room. */
static void *carve(size_t pages, size_t align, bool *zeroed)
{
	size_t page_size = mpp_os_page();
	size_t unit = align > page_size ? align / page_size : 1;
	struct mpp_span *s;
	void *p = NULL;

	mpp_lock_acquire(&lock);
	s = mpp_span_best_locked(pages + unit - 1);
	if (s != NULL) {
		struct mpp_region *r = s->region;
		size_t page = (size_t)(s - r->spans);

		mpp_span_unbin_locked(s);
		*zeroed = !s->dirty;
		while ((uintptr_t)mpp_region_page(r, page) % align != 0)
			page++;
		mpp_span_cut_locked(r, s, page, pages, MPP_SPAN_LIVE);
		p = mpp_region_page(r, page);
		count_locked(1, pages * page_size);
	}
	mpp_lock_release(&lock);
	return p;
}

/* A free region of one span that is not much too large. */
static struct mpp_region *reuse_single(size_t pages, size_t align)
{
	struct mpp_link *l;
	struct mpp_region *found = NULL;

	mpp_lock_acquire(&lock);
	mpp_list_each(l, &singles) {
		struct mpp_span *s = mpp_container(l, struct mpp_span, bin);

		if (mpp_span_pages(s) < pages || mpp_span_pages(s) > pages + pages / 4 ||
		    mpp_region_base(s->region) % align != 0)
			continue;
		found = s->region;
		withdraw_locked(found);
		count_locked(1, mpp_span_bytes(s));
		break;
	}
	mpp_lock_release(&lock);
	return found;
}

static void *alloc_single(size_t bytes, size_t align, bool *zeroed)
{
	size_t size = mpp_round_up(bytes, mpp_max(MP_CHUNK_SIZE, mpp_os_page()));
	struct mpp_region *r;

	if (size < bytes || !mpp_budget_take(size))
		return NULL;
	r = reuse_single(size / mpp_os_page(), align);
	if (r != NULL) {
		/* reserved for what was asked; now for what it is */
		size_t more = mpp_span_bytes(&r->own) - size;

		if (more == 0 || mpp_budget_take(more)) {
			*zeroed = !r->own.dirty;
			mpp_span_set_state(&r->own, MPP_SPAN_LIVE);
			return (void *)mpp_region_base(r);
		}
		mpp_lock_acquire(&lock);
		live--;
		in_use -= mpp_span_bytes(&r->own);
		offer_locked(r);
		mpp_lock_release(&lock);
		mpp_budget_give(size);
		return NULL;
	}
	r = map_region(size, align, true);
	if (r == NULL) {
		mpp_budget_give(size);
		return NULL;
	}
	mpp_span_mark(r, 0, r->pages, MPP_SPAN_LIVE);
	want_huge(r);
	mpp_lock_acquire(&lock);
	reserved += mapping_of(r);
	mpp_region_insert_locked(r);
	count_locked(1, mpp_span_bytes(&r->own));
	mpp_lock_release(&lock);
	*zeroed = true;
	return (void *)mpp_region_base(r);
}

/* One of several in a region. */
static void *alloc_part(size_t bytes, size_t align, bool *zeroed)
{
	void *p;

	if (!mpp_budget_take(bytes))
		return NULL;
	do
		p = carve(bytes / mpp_os_page(), align, zeroed);
	while (p == NULL && add_region());
	if (p == NULL)
		mpp_budget_give(bytes);
	return p;
}

size_t mpp_large_round(size_t bytes)
{
	/* over that a span has a region, and the granules of the map, to itself */
	return bytes > REGION / 2 ? mpp_round_up(bytes, MP_CHUNK_SIZE) : bytes;
}

void *mpp_large_alloc(size_t size, size_t align, bool *zeroed)
{
	size_t bytes = mpp_round_up(size, mpp_os_page());

	align = mpp_max(align, mpp_os_page());
	if (bytes < size || bytes > SIZE_MAX / 2 || bytes >> mpp_os_page_shift() > PAGES_MAX)
		return NULL;
	return bytes > REGION / 2 || align > REGION / 4 ? alloc_single(bytes, align, zeroed) :
							  alloc_part(bytes, align, zeroed);
}

/* ---- free and the rest */

/* The first entry of the span that starts at p, or NULL. */
mpp_inline struct mpp_span *span_at(const void *p, const void *head, struct mpp_region **region)
{
	struct mpp_region *r = mpp_region_find(head);
	size_t offset, page;

	*region = r;
	if (r == NULL)
		return NULL;
	offset = (uintptr_t)p - mpp_region_base(r);
	page = offset >> mpp_os_page_shift();
	if ((offset & (mpp_os_page() - 1)) != 0 || page >= (mpp_region_is_single(r) ? 1 : r->pages))
		return NULL;
	return &r->spans[page];
}

enum mpp_large_verdict mpp_large_free(void *p, void *head)
{
	uint32_t was = MPP_SPAN_LIVE;
	struct mpp_region *r;
	struct mpp_span *s = span_at(p, head, &r);
	size_t bytes;

	if (r == NULL)
		return MPP_LARGE_FOREIGN;
	if (s == NULL)
		return MPP_LARGE_INTERIOR;
	/* acq_rel: one free of several wins (S1); what it wrote goes with the lock */
	if (!mpp_cas_acq_rel(&s->state, &was, MPP_SPAN_FREE))
		return was == MPP_SPAN_FREE ? MPP_LARGE_FREE : MPP_LARGE_INTERIOR;
	mpp_span_tell(r, (size_t)(s - r->spans), 0);
	bytes = mpp_span_bytes(s);
	mpp_lock_acquire(&lock);
	live--;
	in_use -= bytes;
	s->dirty = true;
	s->freed_at = (uint32_t)mpp_os_clock_ms();
	if (mpp_region_is_single(r))
		offer_locked(r);
	else
		mpp_span_join_locked(r, (size_t)(s - r->spans));
	settle_locked();
	mpp_lock_release(&lock);
	mpp_budget_give(bytes);
	return MPP_LARGE_OK;
}

size_t mpp_large_size(const void *p, void *head)
{
	struct mpp_region *r;
	struct mpp_span *s = span_at(p, head, &r);

	return s != NULL && mpp_span_state(s) == MPP_SPAN_LIVE ? mpp_span_bytes(s) : 0;
}

void mpp_large_note(const void *p, size_t asked)
{
	struct mpp_region *r;
	struct mpp_span *s;
	void *head = NULL;

	(void)mpp_map_find(p, &head);
	s = span_at(p, head, &r);
	if (s != NULL)
		s->slack = (uint32_t)mpp_min(mpp_span_bytes(s) - asked, UINT32_MAX);
}

size_t mpp_large_asked(const void *p, void *head)
{
	struct mpp_region *r;
	struct mpp_span *s = span_at(p, head, &r);

	return s != NULL && mpp_span_state(s) == MPP_SPAN_LIVE ? mpp_span_bytes(s) - s->slack : 0;
}

bool mpp_large_is_single(const void *p, void *head)
{
	struct mpp_region *r;

	return span_at(p, head, &r) != NULL && mpp_region_is_single(r);
}

/* Cut the end of a live span off, into the bins. */
static void shrink_span(struct mpp_region *r, struct mpp_span *s, size_t pages)
{
	size_t page = (size_t)(s - r->spans), less = mpp_span_pages(s) - pages;
	struct mpp_span *rest = &r->spans[page + pages];

	mpp_lock_acquire(&lock);
	mpp_span_mark(r, page, pages, MPP_SPAN_LIVE);
	mpp_span_mark(r, page + pages, less, MPP_SPAN_FREE);
	mpp_list_init(&rest->bin);
	rest->dirty = true;
	rest->freed_at = (uint32_t)mpp_os_clock_ms();
	in_use -= less * mpp_os_page();
	mpp_span_join_locked(r, page + pages);
	settle_locked();
	mpp_lock_release(&lock);
	mpp_budget_give(less * mpp_os_page());
}

/* Take what is missing from the free span behind; false if there is not enough. */
static bool extend_span(struct mpp_region *r, struct mpp_span *s, size_t pages)
{
	size_t page = (size_t)(s - r->spans), end = page + mpp_span_pages(s);
	size_t more = pages - mpp_span_pages(s);
	struct mpp_span *other = &r->spans[end];
	bool done = false;

	if (end >= r->pages || !mpp_budget_take(more * mpp_os_page()))
		return false;
	mpp_lock_acquire(&lock);
	if (mpp_span_state(other) == MPP_SPAN_FREE && mpp_span_is_binned(other) && mpp_span_pages(other) >= more) {
		mpp_span_unbin_locked(other);
		mpp_span_cut_locked(r, other, end, more, MPP_SPAN_INSIDE);
		mpp_span_mark(r, page, pages, MPP_SPAN_LIVE);
		count_locked(0, more * mpp_os_page());
		done = true;
	}
	mpp_lock_release(&lock);
	if (!done)
		mpp_budget_give(more * mpp_os_page());
	return done;
}

bool mpp_large_resize(void *p, void *head, size_t size)
{
	size_t pages = mpp_round_up(size, mpp_os_page()) / mpp_os_page(), old;
	struct mpp_region *r;
	struct mpp_span *s = span_at(p, head, &r);

	if (s == NULL || size > SIZE_MAX / 2)
		return false;
	old = mpp_span_pages(s);
	if (pages == old)
		return true;
	if (mpp_region_is_single(r))
		return pages < old && size >= mpp_span_bytes(s) / 2;
	if (pages < old)
		shrink_span(r, s, pages);
	return pages < old || extend_span(r, s, pages);
}

/* A region's pages that were withdrawn are its own still, or what was moved there is. */
static void publish_again(struct mpp_region *r, size_t bytes)
{
	void *base = (void *)mpp_region_base(r);

	/* its leaf is there: it cannot fail */
	(void)mpp_map_publish(base, bytes / MP_CHUNK_SIZE, MPP_CODE_LARGE);
	r->rooted = mpp_annotate_root(base, mapping_of(r));
}

void *mpp_large_move(void *p, void *head, size_t size)
{
	struct mpp_region *r, *to;
	struct mpp_span *s = span_at(p, head, &r);
	size_t old, bytes = mpp_round_up(size, mpp_max(MP_CHUNK_SIZE, mpp_os_page()));
	uint32_t was = MPP_SPAN_LIVE;

	if (!mpp_os_can_move() || s == NULL || !mpp_region_is_single(r) || bytes < size ||
	    bytes <= REGION / 2 || bytes >> mpp_os_page_shift() > PAGES_MAX)
		return NULL;
	old = mpp_span_bytes(s);
	if (bytes < old)
		return NULL;
	if (!mpp_budget_take(bytes))
		return NULL;
	to = map_region(bytes, mpp_region_base(r) % HUGE_PAGE == 0 ? HUGE_PAGE : MP_CHUNK_SIZE, true);
	if (to == NULL) {
		mpp_budget_give(bytes);
		return NULL;
	}
	mpp_span_mark(to, 0, to->pages, MPP_SPAN_LIVE);
	/* both: whoever is given the addresses that are left finds them free of us */
	mpp_map_withdraw(p, old / MP_CHUNK_SIZE);
	mpp_map_withdraw((void *)mpp_region_base(to), bytes / MP_CHUNK_SIZE);
	show_region(r);
	show_region(to);
	if (!mpp_os_move(p, old, (void *)mpp_region_base(to), bytes)) {
		publish_again(r, old);
		retire_region(to);
		mpp_budget_give(bytes);
		return NULL;
	}
	publish_again(to, bytes);
	/* acq_rel: as in mpp_large_free; the owner is moving it, nobody else may free it */
	(void)mpp_cas_acq_rel(&s->state, &was, MPP_SPAN_FREE);
	mpp_lock_acquire(&lock);
	mpp_region_remove_locked(r);
	mpp_region_insert_locked(to);
	reserved += bytes - old;
	in_use -= old;
	count_locked(0, bytes);
	mpp_lock_release(&lock);
	retire_region(r);
	mpp_budget_give(old);
	return (void *)mpp_region_base(to);
}

bool mpp_large_info(const void *p, void *head, struct mpp_large_info *out)
{
	struct mpp_region *r;
	size_t page;
	bool found = false;

	mpp_lock_acquire(&lock); /* before it is found: any value at all may be asked for */
	r = mpp_region_find(head);
	page = r == NULL ? 0 : ((uintptr_t)p - mpp_region_base(r)) >> mpp_os_page_shift();
	if (r != NULL && page < r->pages) {
		page = mpp_region_is_single(r) ? 0 : page;
		while (page > 0 && mpp_span_state(&r->spans[page]) == MPP_SPAN_INSIDE)
			page--;
		out->region = (void *)mpp_region_base(r);
		out->start = mpp_region_page(r, page);
		out->size = mpp_span_bytes(&r->spans[page]);
		out->live = mpp_span_state(&r->spans[page]) == MPP_SPAN_LIVE;
		found = true;
	}
	mpp_lock_release(&lock);
	return found;
}

void mpp_large_fault(struct mpp_fault *f, enum mp_error_kind kind, const void *p, void *head,
		     const char *where)
{
	struct mpp_large_info info;

	memset(f, 0, sizeof(*f));
	f->kind = kind;
	f->where = where;
	f->pointer = p;
	memcpy(f->cache_name, "large", sizeof("large"));
	if (!mpp_large_info(p, head, &info))
		return;
	f->object = info.start;
	f->slab = info.region;
	f->size = info.size;
	f->offset = (uintptr_t)p - (uintptr_t)info.start;
}

void mpp_large_stats(struct mpp_large_stats *out)
{
	mpp_lock_acquire(&lock);
	out->live = live;
	out->in_use = in_use;
	out->kept = mpp_spans_kept;
	out->reserved = reserved;
	mpp_lock_release(&lock);
}

size_t mpp_large_sample(struct mpp_large_info *out, size_t skip, size_t max)
{
	struct mpp_link *l;
	size_t n = 0;

	mpp_lock_acquire(&lock);
	mpp_list_each(l, &mpp_regions) {
		struct mpp_region *r = mpp_container(l, struct mpp_region, all);

		for (size_t page = 0; page < r->pages && n < max;
		     page += mpp_span_pages(&r->spans[page])) {
			if (mpp_span_state(&r->spans[page]) == MPP_SPAN_LIVE && skip > 0) {
				skip--;
			} else if (mpp_span_state(&r->spans[page]) == MPP_SPAN_LIVE) {
				out[n].region = (void *)mpp_region_base(r);
				out[n].start = mpp_region_page(r, page);
				out[n].size = mpp_span_bytes(&r->spans[page]);
				out[n++].live = true;
			}
			if (mpp_span_pages(&r->spans[page]) == 0)
				break;
		}
	}
	mpp_lock_release(&lock);
	return n;
}

/* Contradictions in one region; adds what is live to *spans and *bytes. */
static unsigned check_locked(const struct mpp_region *r, size_t *spans, size_t *bytes)
{
	unsigned faults = 0;
	size_t page = 0;

	while (page < r->pages) {
		const struct mpp_span *s = &r->spans[page];
		size_t pages = mpp_span_pages(s);

		if (pages == 0 || page + pages > r->pages || mpp_span_state(s) == MPP_SPAN_INSIDE ||
		    s->region != r ||
		    (!mpp_region_is_single(r) && r->spans[page + pages - 1].first != page))
			return faults + 1;
		if (mpp_span_state(s) == MPP_SPAN_LIVE) {
			*spans += 1;
			*bytes += mpp_span_bytes(s);
		} else if (mpp_span_is_binned(s) && !mpp_list_sound(&s->bin)) {
			faults++;
		}
		page += pages;
	}
	return faults;
}

unsigned mpp_large_validate(void)
{
	struct mpp_link *l;
	size_t spans = 0, bytes = 0;
	unsigned faults = 0;

	mpp_lock_acquire(&lock);
	mpp_list_each(l, &mpp_regions)
		faults += check_locked(mpp_container(l, struct mpp_region, all), &spans, &bytes);
	if (faults == 0 && (spans != live || bytes != in_use))
		faults++;
	mpp_lock_release(&lock);
	return faults;
}

void mpp_large_lock(void)
{
	mpp_lock_acquire(&lock);
}

void mpp_large_unlock(void)
{
	mpp_lock_release(&lock);
}
