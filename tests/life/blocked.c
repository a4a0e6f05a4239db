/* SPDX-License-Identifier: MIT */
/*
 * blocked.c - a FILE that takes what is printed when it likes: no cache waits for it, to be
 * destroyed or to be created.
 */
#if !defined(_GNU_SOURCE)
#define _GNU_SOURCE /* fopencookie() */
#endif

#include "../suite.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/types.h>

#define CACHES 50

static struct mp_cache *c[CACHES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned writes;		/* begun */
static bool open_again;		/* they may end */
static char written[200000];
static size_t length;

/* The nth write waits until it may go on. */
static ssize_t take(void *cookie, const char *text, size_t size)
{
	unsigned nth = *(unsigned *)cookie;

	pthread_mutex_lock(&lock);
	writes++;
	pthread_cond_broadcast(&changed);
	while (writes >= nth && !open_again)
		pthread_cond_wait(&changed, &lock);
	if (length + size < sizeof(written)) {
		memcpy(written + length, text, size);
		length += size;
	}
	pthread_mutex_unlock(&lock);
	return (ssize_t)size;
}

#if defined(__APPLE__)
static int take_int(void *cookie, const char *text, int size)
{
	return (int)take(cookie, text, (size_t)size);
}
#endif

static FILE *open_file(unsigned *nth)
{
	FILE *f;

#if defined(__APPLE__)
	f = funopen(nth, NULL, take_int, NULL, NULL);
#else
	f = fopencookie(nth, "w", (cookie_io_functions_t){ .write = take });
#endif
	ck_assert_ptr_nonnull(f);
	setvbuf(f, NULL, _IONBF, 0);
	return f;
}

struct printing {
	int how;
	FILE *f;
	long result;
};

static void *print(void *arg)
{
	struct printing *p = arg;

	p->result = p->how == 0 ? mp_slabinfo_print(p->f) :
		    p->how == 1 ? mp_stats_print_json(p->f) :
				  mp_leak_report(p->f);
	return NULL;
}

/* Caches of which something is live, so that they are in the report of leaks. */
static void make_caches(void)
{
	for (int i = 0; i < CACHES; i++) {
		c[i] = mp_cache_create("cache", 64, 0, i % 2 == 0 ? MP_STORE_USER : 0, NULL);
		ck_assert_ptr_nonnull(c[i]);
		for (int k = 0; k < 5; k++)
			ck_assert_ptr_nonnull(mp_cache_alloc(c[i]));
	}
}

static int free_it(void *obj, void *arg)
{
	mp_cache_free(arg, obj);
	return 0;
}

/* Whichever write it is that waits: all caches can go, and others come, meanwhile. */
START_TEST(nobody_waits)
{
	static const unsigned at[] = { 1, 2, 3, 10, 30 };
	unsigned nth = at[_i / 3];
	struct printing p = { .how = _i % 3 };
	pthread_t t;

	make_caches();
	p.f = open_file(&nth);
	ck_assert_int_eq(pthread_create(&t, NULL, print, &p), 0);
	pthread_mutex_lock(&lock);
	while (writes < nth)
		pthread_cond_wait(&changed, &lock);
	pthread_mutex_unlock(&lock);
	for (int i = 0; i < CACHES; i++) {
		ck_assert_int_eq(mp_cache_for_each_object(c[i], free_it, c[i]), 0);
		ck_assert_int_eq(mp_cache_destroy(c[i]), 0);
		c[i] = mp_cache_create("successor", 64, 0, 0, NULL);
		mp_cache_free(c[i], mp_cache_alloc(c[i]));
	}
	pthread_mutex_lock(&lock);
	open_again = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
	ck_assert_int_ge((int)p.result, 0);
	fclose(p.f);
	written[length] = '\0';
	ck_assert_ptr_nonnull(strstr(written, p.how == 2 ? "leak:" : "mp-16"));
	ck_assert_uint_eq(stats_of_all().faults, 0);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, nobody_waits, 0, 15);
}

int main(void)
{
	return suite_run("blocked", add);
}
