/* SPDX-License-Identifier: MIT */
/*
 * os.c - what the system is asked for.
 */
#include "../portable.h"
#include "../suite.h"

#include "os.h"

#include <fcntl.h>
#include <unistd.h>

START_TEST(page_size)
{
	ck_assert_uint_eq(mpp_os_page(), portable_page());
	ck_assert_uint_eq(mpp_os_page(), mpp_os_page());
}
END_TEST

START_TEST(mapping)
{
	size_t page = mpp_os_page();

	for (size_t align = page; align <= 64 * MPP_MIB; align *= 4) {
		unsigned char *p = mpp_os_map(4 * page, align);

		ck_assert_ptr_nonnull(p);
		ck_assert(is_aligned(p, align));
		ck_assert(is_filled(p, 4 * page, 0));
		memset(p, 0xff, 4 * page);
		ck_assert(mpp_os_purge(p + page, 2 * page));
		ck_assert(is_filled(p, page, 0xff));
		ck_assert(is_filled(p + page, 2 * page, 0));
		ck_assert(is_filled(p + 3 * page, page, 0xff));
		ck_assert(mpp_os_unmap(p, 4 * page));
	}
}
END_TEST

#if defined(_WIN32)

/* Before the library's start, when it does not know yet what the system has. */
static void *early;

static void map_early(void)
{
	early = mpp_os_map(MPP_MIB, 64 * MPP_MIB);
}

extern void (*const map_before_constructors)(void);
__attribute__((section(".CRT$XCT"), used)) void (*const map_before_constructors)(void) = map_early;

START_TEST(mapping_early)
{
	ck_assert_ptr_nonnull(early);
	ck_assert(is_aligned(early, 64 * MPP_MIB));
	ck_assert(is_filled(early, MPP_MIB, 0));
	ck_assert(mpp_os_unmap(early, MPP_MIB));
}
END_TEST

/* The whole is given back at once, whatever its pages look like. */
START_TEST(whole)
{
	MEMORY_BASIC_INFORMATION info;
	size_t page = mpp_os_page();
	char *p = mpp_os_map(16 * page, page);

	ck_assert_ptr_nonnull(p);
	ck_assert(mpp_os_protect(p, page, false));
	ck_assert(mpp_os_purge(p + 3 * page, page));
	ck_assert(mpp_os_unmap(p + 8 * page, page));
	ck_assert(mpp_os_unmap(p, 16 * page));
	ck_assert(VirtualQuery(p, &info, sizeof(info)) != 0 && info.State == MEM_FREE);
}
END_TEST

#endif

/* Given back in three parts, the middle one first. */
START_TEST(parts)
{
	size_t page = mpp_os_page();
	unsigned char *p = mpp_os_map(4 * page, page);

	ck_assert_ptr_nonnull(p);
	pattern_fill(p, 4 * page, 3);
	ck_assert(mpp_os_unmap(p + page, page));
	ck_assert(pattern_holds(p, page, 3));
	ck_assert(mpp_os_unmap(p, page));
	ck_assert_int_eq(p[3 * page], (unsigned char)(3 * 131 + 3 * page * 7 + (3 * page >> 8)));
	ck_assert(mpp_os_protect(p + 2 * page, page, false));
	ck_assert(mpp_os_unmap(p + 2 * page, 2 * page));
}
END_TEST

/* What is purged is in memory no more. */
START_TEST(purging)
{
	size_t size = 64 * MPP_MIB, before, full, after;
	unsigned char *p = mpp_os_map(size, mpp_os_page());

	ck_assert_ptr_nonnull(p);
	before = portable_resident();
	memset(p, 0x5a, size);
	full = portable_resident();
	ck_assert(mpp_os_purge(p, size));
	after = portable_resident();
	if (before != 0 && !SANITIZED) { /* a sanitizer keeps notes of what is written */
		ck_assert_uint_ge(full, before + size / 2);
		ck_assert_uint_le(after, before + size / 8);
	}
	ck_assert(is_filled(p, size, 0));
	memset(p, 0x5a, size);
	ck_assert(mpp_os_unmap(p, size));
}
END_TEST

START_TEST(too_much)
{
	errno = 0;
	ck_assert_ptr_null(mpp_os_map(SIZE_MAX / 8 * 7 & ~(mpp_os_page() - 1), mpp_os_page()));
	ck_assert_int_eq(errno, 0);
}
END_TEST

START_TEST(moving)
{
	size_t page = mpp_os_page();
	unsigned char *from = mpp_os_map(4 * page, page), *to = mpp_os_map(8 * page, page);

	ck_assert(from != NULL && to != NULL);
	pattern_fill(from, 4 * page, 7);
	if (!mpp_os_move(from, 4 * page, to, 8 * page)) {
#if defined(__linux__)
		ck_abort_msg("mremap refused");
#endif
		return; /* no such call here: to is gone, from is as it was */
	}
	ck_assert(pattern_holds(to, 4 * page, 7));
	ck_assert(is_filled(to + 4 * page, 4 * page, 0));
	ck_assert(mpp_os_unmap(to, 8 * page));
}
END_TEST

/* Calls number first to first + count - 1 fail, and only those. */
START_TEST(injection)
{
	size_t page = mpp_os_page();
	uint64_t before = mpp_os_calls();
	void *p[4];

	mpp_os_inject(2, 2);
	errno = 0;
	for (int i = 0; i < 4; i++)
		p[i] = mpp_os_map(page, page);
	ck_assert_int_eq(mpp_os_injected_calls(), 4);
	ck_assert_uint_eq(mpp_os_calls() - before, 4);
	ck_assert(p[0] != NULL && p[1] == NULL && p[2] == NULL && p[3] != NULL);
	mpp_os_inject(1, 2);
	ck_assert(!mpp_os_purge(p[0], page));
	ck_assert(!mpp_os_unmap(p[0], page));
	ck_assert_int_eq(errno, 0);
	mpp_os_inject(0, 0);
	ck_assert(mpp_os_unmap(p[0], page));
	ck_assert(mpp_os_unmap(p[3], page));
}
END_TEST

START_TEST(environment)
{
	portable_setenv("MEMPOOL_UNIT", "value=1");
	ck_assert_str_eq(mpp_os_env("MEMPOOL_UNIT"), "value=1");
	ck_assert_ptr_null(mpp_os_env("MEMPOOL_UNI"));
	ck_assert_ptr_null(mpp_os_env("MEMPOOL_UNIT_LONGER"));
	portable_setenv("MEMPOOL_UNIT", "");
	ck_assert_str_eq(mpp_os_env("MEMPOOL_UNIT"), "");
	portable_unsetenv("MEMPOOL_UNIT");
	ck_assert_ptr_null(mpp_os_env("MEMPOOL_UNIT"));
}
END_TEST

START_TEST(files)
{
	char name[] = "os-unit-XXXXXX", got[8] = "";
	int fd = mkstemp(name);

	ck_assert_int_ge(fd, 0);
	close(fd);
	fd = mpp_os_create(name);
	ck_assert_int_ge(fd, 0);
	ck_assert(mpp_os_write(fd, "seven\n", 6));
	mpp_os_close(fd);
	errno = 0;
	ck_assert(!mpp_os_write(fd, "x", 1)); /* closed */
	ck_assert_int_eq(errno, 0);
	ck_assert_int_lt(mpp_os_create("no/such/directory/file"), 0);
	fd = open(name, O_RDONLY);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(read(fd, got, sizeof(got)), 6);
	ck_assert_str_eq(got, "seven\n");
	close(fd);
	ck_assert_int_eq(unlink(name), 0);
}
END_TEST

START_TEST(clock_and_entropy)
{
	uint64_t before = mpp_os_clock_ms();

	ck_assert(mpp_os_entropy() != mpp_os_entropy());
	mpp_os_yield();
	ck_assert(mpp_os_clock_ms() >= before);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, page_size);
	tcase_add_test(tc, mapping);
#if defined(_WIN32)
	tcase_add_test(tc, mapping_early);
	tcase_add_test(tc, whole);
#endif
	tcase_add_test(tc, parts);
	tcase_add_test(tc, purging);
	tcase_add_test(tc, too_much);
	tcase_add_test(tc, moving);
	tcase_add_test(tc, injection);
	tcase_add_test(tc, environment);
	tcase_add_test(tc, files);
	tcase_add_test(tc, clock_and_entropy);
}

int main(void)
{
	return suite_run("os", add);
}
