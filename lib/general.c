/* SPDX-License-Identifier: MIT */
/*
 * general.c - layer 7: mp_alloc() and its family: a size becomes a class or a
 * large span, a pointer becomes a cache or a large span.
 */
#include "base.h"

#include "annotate.h"
#include "checked.h"
#include "fail.h"
#include "fast.h"
#include "guard.h"
#include "init.h"
#include "large.h"
#include "object.h"
#include "os.h"
#include "purge.h"
#include "reclaim.h"
#include "room.h"
#include "span.h"
#include "spancache.h"
#include "spanwatch.h"

#include <errno.h>
#include <string.h>

static void *fail(int error)
{
	errno = error;
	return NULL;
}

static void *large_try(size_t size, size_t align, bool *zeroed)
{
	void *p = mpp_unlikely(mpp_spanwatch_letters != 0) ?
			  mpp_spanwatch_alloc(size, align, zeroed) :
			  mpp_large_alloc(size, align, zeroed);

	if (p != NULL)
		mpp_room_make();
	return p;
}

static void *large_new(size_t size, size_t align, bool *zeroed)
{
	void *p;

	mpp_purge_poke();
	p = large_try(size, align, zeroed);
	if (p == NULL) {
		(void)mpp_reclaim(0, true);
		p = large_try(size, align, zeroed);
	}
	return p != NULL ? p : fail(ENOMEM);
}

/* When a memory checker runs: with hidden bytes behind, and never from the thread's spans. */
static mpp_noinline void *large_told(size_t size, size_t align, bool *zeroed)
{
	void *p;

	mpp_object_poll();
	p = large_new(size + MPP_TOOL_ZONE, align, zeroed);
	if (p != NULL) {
		mpp_large_note(p, size);
		mpp_annotate_alloc(p, size, *zeroed);
	}
	return p;
}

static void *large_alloc(size_t size, size_t align, bool *zeroed)
{
	void *p;

	if (mpp_unlikely(size > PTRDIFF_MAX))
		return fail(ENOMEM); /* hopeless: no need to empty the caches first */
	if (mpp_unlikely(mpp_fail_large) && mpp_fail_now(&mpp_fail_environment))
		return fail(ENOMEM);
	if (mpp_unlikely(mpp_annotate_tools != 0))
		return large_told(size, align, zeroed);
	if (mpp_likely(size <= MPP_SPAN_CACHE_MOST) && mpp_likely(mpp_spanwatch_letters == 0)) {
		p = align > mpp_os_page() ?
			    NULL :
			    mpp_spans_pop(&mpp_spans_all, mpp_thread_get(), size);
		if (mpp_likely(p != NULL)) {
			*zeroed = false;
			return p;
		}
		size = mpp_spans_round(size);
	}
	mpp_object_poll();
	return large_new(size, align, zeroed);
}

/* From a class, asked bytes, when its magazine is empty or its cache watched. */
static mpp_noinline void *class_slow(unsigned cls, size_t asked)
{
	void *obj;

	if (mpp_unlikely(!mpp_init()))
		return fail(ENOMEM);
	asked = mpp_max(asked, 1);
	obj = mpp_routed_pop(mpp_classes[cls], asked);
	return obj != NULL ? obj : mpp_reclaim_alloc(mpp_classes[cls], asked);
}

/* When nothing of the size is at hand. */
static mpp_noinline void *alloc_cold(size_t size)
{
	bool zeroed;

	if (size <= MP_MAX_FIXED_SIZE)
		return class_slow(mpp_class_of(mpp_max(size, 1)), size);
	if (mpp_unlikely(!mpp_init()))
		return fail(ENOMEM);
	return large_alloc(size, 1, &zeroed);
}

/* Of a size that the classes do not fit, or when the magazine is empty. */
static mpp_noinline void *alloc_slow(size_t size)
{
	void *p;

	if (size > MP_MAX_FIXED_SIZE && size <= MPP_SPAN_CACHE_MOST) {
		p = mpp_spans_pop(&mpp_spans_plain, mpp_self, size);
		if (mpp_likely(p != NULL))
			return p;
	}
	return alloc_cold(size);
}

mpp_hit void *mp_alloc(size_t size)
{
	void *obj;

	if (mpp_likely(mpp_class_fits(size)) &&
	    mpp_likely(mpp_pop(mpp_fast_slot((mpp_class_of(size) + 1) * MPP_SLOT_SIZE), &obj)))
		return obj;
	return alloc_slow(size);
}

static void *large_zalloc(size_t size)
{
	bool zeroed = false;
	void *p = mpp_init() ? large_alloc(size, 1, &zeroed) : fail(ENOMEM);

	if (p != NULL && !zeroed)
		memset(p, 0, size);
	return p;
}

void *mp_zalloc(size_t size)
{
	void *p;

	if (mpp_unlikely(size > MP_MAX_FIXED_SIZE))
		return large_zalloc(size);
	p = mp_alloc(size);
	return p == NULL ? NULL : memset(p, 0, size);
}

void *mp_calloc(size_t n, size_t size)
{
	if (mpp_unlikely(size != 0 && n > SIZE_MAX / size))
		return fail(ENOMEM);
	return mp_zalloc(n * size);
}

static void *class_alloc(unsigned cls, size_t asked)
{
	void *obj;

	if (mpp_likely(mpp_pop(mpp_fast_slot((cls + 1) * MPP_SLOT_SIZE), &obj)))
		return obj;
	return class_slow(cls, asked);
}

void *mp_aligned_alloc(size_t align, size_t size)
{
	bool zeroed;

	if (!mpp_is_pow2(align) || align > MPP_LARGE_ALIGN_MAX)
		return fail(EINVAL);
	if (mpp_max(align, size) <= MP_MAX_FIXED_SIZE) /* classes are aligned to their size */
		return class_alloc(mpp_class_of(mpp_max(align, size)), size);
	if (!mpp_init())
		return fail(ENOMEM);
	return large_alloc(mpp_max(size, 1), align, &zeroed);
}

/* ---- pointers */

static void report(enum mp_error_kind kind, const struct mpp_found *found, const void *p,
		   const char *where)
{
	struct mpp_faults faults = { .n = 0 };
	struct mpp_fault *f = mpp_cache_fault(&faults, kind, found->cache, p, where);

	if (found->cache != NULL)
		mpp_cache_describe(f, found->cache, mpp_slab_of(found->head, &found->cache->g), p);
	else if (found->code == MPP_CODE_LARGE)
		mpp_spanwatch_fault(f, kind, p, found->head, where);
	else if (found->code == MPP_CODE_GUARD)
		mpp_guard_describe(f, p);
	mpp_faults_report(&faults);
}

/* The start of a page in memory that is free: once of a span, which may have been joined since. */
static bool is_free_page(const void *p, void *head)
{
	struct mpp_large_info info;

	return (uintptr_t)p % mpp_os_page() == 0 && mpp_large_info(p, head, &info) && !info.live;
}

static mpp_cold void report_large(const struct mpp_found *found, void *p,
				  enum mpp_large_verdict verdict)
{
	enum mp_error_kind kind = MP_ERROR_BAD_FREE;

	if (verdict == MPP_LARGE_FREE)
		kind = MP_ERROR_DOUBLE_FREE;
	else if (verdict == MPP_LARGE_INTERIOR)
		kind = is_free_page(p, found->head) ? MP_ERROR_DOUBLE_FREE :
						      MP_ERROR_INTERIOR_POINTER;

	report(kind, found, p, "mp_free");
}

/* p is in a large region: keep the span at hand, or give it back. */
static void free_large(void *p, const struct mpp_found *found)
{
	size_t bytes = mpp_large_size(p, found->head);
	enum mpp_large_verdict verdict;

	if (mpp_unlikely(mpp_spanwatch_letters != 0)) {
		if (mpp_spanwatch_free(p, found->head))
			return;
		bytes = 0; /* another has freed it since: nothing to keep */
	}
	if (mpp_unlikely(mpp_annotate_tools != 0) && bytes != 0) {
		mpp_annotate_free(p, bytes, false);
		bytes = 0;
	}
	switch (mpp_spans_push(&mpp_spans_all, mpp_thread_get(), p, bytes >> MPP_UNIT_SHIFT)) {
	case MPP_SPANS_KEPT:
		return;
	case MPP_SPANS_TWICE:
		verdict = MPP_LARGE_FREE;
		break;
	case MPP_SPANS_NO_ROOM:
	default:
		verdict = mpp_large_free(p, found->head);
		break;
	}
	if (mpp_unlikely(verdict != MPP_LARGE_OK))
		report_large(found, p, verdict);
}

/* Keep a live span, without more ado; false, and nothing done, if it is something else. */
mpp_inline bool keep_large(void *p, unsigned code)
{
	return mpp_spans_push(&mpp_spans_plain, mpp_self, p, mpp_span_look(p, code)) ==
	       MPP_SPANS_KEPT;
}

static mpp_noinline void free_cold(void *p)
{
	struct mpp_found found = { .code = 0 };
	int saved = errno;

	if (p != NULL) {
		(void)mpp_init();
		if (mpp_map_get(p) >= MPP_CODE_LARGE)
			found.code = mpp_map_find(p, &found.head);
		if (found.code == MPP_CODE_LARGE)
			free_large(p, &found);
		else
			mpp_object_free_any(NULL, p);
	}
	errno = saved;
}

static mpp_noinline void free_slow(void *p, unsigned code)
{
	if (mpp_unlikely(!keep_large(p, code)))
		free_cold(p);
}

/*
 * The hit path of a free, of what has the code; false, and nothing done, if p is no object of a
 * first few caches.
 */
mpp_inline bool free_fast(void *p, unsigned code)
{
	struct mp_cache *c;
	uint32_t index;

	if (mpp_unlikely(code - 1 >= MPP_INLINE_IDS - 1))
		return false;
	/* relaxed: M4 of map.h, the cache lives while it has objects */
	c = mpp_load_relaxed(&mpp_caches[code]);
	index = mpp_slab_near_index(p, &c->g);
	if (mpp_unlikely(index >= c->g.capacity))
		return false;
	/* the slot of a cache that may not be served there is always full */
	if (mpp_unlikely(!mpp_push(mpp_fast_slot(code * MPP_SLOT_SIZE), p)))
		mpp_object_push(c, p, index);
	return true;
}

mpp_hit void mp_free(void *p)
{
	unsigned code = mpp_map_get(p);

	if (mpp_unlikely(!free_fast(p, code)))
		free_slow(p, code);
}

/* What is wrong with a pointer that is not the start of a live object. */
static enum mp_error_kind kind_of(const struct mpp_found *found, const void *p)
{
	struct mpp_spanwatch o;

	if (found->code == 0)
		return MP_ERROR_BAD_FREE;
	if (found->code == MPP_CODE_LARGE && mpp_spanwatch_letters != 0 &&
	    mpp_spanwatch_find(p, found->head, &o))
		return o.object == p ? MP_ERROR_DOUBLE_FREE : MP_ERROR_INTERIOR_POINTER;
	if (found->code == MPP_CODE_LARGE && is_free_page(p, found->head))
		return MP_ERROR_DOUBLE_FREE;
	if (found->code == MPP_CODE_GUARD)
		return mpp_guard_fault(p);
	return MP_ERROR_INTERIOR_POINTER;
}

/* Bytes of the live span at p that the program may use; 0 if it is none. */
static size_t large_usable(const void *p, void *head)
{
	if (mpp_annotate_tools != 0)
		return mpp_large_asked(p, head);
	return mpp_spanwatch_letters != 0 ? mpp_spanwatch_live(p, head) : mpp_large_size(p, head);
}

/* Whether an object is free in its slab, or the newest in this thread's magazine. */
static bool is_free_object(const struct mpp_found *found, const void *p)
{
	const struct mpp_slab *s = mpp_slab_of(found->head, &found->cache->g);
	const struct mpp_slot *slot = mpp_thread_find_slot(mpp_self, found->cache);

	if (mpp_slab_has_magic(s, found->code) && mpp_slab_is_free(s, found->index))
		return true;
	return slot != NULL && mpp_is_newest(slot, p);
}

/* What the program may use of an object; 0 if that is free, as far as it is cheap to know. */
static size_t usable_object(const struct mpp_found *found, const void *p)
{
	if (mpp_unlikely(is_free_object(found, p)))
		return 0;
	return mpp_checked_live(found->cache, (void *)(uintptr_t)p);
}

/* The same of a span that is not watched: at hand in another thread it is not seen. */
static bool is_free_span(const void *p, size_t bytes)
{
	return mpp_spanwatch_letters == 0 &&
	       mpp_spans_keep(mpp_self, p, bytes >> MPP_UNIT_SHIFT);
}

/* What the program may use at p, by its pointer; 0, and reported, if it is no live start. */
static size_t usable(const void *p, struct mpp_found *found, const char *where)
{
	struct mpp_guarded o;
	bool freed = false;
	size_t size = 0;

	(void)mpp_init();
	mpp_find(p, found);
	if (found->cache != NULL && found->index < found->cache->g.capacity) {
		size = usable_object(found, p);
		freed = size == 0;
	} else if (found->code == MPP_CODE_LARGE) {
		size = large_usable(p, found->head);
		freed = size != 0 && is_free_span(p, size);
	} else if (found->code == MPP_CODE_GUARD && mpp_guard_look(p, &o) && o.live &&
		   o.object == p) {
		found->cache = o.cache;
		size = o.size;
	}
	if (mpp_likely(size != 0 && !freed))
		return size;
	report(freed ? MP_ERROR_DOUBLE_FREE : kind_of(found, p), found, p, where);
	return 0;
}

size_t mp_usable_size(const void *p)
{
	struct mpp_found found;

	return p == NULL ? 0 : usable(p, &found, "mp_usable_size");
}

size_t mp_good_size(size_t size)
{
	if (size <= MP_MAX_FIXED_SIZE)
		return mpp_class_size(mpp_class_of(mpp_max(size, 1)));
	if (size > SIZE_MAX / 2)
		return size;
	return mpp_large_round(mpp_spans_round(size));
}

/* What the program says it frees. */
struct claim {
	void *p;
	size_t align;
	size_t size;
	const char *where;
};

/*
 * Whether a live pointer with have usable bytes can be what mp_alloc(size) gave, or
 * with align mp_aligned_alloc(), or what mp_realloc() left.
 */
static bool is_of_size(const struct claim *claim, const struct mpp_found *found, size_t have)
{
	/* memory for a large alignment comes from a larger class */
	size_t most = mpp_max(claim->align, claim->size), size = claim->size;

	if (found->cache != NULL && found->cache->builtin && found->cache->watch.reach != 0)
		return mpp_max(size, 1) == have;
	if (found->cache != NULL && !found->cache->builtin)
		return size <= have;
	if (found->cache != NULL)
		return most <= have && mp_good_size(most) == have;
	if ((mpp_annotate_tools | mpp_spanwatch_letters) != 0)
		return mpp_max(size, 1) == have;
	if (claim->align > MP_MAX_FIXED_SIZE)
		return size <= have;
	if (mpp_large_is_single(claim->p, found->head))
		return size <= have && mp_good_size(size) >= have / 2;
	return size > MP_MAX_FIXED_SIZE && mp_good_size(size) == have;
}

static void report_mismatch(const struct claim *claim, const struct mpp_found *found, size_t have)
{
	struct mpp_faults faults = { .n = 0 };
	struct mpp_fault *f = mpp_cache_fault(&faults, MP_ERROR_SIZE_MISMATCH, found->cache,
					      claim->p, claim->where);

	if (found->cache == NULL)
		memcpy(f->cache_name, "large", sizeof("large"));
	f->note = "size in bytes";
	f->expected = have;
	f->found = claim->size;
	mpp_faults_report(&faults);
}

static mpp_noinline void free_checked(void *p, size_t align, size_t size, const char *where)
{
	struct claim claim = { p, align, size, where };
	struct mpp_found found;
	int saved = errno;
	size_t have;

	if (p == NULL)
		return;
	have = usable(p, &found, where);
	if (have != 0 && mpp_likely(is_of_size(&claim, &found, have)))
		mp_free(p);
	else if (have != 0)
		report_mismatch(&claim, &found, have);
	errno = saved;
}

/* Whether p is in a slab of the class for size: the common case, nothing more to check. */
static bool is_in_class(const void *p, size_t size)
{
	unsigned cls;

	if (mpp_unlikely(!mpp_class_fits(size)))
		return false;
	cls = mpp_class_of(size);
	/* with red zones the very size counts */
	return mpp_map_get(p) == cls + 1 && mpp_classes[cls]->watch.reach == 0;
}

void mp_free_sized(void *p, size_t size)
{
	if (mpp_unlikely(!is_in_class(p, size)) || mpp_unlikely(!free_fast(p, mpp_map_get(p))))
		free_checked(p, 1, size, "mp_free_sized");
}

void mp_free_aligned_sized(void *p, size_t align, size_t size)
{
	if (mpp_unlikely(!is_in_class(p, mpp_max(align, size))) ||
	    mpp_unlikely(!free_fast(p, mpp_map_get(p))))
		free_checked(p, align, size, "mp_free_aligned_sized");
}

/* ---- realloc */

/* Where it is, or moved by page tables; NULL if it must be copied. */
static void *resize_large(void *p, const struct mpp_found *found, size_t size)
{
	void *to;

	if ((mpp_annotate_tools | mpp_spanwatch_letters) != 0) /* a stale pointer is to be seen */
		return size == large_usable(p, found->head) ? p : NULL;
	if (size <= MP_MAX_FIXED_SIZE)
		return NULL;
	if (mpp_large_resize(p, found->head, mp_good_size(size)))
		to = p;
	else
		to = mpp_large_move(p, found->head, size);
	if (to != NULL)
		mpp_room_make();
	return to;
}

/* Whether an object of have bytes is the one for size. */
static bool fits(const struct mpp_found *found, size_t size, size_t have)
{
	const struct mp_cache *c = found->cache;
	bool zoned = c->watch.reach != 0 && found->code != MPP_CODE_GUARD &&
		     !mpp_watch_is_told(&c->watch);

	if (zoned || (c->builtin && c->watch.reach != 0))
		return size == have; /* the red zone begins there */
	return c->builtin ? mp_good_size(size) == have : size <= have;
}

/* Whether the object can be freed when it was copied.  If not, that is told, with nothing taken. */
static bool is_whole(void *p, const struct mpp_found *found)
{
	struct mpp_faults faults;
	bool whole;

	if (found->code == MPP_CODE_LARGE && mpp_spanwatch_letters != 0)
		return mpp_spanwatch_whole(p, found->head, "mp_realloc");
	if (found->cache == NULL)
		return true;
	mpp_faults_init(&faults);
	whole = found->code == MPP_CODE_GUARD ?
			mpp_guard_whole(p, "mp_realloc", &faults) :
			mpp_checked_whole(found->cache, p, "mp_realloc", &faults);
	mpp_faults_report(&faults);
	return whole;
}

void *mp_realloc(void *p, size_t size)
{
	struct mpp_found found;
	size_t have;
	bool whole;
	void *to;

	if (p == NULL)
		return mp_alloc(size);
	have = usable(p, &found, "mp_realloc");
	if (have == 0)
		return fail(EINVAL);
	if (size == 0)
		size = 1;
	if (found.cache == NULL) {
		to = resize_large(p, &found, size);
		if (to != NULL)
			return to;
	} else if (fits(&found, size, have)) {
		return p;
	}
	whole = is_whole(p, &found);
	if (whole && found.cache != NULL && found.code != MPP_CODE_GUARD &&
	    mpp_checked_resize(found.cache, p, size))
		return p;
	to = mp_alloc(size);
	if (to == NULL)
		return NULL;
	memcpy(to, p, mpp_min(have, size));
	if (whole)
		mp_free(p);
	return to;
}
