/* SPDX-License-Identifier: MIT */
/*
 * thread.c - states of threads: made at first use, handed on, found when none is to be had.
 */
#include "../suite.h"

#include "os.h"
#include "thread.h"

#include <limits.h>
#include <pthread.h>

START_TEST(made_at_first_use)
{
	ck_assert_ptr_eq(mpp_self, &mpp_thread_none);
	ck_assert_uint_eq(mpp_thread_count(), 0);
	mp_free(mp_alloc(1));
	ck_assert_ptr_ne(mpp_self, &mpp_thread_none);
	ck_assert_ptr_eq(mpp_thread_get(), mpp_self);
	ck_assert_uint_eq(mpp_thread_count(), 1);
}
END_TEST

/* Whatever happens, what the hit path looks at before is as it was. */
START_TEST(empty_states_stay_empty)
{
	static const struct mpp_thread zero;

	for (int i = 0; i < 1000; i++)
		mp_free(mp_alloc((size_t)i));
	ck_assert_mem_eq(mpp_thread_none.slots, zero.slots, sizeof(zero.slots));
	ck_assert_mem_eq(mpp_thread_gone.slots, zero.slots, sizeof(zero.slots));
	ck_assert_mem_eq(mpp_thread_shared.slots, zero.slots, sizeof(zero.slots));
	ck_assert_mem_eq(&mpp_thread_get()->slots[0], &zero.slots[0], sizeof(zero.slots[0]));
}
END_TEST

static void *note_state(void *arg)
{
	mp_free(mp_alloc(10));
	*(struct mpp_thread **)arg = mpp_self;
	return NULL;
}

START_TEST(handed_on)
{
	struct mpp_thread *first, *second;
	pthread_t t;

	ck_assert_int_eq(pthread_create(&t, NULL, note_state, &first), 0);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	ck_assert_int_eq(pthread_create(&t, NULL, note_state, &second), 0);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	ck_assert_ptr_eq(first, second);
	ck_assert_uint_eq(mpp_thread_count(), 0); /* of this thread there is none yet */
	ck_assert_uint_eq(first->bytes, 0);
	for (unsigned id = 0; id < MPP_INLINE_IDS; id++)
		ck_assert_uint_eq(mpp_slot_count(&first->slots[id].slot), 0);
}
END_TEST

/* No memory for a state, or no room for the hook: slower, and it works. */
static void *work_without(void *arg)
{
	struct mp_cache *c = arg;
	void *p[100];

	mpp_os_inject(1, LONG_MAX);
	for (int i = 0; i < 100; i++)
		ck_assert_ptr_nonnull(p[i] = mp_cache_alloc(c));
	ck_assert(mpp_self == &mpp_thread_none || mpp_self == &mpp_thread_shared);
	for (int i = 0; i < 100; i++)
		mp_cache_free(c, p[i]);
	ck_assert_ptr_eq(mpp_thread_get(), &mpp_thread_shared);
	mpp_os_inject(0, 0);
	mp_cache_free(c, mp_cache_alloc(c));
	ck_assert_ptr_ne(mpp_thread_get(), &mpp_thread_shared); /* tried again */
	return NULL;
}

START_TEST(without_a_state)
{
	struct mp_cache *c = mp_cache_create("stateless", 64, 0, 0, NULL);
	pthread_t t;

	ck_assert_ptr_nonnull(c);
	ck_assert_int_eq(mp_cache_prealloc(c, 100), 0);
	ck_assert_int_eq(pthread_create(&t, NULL, work_without, c), 0);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	check_cache(c, 0);
}
END_TEST

START_TEST(slots)
{
	struct mpp_side *side, *other_side;
	struct mp_cache *near = mp_cache_create("near", 64, 0, 0, NULL), *far;
	struct mpp_thread *t = mpp_thread_get();
	struct mpp_slot *slot;

	do
		far = mp_cache_create("far", 64, 0, 0, NULL);
	while (far != NULL && mpp_cache_id(far) < MPP_INLINE_IDS);
	ck_assert(near != NULL && far != NULL);
	ck_assert_ptr_eq(mpp_thread_slot(t, near, &side), &t->slots[mpp_cache_id(near)].slot);
	ck_assert_ptr_eq(mpp_thread_find_slot(t, near), &t->slots[mpp_cache_id(near)].slot);
	ck_assert_ptr_null(mpp_thread_find_slot(t, far)); /* makes no leaf */
	slot = mpp_thread_slot(t, far, &other_side);
	ck_assert_ptr_nonnull(slot);
	ck_assert_ptr_ne(side, other_side);
	ck_assert_ptr_eq(mpp_thread_find_slot(t, far), slot);
	ck_assert_ptr_eq(mpp_thread_slot(t, far, &side), slot);
	ck_assert_ptr_eq(side, other_side);
	ck_assert_ptr_null(mpp_thread_slot(&mpp_thread_shared, near, &side));
}
END_TEST

static void count_states(struct mpp_thread *t, void *arg)
{
	ck_assert_ptr_eq(t, mpp_self);
	++*(unsigned *)arg;
}

START_TEST(each)
{
	unsigned n = 0;

	(void)mpp_thread_get();
	mpp_thread_each(count_states, &n);
	ck_assert_uint_eq(n, 1);
	mpp_thread_lock_all();
	mpp_thread_each_locked(count_states, &n);
	mpp_thread_unlock_all();
	ck_assert_uint_eq(n, 2);
}
END_TEST

START_TEST(flush_requests)
{
	struct mpp_thread *t = mpp_thread_get();

	ck_assert(!mpp_thread_must_flush(t));
	mpp_thread_ask_flush();
	mpp_thread_ask_flush();
	ck_assert(mpp_thread_must_flush(t));
	ck_assert(!mpp_thread_must_flush(t));
}
END_TEST

/* What a thread writes that works on a cache of its own, as intervals. */
#define OBJECTS 2000
#define WRITES (OBJECTS + 4)

struct worker {
	struct mp_cache *cache;
	pthread_barrier_t *together;
	size_t n;
	struct {
		uintptr_t from, to;
	} writes[WRITES];
};

static void note_write(struct worker *w, const volatile void *p, size_t bytes)
{
	w->writes[w->n].from = (uintptr_t)p / MPP_LINE;
	w->writes[w->n++].to = ((uintptr_t)p + bytes - 1) / MPP_LINE;
}

static void allocate_all(struct worker *w, void **p)
{
	for (int i = 0; i < OBJECTS; i++)
		ck_assert_ptr_nonnull(p[i] = mp_cache_alloc(w->cache));
}

static void free_all(struct worker *w, void **p)
{
	for (int i = 0; i < OBJECTS; i++)
		mp_cache_free(w->cache, p[i]);
}

static void note_writes(struct worker *w, void **p)
{
	struct mpp_slot *slot = mpp_thread_find_slot(mpp_self, w->cache);

	ck_assert_ptr_nonnull(slot);
	for (int i = 0; i < OBJECTS; i++)
		note_write(w, p[i], mp_cache_size(w->cache));
	note_write(w, mpp_self, sizeof(*mpp_self));
	if (slot->limit != slot->base) /* else magazines have no room in this build */
		note_write(w, slot->base, sizeof(mpp_cell) * (size_t)(slot->limit - slot->base));
	note_write(w, w->cache, sizeof(*w->cache));
	if (slot->active != NULL)
		note_write(w, slot->active, sizeof(*slot->active));
}

/*
 * Both look at what they hold at the same time: what one of them has given back, a chunk or
 * a magazine's cells, the other may have next.
 */
static void *work_apart(void *arg)
{
	struct worker *w = arg;
	void *p[OBJECTS];

	allocate_all(w, p);
	free_all(w, p);
	allocate_all(w, p);
	(void)pthread_barrier_wait(w->together);
	note_writes(w, p);
	(void)pthread_barrier_wait(w->together);
	free_all(w, p);
	return NULL;
}

static size_t lines_in_common(const struct worker *one, const struct worker *other)
{
	size_t n = 0;

	for (size_t a = 0; a < one->n; a++) {
		for (size_t b = 0; b < other->n; b++)
			n += one->writes[a].to >= other->writes[b].from &&
			     other->writes[b].to >= one->writes[a].from;
	}
	return n;
}

START_TEST(threads_apart_write_no_line_in_common)
{
	static struct worker w[2];
	pthread_barrier_t together;
	pthread_t t[2];

	ck_assert_int_eq(pthread_barrier_init(&together, NULL, 2), 0);
	for (int i = 0; i < 2; i++) {
		w[i].cache = mp_cache_create(i == 0 ? "one" : "other", 24, 0, 0, NULL);
		w[i].together = &together;
		ck_assert_ptr_nonnull(w[i].cache);
		ck_assert_int_eq(pthread_create(&t[i], NULL, work_apart, &w[i]), 0);
	}
	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	ck_assert_uint_eq(lines_in_common(&w[0], &w[1]), 0);
	ck_assert_int_eq(pthread_barrier_destroy(&together), 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, threads_apart_write_no_line_in_common);
	tcase_add_test(tc, made_at_first_use);
	tcase_add_test(tc, empty_states_stay_empty);
	tcase_add_test(tc, handed_on);
	tcase_add_test(tc, without_a_state);
	tcase_add_test(tc, slots);
	tcase_add_test(tc, each);
	tcase_add_test(tc, flush_requests);
}

int main(void)
{
	return suite_run("thread", add);
}
