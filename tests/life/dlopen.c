/* SPDX-License-Identifier: MIT */
/*
 * dlopen.c - the library loaded at run time, used by threads, and closed meanwhile.
 *
 * Not linked with it: every function is looked up.
 */
#define _GNU_SOURCE /* dladdr() */
#include "../loading.h"
#include "../suite_run.h"

#include <mempool.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[4096];
static void *library;

static void *(*alloc)(size_t size);
static void (*release)(void *p);
static struct mp_cache *(*create)(const char *name, size_t size, size_t align, unsigned flags,
				  void (*ctor)(void *obj));
static void *(*cache_alloc)(struct mp_cache *c);
static void (*cache_free)(struct mp_cache *c, void *obj);
static int (*validate)(struct mp_cache *c);
static int (*destroy)(struct mp_cache *c);

/* A function pointer out of an object pointer, as POSIX has it. */
static void find(void *function, const char *name)
{
	void *address = loading_find(library, name);

	ck_assert_msg(address != NULL, "%s", name);
	memcpy(function, &address, sizeof(address));
}

static void load(int flags)
{
	library = loading_open(path, flags);
	ck_assert_msg(library != NULL, "%s", loading_error());
	find(&alloc, "mp_alloc");
	find(&release, "mp_free");
	find(&create, "mp_cache_create");
	find(&cache_alloc, "mp_cache_alloc");
	find(&cache_free, "mp_cache_free");
	find(&validate, "mp_cache_validate");
	find(&destroy, "mp_cache_destroy");
}

static void work(struct mp_cache *c)
{
	void *p[40];

	for (unsigned i = 0; i < 40; i++) {
		p[i] = i % 2 ? cache_alloc(c) : alloc(1 + i * 300);
		ck_assert_ptr_nonnull(p[i]);
		memset(p[i], (int)i, i % 2 ? 64 : 1 + i * 300);
	}
	for (unsigned i = 0; i < 40; i++) {
		ck_assert_int_eq(*(unsigned char *)p[i], (int)i);
		if (i % 2)
			cache_free(c, p[i]);
		else
			release(p[i]);
	}
}

static struct mp_cache *shared;
static _Atomic bool closed;
static _Atomic int ready;

/* Works before and after the library is closed, and ends with free objects at hand. */
static void *use(void *arg)
{
	for (int i = 0; i < 100; i++)
		work(shared);
	ready++;
	while (!closed)
		usleep(100);
	for (int i = 0; i < 100; i++)
		work(shared);
	return arg;
}

static void use_and_close(int flags)
{
	pthread_t t[4];

	load(flags);
	shared = create("loaded", 64, 0, 0, NULL);
	ck_assert_ptr_nonnull(shared);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, use, NULL), 0);
	while (ready < 4)
		usleep(100);
	ck_assert(loading_close(library));
	closed = true; /* its code and its threads' exit hook must still be there */
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	work(shared);
	ck_assert_int_eq(validate(shared), 0);
	ck_assert_int_eq(destroy(shared), 0);
}

START_TEST(bound_at_once)
{
	use_and_close(LOADING_NOW);
}
END_TEST

START_TEST(bound_lazily)
{
	use_and_close(LOADING_LAZY);
}
END_TEST

START_TEST(again_and_again)
{
	for (int i = 0; i < 100; i++) {
		struct mp_cache *c;

		load(LOADING_NOW);
		c = create("again", 64, 0, 0, NULL);
		work(c);
		ck_assert_int_eq(destroy(c), 0);
		ck_assert(loading_close(library));
	}
}
END_TEST

/* Hidden names stay hidden. */
START_TEST(exported_only)
{
	load(LOADING_NOW);
	ck_assert_ptr_null(loading_find(library, "mpp_init_slow"));
	ck_assert_ptr_null(loading_find(library, "mpp_map"));
	ck_assert_ptr_null(loading_find(library, "mpp_os_inject"));
}
END_TEST

static void add(TCase *tc)
{
	tcase_set_timeout(tc, 2 * SUITE_SECONDS);
	tcase_add_test(tc, bound_at_once);
	tcase_add_test(tc, bound_lazily);
	tcase_add_test(tc, again_and_again);
	tcase_add_test(tc, exported_only);
}

int main(void)
{
	const char *top = getenv("top_builddir");

	snprintf(path, sizeof(path), "%s/lib/.libs/" LOADING_NAME, top != NULL ? top : ".");
	if (access(path, R_OK) != 0) {
		printf("%s is not there: configured without a shared library\n", path);
		return 77;
	}
	return suite_run("dlopen", add);
}
