/* SPDX-License-Identifier: MIT */
/*
 * init.c - after start-up: the power-of-two caches, and that it happens once.
 */
#include "../suite.h"

#include "init.h"
#include "os.h"

START_TEST(classes)
{
	for (unsigned cls = 0; cls < MPP_CLASSES; cls++) {
		struct mp_cache *c = mpp_classes[cls];

		ck_assert_ptr_nonnull(c);
		ck_assert(c->builtin);
		ck_assert_uint_eq(c->size, mpp_class_size(cls));
		ck_assert_uint_eq(c->align, mpp_class_size(cls));
		ck_assert_uint_eq(c->g.slot, mpp_class_size(cls));
		ck_assert_uint_eq(c->g.chunks, 1);
		ck_assert_int_eq(strncmp(c->name, "mp-", 3), 0);
	}
}
END_TEST

START_TEST(once)
{
	unsigned caches = mpp_registry_count();
	uint64_t calls = mpp_os_calls();

	for (int i = 0; i < 100; i++) {
		ck_assert(mpp_init());
		ck_assert(mpp_init_slow());
	}
	ck_assert_uint_eq(mpp_registry_count(), caches);
	ck_assert_uint_eq(mpp_os_calls(), calls);
}
END_TEST

/* Start-up asks for little: what small limits allow. */
START_TEST(modest)
{
	struct mp_stats s = stats_of_all();

	ck_assert_uint_le(s.bytes_reserved, 2 * MPP_MIB);
	ck_assert_uint_eq(s.bytes_slabs, 0);
	ck_assert_uint_eq(s.bytes_large, 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, classes);
	tcase_add_test(tc, once);
	tcase_add_test(tc, modest);
}

int main(void)
{
	return suite_run("init", add);
}
