/* SPDX-License-Identifier: MIT */
/*
 * spanwatch.c - layer 6: large spans that are watched.
 *
 * An entry for each, in a hash table by the start of the span.  Lock: spanwatch_lock, for the
 * table, the states and the line of freed spans; nothing is called under it and no other lock
 * taken.  Whoever made an entry FREEING or LEAVING works on its bytes alone.  An entry stays in
 * the table until large.c has the span back, so a second free finds it at any moment; an
 * entry for the next user of the span stands in front of it.
 */
#include "spanwatch.h"

#include "annotate.h"
#include "cache.h"
#include "checked.h"
#include "lock.h"
#include "map.h"
#include "meta.h"
#include "options.h"
#include "os.h"
#include "text.h"

#include <string.h>

#define BUCKETS MPP_SPANWATCH_PARTS
/* Freed spans that wait, at most. */
#define WAIT_SPANS 64u
#define WAIT_BYTES (32 * MPP_MIB)

enum state { LIVE, FREEING, FREED, LEAVING, LOST };

struct entry {
	struct entry *next;		/* lock:spanwatch_lock, in the bucket */
	struct entry *later;		/* lock:spanwatch_lock, in the line */
	enum state state;		/* lock:spanwatch_lock */
	char *start;			/* const: of the span */
	char *object;			/* const */
	size_t asked;			/* const */
	size_t bytes;			/* const: of the span */
	struct mpp_user alloced;	/* const */
	struct mpp_user freed;		/* lock:spanwatch_lock */
};

unsigned mpp_spanwatch_letters;

static struct mpp_lock spanwatch_lock;
static struct entry *buckets[BUCKETS];	/* lock:spanwatch_lock */
static struct entry *first, *last;	/* lock:spanwatch_lock, the line, oldest first */
static size_t waiting, waiting_bytes;	/* lock:spanwatch_lock, of the line */
static size_t away, away_bytes;		/* lock:spanwatch_lock, neither live nor given back */

void mpp_spanwatch_init(void)
{
	unsigned letters = mpp_options_debug(&mpp_options, "large");

	if (MPP_HARDENED)
		letters |= MPP_D_HARDENED;
	mpp_spanwatch_letters = mpp_annotate_tools != 0 ? 0 : letters;
}

static bool watches(unsigned letters)
{
	return (mpp_spanwatch_letters & letters) != 0;
}

/* ---- the table */

static struct entry **bucket_of(const void *start)
{
	uintptr_t n = (uintptr_t)start >> 12;

	return &buckets[(n ^ n >> 10) % BUCKETS];
}

static struct entry *find_locked(const void *start)
{
	struct entry *e = *bucket_of(start);

	while (e != NULL && e->start != start)
		e = e->next;
	return e;
}

static void insert(struct entry *e)
{
	mpp_lock_acquire(&spanwatch_lock);
	e->next = *bucket_of(e->start);
	*bucket_of(e->start) = e;
	mpp_lock_release(&spanwatch_lock);
}

/* The span is large.c's again. */
static void drop(struct entry *e)
{
	struct entry **at;

	mpp_lock_acquire(&spanwatch_lock);
	for (at = bucket_of(e->start); *at != e; at = &(*at)->next)
		continue;
	*at = e->next;
	away--;
	away_bytes -= e->bytes;
	mpp_lock_release(&spanwatch_lock);
	mpp_meta_free(e, sizeof(*e));
}

static void set_state(struct entry *e, enum state state)
{
	mpp_lock_acquire(&spanwatch_lock);
	e->state = state;
	mpp_lock_release(&spanwatch_lock);
}

/* ---- bytes */

/* Bytes in front of the object. */
static size_t gap_for(size_t align)
{
	return watches(MPP_D_ZONES) ? mpp_max(align, mpp_os_page()) : 0;
}

/* Those of them that are looked at, and those behind it. */
static size_t left_of(const struct entry *e)
{
	return mpp_min((size_t)(e->object - e->start), mpp_os_page());
}

static size_t right_of(const struct entry *e)
{
	size_t rest = e->bytes - (size_t)(e->object - e->start) - e->asked;

	return watches(MPP_D_ZONES) ? mpp_min(rest, 2 * mpp_os_page()) : 0;
}

static void dress(struct entry *e)
{
	memset(e->object - left_of(e), MPP_RED, left_of(e));
	memset(e->object + e->asked, MPP_RED, right_of(e));
	if (watches(MPP_D_POISON))
		memset(e->object, MPP_POISON_FRESH, e->asked);
}

static void undress(struct entry *e)
{
	if (watches(MPP_D_POISON))
		memset(e->object, MPP_POISON_FREE, e->asked);
	else if (watches(MPP_D_ZERO))
		memset(e->object, 0, e->asked);
}

/* The first of size bytes at from that is not byte, and what follows, into d; whether there is. */
static bool differs(struct mpp_damage *d, enum mp_error_kind kind, const struct entry *e,
		    const char *from, size_t size, unsigned char byte)
{
	size_t at = mpp_poison_check(from, size, byte);

	if (mpp_likely(at == size))
		return false;
	*d = (struct mpp_damage){ true, kind, from + at - e->object, size - at };
	return true;
}

static bool is_damaged(const struct entry *e, struct mpp_damage *d, bool is_free)
{
	return differs(d, MP_ERROR_OVERFLOW, e, e->object + e->asked, right_of(e), MPP_RED) ||
	       differs(d, MP_ERROR_UNDERFLOW, e, e->object - left_of(e), left_of(e), MPP_RED) ||
	       (is_free && watches(MPP_D_POISON) &&
		differs(d, MP_ERROR_USE_AFTER_FREE_WRITE, e, e->object, e->asked, MPP_POISON_FREE));
}

static void note(struct mpp_user *u)
{
	if (watches(MPP_D_USERS))
		mpp_report_user(u);
}

static void trace(const char *what, const struct entry *e)
{
	if (watches(MPP_D_TRACE))
		mpp_checked_trace("large", e->object, e->asked, what);
}

/* ---- looking */

static void tell_locked(const struct entry *e, struct mpp_spanwatch *out)
{
	*out = (struct mpp_spanwatch){ e->object, e->asked, e->state == LIVE, e->alloced,
				       e->freed };
}

bool mpp_spanwatch_look(const void *start, struct mpp_spanwatch *out)
{
	struct entry *e;

	mpp_lock_acquire(&spanwatch_lock);
	e = find_locked(start);
	if (e != NULL)
		tell_locked(e, out);
	mpp_lock_release(&spanwatch_lock);
	return e != NULL;
}

bool mpp_spanwatch_nth(unsigned part, size_t n, struct mpp_spanwatch *out)
{
	struct entry *e;

	mpp_lock_acquire(&spanwatch_lock);
	for (e = buckets[part]; e != NULL; e = e->next)
		if (e->state == LIVE && n-- == 0)
			break;
	if (e != NULL)
		tell_locked(e, out);
	mpp_lock_release(&spanwatch_lock);
	return e != NULL;
}

bool mpp_spanwatch_find(const void *p, void *head, struct mpp_spanwatch *out)
{
	struct mpp_large_info info;

	return mpp_large_info(p, head, &info) && mpp_spanwatch_look(info.start, out);
}

size_t mpp_spanwatch_live(const void *p, void *head)
{
	struct mpp_spanwatch o;

	return mpp_spanwatch_find(p, head, &o) && o.live && o.object == p ? o.asked : 0;
}

void mpp_spanwatch_fault(struct mpp_fault *f, enum mp_error_kind kind, const void *p, void *head,
			 const char *where)
{
	struct mpp_spanwatch o;

	mpp_large_fault(f, kind, p, head, where);
	if (mpp_spanwatch_letters == 0 || !mpp_spanwatch_find(p, head, &o))
		return;
	f->object = o.object;
	f->offset = (uintptr_t)p - (uintptr_t)o.object;
	f->size = o.asked;
	f->alloced = o.alloced;
	f->freed = o.freed;
}

/*
 * The caller's e, FREEING or LEAVING, is damaged: never to be used again.  Reported last: a
 * handler may not return.
 */
static mpp_cold void lose(struct entry *e, void *head, const struct mpp_damage *d,
			  const char *where)
{
	struct mpp_fault f;

	mpp_spanwatch_fault(&f, d->kind, e->object, head, where);
	f.damage_offset = d->at;
	f.damaged = (unsigned)mpp_min(d->left, MPP_DAMAGE_MAX);
	memcpy(f.damage, e->object + d->at, f.damaged);
	set_state(e, LOST);
	mpp_report(&f);
}

/* ---- allocation */

void *mpp_spanwatch_alloc(size_t size, size_t align, bool *zeroed)
{
	size_t gap = gap_for(align), zone = watches(MPP_D_ZONES) ? MPP_RED_REACH : 0;
	struct entry *e = NULL;
	void *head;

	if (size <= PTRDIFF_MAX - gap - zone)
		e = mpp_meta_alloc(sizeof(*e));
	if (e == NULL)
		return NULL;
	e->start = mpp_large_alloc(gap + size + zone, align, zeroed);
	if (e->start == NULL) {
		mpp_meta_free(e, sizeof(*e));
		return NULL;
	}
	(void)mpp_map_find(e->start, &head);
	e->object = e->start + gap;
	e->asked = size;
	e->bytes = mpp_large_size(e->start, head);
	*zeroed = *zeroed && !watches(MPP_D_POISON);
	dress(e);
	note(&e->alloced);
	trace("alloc", e);
	insert(e);
	return e->object;
}

/* ---- free */

/* A span that left the line goes back to large.c, if nobody wrote to it. */
static void give_back(struct entry *e)
{
	struct mpp_damage d;
	void *head = NULL;

	(void)mpp_map_find(e->start, &head);
	if (mpp_unlikely(is_damaged(e, &d, true))) {
		lose(e, head, &d, "the reuse of a freed span");
		return;
	}
	(void)mpp_large_free(e->start, head);
	drop(e);
}

/* The oldest in the line, LEAVING, while there are more than may be; or NULL. */
static struct entry *next_out(size_t spans, size_t bytes)
{
	struct entry *e = NULL;

	mpp_lock_acquire(&spanwatch_lock);
	if (first != NULL && (waiting > spans || waiting_bytes > bytes)) {
		e = first;
		first = e->later;
		waiting--;
		waiting_bytes -= e->bytes;
		e->state = LEAVING;
	}
	mpp_lock_release(&spanwatch_lock);
	return e;
}

static void give_back_all(size_t spans, size_t bytes)
{
	struct entry *e;

	while ((e = next_out(spans, bytes)) != NULL)
		give_back(e);
}

void mpp_spanwatch_flush(void)
{
	give_back_all(0, 0);
}

static void queue(struct entry *e)
{
	mpp_lock_acquire(&spanwatch_lock);
	e->state = FREED;
	e->later = NULL;
	if (first == NULL)
		first = e;
	else
		last->later = e;
	last = e;
	waiting++;
	waiting_bytes += e->bytes;
	mpp_lock_release(&spanwatch_lock);
}

#define TOLD_BEFORE (-1)

/* The entry of the span at start, FREEING if p is its live object; what is wrong otherwise. */
static struct entry *claim(const void *start, const void *p, const struct mpp_user *user,
			   int *wrong)
{
	struct entry *e;

	*wrong = 0;
	mpp_lock_acquire(&spanwatch_lock);
	e = find_locked(start);
	if (e != NULL && e->object != p)
		*wrong = MP_ERROR_INTERIOR_POINTER;
	else if (e != NULL && e->state == LOST)
		*wrong = TOLD_BEFORE;
	else if (e != NULL && e->state != LIVE)
		*wrong = MP_ERROR_DOUBLE_FREE;
	else if (e != NULL) {
		e->state = FREEING;
		e->freed = *user;
		away++;
		away_bytes += e->bytes;
	}
	mpp_lock_release(&spanwatch_lock);
	return e;
}

bool mpp_spanwatch_whole(const void *p, void *head, const char *where)
{
	const struct mpp_user nobody = { .thread = 0 };
	struct mpp_large_info info;
	struct mpp_damage d;
	struct entry *e;
	int wrong;

	if (!mpp_large_info(p, head, &info))
		return true;
	mpp_lock_acquire(&spanwatch_lock);
	e = find_locked(info.start);
	mpp_lock_release(&spanwatch_lock);
	if (e == NULL || mpp_likely(!is_damaged(e, &d, false)))
		return true;
	e = claim(info.start, p, &nobody, &wrong);
	if (e == NULL || wrong != 0) /* freed meanwhile, and told there */
		return true;
	lose(e, head, &d, where);
	return false;
}

bool mpp_spanwatch_free(void *p, void *head)
{
	struct mpp_user user = { .thread = 0 };
	struct mpp_large_info info;
	struct mpp_damage d;
	struct mpp_fault f;
	struct entry *e;
	int wrong;

	if (!mpp_large_info(p, head, &info))
		return false;
	note(&user);
	e = claim(info.start, p, &user, &wrong);
	if (e == NULL)
		return false;
	if (mpp_unlikely(wrong == TOLD_BEFORE))
		return true;
	if (mpp_unlikely(wrong != 0)) {
		mpp_spanwatch_fault(&f, (enum mp_error_kind)wrong, p, head, "the free");
		mpp_report(&f);
		return true;
	}
	trace("free", e);
	if (mpp_unlikely(is_damaged(e, &d, false))) {
		lose(e, head, &d, "the free");
		return true;
	}
	undress(e);
	queue(e);
	give_back_all(WAIT_SPANS, WAIT_BYTES);
	return true;
}

void mpp_spanwatch_count(size_t *spans, size_t *bytes)
{
	mpp_lock_acquire(&spanwatch_lock);
	*spans = away;
	*bytes = away_bytes;
	mpp_lock_release(&spanwatch_lock);
}

void mpp_spanwatch_lock(void)
{
	mpp_lock_acquire(&spanwatch_lock);
}

void mpp_spanwatch_unlock(void)
{
	mpp_lock_release(&spanwatch_lock);
}
