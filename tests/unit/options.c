/* SPDX-License-Identifier: MIT */
/*
 * options.c - the environment's words; what they print is tested in tests/life.
 */
#include "../suite.h"

#include "options.h"

static struct mpp_options o;

static void debug(const char *value)
{
	mpp_options_parse(&o, value, NULL, NULL, NULL);
}

static void limit(const char *value)
{
	mpp_options_parse(&o, NULL, NULL, NULL, value);
}

START_TEST(nothing)
{
	mpp_options_parse(&o, NULL, NULL, NULL, NULL);
	ck_assert(!o.report_only && !o.stats_at_exit && !o.poison && o.limit == 0);
	mpp_options_parse(&o, "", "", "", "");
	ck_assert(!o.report_only && !o.stats_at_exit && !o.poison && o.limit == 0);
}
END_TEST

START_TEST(poison)
{
	debug("P");
	ck_assert(o.poison);
	debug("p");
	ck_assert(o.poison);
	debug("-");
	ck_assert(!o.poison);
	debug("FZUT");
	ck_assert(!o.poison);
	debug("FP!");
	ck_assert(o.poison);
	ck_assert(mpp_options_debugs(&o, "anything"));
}
END_TEST

START_TEST(patterns)
{
	debug("P,mp-*,order,*line*s");
	ck_assert(o.poison);
	ck_assert(mpp_options_debugs(&o, "mp-16"));
	ck_assert(mpp_options_debugs(&o, "mp-"));
	ck_assert(!mpp_options_debugs(&o, "mp16"));
	ck_assert(mpp_options_debugs(&o, "order"));
	ck_assert(!mpp_options_debugs(&o, "orders"));
	ck_assert(!mpp_options_debugs(&o, "orde"));
	ck_assert(mpp_options_debugs(&o, "lines"));
	ck_assert(mpp_options_debugs(&o, "pipeline-lines-s"));
	ck_assert(!mpp_options_debugs(&o, "lineman"));
	debug("P,,x,");
	ck_assert(mpp_options_debugs(&o, "x"));
	ck_assert(!mpp_options_debugs(&o, ""));
	debug("P,*a*b*a*b*c");
	ck_assert(mpp_options_debugs(&o, "ababababababababc"));
	ck_assert(!mpp_options_debugs(&o, "abababababababab"));
}
END_TEST

START_TEST(long_list)
{
	char value[1000];

	memset(value, 'x', sizeof(value) - 1);
	memcpy(value, "P,", 2);
	value[sizeof(value) - 1] = '\0';
	debug(value);
	ck_assert(!o.poison);
}
END_TEST

START_TEST(on_error)
{
	mpp_options_parse(&o, NULL, "report", NULL, NULL);
	ck_assert(o.report_only);
	mpp_options_parse(&o, NULL, "abort", NULL, NULL);
	ck_assert(!o.report_only);
	mpp_options_parse(&o, NULL, "reports", NULL, NULL);
	ck_assert(!o.report_only);
}
END_TEST

START_TEST(stats)
{
	char value[1000];

	mpp_options_parse(&o, NULL, NULL, "exit", NULL);
	ck_assert(o.stats_at_exit);
	ck_assert_str_eq(o.stats_file, "");
	mpp_options_parse(&o, NULL, NULL, "exit:/tmp/a:b", NULL);
	ck_assert(o.stats_at_exit);
	ck_assert_str_eq(o.stats_file, "/tmp/a:b");
	mpp_options_parse(&o, NULL, NULL, "exits", NULL);
	ck_assert(!o.stats_at_exit);
	memset(value, 'x', sizeof(value) - 1);
	memcpy(value, "exit:", 5);
	value[sizeof(value) - 1] = '\0';
	mpp_options_parse(&o, NULL, NULL, value, NULL);
	ck_assert(!o.stats_at_exit);
}
END_TEST

START_TEST(limits)
{
	static const char *const wrong[] = { "", "x", "-1", "1 K", "12KB", "1T", "0x10", "K",
					     "99999999999999999999", "18446744073709551616",
					     "18014398509481984K", "99999999999G" };

	limit("123");
	ck_assert_uint_eq(o.limit, 123);
	limit("64K");
	ck_assert_uint_eq(o.limit, 65536);
	limit("3m");
	ck_assert_uint_eq(o.limit, 3 * MPP_MIB);
	limit("1G");
	ck_assert_uint_eq(o.limit, 1024 * MPP_MIB);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		limit(wrong[i]);
		ck_assert_uint_eq(o.limit, 0);
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, nothing);
	tcase_add_test(tc, poison);
	tcase_add_test(tc, patterns);
	tcase_add_test(tc, long_list);
	tcase_add_test(tc, on_error);
	tcase_add_test(tc, stats);
	tcase_add_test(tc, limits);
}

int main(void)
{
	return suite_run("options", add);
}
