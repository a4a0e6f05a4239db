/* SPDX-License-Identifier: MIT */
/*
 * registry.c - ids and descriptors; a dead one stays recognisable.
 */
#include "../suite.h"

#include "annotate.h"
#include "init.h"
#include "magazine.h"
#include "registry.h"

static struct mp_cache *create(void)
{
	struct mp_cache *c = mp_cache_create("counted", 64, 0, 0, NULL);

	ck_assert_ptr_nonnull(c);
	return c;
}

START_TEST(builtin_first)
{
	ck_assert_uint_eq(mpp_registry_count(), MPP_CLASSES);
	ck_assert_uint_eq(mpp_registry_end(), MPP_CLASSES + 1);
	for (unsigned id = 1; id <= MPP_CLASSES; id++) {
		ck_assert_ptr_eq(mpp_registry_get(id), mpp_classes[id - 1]);
		ck_assert_uint_eq(mpp_cache_id(mpp_classes[id - 1]), id);
		ck_assert(mpp_classes[id - 1]->builtin);
	}
	ck_assert_ptr_null(mpp_registry_get(MPP_CLASSES + 1));
	ck_assert_ptr_null(mpp_registry_get(MPP_ID_MAX));
}
END_TEST

START_TEST(a_life)
{
	struct mp_cache *c = create();
	unsigned id = mpp_cache_id(c);

	ck_assert_uint_eq(id, MPP_CLASSES + 1);
	ck_assert(mpp_cache_alive(c));
	ck_assert_ptr_eq(mpp_registry_get(id), c);
	ck_assert_uint_eq(mpp_registry_count(), MPP_CLASSES + 1);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	ck_assert(!mpp_cache_alive(c));
	ck_assert_uint_eq(mpp_cache_id(c), 0);
	ck_assert_uint_eq(c->old_id, id);
	ck_assert_uint_eq(mpp_registry_count(), MPP_CLASSES);
}
END_TEST

/* An id and its descriptor come back only when MPP_TOMBSTONES others have gone. */
START_TEST(late_reuse)
{
	struct mp_cache *first = create(), *c;
	unsigned id = mpp_cache_id(first), rounds = 0;

	ck_assert_int_eq(mp_cache_destroy(first), 0);
	do {
		c = create();
		ck_assert(mpp_cache_id(c) != id || c == first);
		ck_assert_int_eq(mp_cache_destroy(c), 0);
		ck_assert_uint_lt(++rounds, 1000);
	} while (c != first);
	ck_assert_uint_gt(rounds, MPP_TOMBSTONES);
	ck_assert_uint_eq(c->old_id, id);
	for (int i = 0; i < 1000; i++)
		ck_assert_int_eq(mp_cache_destroy(create()), 0);
	ck_assert_uint_le(mpp_registry_end(), id + MPP_TOMBSTONES + 3);
}
END_TEST

START_TEST(slots_near_and_far)
{
	struct mp_cache *c;

	do {
		c = create();
		if (mpp_cache_id(c) < MPP_INLINE_IDS)
			ck_assert_uint_eq(mpp_load_relaxed(&c->slot_offset),
					  mpp_cache_id(c) * MPP_SLOT_SIZE);
	} while (mpp_cache_id(c) < MPP_INLINE_IDS);
	ck_assert_uint_eq(mpp_load_relaxed(&c->slot_offset), 0);
	ck_assert_uint_eq(mpp_load_relaxed(&c->push_offset), 0);
}
END_TEST

/* Which caches the hit path serves, and who serves the others. */
START_TEST(routes)
{
	static const struct {
		unsigned flags, guard;
		enum mpp_route route;
	} kinds[] = {
		{ 0, 0, MPP_HARDENED ? MPP_ROUTE_HARD : MPP_ROUTE_PLAIN },
		{ 0, 100, MPP_HARDENED ? MPP_ROUTE_SLOW : MPP_ROUTE_SAMPLED },
		{ MP_HARDENED, 0, MPP_ROUTE_HARD },
		{ MP_HARDENED, 100, MPP_ROUTE_SLOW },
		{ MP_POISON, 0, MPP_ROUTE_WATCHED },
		{ MP_RED_ZONE | MP_STORE_USER | MP_HARDENED, 0, MPP_ROUTE_WATCHED },
		{ MP_ZERO_ON_FREE, 0, MPP_ROUTE_SLOW },
	};

	if (mpp_magazine_max(64) == 0 || mpp_annotate_tools != 0)
		return; /* one route: without magazines, and where a memory checker runs */
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct mp_cache_args args = {
			.struct_size = sizeof(args), .guard_rate = kinds[i].guard,
		};
		struct mp_cache *c = mp_cache_create_args("route", 64, &args, kinds[i].flags);
		enum mpp_route route = kinds[i].route;
		uint32_t offset;

		ck_assert_ptr_nonnull(c);
		offset = mpp_cache_id(c) * MPP_SLOT_SIZE;
		ck_assert_uint_eq(c->route, route);
		ck_assert_uint_eq(mpp_load_relaxed(&c->slot_offset),
				  route == MPP_ROUTE_PLAIN ? offset : 0);
		ck_assert_uint_eq(mpp_load_relaxed(&c->push_offset),
				  route == MPP_ROUTE_PLAIN || route == MPP_ROUTE_SAMPLED ? offset :
											   0);
		ck_assert_int_eq(mp_cache_destroy(c), 0);
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, builtin_first);
	tcase_add_test(tc, a_life);
	tcase_add_test(tc, late_reuse);
	tcase_add_test(tc, slots_near_and_far);
	tcase_add_test(tc, routes);
}

int main(void)
{
	return suite_run("registry", add);
}
