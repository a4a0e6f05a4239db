/* SPDX-License-Identifier: MIT */
/*
 * stats.c - layer 7: numbers, all of them pulled from where they are kept.
 */
#include "base.h"

#include "budget.h"
#include "chunk.h"
#include "guard.h"
#include "init.h"
#include "large.h"
#include "meta.h"
#include "object.h"
#include "os.h"
#include "report.h"
#include "spancache.h"
#include "spanwatch.h"
#include "walk.h"

#include <errno.h>

static void count_slabs(struct mp_cache *c, struct mp_cache_stats *out, bool *tallied)
{
	mpp_lock_acquire(&c->lock);
	out->slabs = c->slabs;
	out->slabs_empty = c->empties;
	*tallied = c->tallied;
	mpp_lock_release(&c->lock);
	out->capacity = out->slabs * c->g.capacity;
	out->chunks = out->slabs * c->g.chunks;
	out->bytes_mapped = out->chunks * MP_CHUNK_SIZE;
}

static void count_objects(struct mp_cache *c, struct mp_cache_stats *out, bool tallied)
{
	size_t taken_out, guarded;

	out->cached = mpp_walk_cached(c, &taken_out);
	/* relaxed: a count */
	out->leaked = mpp_load_relaxed(&c->leaked);
	out->live = taken_out - mpp_min(out->cached + out->leaked, taken_out);
	(void)mpp_guard_out(c, &guarded);
	out->capacity += guarded; /* live or leaked, each in a page of its own */
	out->free = out->capacity > taken_out ? out->capacity - taken_out : 0;
	out->bytes_asked = out->live * c->size;
	/* relaxed: counts, exact when nobody works on the cache */
	out->peak = mpp_load_relaxed(&c->peak);
	/* relaxed: as above */
	out->allocs = tallied ? mpp_walk_allocs(c) : mpp_load_relaxed(&c->taken);
	if (!tallied) /* relaxed: as above */
		out->frees = mpp_load_relaxed(&c->returned);
	else if (out->allocs > out->live) /* an object is out before it is counted */
		out->frees = out->allocs - out->live;
	/* relaxed: as above */
	out->failed = mpp_load_relaxed(&c->failed);
	/* relaxed: set before the first allocation */
	out->max_objects = mpp_load_relaxed(&c->max_objects);
}

int mp_cache_get_stats(struct mp_cache *c, struct mp_cache_stats *out)
{
	bool tallied;

	if (c == NULL || out == NULL || out->struct_size != sizeof(*out) || !mpp_cache_alive(c))
		return -EINVAL;
	mpp_thread_bury_orphans();
	*out = (struct mp_cache_stats){
		.struct_size = sizeof(*out),
		.object_size = c->size,
		.slot_size = c->g.slot,
		.align = c->align,
		.objects_per_slab = c->g.capacity,
		.chunks_per_slab = c->g.chunks,
		.flags = c->flags,
		.id = mpp_cache_id(c),
	};
	count_slabs(c, out, &tallied);
	count_objects(c, out, tallied);
	return 0;
}

static int add_slabs(struct mp_cache *c, void *arg)
{
	struct mp_stats *out = arg;

	mpp_lock_acquire(&c->lock);
	out->slabs += c->slabs;
	mpp_lock_release(&c->lock);
	return 0;
}

int mp_get_stats(struct mp_stats *out)
{
	struct mpp_chunk_stats chunks;
	struct mpp_large_stats large;
	size_t spans, span_bytes, watched, watched_bytes;

	if (out == NULL || out->struct_size != sizeof(*out))
		return -EINVAL;
	if (!mpp_init())
		return -ENOMEM;
	mpp_chunk_stats(&chunks);
	mpp_large_stats(&large);
	mpp_spans_count(&spans, &span_bytes);
	mpp_spanwatch_count(&watched, &watched_bytes);
	spans = mpp_min(spans + watched, large.live);
	span_bytes = mpp_min(span_bytes + watched_bytes, large.in_use);
	*out = (struct mp_stats){
		.struct_size = sizeof(*out),
		.caches = mpp_registry_count(),
		.threads = mpp_thread_count(),
		.bytes_slabs = chunks.in_use,
		.bytes_large = large.in_use - span_bytes,
		.bytes_meta = mpp_meta_used(),
		.bytes_kept = chunks.kept + large.kept + span_bytes,
		.bytes_reserved = chunks.reserved + large.reserved + mpp_meta_mapped(),
		.bytes_peak = mpp_budget_peak(),
		.limit = mpp_budget_limit(),
		.large_live = large.live - spans,
		.os_calls = mpp_os_calls(),
		.faults = mpp_report_count(),
	};
	return mpp_registry_each(add_slabs, out);
}

const char *mp_version(void)
{
	return MP_VERSION_STRING;
}

int mp_version_info(struct mp_version_info *out)
{
	if (out == NULL || out->struct_size != sizeof(*out))
		return -EINVAL;
	*out = (struct mp_version_info){
		.struct_size = sizeof(*out),
		.major = MP_VERSION_MAJOR,
		.minor = MP_VERSION_MINOR,
		.patch = MP_VERSION_PATCH,
		.min_block_size = MP_MIN_BLOCK_SIZE,
		.max_fixed_size = MP_MAX_FIXED_SIZE,
		.chunk_size = MP_CHUNK_SIZE,
		.align_size = MP_ALIGN_SIZE,
		.page_size = mpp_os_page(),
	};
	return 0;
}

void mp_set_error_handler(mp_error_handler *fn, void *arg)
{
	mpp_report_set_handler(fn, arg);
}
