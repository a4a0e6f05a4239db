/* SPDX-License-Identifier: MIT */
/*
 * stats.c - numbers that add up, and the tables that show them.
 */
#include "../portable.h"
#include "../suite.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

static struct mp_cache *c;
static void *p[2000];

static void setup(const char *name)
{
	c = mp_cache_create(name, 100, 0, 0, NULL);
	ck_assert_ptr_nonnull(c);
	for (int i = 0; i < 2000; i++)
		ck_assert_ptr_nonnull(p[i] = mp_cache_alloc(c));
	for (int i = 0; i < 700; i++)
		mp_cache_free(c, p[i]);
}

START_TEST(conservation)
{
	struct mp_cache_stats s;

	setup("counted");
	check_cache(c, 1300);
	s = stats_of(c);
	ck_assert_uint_eq(s.object_size, 100);
	ck_assert_uint_eq(s.allocs - s.frees, s.live + s.cached);
	ck_assert_uint_ge(s.peak, 2000);
	mp_thread_flush();
	s = stats_of(c);
	ck_assert_uint_eq(s.cached, 0);
	check_cache(c, 1300);
	for (int i = 700; i < 2000; i++)
		mp_cache_free(c, p[i]);
	mp_thread_flush();
	check_cache(c, 0);
	s = stats_of(c);
	ck_assert_uint_eq(s.allocs, s.frees);
	ck_assert_uint_eq(s.slabs, s.slabs_empty);
	ck_assert_uint_eq(s.failed, 0);
}
END_TEST

static void *allocate_some(void *arg)
{
	void **objs = arg;

	for (int i = 0; i < 1000; i++)
		objs[i] = mp_cache_alloc(c);
	for (int i = 0; i < 500; i++)
		mp_cache_free(c, objs[i]);
	mp_cache_free_bulk(c, 250, objs + 500);
	return NULL;
}

/* Where objects are watched, each allocation is counted, by whichever thread, also one that ended. */
START_TEST(watched_totals)
{
	const unsigned flags[] = { MP_POISON, MP_RED_ZONE, MP_CONSISTENCY_CHECKS };
	pthread_t thread;

	for (int i = 0; i < 3; i++) {
		struct mp_cache_stats s;

		c = mp_cache_create("watched", 100, 0, flags[i], NULL);
		ck_assert_ptr_nonnull(c);
		ck_assert_int_eq(pthread_create(&thread, NULL, allocate_some, p), 0);
		allocate_some(p + 1000);
		s = stats_of(c);
		ck_assert_uint_ge(s.allocs, 1000);
		ck_assert_int_eq(pthread_join(thread, NULL), 0);
		ck_assert_int_eq(mp_cache_alloc_bulk(c, 100, p + 500), 0);
		check_cache(c, 600);
		s = stats_of(c);
		ck_assert_uint_eq(s.allocs, 2100);
		ck_assert_uint_eq(s.frees, 1500);
		for (int k = 500; k < 2000; k++)
			if (k < 600 || (k >= 750 && k < 1000) || k >= 1750)
				mp_free(p[k]);
		check_cache(c, 0);
		ck_assert_uint_eq(stats_of(c).frees, 2100);
		ck_assert_int_eq(mp_cache_destroy(c), 0);
	}
}
END_TEST

/* What another cache counted, that had the id before, is not this one's. */
START_TEST(totals_begin_at_zero)
{
	struct mp_cache_stats s = { .id = 0 };
	uint32_t id;

	c = mp_cache_create("before", 40000, 0, MP_HARDENED, NULL);
	ck_assert_ptr_nonnull(c);
	id = stats_of(c).id;
	for (int i = 0; i < 1000; i++)
		mp_cache_free(c, mp_cache_alloc(c));
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	for (int i = 0; i < 1000 && s.id != id; i++) {
		c = mp_cache_create("after", 100, 0, MP_RED_ZONE, NULL);
		ck_assert_ptr_nonnull(c);
		s = stats_of(c);
		ck_assert_uint_eq(s.allocs, 0);
		ck_assert_uint_eq(s.frees, 0);
		ck_assert_int_eq(mp_cache_destroy(c), 0);
	}
	ck_assert_uint_eq(s.id, id);
}
END_TEST

START_TEST(whole_library)
{
	struct mp_stats before = stats_of_all(), s;
	void *large = mp_alloc((size_t)1 << 20);

	setup("counted");
	s = stats_of_all();
	ck_assert_uint_eq(s.caches, before.caches + 1);
	ck_assert_uint_eq(s.large_live, 1);
	ck_assert_uint_ge(s.bytes_large, (size_t)1 << 20);
	ck_assert_uint_eq(s.bytes_slabs - before.bytes_slabs, stats_of(c).bytes_mapped);
	ck_assert_uint_ge(s.bytes_peak, s.bytes_slabs + s.bytes_large + s.bytes_meta);
	ck_assert_uint_ge(s.bytes_reserved, s.bytes_slabs + s.bytes_large);
	ck_assert_uint_eq(s.threads, 1);
	ck_assert_uint_gt(s.os_calls, 0);
	ck_assert_uint_eq(s.limit, 0);
	mp_free(large);
	mp_cache_free_bulk(c, 1300, p + 700);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	(void)mp_reclaim(0);
	s = stats_of_all();
	ck_assert_uint_eq(s.bytes_slabs, 0);
	ck_assert_uint_eq(s.slabs, 0);
	ck_assert_uint_eq(s.bytes_large, 0);
	ck_assert_uint_eq(s.bytes_kept, 0);
}
END_TEST

START_TEST(reclaim)
{
	setup("counted");
	mp_cache_free_bulk(c, 1300, p + 700);
	ck_assert_uint_gt(mp_reclaim(0), 0);
	ck_assert_uint_eq(stats_of_all().bytes_kept, 0);
	ck_assert_uint_eq(stats_of(c).slabs, 0);
	ck_assert_uint_eq(mp_reclaim(0), 0); /* nothing left */
	for (int i = 0; i < 2000; i++)
		ck_assert_ptr_nonnull(p[i] = mp_cache_alloc(c));
	check_cache(c, 2000);
}
END_TEST

START_TEST(struct_sizes)
{
	struct mp_cache_stats cs = { .struct_size = sizeof(cs) + 8 };
	struct mp_stats s = { .struct_size = 4 };
	struct mp_version_info v = { .struct_size = 0 };

	setup("counted");
	ck_assert_int_eq(mp_cache_get_stats(c, &cs), -EINVAL);
	ck_assert_int_eq(mp_cache_get_stats(c, NULL), -EINVAL);
	ck_assert_int_eq(mp_cache_get_stats(NULL, &cs), -EINVAL);
	ck_assert_int_eq(mp_get_stats(&s), -EINVAL);
	ck_assert_int_eq(mp_get_stats(NULL), -EINVAL);
	ck_assert_int_eq(mp_version_info(&v), -EINVAL);
	ck_assert_int_eq(mp_version_info(NULL), -EINVAL);
	ck_assert_uint_eq(stats_of_all().faults, 0);
}
END_TEST

START_TEST(version)
{
	struct mp_version_info v = { .struct_size = sizeof(v) };
	char text[40];

	ck_assert_int_eq(mp_version_info(&v), 0);
	snprintf(text, sizeof(text), "%d.%d.%d", v.major, v.minor, v.patch);
	ck_assert_str_eq(mp_version(), text);
	ck_assert_str_eq(mp_version(), MP_VERSION_STRING);
	ck_assert_int_eq(v.major, MP_VERSION_MAJOR);
	ck_assert_int_eq(v.minor, MP_VERSION_MINOR);
	ck_assert_int_eq(v.patch, MP_VERSION_PATCH);
	ck_assert_uint_eq(v.min_block_size, MP_MIN_BLOCK_SIZE);
	ck_assert_uint_eq(v.max_fixed_size, MP_MAX_FIXED_SIZE);
	ck_assert_uint_eq(v.chunk_size, MP_CHUNK_SIZE);
	ck_assert_uint_eq(v.align_size, MP_ALIGN_SIZE);
	ck_assert_uint_gt(v.page_size, 0);
}
END_TEST

/* ---- text */

static char text[1 << 20];

/* What print writes. */
static void capture(int (*print)(FILE *f))
{
	FILE *f = tmpfile();
	size_t n;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(print(f), 0);
	rewind(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
}

/* One line of the table, in the kernel's columns. */
static void check_line(const char *line)
{
	unsigned long active, objects, size, per_slab, pages, active_slabs, slabs, shared;
	unsigned limit, batch, factor;
	struct mp_cache_stats s;
	char name[70];
	int end = -1;

	ck_assert_msg(sscanf(line,
			     "%69s %lu %lu %lu %lu %lu : tunables %u %u %u : slabdata %lu %lu %lu%n",
			     name, &active, &objects, &size, &per_slab, &pages, &limit, &batch,
			     &factor, &active_slabs, &slabs, &shared, &end) == 12,
		      "%s", line);
	ck_assert_int_eq(line[end], '\n');
	ck_assert_ptr_nonnull(mp_cache_find(name));
	s = stats_of(mp_cache_find(name));
	ck_assert_uint_eq(active, s.live);
	ck_assert_uint_eq(objects, s.capacity);
	ck_assert_uint_eq(size, s.slot_size);
	ck_assert_uint_eq(per_slab, s.objects_per_slab);
	ck_assert_uint_gt(pages, 0);
	ck_assert_uint_eq(slabs, s.slabs);
	ck_assert_uint_eq(active_slabs, s.slabs - s.slabs_empty);
}

START_TEST(slabinfo)
{
	unsigned lines = 0;
	const char *line;

	setup("counted");
	ck_assert_ptr_nonnull(p[0] = mp_alloc(77));
	capture(mp_slabinfo_print);
	ck_assert_int_eq(strncmp(text, "slabinfo - version: 2.1\n# name  ", 32), 0);
	line = strchr(text, '\n') + 1;
	line = strchr(line, '\n') + 1;
	for (; *line != '\0'; line = strchr(line, '\n') + 1) {
		check_line(line);
		lines++;
	}
	ck_assert_uint_eq(lines, stats_of_all().caches);
}
END_TEST

/* Whether s starts with one JSON value; what follows it, or NULL. */
static const char *json_value(const char *s);

static const char *json_space(const char *s)
{
	return s + strspn(s, " \t\r\n");
}

static const char *json_string(const char *s)
{
	if (*s++ != '"')
		return NULL;
	for (; *s != '"'; s++) {
		if ((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f)
			return NULL; /* ours escapes all of these */
		if (*s != '\\')
			continue;
		s++;
		if (*s == 'u' && strspn(s + 1, "0123456789abcdef") >= 4)
			s += 4;
		else if (*s == '\0' || strchr("\"\\/bfnrt", *s) == NULL)
			return NULL;
	}
	return s + 1;
}

/* The members of an object, or the elements of an array. */
static const char *json_list(const char *s, char end, bool named)
{
	s = json_space(s + 1);
	if (*s == end)
		return s + 1;
	for (;;) {
		if (named) {
			s = json_string(json_space(s));
			if (s == NULL || *(s = json_space(s)) != ':')
				return NULL;
			s++;
		}
		s = json_value(s);
		if (s == NULL)
			return NULL;
		s = json_space(s);
		if (*s == end)
			return s + 1;
		if (*s++ != ',')
			return NULL;
	}
}

static const char *json_value(const char *s)
{
	size_t n;

	s = json_space(s);
	if (*s == '{')
		return json_list(s, '}', true);
	if (*s == '[')
		return json_list(s, ']', false);
	if (*s == '"')
		return json_string(s);
	n = strspn(s, "0123456789");
	return n == 0 || (n > 1 && *s == '0') ? NULL : s + n;
}

static uintmax_t json_number(const char *from, const char *name)
{
	char key[60];
	const char *s;

	snprintf(key, sizeof(key), "\"%s\": ", name);
	s = strstr(from, key);
	ck_assert_msg(s != NULL, "no %s", name);
	return strtoumax(s + strlen(key), NULL, 10);
}

START_TEST(json_checker)
{
	static const char *const bad[] = { "", "{", "[1,]", "{\"a\" 1}", "{\"a\": }", "\"\x01\"",
					   "01", "[1 2]", "{a: 1}", "\"\\x\"", "nan", "-" };

	ck_assert_str_eq(json_value("{\"a\": [1, 22, {}], \"b\\\"\": \"\\u00ff\"} x"), " x");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		ck_assert_ptr_null(json_value(bad[i]));
}
END_TEST

START_TEST(json)
{
	struct mp_cache_stats s;
	struct mp_stats all;
	const char *rest, *mine;

	setup("na\"me \\ with \x01\x7f\xc3\xa9 in it");
	capture(mp_stats_print_json);
	rest = json_value(text);
	ck_assert_ptr_nonnull(rest);
	ck_assert_str_eq(rest, "\n");
	s = stats_of(c);
	all = stats_of_all();
	ck_assert_uint_eq(json_number(text, "bytes_slabs"), all.bytes_slabs);
	ck_assert_uint_eq(json_number(text, "bytes_large"), all.bytes_large);
	ck_assert_uint_eq(json_number(text, "faults"), 0);
	ck_assert_uint_eq(json_number(text, "chunk_size"), MP_CHUNK_SIZE);
	mine = strstr(text, "na\\\"me \\\\ with \\u0001\\u007f\\u00c3\\u00a9 in it");
	ck_assert_ptr_nonnull(mine);
	ck_assert_uint_eq(json_number(mine, "live"), s.live);
	ck_assert_uint_eq(json_number(mine, "cached"), s.cached);
	ck_assert_uint_eq(json_number(mine, "free"), s.free);
	ck_assert_uint_eq(json_number(mine, "leaked"), s.leaked);
	ck_assert_uint_eq(json_number(mine, "capacity"), s.capacity);
	ck_assert_uint_eq(json_number(mine, "object_size"), 100);
	ck_assert_uint_eq(json_number(mine, "peak"), s.peak);
	ck_assert_uint_eq(json_number(mine, "slabs"), s.slabs);
	ck_assert_uint_eq(json_number(mine, "bytes_mapped"), s.bytes_mapped);
	ck_assert_uint_eq(json_number(mine, "allocs"), s.allocs);
}
END_TEST

static long leaks;

static int leak_report(FILE *f)
{
	leaks = mp_leak_report(f);
	return 0;
}

START_TEST(leak_reports)
{
	void *large, *small;
	char line[200];

	capture(leak_report);
	ck_assert_int_eq(leaks, 0);
	ck_assert_str_eq(text, "");
	c = mp_cache_create("leaky", 100, 0, 0, NULL);
	for (int i = 0; i < 3; i++)
		ck_assert_ptr_nonnull(p[i] = mp_cache_alloc(c));
	mp_cache_free(c, p[1]);
	large = mp_alloc(300000);
	small = mp_alloc(100);
	ck_assert(large != NULL && small != NULL);
	capture(leak_report);
	ck_assert_int_eq(leaks, 4);
	snprintf(line, sizeof(line),
		 "mempool: leak: cache \"leaky\" (id %u): 2 live of 100 bytes:",
		 stats_of(c).id);
	ck_assert_msg(strstr(text, line) != NULL, "%s", text);
	portable_snprintf(line, sizeof(line), " %p", p[0]);
	ck_assert_ptr_nonnull(strstr(text, line));
	portable_snprintf(line, sizeof(line), " %p", p[2]);
	ck_assert_ptr_nonnull(strstr(text, line));
	portable_snprintf(line, sizeof(line), "%p", p[1]);
	ck_assert_ptr_null(strstr(text, line));
	portable_snprintf(line, sizeof(line), "%p", large);
	ck_assert_ptr_nonnull(strstr(text, line));
	ck_assert_ptr_nonnull(strstr(text, "mempool: leak: large: 1 live"));
	mp_free(large);
	mp_free(small);
	mp_free(p[0]);
	mp_free(p[2]);
	capture(leak_report);
	ck_assert_int_eq(leaks, 0);
}
END_TEST

/* A file that takes nothing, and says so at each write, or when what was gathered is. */
START_TEST(nowhere_to_write)
{
	FILE *f = fopen("/dev/full", "w");

	ck_assert_int_eq(mp_slabinfo_print(NULL), -EINVAL);
	ck_assert_int_eq(mp_stats_print_json(NULL), -EINVAL);
	ck_assert_int_eq((int)mp_leak_report(NULL), -EINVAL);
	if (f == NULL)
		return; /* not Linux */
	ck_assert_int_eq(setvbuf(f, NULL, _i == 0 ? _IONBF : _IOFBF, _i == 0 ? 0 : 65536), 0);
	setup("counted");
	ck_assert_int_eq(mp_slabinfo_print(f), -EIO);
	ck_assert_int_eq(mp_stats_print_json(f), -EIO);
	ck_assert_int_eq((int)mp_leak_report(f), -EIO);
	fclose(f);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, conservation);
	tcase_add_test(tc, watched_totals);
	tcase_add_test(tc, totals_begin_at_zero);
	tcase_add_test(tc, whole_library);
	tcase_add_test(tc, reclaim);
	tcase_add_test(tc, struct_sizes);
	tcase_add_test(tc, version);
	tcase_add_test(tc, slabinfo);
	tcase_add_test(tc, json_checker);
	tcase_add_test(tc, json);
	tcase_add_test(tc, leak_reports);
	tcase_add_loop_test(tc, nowhere_to_write, 0, 2);
}

int main(void)
{
	return suite_run("stats", add);
}
