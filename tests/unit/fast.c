/* SPDX-License-Identifier: MIT */
/*
 * fast.c - push, pop and the owner check, on a magazine of its own.
 */
#include "../suite.h"

#include "fast.h"

#define N 7

static mpp_cell cells[N + 1];	/* the first stays NULL */
static struct mpp_slot slot;
static char objects[N + 1];

static void setup(void)
{
	slot.base = cells + 1;
	mpp_store_relaxed(&slot.top, cells + 1);
	slot.limit = cells + 1 + N;
}

START_TEST(a_stack)
{
	void *obj = NULL;

	setup();
	ck_assert(!mpp_pop(&slot, &obj));
	for (size_t i = 0; i < N; i++) {
		ck_assert(mpp_push(&slot, &objects[i]));
		ck_assert_uint_eq(mpp_slot_count(&slot), i + 1);
	}
	ck_assert(!mpp_push(&slot, &objects[N])); /* no room */
	for (size_t i = N; i > 0; i--) {
		ck_assert(mpp_pop(&slot, &obj));
		ck_assert_ptr_eq(obj, &objects[i - 1]);
	}
	ck_assert(!mpp_pop(&slot, &obj));
}
END_TEST

START_TEST(twice_in_a_row)
{
	void *obj;

	setup();
	ck_assert(mpp_push(&slot, &objects[0]));
	ck_assert(!mpp_push(&slot, &objects[0]));
	ck_assert_uint_eq(mpp_slot_count(&slot), 1);
	ck_assert(mpp_push(&slot, &objects[1]));
	ck_assert(!mpp_push(&slot, &objects[1]));
	ck_assert(mpp_pop(&slot, &obj));
	ck_assert(mpp_push(&slot, &objects[1])); /* handed out meanwhile */
}
END_TEST

/* A slot of zeros is empty and full: what every thread starts with. */
START_TEST(slot_of_zeros)
{
	static struct mpp_slot zero;
	void *obj;

	ck_assert(!mpp_pop(&zero, &obj));
	ck_assert(!mpp_push(&zero, &objects[0]));
	ck_assert_uint_eq(mpp_slot_count(&zero), 0);
}
END_TEST

START_TEST(owner)
{
	struct mp_cache *c = mp_cache_create("mine", 72, 8, 0, NULL);
	struct mp_cache *other = mp_cache_create("other", 72, 8, 0, NULL);
	char *p = mp_cache_alloc(c), *q = mp_cache_alloc(other), *large = mp_alloc(1 << 20);
	uint32_t index;

	ck_assert(p != NULL && q != NULL && large != NULL);
	ck_assert(mpp_fast_owns(c, p, &index));
	ck_assert(!mpp_fast_owns(other, p, &index));
	ck_assert(!mpp_fast_owns(c, q, &index));
	for (size_t i = 1; i < c->g.slot; i++)
		ck_assert(!mpp_fast_owns(c, p + i, &index));
	ck_assert(!mpp_fast_owns(c, large, &index));
	ck_assert(!mpp_fast_owns(c, launder(&p), &index));
	ck_assert(!mpp_fast_owns(c, NULL, &index));
	ck_assert(!mpp_fast_owns(c, address(UINTPTR_MAX), &index));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, a_stack);
	tcase_add_test(tc, twice_in_a_row);
	tcase_add_test(tc, slot_of_zeros);
	tcase_add_test(tc, owner);
}

int main(void)
{
	return suite_run("fast", add);
}
