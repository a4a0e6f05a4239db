/* SPDX-License-Identifier: MIT */
/*
 * options.c - the environment's words; what they print is tested in tests/life.
 */
#include "../suite.h"

#include "options.h"

static struct mpp_options o;

static void debug(const char *value)
{
	struct mpp_environment e = { .debug = value };

	mpp_options_parse(&o, &e);
}

static void limit(const char *value)
{
	struct mpp_environment e = { .limit = value };

	mpp_options_parse(&o, &e);
}

static void parse(struct mpp_environment e)
{
	mpp_options_parse(&o, &e);
}

static unsigned letters(const char *value, const char *name)
{
	debug(value);
	return mpp_options_debug(&o, name);
}

START_TEST(nothing)
{
	struct mpp_environment unset = { .debug = NULL };
	struct mpp_environment empty = { "", "", "", "", "", "", "", "", "" };

	mpp_options_parse(&o, &unset);
	ck_assert(!o.report_only && !o.stats_at_exit && o.blocks == 0 && o.limit == 0);
	mpp_options_parse(&o, &empty);
	ck_assert(!o.report_only && !o.stats_at_exit && o.blocks == 0 && o.limit == 0);
	ck_assert(o.guard_rate == 0 && o.leaks == MPP_LEAKS_IGNORE && o.fail == MPP_FAIL_NEVER);
	ck_assert(!o.tools_off);
}
END_TEST

START_TEST(purge)
{
	parse((struct mpp_environment){ .purge = "250" });
	ck_assert_uint_eq(o.purge, 250);
	parse((struct mpp_environment){ .purge = "0" });
	ck_assert_uint_eq(o.purge, 0);
	parse((struct mpp_environment){ .purge = "4294967295" });
	ck_assert_uint_eq(o.purge, UINT32_MAX);
	parse((struct mpp_environment){ .purge = "4294967296" });
	ck_assert_uint_eq(o.purge, 0);
	parse((struct mpp_environment){ .purge = "10s" });
	ck_assert_uint_eq(o.purge, 0);
	parse((struct mpp_environment){ .purge = "" });
	ck_assert_uint_eq(o.purge, 0);
}
END_TEST

START_TEST(tools)
{
	parse((struct mpp_environment){ .tools = "off" });
	ck_assert(o.tools_off);
	parse((struct mpp_environment){ .tools = "on" });
	ck_assert(!o.tools_off);
	parse((struct mpp_environment){ .tools = "offf" });
	ck_assert(!o.tools_off);
}
END_TEST

START_TEST(all_letters)
{
	const unsigned all = MPP_D_CHECKS | MPP_D_ZONES | MPP_D_POISON | MPP_D_USERS |
			     MPP_D_TRACE | MPP_D_HARDENED | MPP_D_ZERO;

	ck_assert_uint_eq(letters("P", "x"), MPP_D_POISON);
	ck_assert_uint_eq(letters("p", "x"), MPP_D_POISON);
	ck_assert_uint_eq(letters("-", "x"), 0);
	ck_assert_uint_eq(letters("FZPUTH0", "x"), all);
	ck_assert_uint_eq(letters("0htupzf", "x"), all);
	ck_assert_uint_eq(letters("FP!", "x"), MPP_D_CHECKS | MPP_D_POISON);
	ck_assert(mpp_options_asks_for(&o, MPP_D_POISON | MPP_D_USERS));
	ck_assert(!mpp_options_asks_for(&o, MPP_D_USERS));
}
END_TEST

START_TEST(blocks)
{
	static const char both[] = "F;P,conn*,req*;-,conn-pool;ZU,big";

	ck_assert_uint_eq(letters(both, "other"), MPP_D_CHECKS);
	ck_assert_uint_eq(letters(both, "request"), MPP_D_POISON);
	ck_assert_uint_eq(letters(both, "conn-pool"), MPP_D_POISON); /* the first that matches */
	ck_assert_uint_eq(letters(both, "big"), MPP_D_ZONES | MPP_D_USERS);
	ck_assert_uint_eq(letters("-,quiet;FZ", "quiet"), 0);
	ck_assert_uint_eq(letters("-,quiet;FZ", "loud"), MPP_D_CHECKS | MPP_D_ZONES);
	ck_assert_uint_eq(letters("P,a", "b"), 0);
	ck_assert_uint_eq(letters(";;P;;", "b"), MPP_D_POISON);
	ck_assert_uint_eq(letters("F,a;F,b;F,c;F,d;F,e;F,f;F,g;F,h;P,i", "i"), 0);
	ck_assert_uint_eq(letters("F,a;F,b;F,c;F,d;F,e;F,f;F,g;F,h", "h"), MPP_D_CHECKS);
}
END_TEST

START_TEST(patterns)
{
	debug("P,mp-*,order,*line*s");
	ck_assert_uint_eq(o.blocks, 1);
	ck_assert_uint_eq(mpp_options_debug(&o, "mp-16"), MPP_D_POISON);
	ck_assert_uint_eq(mpp_options_debug(&o, "mp-"), MPP_D_POISON);
	ck_assert_uint_eq(mpp_options_debug(&o, "mp16"), 0);
	ck_assert_uint_eq(mpp_options_debug(&o, "order"), MPP_D_POISON);
	ck_assert_uint_eq(mpp_options_debug(&o, "orders"), 0);
	ck_assert_uint_eq(mpp_options_debug(&o, "orde"), 0);
	ck_assert_uint_eq(mpp_options_debug(&o, "lines"), MPP_D_POISON);
	ck_assert_uint_eq(mpp_options_debug(&o, "pipeline-lines-s"), MPP_D_POISON);
	ck_assert_uint_eq(mpp_options_debug(&o, "lineman"), 0);
	debug("P,,x,");
	ck_assert_uint_eq(mpp_options_debug(&o, "x"), MPP_D_POISON);
	ck_assert_uint_eq(mpp_options_debug(&o, ""), 0);
	debug("P,*a*b*a*b*c");
	ck_assert_uint_eq(mpp_options_debug(&o, "ababababababababc"), MPP_D_POISON);
	ck_assert_uint_eq(mpp_options_debug(&o, "abababababababab"), 0);
}
END_TEST

START_TEST(long_list)
{
	char value[1000];

	memset(value, 'x', sizeof(value) - 1);
	memcpy(value, "P,", 2);
	value[sizeof(value) - 1] = '\0';
	debug(value);
	ck_assert(o.blocks == 0);
}
END_TEST

START_TEST(on_error)
{
	parse((struct mpp_environment){ .on_error = "report" });
	ck_assert(o.report_only);
	parse((struct mpp_environment){ .on_error = "abort" });
	ck_assert(!o.report_only);
	parse((struct mpp_environment){ .on_error = "reports" });
	ck_assert(!o.report_only);
}
END_TEST

START_TEST(stats)
{
	char value[1000];

	parse((struct mpp_environment){ .stats = "exit" });
	ck_assert(o.stats_at_exit);
	ck_assert_str_eq(o.stats_file, "");
	parse((struct mpp_environment){ .stats = "exit:/tmp/a:b" });
	ck_assert(o.stats_at_exit);
	ck_assert_str_eq(o.stats_file, "/tmp/a:b");
	parse((struct mpp_environment){ .stats = "exits" });
	ck_assert(!o.stats_at_exit);
	memset(value, 'x', sizeof(value) - 1);
	memcpy(value, "exit:", 5);
	value[sizeof(value) - 1] = '\0';
	parse((struct mpp_environment){ .stats = value });
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

START_TEST(guards)
{
	parse((struct mpp_environment){ .guard = "1000" });
	ck_assert_uint_eq(o.guard_rate, 1000);
	ck_assert_str_eq(o.guard_patterns, "");
	parse((struct mpp_environment){ .guard = "7,conn*,req*" });
	ck_assert_uint_eq(o.guard_rate, 7);
	ck_assert_str_eq(o.guard_patterns, "conn*,req*");
	parse((struct mpp_environment){ .guard = "x" });
	ck_assert_uint_eq(o.guard_rate, 0);
	parse((struct mpp_environment){ .guard = "5x" });
	ck_assert_uint_eq(o.guard_rate, 0);
	parse((struct mpp_environment){ .guard = "99999999999" });
	ck_assert_uint_eq(o.guard_rate, 0);
}
END_TEST

START_TEST(leaks)
{
	parse((struct mpp_environment){ .leaks = "report" });
	ck_assert_int_eq(o.leaks, MPP_LEAKS_REPORT);
	parse((struct mpp_environment){ .leaks = "error" });
	ck_assert_int_eq(o.leaks, MPP_LEAKS_ERROR);
	parse((struct mpp_environment){ .leaks = "yes" });
	ck_assert_int_eq(o.leaks, MPP_LEAKS_IGNORE);
}
END_TEST

START_TEST(fail)
{
	static const char *const wrong[] = { "", "nth", "nth=", "nth=0", "nth=x", "nth=3:4",
					     "every=2x", "third=3", "one-in=5:", "one-in=5:x" };

	parse((struct mpp_environment){ .fail = "nth=3" });
	ck_assert(o.fail == MPP_FAIL_NTH && o.fail_n == 3);
	parse((struct mpp_environment){ .fail = "every=10,mp-*" });
	ck_assert(o.fail == MPP_FAIL_EVERY && o.fail_n == 10);
	ck_assert_str_eq(o.fail_patterns, "mp-*");
	parse((struct mpp_environment){ .fail = "one-in=100:42,a,b" });
	ck_assert(o.fail == MPP_FAIL_ONE_IN && o.fail_n == 100 && o.fail_seed == 42);
	ck_assert_str_eq(o.fail_patterns, "a,b");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		parse((struct mpp_environment){ .fail = wrong[i] });
		ck_assert_int_eq(o.fail, MPP_FAIL_NEVER);
	}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, nothing);
	tcase_add_test(tc, purge);
	tcase_add_test(tc, tools);
	tcase_add_test(tc, all_letters);
	tcase_add_test(tc, blocks);
	tcase_add_test(tc, patterns);
	tcase_add_test(tc, long_list);
	tcase_add_test(tc, on_error);
	tcase_add_test(tc, stats);
	tcase_add_test(tc, limits);
	tcase_add_test(tc, guards);
	tcase_add_test(tc, leaks);
	tcase_add_test(tc, fail);
}

int main(void)
{
	return suite_run("options", add);
}
