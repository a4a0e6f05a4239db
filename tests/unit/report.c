/* SPDX-License-Identifier: MIT */
/*
 * report.c - a fault becomes a message; the handler decides.
 */
#include "../suite.h"

#include "report.h"

#include <setjmp.h>
#include <signal.h>

START_TEST(whole_message)
{
	static struct mpp_fault f = {
		.kind = MP_ERROR_USE_AFTER_FREE_WRITE,
		.where = "a test",
		.cache_name = "orders",
		.cache_id = 17,
		.index = 3,
		.offset = 5,
		.size = 48,
		.live = 2,
		.capacity = 100,
		.note = "live objects",
		.found = 2,
		.samples = 2,
		.damaged = 3,
		.damage_offset = 9,
		.damage = { 0x00, 0xab, 0xff },
	};
	struct tally tally;

	f.pointer = address(0x1005);
	f.object = address(0x1000);
	f.slab = address(0x800);
	f.sample[0] = address(0x2000);
	f.sample[1] = address(0x3000);
	tally_start(&tally);
	mpp_report(&f);
	tally_expect(&tally, MP_ERROR_USE_AFTER_FREE_WRITE, address(0x1005));
	ck_assert_ptr_eq(tally.object, address(0x1000));
	ck_assert_str_eq(tally.cache_name, "orders");
	ck_assert_str_eq(tally.message,
		"mempool: use-after-free-write: cache \"orders\" (id 17) pointer 0x1005\n"
		"mempool:   object 0x1000, index 3 of slab 0x800, offset 5, size 48, "
		"not free 2 of 100\n"
		"mempool:   live objects: expected 0, found 2\n"
		"mempool:   among them 0x2000 0x3000\n"
		"mempool:   damaged bytes at offset 9: 00 ab ff\n"
		"mempool:   found by a test\n");
}
END_TEST

START_TEST(least_message)
{
	struct mpp_fault f = { .kind = MP_ERROR_BAD_FREE };
	struct tally tally;

	tally_start(&tally);
	mpp_report(&f);
	ck_assert_str_eq(tally.message, "mempool: bad-free:\nmempool:   found by a check\n");
	ck_assert_str_eq(tally.cache_name, "");
}
END_TEST

START_TEST(kinds)
{
	static const char *const names[] = {
		[MP_ERROR_DOUBLE_FREE] = "double-free",
		[MP_ERROR_BAD_FREE] = "bad-free",
		[MP_ERROR_WRONG_CACHE] = "wrong-cache",
		[MP_ERROR_INTERIOR_POINTER] = "interior-pointer",
		[MP_ERROR_OVERFLOW] = "overflow",
		[MP_ERROR_UNDERFLOW] = "underflow",
		[MP_ERROR_USE_AFTER_FREE_WRITE] = "use-after-free-write",
		[MP_ERROR_FREE_LIST] = "free-list",
		[MP_ERROR_SLAB_HEADER] = "slab-header",
		[MP_ERROR_SIZE_MISMATCH] = "size-mismatch",
		[MP_ERROR_LIVE_AT_DESTROY] = "live-at-destroy",
		[MP_ERROR_DEAD_CACHE] = "dead-cache",
		[MP_ERROR_USE_AFTER_FREE] = "use-after-free",
	};

	for (int i = MP_ERROR_DOUBLE_FREE; i <= MP_ERROR_USE_AFTER_FREE; i++)
		ck_assert_str_eq(mpp_report_kind((enum mp_error_kind)i), names[i]);
	ck_assert_str_eq(mpp_report_kind((enum mp_error_kind)99), "unknown");
}
END_TEST

static jmp_buf out;

static enum mp_error_action jump(const struct mp_error *e, void *arg)
{
	(void)arg;
	longjmp(out, (int)e->kind);
}

START_TEST(longjmp_out)
{
	struct mpp_fault f = { .kind = MP_ERROR_WRONG_CACHE };
	volatile int rounds = 0;

	mp_set_error_handler(jump, NULL);
	for (; rounds < 3; rounds++) {
		int kind = setjmp(out);

		if (kind == 0)
			mpp_report(&f);
		ck_assert_int_eq(kind, MP_ERROR_WRONG_CACHE);
	}
	ck_assert_uint_eq(mpp_report_count(), 3);
}
END_TEST

static enum mp_error_action give_up(const struct mp_error *e, void *arg)
{
	(void)e;
	(void)arg;
	return MP_ERROR_ABORT;
}

START_TEST(handler_aborts)
{
	struct mpp_fault f = { .kind = MP_ERROR_BAD_FREE };

	mp_set_error_handler(give_up, NULL);
	mpp_report(&f);
}
END_TEST

START_TEST(default_aborts)
{
	struct mpp_fault f = { .kind = MP_ERROR_BAD_FREE };

	mp_set_error_handler(NULL, NULL);
	mpp_report(&f);
}
END_TEST

START_TEST(panic_aborts)
{
	mpp_report_panic("orders", EINVAL);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, whole_message);
	tcase_add_test(tc, least_message);
	tcase_add_test(tc, kinds);
	tcase_add_test(tc, longjmp_out);
	tcase_add_test_raise_signal(tc, handler_aborts, SIGABRT);
	tcase_add_test_raise_signal(tc, default_aborts, SIGABRT);
	tcase_add_test_raise_signal(tc, panic_aborts, SIGABRT);
}

int main(void)
{
	return suite_run("report", add);
}
