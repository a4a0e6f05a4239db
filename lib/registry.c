/* SPDX-License-Identifier: MIT */
/*
 * registry.c - layer 5: ids and descriptors of caches.
 *
 * Lock: MPP_RANK_REGISTRY, the first of all.
 */
#include "registry.h"

#include "check.h"
#include "meta.h"
#include "os.h"

#include <errno.h>
#include <string.h>

_Atomic(struct mp_cache *) mpp_caches[MPP_ID_MAX + 1];

static struct mpp_lock lock = MPP_LOCK_INIT(MPP_RANK_REGISTRY);
static unsigned end_id = 1;		/* lock:lock, the next never used id */
static unsigned count;			/* lock:lock */
static struct mp_cache *dead_first;	/* lock:lock, tombstones, oldest first */
static struct mp_cache *dead_last;	/* lock:lock */
static unsigned dead;			/* lock:lock, how many */
static uint64_t births;			/* lock:lock, caches created so far */

static struct mp_cache *oldest_dead_locked(void)
{
	struct mp_cache *c = dead_first;

	dead_first = c->next;
	if (dead_first == NULL)
		dead_last = NULL;
	dead--;
	return c;
}

static void set_id(struct mp_cache *c, unsigned id)
{
	uint32_t offset = id < MPP_INLINE_IDS ? id * MPP_SLOT_SIZE : 0;

	/* relaxed: published with the descriptor by mpp_registry_add */
	mpp_store_relaxed(&c->id, id);
	/* relaxed: as above */
	mpp_store_relaxed(&c->slot_offset, offset);
	/* relaxed: as above */
	mpp_store_relaxed(&c->push_offset, offset);
}

static void wipe_between(struct mp_cache *c, size_t from, size_t to)
{
	memset(mpp_at(c, from), 0, to - from);
}

/*
 * All of a tombstone but what others may look at: its magic, which walks read,
 * stays dead, and its lock is taken around a fork like that of every known cache,
 * also while the descriptor is being filled in.
 */
static void wipe(struct mp_cache *c)
{
	wipe_between(c, 0, offsetof(struct mp_cache, magic));
	wipe_between(c, offsetof(struct mp_cache, magic) + sizeof(c->magic),
		     offsetof(struct mp_cache, lock));
	wipe_between(c, offsetof(struct mp_cache, lock) + sizeof(c->lock), sizeof(*c));
}

struct mp_cache *mpp_registry_new(int *error)
{
	struct mp_cache *c = NULL, *fresh = mpp_meta_alloc(sizeof(*c));
	unsigned id = 0;

	mpp_lock_acquire(&lock);
	if (dead > MPP_TOMBSTONES || (dead > 0 && end_id > MPP_ID_MAX)) {
		c = oldest_dead_locked();
		id = c->old_id;
		wipe(c);
	} else if (fresh != NULL && end_id <= MPP_ID_MAX) {
		id = end_id++;
		fresh->lock.rank = MPP_RANK_CACHE;
	}
	mpp_lock_release(&lock);
	if (c != NULL) {
		mpp_meta_free(fresh, sizeof(*c));
	} else if (id != 0) {
		c = fresh;
	} else {
		*error = fresh == NULL ? ENOMEM : ENOSPC;
		mpp_meta_free(fresh, sizeof(*c));
		return NULL;
	}
	c->old_id = id;
	set_id(c, id);
	return c;
}

void mpp_registry_add(struct mp_cache *c)
{
	mpp_lock_acquire(&lock);
	count++;
	c->born = births++;
	/* release: the descriptor; pairs with mpp_registry_get */
	mpp_store_release(&mpp_caches[c->old_id], c);
	/* release: the same, for a descriptor used again, which is known already; pairs
	 * with mpp_cache_alive */
	mpp_store_release(&c->magic, MPP_CACHE_ALIVE);
	mpp_lock_release(&lock);
}

void mpp_registry_seal(struct mp_cache *c)
{
	bool busy;

	mpp_lock_acquire(&lock);
	/* relaxed: read under the lock by who pins; no lawful call on this cache runs */
	mpp_store_relaxed(&c->magic, MPP_CACHE_DYING);
	mpp_lock_release(&lock);
	for (;;) {
		mpp_lock_acquire(&lock);
		busy = c->pins != 0;
		mpp_lock_release(&lock);
		if (!busy && !mpp_cache_is_retiring(c))
			return;
		mpp_os_yield();
	}
}

static struct mp_cache *pin(unsigned id)
{
	struct mp_cache *c;

	mpp_lock_acquire(&lock);
	c = mpp_registry_get(id);
	if (c != NULL && mpp_cache_alive(c))
		c->pins++;
	else
		c = NULL;
	mpp_lock_release(&lock);
	return c;
}

static void unpin(struct mp_cache *c)
{
	mpp_lock_acquire(&lock);
	if (c->pins != 0) /* a fork in fn made an end of all walks in the child */
		c->pins--;
	mpp_lock_release(&lock);
}

static int nothing(void *arg)
{
	(void)arg;
	return 0;
}

int mpp_registry_each(int (*fn)(struct mp_cache *c, void *arg), void *arg)
{
	return mpp_registry_tell(fn, nothing, arg);
}

int mpp_registry_tell(int (*look)(struct mp_cache *c, void *arg), int (*tell)(void *arg), void *arg)
{
	unsigned end = mpp_registry_end();
	int stop = 0;

	for (unsigned id = 1; id < end && stop == 0; id++) {
		struct mp_cache *c = pin(id);

		if (c == NULL)
			continue;
		stop = look(c, arg);
		unpin(c);
		if (stop == 0)
			stop = tell(arg);
	}
	return stop;
}

void mpp_registry_after_fork(void)
{
	for (unsigned id = 1; id < end_id; id++) {
		struct mp_cache *c = mpp_registry_get(id);

		if (c == NULL)
			continue;
		c->pins = 0;
		c->walks = 0;
		if (!mpp_cache_is_retiring(c))
			continue;
		c->lost = true;
		/* relaxed: the child has one thread */
		mpp_store_relaxed(&c->retiring, 0);
	}
}

void mpp_registry_remove(struct mp_cache *c, bool reuse)
{
	/* relaxed: no lawful call on this cache runs or follows */
	mpp_store_relaxed(&c->magic, MPP_CACHE_DEAD);
	/* relaxed: as above */
	mpp_store_relaxed(&c->slot_offset, 0);
	/* relaxed: as above */
	mpp_store_relaxed(&c->id, 0);
	/* relaxed: as above */
	mpp_store_relaxed(&c->push_offset, 0);
	c->route = MPP_ROUTE_SLOW;
	mpp_lock_acquire(&lock);
	count--;
	c->next = NULL;
	if (reuse && !c->lost) {
		if (dead_last != NULL)
			dead_last->next = c;
		else
			dead_first = c;
		dead_last = c;
		dead++;
	}
	mpp_lock_release(&lock);
}

unsigned mpp_registry_end(void)
{
	unsigned n;

	mpp_lock_acquire(&lock);
	n = end_id;
	mpp_lock_release(&lock);
	return n;
}

unsigned mpp_registry_count(void)
{
	unsigned n;

	mpp_lock_acquire(&lock);
	n = count;
	mpp_lock_release(&lock);
	return n;
}

unsigned mpp_registry_end_locked(void)
{
	return end_id;
}

void mpp_registry_lock(void)
{
	mpp_lock_acquire(&lock);
}

void mpp_registry_unlock(void)
{
	mpp_lock_release(&lock);
}

void mpp_registry_lock_caches(void)
{
	for (unsigned id = 1; id < end_id; id++)
		if (mpp_registry_get(id) != NULL)
			mpp_lock_acquire(&mpp_registry_get(id)->lock);
}

void mpp_registry_unlock_caches(void)
{
	for (unsigned id = 1; id < end_id; id++)
		if (mpp_registry_get(id) != NULL)
			mpp_lock_release(&mpp_registry_get(id)->lock);
}
