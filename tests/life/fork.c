/* SPDX-License-Identifier: MIT */
/*
 * fork.c - forks of a busy process: the child has everything, and can use it, free
 * it, start threads and fork again.
 */
#include "../suite.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define BUSY 3
#define FORKS 200
#define HELD 300

static struct mp_cache *plain, *constructed, *limited, *poisoned;
static void *held[HELD];
static _Atomic bool stop;
static _Atomic unsigned long rounds;

static void construct(void *obj)
{
	memset(obj, 'k', 128);
}

static void *allocate(unsigned kind)
{
	switch (kind % 6) {
	case 0:
		return mp_cache_alloc(plain);
	case 1:
		return mp_cache_alloc(constructed);
	case 2:
		return mp_cache_alloc(limited);
	case 3:
		return mp_cache_alloc(poisoned);
	case 4:
		return mp_alloc(1 + kind % 3000);
	default:
		return mp_alloc((size_t)MP_MAX_FIXED_SIZE * 2 + kind * 100);
	}
}

static void *be_busy(void *arg)
{
	uint64_t seed = (uintptr_t)arg + 1;
	void *p[64] = { NULL };

	while (!stop) {
		unsigned k = (unsigned)(suite_random(&seed) % 64);

		mp_free(p[k]);
		p[k] = suite_random(&seed) % 3 == 0 ? NULL : allocate(k);
		if (suite_random(&seed) % 500 == 0)
			(void)mp_cache_shrink(plain);
		if (suite_random(&seed) % 2000 == 0) {
			struct mp_cache *c = mp_cache_create("fleeting", 64, 0, 0, NULL);

			mp_cache_free(c, mp_cache_alloc(c));
			(void)mp_cache_destroy(c);
		}
		rounds++;
	}
	for (int k = 0; k < 64; k++)
		mp_free(p[k]);
	return NULL;
}

/* In a child no assertion of Check: an exit status says what went wrong. */
static void need(bool condition, int status)
{
	if (!condition)
		_exit(status);
}

static int validate(struct mp_cache *c, void *arg)
{
	(void)arg;
	return mp_cache_validate(c);
}

/* Everything of its own: different objects, with room to write. */
static void use_everything(void)
{
	enum { N = 300 };
	unsigned *p[N];

	for (unsigned i = 0; i < N; i++) {
		p[i] = allocate(i);
		need(p[i] != NULL, 10);
		if (i % 6 == 1)
			need(is_filled(p[i], 128, 'k'), 11);
		else
			*p[i] = i;
	}
	for (unsigned i = 0; i < N; i++) {
		if (i % 6 != 1)
			need(*p[i] == i, 12);
		mp_free(p[i]);
	}
}

static void *in_a_thread(void *arg)
{
	use_everything();
	return arg;
}

static void live_as_child(int generation)
{
	pthread_t t;
	pid_t pid;
	int status;

	alarm(60); /* a lock that somebody held would hang */
	if (generation % 2 == 0) /* not always before anything else */
		need(mp_cache_for_each(validate, NULL) == 0, 20);
	use_everything();
	for (unsigned i = 0; i < HELD; i++) { /* the parent's */
		if (i % 6 != 1)
			need(*(unsigned *)held[i] == i, 21);
		mp_free(held[i]);
	}
	use_everything();
	need(mp_cache_for_each(validate, NULL) == 0, 22);
	if (!SANITIZED) { /* ThreadSanitizer allows no threads in such a child */
		need(pthread_create(&t, NULL, in_a_thread, NULL) == 0, 23);
		need(pthread_join(t, NULL) == 0, 24);
	}
	mp_thread_flush();
	(void)mp_reclaim(0);
	need(mp_cache_for_each(validate, NULL) == 0, 25);
	if (generation == 0)
		_exit(0);
	pid = fork();
	need(pid >= 0, 26);
	if (pid == 0) {
		alarm(60);
		use_everything();
		need(mp_cache_for_each(validate, NULL) == 0, 27);
		_exit(0);
	}
	need(waitpid(pid, &status, 0) == pid, 28);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 29);
}

static void make_caches(void)
{
	plain = mp_cache_create("plain", 56, 0, 0, NULL);
	constructed = mp_cache_create("constructed", 128, 0, 0, construct);
	limited = mp_cache_create("limited", 80, 0, 0, NULL);
	poisoned = mp_cache_create("poisoned", 40, 0, MP_POISON, NULL);
	ck_assert(plain != NULL && constructed != NULL && limited != NULL && poisoned != NULL);
	ck_assert_int_eq(mp_cache_set_max(limited, 100000), 0);
	for (unsigned i = 0; i < HELD; i++) {
		ck_assert_ptr_nonnull(held[i] = allocate(i));
		if (i % 6 != 1)
			*(unsigned *)held[i] = i;
	}
}

START_TEST(from_a_busy_process)
{
	pthread_t t[BUSY];

	make_caches();
	for (uintptr_t i = 0; i < BUSY; i++)
		ck_assert_int_eq(pthread_create(&t[i], NULL, be_busy, (void *)i), 0);
	while (rounds < 10000)
		usleep(1000);
	for (int i = 0; i < FORKS; i++) {
		unsigned long before = rounds;
		pid_t pid = fork();
		int status;

		ck_assert_int_ge(pid, 0);
		if (pid == 0)
			live_as_child(i % 4);
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0,
			      "fork %d: status %#x", i, (unsigned)status);
		while (rounds == before) /* the parent goes on */
			usleep(100);
	}
	stop = true;
	for (int i = 0; i < BUSY; i++)
		ck_assert_int_eq(pthread_join(t[i], NULL), 0);
	for (unsigned i = 0; i < HELD; i++)
		mp_free(held[i]);
	ck_assert_int_eq(mp_cache_for_each(validate, NULL), 0);
	check_cache(plain, 0);
	check_cache(constructed, 0);
	check_cache(limited, 0);
	check_cache(poisoned, 0);
	ck_assert_uint_eq(stats_of_all().large_live, 0);
	ck_assert_uint_eq(stats_of_all().faults, 0);
}
END_TEST

/* What other threads held as free is the child's at once: nothing is lost. */
static void *hold_until_forked(void *arg)
{
	pthread_barrier_t *barrier = arg;
	void *p[60];

	for (int i = 0; i < 60; i++)
		p[i] = mp_cache_alloc(plain);
	for (int i = 0; i < 60; i++)
		mp_cache_free(plain, p[i]);
	pthread_barrier_wait(barrier);
	pthread_barrier_wait(barrier);
	return NULL;
}

START_TEST(orphans)
{
	pthread_barrier_t barrier;
	pthread_t t;
	pid_t pid;
	int status;

	make_caches();
	pthread_barrier_init(&barrier, NULL, 2);
	ck_assert_int_eq(pthread_create(&t, NULL, hold_until_forked, &barrier), 0);
	pthread_barrier_wait(&barrier);
	pid = fork();
	if (pid == 0) {
		struct mp_cache_stats s = { .struct_size = sizeof(s) };
		struct mp_stats all = { .struct_size = sizeof(all) };

		alarm(60);
		mp_thread_flush();
		need(mp_cache_get_stats(plain, &s) == 0, 1);
		need(s.cached == 0 && s.live == HELD / 6, 2);
		need(mp_get_stats(&all) == 0 && all.threads == 1, 3);
		for (unsigned i = 0; i < HELD; i++)
			mp_free(held[i]);
		need(mp_cache_destroy(plain) == 0, 4);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x",
		      (unsigned)status);
	pthread_barrier_wait(&barrier);
	ck_assert_int_eq(pthread_join(t, NULL), 0);
}
END_TEST

/* A thread that never used the library forks, while others do. */
static void *fork_first(void *arg)
{
	pid_t pid = fork();

	if (pid == 0) {
		alarm(60);
		use_everything();
		_exit(0);
	}
	need(waitpid(pid, arg, 0) == pid, 1);
	return NULL;
}

START_TEST(from_a_fresh_thread)
{
	pthread_t busy, t;

	make_caches();
	ck_assert_int_eq(pthread_create(&busy, NULL, be_busy, NULL), 0);
	for (int i = 0; i < 20; i++) {
		int status = -1;

		ck_assert_int_eq(pthread_create(&t, NULL, fork_first, &status), 0);
		ck_assert_int_eq(pthread_join(t, NULL), 0);
		ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x",
			      (unsigned)status);
	}
	stop = true;
	ck_assert_int_eq(pthread_join(busy, NULL), 0);
}
END_TEST

/* ---- from inside a call of the library */

static pid_t child = -1;
static bool fork_now;

static void fork_once(void *obj, void *arg)
{
	(void)obj;
	(void)arg;
	if (!fork_now)
		return;
	fork_now = false;
	child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		alarm(60);
}

static void end_of_child(void)
{
	int status = -1;

	if (child == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %#x",
		      (unsigned)status);
}

START_TEST(in_a_destructor)
{
	struct mp_cache_args args = { .struct_size = sizeof(args), .dtor = fork_once };
	struct mp_cache *c = mp_cache_create_args("forks", 1000, &args, 0);

	mp_cache_free(c, mp_cache_alloc(c));
	fork_now = true;
	(void)mp_cache_shrink(c);
	ck_assert_int_ge(child, 0);
	need(mp_cache_destroy(c) == 0, 2);
	end_of_child();
}
END_TEST

START_TEST(in_a_constructor)
{
	struct mp_cache_args args = { .struct_size = sizeof(args), .ctor = fork_once,
				      .max_objects = 3 };
	struct mp_cache *c = mp_cache_create_args("forks", 1000, &args, 0);
	void *p[3];

	fork_now = true;
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 3; i++)
			need((p[i] = mp_cache_alloc(c)) != NULL, 2);
		for (int i = 0; i < 3; i++)
			mp_cache_free(c, p[i]);
	}
	need(mp_cache_destroy(c) == 0, 3);
	end_of_child();
}
END_TEST

static void add(TCase *tc)
{
	tcase_set_timeout(tc, 10 * SUITE_SECONDS);
	tcase_add_test(tc, from_a_busy_process);
	tcase_add_test(tc, orphans);
	tcase_add_test(tc, from_a_fresh_thread);
	tcase_add_test(tc, in_a_destructor);
	tcase_add_test(tc, in_a_constructor);
}

int main(void)
{
	return suite_run("fork", add);
}
