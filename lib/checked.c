/* SPDX-License-Identifier: MIT */
/*
 * checked.c - layer 6: what happens to a watched object on its way out and in.
 *
 * One report per object: what is found damaged or inconsistent is marked lost, its red
 * zones made whole, and it is never used again.  The report comes last: a handler
 * that does not return leaves nothing half done.
 */
#include "checked.h"

#include "annotate.h"
#include "os.h"
#include "text.h"

#include <errno.h>
#include <string.h>

static const char at_alloc[] = "the allocation";
static const char at_free[] = "the free";

void mpp_checked_trace(const struct mp_cache *c, const void *obj, size_t asked, const char *what)
{
	char buf[160];
	struct mpp_text t;

	mpp_text_init(&t, buf, sizeof(buf));
	mpp_text_add(&t, "mempool: trace: %s %p cache \"%s\" size %zu thread %u\n", what, obj,
		     c->name, asked, mpp_os_thread_id());
	mpp_os_write(2, buf, t.len);
}

/* The slab's header is one; with F all of it, and its free list says that the object is out. */
static bool is_consistent(struct mp_cache *c, const struct mpp_watched *o, const char *where,
			  struct mpp_faults *faults)
{
	bool all = (c->watch.letters & MPP_D_CHECKS) != 0;

	if (mpp_unlikely(!(all ? mpp_cache_sound(c, o->s) :
				 mpp_slab_has_magic(o->s, mpp_cache_id(c)))))
		mpp_cache_fault_header(c, o->s, o->obj, faults);
	else if (all && mpp_unlikely(mpp_slab_is_free(o->s, o->index)))
		mpp_find_fault(faults,
			       mpp_watch_marked(o) == MPP_MARK_FREE ? MP_ERROR_DOUBLE_FREE :
								      MP_ERROR_FREE_LIST,
			       c, o->obj, where);
	else
		return true;
	return false;
}

/* Never to be used again. */
static void lose(struct mp_cache *c, const struct mpp_watched *o)
{
	(void)mpp_mark_set(mpp_watch_mark(o), MPP_MARK_LOST);
	mpp_watch_mend(o);
	mpp_cache_count_leaked(c);
}

/* The same for one that the program gave back. */
static void give_up(struct mp_cache *c, const struct mpp_watched *o)
{
	lose(c, o);
	if (c->counted)
		mpp_cache_release(c, 1);
}

static bool is_whole(struct mp_cache *c, const struct mpp_watched *o, bool was_free,
		     const char *where, struct mpp_faults *faults)
{
	struct mpp_damage d;

	if (!(c->watch.letters & (MPP_D_ZONES | MPP_D_POISON)))
		return true;
	d = mpp_watch_zones(o, false);
	if (!d.found && was_free)
		d = mpp_watch_poison(o);
	if (mpp_unlikely(d.found))
		mpp_find_damage_fault(faults, c, o->obj, &d, where);
	return !d.found;
}

static bool hand_out(struct mp_cache *c, const struct mpp_watched *o, size_t asked,
		     struct mpp_faults *faults)
{
	if (mpp_unlikely(!is_consistent(c, o, at_alloc, faults)))
		return false;
	if (mpp_unlikely(!is_whole(c, o, true, at_alloc, faults))) {
		lose(c, o);
		return false;
	}
	if (mpp_unlikely(!mpp_mark_take(mpp_watch_mark(o)))) {
		mpp_cache_fault_header(c, o->s, o->obj, faults);
		return false;
	}
	mpp_watch_tell_alloc(o, asked);
	mpp_watch_dress(o, asked);
	mpp_watch_note(o, MPP_USE_ALLOC);
	return true;
}

bool mpp_checked_out(struct mp_cache *c, void *obj, size_t asked, struct mpp_faults *faults)
{
	struct mpp_watched o;

	if (mpp_watch_is_marked(&c->watch)) {
		mpp_find_watched(c, obj, &o);
		if (mpp_unlikely(!hand_out(c, &o, asked, faults)))
			return false;
	}
	if (mpp_unlikely(c->watch.letters & MPP_D_TRACE))
		mpp_checked_trace(c, obj, asked, "alloc");
	return true;
}

/* What is wrong with the free of an object that was not marked live. */
static mpp_cold void refuse(struct mp_cache *c, const struct mpp_watched *o, enum mpp_mark was,
			    struct mpp_faults *faults)
{
	switch (was) {
	case MPP_MARK_FREE:
		mpp_find_fault(faults, MP_ERROR_DOUBLE_FREE, c, o->obj, at_free);
		break;
	case MPP_MARK_LOST: /* reported when it was lost */
		(void)mpp_mark_set(mpp_watch_mark(o), MPP_MARK_LOST);
		break;
	case MPP_MARK_LIVE:
	default: /* the mark itself is damaged */
		mpp_cache_fault_header(c, o->s, o->obj, faults);
		if (mpp_slab_has_magic(o->s, mpp_cache_id(c)))
			give_up(c, o);
		break;
	}
}

void mpp_checked_refuse(struct mp_cache *c, const struct mpp_watched *o, enum mpp_mark was)
{
	struct mpp_faults faults;
	int saved = errno;

	mpp_faults_init(&faults);
	refuse(c, o, was, &faults);
	mpp_faults_report(&faults);
	errno = saved;
}

static bool take_back(struct mp_cache *c, const struct mpp_watched *o, struct mpp_faults *faults)
{
	enum mpp_mark was;

	if (mpp_unlikely(!is_consistent(c, o, at_free, faults)))
		return false;
	was = mpp_mark_set(mpp_watch_mark(o), MPP_MARK_FREE);
	if (mpp_unlikely(was != MPP_MARK_LIVE)) {
		refuse(c, o, was, faults);
		return false;
	}
	mpp_watch_note(o, MPP_USE_FREE);
	if (mpp_unlikely(!is_whole(c, o, false, at_free, faults))) {
		give_up(c, o);
		return false;
	}
	if (mpp_watch_is_told(o->w)) /* to be written: zeroes */
		mpp_annotate_show(o->obj, o->w->size);
	mpp_watch_undress(o);
	if (c->flags & MP_ZERO_ON_FREE)
		memset(o->obj, 0, o->w->size);
	mpp_watch_tell_free(o);
	return true;
}

bool mpp_checked_in(struct mp_cache *c, void *obj)
{
	struct mpp_faults faults;
	struct mpp_watched o;

	if (mpp_unlikely(c->watch.letters & MPP_D_TRACE))
		mpp_checked_trace(c, obj, mpp_checked_live(c, obj), "free");
	if (!mpp_watch_is_marked(&c->watch))
		return true;
	mpp_find_watched(c, obj, &o);
	mpp_faults_init(&faults);
	if (mpp_likely(take_back(c, &o, &faults)))
		return true;
	mpp_faults_report(&faults);
	return false;
}

size_t mpp_checked_live(struct mp_cache *c, void *obj)
{
	struct mpp_watched o;

	if (mpp_likely(!mpp_watch_is_marked(&c->watch)))
		return c->size;
	mpp_find_watched(c, obj, &o);
	if (mpp_watch_marked(&o) != MPP_MARK_LIVE)
		return 0;
	return c->watch.reach != 0 ? mpp_watch_asked(&o) : c->size;
}

/* xorshift, seeded by the system: unguessable enough for an order, not a secret. */
uint32_t mpp_checked_random(uint32_t n)
{
	static _Thread_local uint64_t state;
	uint64_t x = state;

	while (x == 0)
		x = mpp_os_entropy();
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	state = x;
	return (uint32_t)((x >> 32) * n >> 32);
}
