/* SPDX-License-Identifier: MIT */
/*
 * debug.c - layer 4: marks, red zones, poison, and where they are.
 */
#include "debug.h"

#include "annotate.h"

#include <string.h>

_Static_assert(MPP_TOOL_ZONE == MPP_RED_SIZE, "what tools are told of red zones");

#define SHORT 256u /* bytes up to which a loop takes less time than memcmp() */

static mpp_wide wide_of(unsigned char byte)
{
	mpp_wide x;

	memset(&x, byte, sizeof(x));
	return x;
}

static mpp_wide load(const char *p)
{
	mpp_wide x;

	memcpy(&x, p, sizeof(x));
	return x;
}

static bool is_zero(mpp_wide x)
{
	uint64_t part[sizeof(x) / sizeof(uint64_t)], all = 0;

	memcpy(part, &x, sizeof(x));
	for (size_t i = 0; i < sizeof(part) / sizeof(part[0]); i++)
		all |= part[i];
	return all == 0;
}

/* Neither too short for a load nor long. */
mpp_inline bool is_moderate(size_t size)
{
	return size - sizeof(mpp_wide) <= SHORT - sizeof(mpp_wide);
}

/* Zero if all of it, of moderate size, is x. */
mpp_inline mpp_wide differ(const char *at, size_t size, mpp_wide x)
{
	const char *last = at + size - sizeof(x);
	mpp_wide other = load(last) ^ x;

	for (; at < last; at += sizeof(x))
		other |= load(at) ^ x;
	return other;
}

static mpp_noinline bool holds(const unsigned char *at, size_t size, unsigned char byte)
{
	if (size > SHORT) /* all equal if the first is right and each equals the next */
		return *at == byte && memcmp(at, at + 1, size - 1) == 0;
	while (size > 0 && at[size - 1] == byte)
		size--;
	return size == 0;
}

bool mpp_poison_holds(const void *p, size_t size, unsigned char byte)
{
	if (mpp_unlikely(!is_moderate(size)))
		return holds(p, size, byte);
	return is_zero(differ(p, size, wide_of(byte)));
}

size_t mpp_poison_check(const void *p, size_t size, unsigned char byte)
{
	const unsigned char *bytes = p;

	if (mpp_likely(mpp_poison_holds(p, size, byte)))
		return size;
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != byte)
			return i;
	return size;
}

/*
 * A note is read while another thread writes it: by the report of a second free at the same
 * moment.  So it is kept as words, and what is read may be half of one and half of the other.
 */
#define NOTE_WORDS (sizeof(struct mpp_user) / sizeof(uintptr_t))

typedef _Atomic(uintptr_t) note[NOTE_WORDS];

union user_words {
	struct mpp_user user;
	uintptr_t words[NOTE_WORDS];
};

_Static_assert(sizeof(union user_words) == sizeof(note), "notes are whole words");

static size_t users_size(unsigned letters)
{
	return letters & MPP_D_USERS ? 2 * sizeof(note) : 0;
}

static size_t asked_size(unsigned letters)
{
	return letters & MPP_D_ZONES ? sizeof(uint32_t) : 0;
}

struct mpp_extra mpp_watch_extra(unsigned letters)
{
	struct mpp_extra extra = {
		.note = users_size(letters) + asked_size(letters) +
			((letters & ~MPP_D_TRACE) != 0),
		.gap = letters & MPP_D_ZONES ? MPP_RED_SIZE : 0,
	};

	return extra;
}

void mpp_watch_init(struct mpp_watch *w, const struct mpp_geometry *g, unsigned letters,
		    size_t size, bool built)
{
	size_t notes = offsetof(struct mpp_slab, bits) + g->words * sizeof(mpp_bits);

	w->letters = letters;
	w->size = letters & MPP_D_ZONES ? (uint32_t)size : g->slot;
	w->reach = 0;
	w->users = (uint32_t)notes;
	w->sizes = w->users + (uint32_t)users_size(letters) * g->capacity;
	w->marks = w->sizes + (uint32_t)asked_size(letters) * g->capacity;
	w->built = built;
	w->filled = (letters & (MPP_D_ZONES | MPP_D_POISON)) != 0 && (letters & MPP_D_TOOL) == 0;
	w->poisoned = w->filled && (letters & MPP_D_POISON) != 0 && !built;
	if (letters & MPP_D_ZONES)
		w->reach = (uint32_t)mpp_min(g->slot - MPP_RED_SIZE, size + MPP_RED_REACH);
}

static note *note_of(const struct mpp_watched *o, enum mpp_use use)
{
	note *notes = mpp_at(o->s, o->w->users);

	return notes + 2 * (size_t)o->index + use;
}

static void write_note(const struct mpp_watched *o, enum mpp_use use, const union user_words *u)
{
	size_t n = offsetof(struct mpp_user, stack) / sizeof(uintptr_t) + u->user.frames;

	for (size_t i = 0; i < n; i++)
		/* relaxed: for a report only; who holds the object reads what it wrote */
		mpp_store_relaxed(&(*note_of(o, use))[i], u->words[i]);
}

void mpp_watch_note_user(struct mpp_watched o, enum mpp_use use)
{
	static const union user_words nobody;
	union user_words u = nobody;

	mpp_report_user(&u.user);
	write_note(&o, use, &u);
	if (use == MPP_USE_ALLOC)
		write_note(&o, MPP_USE_FREE, &nobody);
}

void mpp_watch_noted(const struct mpp_watched *o, enum mpp_use use, struct mpp_user *out)
{
	union user_words u = { .user = { .thread = 0 } };

	for (size_t i = 0; mpp_watch_keeps_users(o->w) && i < NOTE_WORDS; i++)
		/* relaxed: as in write_note() */
		u.words[i] = mpp_load_relaxed(&(*note_of(o, use))[i]);
	*out = u.user;
}

void mpp_watch_resize(const struct mpp_watched *o, size_t asked)
{
	size_t before = mpp_watch_asked(o);

	mpp_watch_set_asked(o, asked);
	if (asked < before)
		memset(mpp_at(o->obj, asked), MPP_RED, before - asked);
	else if (o->w->poisoned)
		memset(mpp_at(o->obj, before), MPP_POISON_FRESH, asked - before);
}

static char *left_zone(const void *obj)
{
	return (char *)(uintptr_t)obj - MPP_RED_SIZE;
}

bool mpp_watch_zones_hold(const struct mpp_watch *w, const void *obj, size_t asked)
{
	const char *right = mpp_at(obj, asked);
	mpp_wide x = wide_of(MPP_RED), left = differ(left_zone(obj), MPP_RED_SIZE, x);

	if (mpp_unlikely(!is_moderate(w->reach - asked)))
		return is_zero(left) && holds((const void *)right, w->reach - asked, MPP_RED);
	return is_zero(left | differ(right, w->reach - asked, x));
}

void mpp_watch_mend(const struct mpp_watched *o)
{
	size_t asked = mpp_watch_asked(o);

	if (o->w->reach == 0 || mpp_watch_is_told(o->w))
		return;
	memset(left_zone(o->obj), MPP_RED, MPP_RED_SIZE);
	memset(mpp_at(o->obj, asked), MPP_RED, o->w->reach - asked);
}

void mpp_watch_slab(const struct mpp_watch *w, struct mpp_slab *s, const struct mpp_geometry *g)
{
	struct mpp_watched o = { .w = w, .s = s, .g = g };

	for (o.index = 0; mpp_watch_is_marked(w) && o.index < g->capacity; o.index++) {
		o.obj = mpp_slab_object(s, g, o.index);
		/* relaxed: the slab is not published yet */
		mpp_store_relaxed(mpp_watch_mark(&o), MPP_MARK_FREE);
		if (mpp_watch_keeps_users(w))
			memset(note_of(&o, MPP_USE_ALLOC), 0, users_size(w->letters));
		mpp_watch_set_asked(&o, w->size);
		mpp_watch_mend(&o);
		mpp_watch_undress(&o);
	}
}

void mpp_watch_hide(const struct mpp_watch *w, struct mpp_slab *s, const struct mpp_geometry *g)
{
	size_t from = mpp_slab_first(mpp_slab_chunk(s), g) - MPP_RED_SIZE;

	if (!mpp_watch_is_told(w))
		return;
	mpp_annotate_hide(mpp_at(mpp_slab_chunk(s), from), (size_t)g->chunks * MP_CHUNK_SIZE - from);
	for (uint32_t i = 0; w->stable && i < g->capacity; i++)
		mpp_annotate_show(mpp_slab_object(s, g, i), w->size);
}

void mpp_watch_show(const struct mpp_watch *w, struct mpp_slab *s, const struct mpp_geometry *g)
{
	if (mpp_watch_is_told(w))
		mpp_annotate_show(mpp_slab_chunk(s), (size_t)g->chunks * MP_CHUNK_SIZE);
}

void mpp_watch_tell_alloc(const struct mpp_watched *o, size_t asked)
{
	mpp_annotate_alloc(o->obj, asked, o->w->built || o->w->stable);
}

void mpp_watch_tell_free(const struct mpp_watched *o)
{
	mpp_annotate_free(o->obj, o->w->size, o->w->stable);
}

static struct mpp_damage damage(enum mp_error_kind kind, ptrdiff_t start, size_t at, size_t size)
{
	struct mpp_damage d = { false, kind, start + (ptrdiff_t)at, size - at };

	d.found = at < size;
	return d;
}

struct mpp_damage mpp_watch_zones(const struct mpp_watched *o, bool racy)
{
	size_t asked = racy ? o->w->size : mpp_watch_asked(o);
	struct mpp_damage d = { .found = false };

	if (o->w->reach == 0 || mpp_watch_is_told(o->w))
		return d;
	d = damage(MP_ERROR_OVERFLOW, (ptrdiff_t)asked,
		   mpp_poison_check(mpp_at(o->obj, asked), o->w->reach - asked, MPP_RED),
		   o->w->reach - asked);
	if (d.found)
		return d;
	return damage(MP_ERROR_UNDERFLOW, -(ptrdiff_t)MPP_RED_SIZE,
		      mpp_poison_check(left_zone(o->obj), MPP_RED_SIZE, MPP_RED), MPP_RED_SIZE);
}

struct mpp_damage mpp_watch_poison(const struct mpp_watched *o)
{
	struct mpp_damage d = { .found = false };

	if (!o->w->poisoned)
		return d;
	return damage(MP_ERROR_USE_AFTER_FREE_WRITE, 0,
		      mpp_poison_check(o->obj, o->w->size, MPP_POISON_FREE), o->w->size);
}
