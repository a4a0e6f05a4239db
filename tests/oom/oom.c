/* SPDX-License-Identifier: MIT */
/*
 * oom.c - what the tests of refused requests share, see oom.h.
 */
#include "oom.h"

#include "budget.h"
#include "large.h"
#include "os.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct oom_plan oom_plan;

static long calls;

void oom_arm(void)
{
	mpp_os_inject(oom_plan.first, oom_plan.count);
	errno = 0;
}

void oom_disarm(void)
{
	int saved = errno;

	calls = mpp_os_injected_calls();
	mpp_os_inject(0, 0);
	errno = saved;
}

long oom_calls(void)
{
	return calls;
}

void oom_fail(const char *file, int line, const char *what)
{
	mpp_os_inject(0, 0);
	fprintf(stderr, "%s:%d: %s (%ld requests refused from number %ld on%s%s): %s\n", file, line,
		oom_plan.name != NULL ? oom_plan.name : "no case", oom_plan.count,
		oom_plan.first, oom_plan.in_thread ? ", in a thread" : "",
		oom_plan.warm ? ", not for the first time" : "", what);
	_exit(1);
}

static struct mp_stats stats(void)
{
	struct mp_stats s = { .struct_size = sizeof(s) };

	oom_check(mp_get_stats(&s) == 0);
	return s;
}

size_t oom_bytes(void)
{
	return mpp_budget_used();
}

static int check_cache(struct mp_cache *c, void *arg)
{
	struct mp_cache_stats s = { .struct_size = sizeof(s) };

	(void)arg;
	oom_check(mp_cache_validate(c) == 0);
	oom_check(mp_cache_get_stats(c, &s) == 0);
	oom_check(s.live == 0);
	oom_check(s.capacity == s.cached + s.free);
	return 0;
}

static void *use_library(void *arg)
{
	struct mp_cache *c = mp_cache_create("use", 200, 0, 0, NULL);
	void *objs[500], *p, *q;

	(void)arg;
	oom_check(c != NULL);
	for (size_t i = 0; i < 500; i++) {
		oom_check((objs[i] = mp_cache_alloc(c)) != NULL);
		memset(objs[i], (int)i, 200);
	}
	for (size_t i = 0; i < 500; i++)
		mp_cache_free(c, objs[i]);
	oom_check(mp_cache_alloc_bulk(c, 500, objs) == 0);
	mp_cache_free_bulk(c, 500, objs);
	oom_check(mp_cache_destroy(c) == 0);
	oom_check((p = mp_alloc(100)) != NULL);
	oom_check((q = mp_calloc(10, 100000)) != NULL);
	memset(p, 1, 100);
	oom_check((p = mp_realloc(p, 50000)) != NULL);
	mp_free(p);
	mp_free(q);
	return NULL;
}

void oom_check_library(void)
{
	struct mp_stats s;
	pthread_t thread;

	oom_check(mp_cache_for_each(check_cache, NULL) == 0);
	oom_check(mpp_large_validate() == 0);
	oom_check(stats().large_live == 0);
	use_library(NULL);
	oom_check(pthread_create(&thread, NULL, use_library, NULL) == 0);
	oom_check(pthread_join(thread, NULL) == 0);
	mp_thread_flush();
	(void)mp_reclaim(0);
	s = stats();
	oom_check(s.faults == 0);
	oom_check(s.bytes_slabs == 0);
	oom_check(s.bytes_large == 0);
	oom_check(mpp_budget_used() == s.bytes_meta);
	oom_check(mp_cache_for_each(check_cache, NULL) == 0);
}
