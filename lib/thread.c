/* SPDX-License-Identifier: MIT */
/*
 * thread.c - layer 6: states of threads, from first use to exit.
 *
 * Knows where magazines are, not how they are filled.  Locks: threads
 * (MPP_RANK_THREADS) for the list; each state has its own (MPP_RANK_THREAD).
 */
#include "thread.h"

#include "check.h"
#include "meta.h"
#include "os.h"

struct mpp_thread mpp_thread_none;
struct mpp_thread mpp_thread_gone;
struct mpp_thread mpp_thread_shared = { .lock = MPP_LOCK_INIT(MPP_RANK_THREAD) };
mpp_thread_local struct mpp_thread *mpp_own_self = &mpp_thread_none;

static struct mpp_lock threads_lock = MPP_LOCK_INIT(MPP_RANK_THREADS);
static struct mpp_link threads = { &threads, &threads };	/* lock:threads */
static struct mpp_thread *unused;				/* lock:threads */
static unsigned count;						/* lock:threads */
_Atomic uint32_t mpp_thread_flushes;
_Atomic uint32_t mpp_thread_orphans;
static void (*end_state)(struct mpp_thread *t);	/* const after mpp_thread_init() */

static struct mpp_thread *take_unused(void)
{
	struct mpp_thread *t;

	mpp_lock_acquire(&threads_lock);
	t = unused;
	if (t != NULL)
		unused = t->next;
	mpp_lock_release(&threads_lock);
	return t;
}

static void enlist(struct mpp_thread *t)
{
	/* relaxed: requests made before are no concern of an empty state */
	t->flushes = mpp_load_relaxed(&mpp_thread_flushes);
	t->span_room = MPP_SPAN_CACHE_BYTES; /* a fork may have cut a pop or a push of the last user */
	t->lock.rank = MPP_RANK_THREAD;
	mpp_lock_acquire(&threads_lock);
	mpp_list_append(&threads, &t->link);
	count++;
	mpp_lock_release(&threads_lock);
}

/* Off the list, into the line of unused ones. */
void mpp_thread_delist(struct mpp_thread *t)
{
	mpp_lock_acquire(&threads_lock);
	mpp_list_remove(&t->link);
	count--;
	t->orphan = false;
	t->next = unused;
	unused = t;
	mpp_lock_release(&threads_lock);
}

/* The thread ends: what it holds goes back, and from now on it holds nothing. */
static void on_exit_hook(void *value)
{
	struct mpp_thread *t = value;

	mpp_self = &mpp_thread_gone;
	end_state(t);
}

void mpp_thread_init(void (*end)(struct mpp_thread *t))
{
	end_state = end;
	/* without it no thread gets a state: arming fails, see attach() */
	(void)mpp_os_thread_init(on_exit_hook);
}

static mpp_cold struct mpp_thread *attach(void)
{
	struct mpp_thread *t;

	if (mpp_self == &mpp_thread_gone)
		return &mpp_thread_shared;
	t = mpp_os_thread_armed();
	if (t != NULL) { /* macOS: a destructor of another key runs first */
		mpp_self = t;
		return t;
	}
	t = take_unused();
	if (t == NULL) {
		t = mpp_meta_alloc(sizeof(*t));
		if (t == NULL)
			return &mpp_thread_shared;
	}
	enlist(t);
	mpp_self = t; /* first: arming may allocate, through a malloc made of us */
	if (!mpp_os_thread_arm(t)) {
		mpp_self = &mpp_thread_none;
		end_state(t);
		return &mpp_thread_shared;
	}
	return t;
}

struct mpp_thread *mpp_thread_get(void)
{
	struct mpp_thread *t = mpp_self;

	if (mpp_unlikely(t == &mpp_thread_none || t == &mpp_thread_gone))
		return attach();
	return t;
}

static struct mpp_slot *inline_slot(struct mpp_thread *t, const struct mp_cache *c)
{
	/* relaxed: constant while the cache lives */
	uint32_t offset = mpp_load_relaxed(&c->push_offset);

	return offset == 0 ? NULL : mpp_at(t, offset);
}

struct mpp_slot *mpp_thread_find_slot(struct mpp_thread *t, const struct mp_cache *c)
{
	struct mpp_slot *slot = inline_slot(t, c);
	struct mpp_leaf *leaf = t->leaves[c->old_id / MPP_INLINE_IDS];

	if (slot != NULL)
		return slot;
	return leaf == NULL ? NULL : &leaf->slots[c->old_id % MPP_INLINE_IDS];
}

struct mpp_slot *mpp_thread_slot(struct mpp_thread *t, const struct mp_cache *c,
				 struct mpp_side **side)
{
	struct mpp_slot *slot = inline_slot(t, c);
	struct mpp_leaf *leaf;

	if (t == &mpp_thread_shared)
		return NULL;
	if (slot != NULL) {
		*side = &t->sides[c->old_id];
		return slot;
	}
	leaf = t->leaves[c->old_id / MPP_INLINE_IDS];
	if (mpp_unlikely(leaf == NULL)) {
		leaf = mpp_meta_alloc(sizeof(*leaf));
		if (leaf == NULL)
			return NULL;
		mpp_lock_acquire(&t->lock);
		t->leaves[c->old_id / MPP_INLINE_IDS] = leaf;
		if (t->leaves_end <= c->old_id / MPP_INLINE_IDS)
			t->leaves_end = c->old_id / MPP_INLINE_IDS + 1;
		mpp_lock_release(&t->lock);
	}
	*side = &leaf->sides[c->old_id % MPP_INLINE_IDS];
	return &leaf->slots[c->old_id % MPP_INLINE_IDS];
}

void mpp_thread_each(void (*fn)(struct mpp_thread *t, void *arg), void *arg)
{
	struct mpp_link *l;

	mpp_lock_acquire(&threads_lock);
	mpp_list_each(l, &threads) {
		struct mpp_thread *t = mpp_container(l, struct mpp_thread, link);

		mpp_lock_acquire(&t->lock);
		fn(t, arg);
		mpp_lock_release(&t->lock);
	}
	mpp_lock_release(&threads_lock);
}

void mpp_thread_each_locked(void (*fn)(struct mpp_thread *t, void *arg), void *arg)
{
	struct mpp_link *l;

	mpp_list_each(l, &threads)
		fn(mpp_container(l, struct mpp_thread, link), arg);
}

unsigned mpp_thread_count(void)
{
	unsigned n;

	mpp_lock_acquire(&threads_lock);
	n = count;
	mpp_lock_release(&threads_lock);
	return n;
}

void mpp_thread_ask_flush(void)
{
	/* relaxed: a request, obeyed at some later slow path */
	mpp_add_relaxed(&mpp_thread_flushes, 1);
}

void mpp_thread_bury_orphans(void)
{
	for (;;) {
		struct mpp_thread *t = NULL;
		struct mpp_link *l;

		mpp_lock_acquire(&threads_lock);
		mpp_list_each(l, &threads) {
			struct mpp_thread *o = mpp_container(l, struct mpp_thread, link);

			if (o->orphan) {
				t = o;
				t->orphan = false; /* ours */
				break;
			}
		}
		mpp_lock_release(&threads_lock);
		if (t == NULL)
			return;
		/* relaxed: a count of work left */
		mpp_sub_relaxed(&mpp_thread_orphans, 1);
		end_state(t);
	}
}

void mpp_thread_lock_all(void)
{
	struct mpp_link *l;

	mpp_lock_acquire(&threads_lock);
	mpp_list_each(l, &threads)
		mpp_lock_acquire(&mpp_container(l, struct mpp_thread, link)->lock);
	mpp_lock_acquire(&mpp_thread_shared.lock);
}

void mpp_thread_unlock_all(void)
{
	struct mpp_link *l;

	mpp_lock_release(&mpp_thread_shared.lock);
	mpp_list_each(l, &threads)
		mpp_lock_release(&mpp_container(l, struct mpp_thread, link)->lock);
	mpp_lock_release(&threads_lock);
}

void mpp_thread_after_fork(void)
{
	struct mpp_link *l;
	uint32_t n = 0;

	mpp_list_each(l, &threads) {
		struct mpp_thread *t = mpp_container(l, struct mpp_thread, link);

		t->orphan = t != mpp_self;
		n += t->orphan;
	}
	/* relaxed: the child has one thread */
	mpp_store_relaxed(&mpp_thread_orphans, n);
}
