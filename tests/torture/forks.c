/* SPDX-License-Identifier: MIT */
/*
 * forks.c - torture: fork while other threads are in the middle of everything.
 *
 * Each child allocates, frees objects of its parent, looks at every
 * cache, runs a thread and forks again.  A child that does not end within a minute
 * is killed, and the run fails.  Not run under ThreadSanitizer, which does not follow
 * a program of several threads through a fork.
 */
#include "torture.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define CACHES 6u
#define MINE 200u
#define HELD 128u

static struct mp_cache *caches[CACHES];
static const size_t sizes[CACHES] = { 16, 48, 200, 1000, 3000, 70000 };
static _Atomic bool stop;

struct object {
	void *p;
	size_t size;
	uint64_t pattern;
};

static void get(struct object *o, struct t_random *r)
{
	unsigned kind = (unsigned)t_below(r, CACHES + 2);

	o->size = kind < CACHES ? sizes[kind] : t_log_between(r, 1, kind == CACHES ? 3000 : 60000);
	o->pattern = t_next(r) << 20; /* stamps add offsets */
	o->p = kind < CACHES ? mp_cache_alloc(caches[kind]) : mp_alloc(o->size);
	t_expect(o->p != NULL);
	t_stamp(o->p, o->size, o->pattern);
}

static void put(struct object *o)
{
	t_expect(t_stamped(o->p, o->size, o->size, o->pattern));
	mp_free(o->p);
	o->p = NULL;
}

static void churn(struct object *held, size_t n, size_t rounds, struct t_random *r)
{
	for (size_t i = 0; i < rounds; i++) {
		struct object *o = &held[t_below(r, n)];

		if (o->p != NULL)
			put(o);
		else
			get(o, r);
	}
}

static void drop(struct object *held, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (held[i].p != NULL)
			put(&held[i]);
}

static void use_own_cache(struct t_random *r)
{
	struct mp_cache *c = mp_cache_create("own", t_log_between(r, 1, 3000), 0, 0, NULL);
	void *p[20];

	t_expect(c != NULL);
	for (int i = 0; i < 20; i++)
		t_expect((p[i] = mp_cache_alloc(c)) != NULL);
	for (int i = 0; i < 20; i++)
		mp_cache_free(c, p[i]);
	t_expect(mp_cache_destroy(c) == 0);
}

static void *work(void *arg)
{
	struct object held[HELD] = { { NULL, 0, 0 } };
	struct t_random r = t_random_for((uintptr_t)arg);

	while (!atomic_load(&stop)) {
		churn(held, HELD, 500, &r);
		switch (t_below(&r, 8)) {
		case 0:
			use_own_cache(&r);
			break;
		case 1:
			mp_thread_flush();
			break;
		case 2:
			(void)mp_reclaim(0);
			break;
		case 3:
			(void)mp_cache_shrink(caches[t_below(&r, CACHES)]);
			break;
		default:
			break;
		}
	}
	drop(held, HELD);
	return NULL;
}

/* Descriptors of destroyed caches are used again all the time, also while others fork. */
static void *renew(void *arg)
{
	struct t_random r = t_random_for((uintptr_t)arg);

	while (!atomic_load(&stop))
		use_own_cache(&r);
	return NULL;
}

/* A short life, so that a fork also meets threads that start and end. */
static void *live_shortly(void *arg)
{
	struct object held[HELD] = { { NULL, 0, 0 } };
	struct t_random r = t_random_for((uintptr_t)arg);

	churn(held, HELD, 300, &r);
	drop(held, HELD);
	return NULL;
}

static int validate(struct mp_cache *c, void *arg)
{
	(void)arg;
	return mp_cache_validate(c);
}

static void wait_for(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		t_expect(errno == EINTR);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		t_fail(__FILE__, __LINE__, "a child ended with status 0x%x", (unsigned)status);
	t_passed();
}

static void be_child(struct object *mine, struct t_random *r, int depth)
{
	struct object own[HELD] = { { NULL, 0, 0 } };
	pid_t pid;

	alarm(60);
	churn(own, HELD, 300, r);
	for (size_t i = 0; i < MINE; i += 2) /* half of the parent's */
		put(&mine[i]);
	t_expect(mp_cache_for_each(validate, NULL) == 0);
	use_own_cache(r);
	/* AddressSanitizer's own allocator, which a new thread uses, may be locked here */
	if (!T_ADDRESS_SANITIZER)
		t_join(t_thread(live_shortly, (void *)(uintptr_t)t_next(r)));
	if (depth < 2) {
		pid = fork();
		t_expect(pid >= 0);
		if (pid == 0) {
			for (size_t i = 0; i < MINE; i += 2)
				get(&mine[i], r);
			be_child(mine, r, depth + 1);
			_exit(0);
		}
		wait_for(pid);
	}
	drop(own, HELD);
	drop(mine, MINE);
	mp_thread_flush();
	(void)mp_reclaim(0);
	t_expect(mp_cache_for_each(validate, NULL) == 0);
	t_expect(t_stats().faults == 0);
}

static void check_end(void)
{
	for (unsigned i = 0; i < CACHES; i++) {
		t_equal(mp_cache_validate(caches[i]), 0);
		t_equal(t_cache_stats(caches[i]).live, 0);
		t_equal(mp_cache_destroy(caches[i]), 0);
	}
	t_equal(t_stats().large_live, 0);
	t_equal(t_stats().faults, 0);
	mp_thread_flush();
	(void)mp_reclaim(0);
	t_equal(t_stats().bytes_slabs, 0);
}

static void run(struct t_random *r)
{
	struct object mine[MINE];
	uint64_t forks = 0;

	for (size_t i = 0; i < MINE; i++)
		get(&mine[i], r);
	do {
		pthread_t brief = t_thread(live_shortly, (void *)(uintptr_t)t_next(r));
		pid_t pid;

		churn(mine, MINE, 50, r);
		for (size_t i = 0; i < MINE; i++)
			if (mine[i].p == NULL)
				get(&mine[i], r);
		fflush(NULL);
		pid = fork();
		t_expect(pid >= 0);
		if (pid == 0) {
			be_child(mine, r, forks % 5 == 0 ? 1 : 2);
			_exit(0);
		}
		wait_for(pid);
		t_join(brief);
		forks++;
	} while (!t_time_up());
	drop(mine, MINE);
	t_count(forks);
}

int main(int argc, char **argv)
{
	pthread_t *threads, renewer;
	struct t_random r;

	if (T_THREAD_SANITIZER) {
		puts("torture-forks: skipped under ThreadSanitizer");
		return 77;
	}
	t_start("forks", 3, 4, argc, argv);
	r = t_random_for(0);
	for (unsigned i = 0; i < CACHES; i++) {
		caches[i] = mp_cache_create("forks", sizes[i], 0, i == 2 ? MP_POISON : 0, NULL);
		t_expect(caches[i] != NULL);
	}
	threads = calloc(t_options.threads, sizeof(*threads));
	t_expect(threads != NULL);
	for (unsigned i = 0; i < t_options.threads; i++)
		threads[i] = t_thread(work, (void *)(uintptr_t)(i + 1));
	renewer = t_thread(renew, (void *)(uintptr_t)t_options.threads);
	run(&r);
	atomic_store(&stop, true);
	for (unsigned i = 0; i < t_options.threads; i++)
		t_join(threads[i]);
	t_join(renewer);
	check_end();
	free(threads);
	return t_finish();
}
