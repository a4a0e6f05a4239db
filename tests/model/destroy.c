/* SPDX-License-Identifier: MIT */
/*
 * destroy.c - a cache is destroyed: another thread's magazine of it is emptied while
 * that thread works with another cache (T2).
 *
 * WRONG 1: without that thread's lock.
 * WRONG 2: its owner refills without the lock.
 */
#define MODEL_CHUNK_SIZE 65536
#define MODEL_LOCK 1
#include "model.h"
#include "plain-lock.h"
#include "one-cache.h"
#include "../../lib/budget.c"
#include "../../lib/thread.c"
#include "../../lib/magazine.c"
#include "fast.h"
#include "one-lock.h"

#define OTHER_ID 4u

_Atomic(struct mp_cache *) mpp_caches[MPP_ID_MAX + 1];
static struct mp_cache other;
static struct mpp_thread state;
static mpp_cell cells[8];
static bool popped;

unsigned mpp_registry_end(void)
{
	return OTHER_ID + 1;
}

size_t mpp_spans_flush(struct mpp_thread *t, struct mpp_faults *faults)
{
	(void)t;
	(void)faults;
	return 0;
}

bool mpp_os_thread_init(void (*at_exit)(void *value))
{
	return at_exit != NULL;
}

void *mpp_os_thread_armed(void)
{
	return NULL;
}

bool mpp_os_thread_arm(void *value)
{
	return value != NULL;
}

static struct mpp_slot *slot_of(uint32_t id)
{
	return &state.slots[id].slot;
}

/* A magazine of MODEL_ID with both its objects, an empty one of OTHER_ID with room for 3. */
static void setup(void)
{
	struct mpp_slot *s;

	model_cache_set(2, MPP_SLAB_FULL, 0);
	mpp_store_relaxed(&model_cache.push_offset, MODEL_ID * MPP_SLOT_SIZE);
	memset(&other, 0, sizeof(other));
	mpp_store_relaxed(&other.push_offset, OTHER_ID * MPP_SLOT_SIZE);
	other.old_id = OTHER_ID;
	other.magazine_max = 3;
	other.g.slot = 16;
	mpp_store_relaxed(&other.id, OTHER_ID);
	mpp_list_init(&other.partial);
	mpp_list_init(&other.empty);
	memset(&state, 0, sizeof(state));
	mpp_store_relaxed(&threads_lock.state, 0);
	mpp_list_init(&threads);
	mpp_list_append(&threads, &state.link);
	mpp_store_relaxed(&model_pools, 1); /* the map's leaf stays */
	mpp_store_relaxed(&total_bytes, 0);
	state.bytes = 48;
	s = slot_of(MODEL_ID);
	mpp_store_relaxed(&cells[0], NULL);
	s->base = &cells[1];
	mpp_store_relaxed(&s->top, &cells[1]);
	s->limit = &cells[4];
	assert(mpp_push(s, model_data(0)) && mpp_push(s, model_data(1)));
	popped = false;
}

/* The owner: push and pop without the lock, a slow path with it. */
static void *owner(void *arg)
{
	struct mpp_slot *s = slot_of(OTHER_ID);
	struct mpp_work work;
	static uint64_t object;
	void *p;

	mpp_work_init(&work);
	assert(!mpp_push(s, &object));
	if (WRONG != 2)
		mpp_lock_acquire(&state.lock);
	assert(mpp_magazine_make_room_locked(&state, &other, s, &state.sides[OTHER_ID], &work));
	if (WRONG != 2)
		mpp_lock_release(&state.lock);
	assert(mpp_push(s, &object));
	popped = mpp_pop(s, &p) && p == &object;
	return arg;
}

static void forget(struct mpp_thread *t, void *arg)
{
	mpp_magazine_flush_locked(t, &model_cache, mpp_thread_find_slot(t, &model_cache), arg);
}

static void *destroyer(void *arg)
{
	struct mpp_work work;

	mpp_work_init(&work);
#if WRONG == 1
	forget(&state, &work);
#else
	mpp_thread_each(forget, &work);
#endif
	assert(work.returned == 2 && work.faults.n == 0 && work.surplus.first == NULL);
	assert(mpp_cache_out(&model_cache) == (size_t)-2);
	return arg;
}

static void check(void)
{
	assert(popped);
	assert(mpp_slot_count(slot_of(MODEL_ID)) == 0);
	assert(mpp_slot_count(slot_of(OTHER_ID)) == 0);
	assert(state.bytes == 48);
	assert(model_state() == MPP_SLAB_EMPTY && model_count() == 2);
	model_cache_check();
}

MODEL_MAIN(setup, owner, destroyer, NULL, check)
