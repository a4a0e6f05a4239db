/* SPDX-License-Identifier: MIT */
/*
 * text.c - the small printf, against the large one.
 */
#include "../portable.h"
#include "../suite.h"

#include "text.h"

#include <stdio.h>

/* Both write the same. */
#define SAME(...) \
	do { \
		char want_[300], got_[300]; \
		struct mpp_text t_; \
		portable_snprintf(want_, sizeof(want_), __VA_ARGS__); \
		mpp_text_init(&t_, got_, sizeof(got_)); \
		mpp_text_add(&t_, __VA_ARGS__); \
		ck_assert_str_eq(mpp_text_end(&t_), want_); \
		ck_assert(!t_.cut); \
	} while (0)

START_TEST(conversions)
{
	SAME("plain");
	SAME("%s|%10s|%-10s|%-3s|", "abc", "abc", "abc", "abcdef");
	SAME("%c%c%%", 'x', 'y');
	SAME("%d %d %d %d", 0, -1, 2147483647, -2147483647 - 1);
	SAME("%u %6u %06u %-6u|", 4294967295u, 42u, 42u, 42u);
	SAME("%zu %8zu", SIZE_MAX, (size_t)12345);
	SAME("%ju %jx", UINTMAX_MAX, (uintmax_t)0xfeed);
	SAME("%x %02x %04x", 0xbeefu, 7u, 0xabcdeu);
	SAME("%*u|%*s", 7, 5u, 4, "a");
	SAME("%p", address(0x7fff1234));
}
END_TEST

START_TEST(cut_short)
{
	char buf[8];
	struct mpp_text t;

	mpp_text_init(&t, buf, sizeof(buf));
	mpp_text_add(&t, "12345%u", 6789u);
	ck_assert(t.cut);
	ck_assert_str_eq(mpp_text_end(&t), "1234567");
	ck_assert(!mpp_text_flush(&t));
}
END_TEST

static char collected[200];

static bool collect(struct mpp_text *t)
{
	strncat(collected, t->buf, t->len);
	return t->to == NULL;
}

START_TEST(flushed)
{
	char buf[8];
	struct mpp_text t = { .buf = buf, .size = sizeof(buf), .flush = collect };

	for (unsigned i = 0; i < 20; i++)
		mpp_text_add(&t, "%u,", i);
	ck_assert(mpp_text_flush(&t));
	ck_assert_str_eq(collected, "0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,");
}
END_TEST

START_TEST(flush_fails)
{
	char buf[8];
	struct mpp_text t = { .buf = buf, .size = sizeof(buf), .flush = collect, .to = &t };

	mpp_text_add(&t, "longer than the buffer");
	ck_assert(t.cut);
	ck_assert(!mpp_text_flush(&t));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, conversions);
	tcase_add_test(tc, cut_short);
	tcase_add_test(tc, flushed);
	tcase_add_test(tc, flush_fails);
}

int main(void)
{
	return suite_run("text", add);
}
