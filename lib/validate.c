/* SPDX-License-Identifier: MIT */
/*
 * validate.c - layer 7: mp_cache_validate().
 *
 * Holds every thread's lock and the cache's: slabs and counts then stand
 * still, and only pushes and pops go on, so conservation
 *
 *	capacity = free in slabs + out (live or in magazines)
 *
 * is exact even while other threads work.  Reports come after the locks
 * are released; a walk with more faults than fit is repeated for the rest.
 */
#include "base.h"

#include "check.h"
#include "find.h"
#include "guard.h"
#include "init.h"
#include "object.h"

#include <errno.h>
#include <string.h>

struct walk {
	struct mp_cache *c;
	struct mpp_faults faults;	/* those from number skip on */
	unsigned skip;
	unsigned seen;			/* faults, all */
	size_t capacity;
	size_t free;
	size_t slabs, empties;
	bool sick;			/* a slab is out of use: what is out of it is not known */
};

/* Another fault; NULL if it is not this round's to report. */
static struct mpp_fault *note(struct walk *w, enum mp_error_kind kind, const void *pointer,
			      const char *where)
{
	unsigned number = w->seen++;

	if (number < w->skip || w->faults.n == MPP_FAULTS_MAX)
		return NULL;
	return mpp_cache_fault(&w->faults, kind, w->c, pointer, where);
}

static void note_count(struct walk *w, const void *pointer, const char *what, size_t expected,
		       size_t found)
{
	struct mpp_fault *f;

	if (expected == found)
		return;
	f = note(w, MP_ERROR_FREE_LIST, pointer, "mp_cache_validate");
	if (f == NULL)
		return;
	f->note = what;
	f->expected = expected;
	f->found = found;
}

static void check_bytes(struct walk *w, struct mpp_watched *o, bool is_free)
{
	struct mpp_damage d = mpp_watch_zones(o, !is_free);
	struct mpp_fault *f;

	if (!d.found && is_free)
		d = mpp_watch_poison(o);
	if (!d.found)
		return;
	f = note(w, d.kind, o->obj, "mp_cache_validate");
	if (f == NULL)
		return;
	mpp_find_describe(f, o->obj);
	mpp_find_show_damage(f, o->obj, &d);
}

/* The bytes of a free object, which are ours while it is marked BUSY (D2); false if it is not free. */
static bool check_free(struct walk *w, struct mpp_watched *o)
{
	mpp_mark_cell *cell = mpp_watch_mark(o);

	if (mpp_mark_move(cell, MPP_MARK_FREE, MPP_MARK_BUSY) != MPP_MARK_FREE)
		return false;
	check_bytes(w, o, true);
	mpp_mark_set(cell, MPP_MARK_FREE);
	return true;
}

/* What is free in the slab, and the red zones of what is not. */
static void check_objects(struct walk *w, struct mpp_slab *s)
{
	struct mp_cache *c = w->c;

	for (uint32_t i = 0; c->watch.filled && i < c->g.capacity; i++) {
		struct mpp_watched o = { &c->watch, s, &c->g, mpp_slab_object(s, &c->g, i), i };

		if (!mpp_slab_is_free(s, i)) {
			if (mpp_watch_marked(&o) != MPP_MARK_LOST)
				check_bytes(w, &o, false);
		} else if (!check_free(w, &o)) { /* no thread has it: the mark is damaged */
			(void)note(w, MP_ERROR_SLAB_HEADER, o.obj, "mp_cache_validate");
		}
	}
}

/* What is free in a magazine, unless its owner pops it at this moment. */
static void check_magazine(struct mpp_thread *t, void *arg)
{
	struct walk *w = arg;
	struct mpp_slot *slot = mpp_thread_find_slot(t, w->c);
	size_t n = slot != NULL ? mpp_slot_seen(slot) : 0;

	for (size_t i = 0; i < n; i++) {
		struct mpp_watched o;

		/* relaxed: under the lock base stays; the cells as in T3 */
		mpp_find_watched(w->c, mpp_load_relaxed(&slot->base[i]), &o);
		(void)check_free(w, &o);
	}
}

static void check_slab(struct walk *w, struct mpp_slab *s)
{
	const struct mpp_geometry *g = &w->c->g;
	/* relaxed: the locks keep it still, but for frees by threads that are gone */
	uint32_t word = mpp_load_relaxed(&s->word), count = mpp_word_count(word);
	enum mpp_slab_state state = mpp_word_state(word);

	w->slabs++;
	w->capacity += g->capacity;
	if (state == MPP_SLAB_SICK) { /* reported when it fell ill */
		w->sick = true;
		return;
	}
	w->free += count;
	w->empties += state == MPP_SLAB_EMPTY;
	note_count(w, s, "free bits of a slab", count, mpp_slab_count_bits_racy(s, g));
	if (state == MPP_SLAB_NONE || state > MPP_SLAB_SICK || count > g->capacity ||
	    (state == MPP_SLAB_FULL && count != 0) ||
	    (state == MPP_SLAB_EMPTY && count != g->capacity) ||
	    (state == MPP_SLAB_PARTIAL && (count == 0 || count == g->capacity)))
		note_count(w, s, "state of a slab", g->capacity, count);
	check_objects(w, s);
}

static size_t count_empty(const struct mp_cache *c)
{
	const struct mpp_link *l;
	size_t n = 0;

	mpp_list_each(l, &c->empty)
		if (!mpp_cache_may_follow(c, &c->empty, l, offsetof(struct mpp_slab, link)) ||
		    n++ > c->slabs)
			break;
	return n;
}

static bool may_follow(const struct mp_cache *c, const struct mpp_link *l)
{
	return mpp_cache_may_follow(c, &c->all, l, offsetof(struct mpp_slab, all));
}

static void walk_locked(struct walk *w)
{
	struct mp_cache *c = w->c;
	struct mpp_link *l;
	bool whole = true;
	size_t guarded;

	mpp_list_each(l, &c->all) {
		struct mpp_slab *s = mpp_container(l, struct mpp_slab, all);

		/* stop at a damaged header: its links lead anywhere */
		if (!may_follow(c, l) || !mpp_slab_has_magic(s, mpp_cache_id(c)) ||
		    !may_follow(c, l->next) || !may_follow(c, l->prev) || !mpp_list_sound(l)) {
			(void)note(w, MP_ERROR_SLAB_HEADER, s, "mp_cache_validate");
			whole = false;
			break;
		}
		check_slab(w, s);
	}
	if (!whole)
		return;
	if (c->watch.filled)
		mpp_thread_each_locked(check_magazine, w);
	note_count(w, NULL, "slabs of the cache", c->slabs, w->slabs);
	note_count(w, NULL, "empty slabs", c->empties, w->empties);
	note_count(w, NULL, "empty slabs on the list", c->empties, count_empty(c));
	if (!w->sick)
		note_count(w, NULL, "objects out of the slabs", w->capacity - w->free,
			   mpp_guard_out(c, &guarded));
}

int mp_cache_validate(struct mp_cache *c)
{
	struct walk w;
	unsigned skip = 0;

	if (c == NULL || !mpp_cache_alive(c))
		return -EINVAL;
	mpp_thread_bury_orphans();
	do {
		memset(&w, 0, sizeof(w));
		w.c = c;
		w.skip = skip;
		mpp_thread_lock_all();
		mpp_lock_acquire(&c->lock);
		walk_locked(&w);
		mpp_lock_release(&c->lock);
		mpp_thread_unlock_all();
		skip += w.faults.n;
		mpp_faults_report(&w.faults);
	} while (w.seen > skip && skip > w.skip);
	return (int)w.seen;
}
