/* SPDX-License-Identifier: MIT */
/*
 * refused.c - every public function, with each of its requests to the system
 * refused: only that one, and that one and all that follow.
 *
 * Each trial is a process of its own, forked from one in which the library has only
 * been started: n = 1, 2, 3 ... until the function made fewer than n requests;
 * in the first thread and in another; for the first time and not.  Then all in
 * one process: bytes in use must not grow from trial to trial.
 *
 * Where there is no fork() the program is run again for each trial.
 */
#include "oom.h"

#include "../spawn.h"
#include "../suite.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#if !defined(_WIN32)
#include <sys/mman.h>
#endif

/* What a trial tells its parent. */
static volatile long *told;

static void *run(void *arg)
{
	const struct oom_case *c = arg;

	c->run();
	return NULL;
}

static void run_here_or_there(const struct oom_case *c)
{
	pthread_t thread;

	if (!oom_plan.in_thread) {
		c->run();
		return;
	}
	oom_check(pthread_create(&thread, NULL, run, (void *)(uintptr_t)c) == 0);
	oom_check(pthread_join(thread, NULL) == 0);
}

static void trial(const struct oom_case *c)
{
	struct oom_plan plan = oom_plan;

	if (plan.warm) {
		oom_plan.first = 0;
		run_here_or_there(c);
		oom_plan = plan;
	}
	run_here_or_there(c);
	*told = oom_calls();
	oom_check_library();
}

static void in_child(void (*fn)(const struct oom_case *c), const struct oom_case *c);

static void run_plan(const struct oom_case *c, long count, bool in_thread, bool warm)
{
	oom_plan = (struct oom_plan){ c->name, 0, count, in_thread, warm };
	do {
		oom_plan.first++;
		*told = -1;
		in_child(trial, c);
		ck_assert_int_ge(*told, 0);
		ck_assert_int_lt(oom_plan.first, 2000);
	} while (*told >= oom_plan.first);
}

static void share(void);

START_TEST(each_request)
{
	const struct oom_case *c = &oom_cases[_i];

	share();
	for (unsigned i = 0; i < 8; i++)
		run_plan(c, (i & 1) != 0 ? LONG_MAX : 1, (i & 2) != 0, (i & 4) != 0);
}
END_TEST

/* ---- leaks */

#define WARM_UP 80	/* more caches than are remembered after their end */
#define AGAIN 8

static size_t bytes_after(const struct oom_case *c)
{
	run_here_or_there(c);
	mp_thread_flush();
	(void)mp_reclaim(0);
	return oom_bytes();
}

/*
 * Tables that are made once and kept may grow in one run or another; what is
 * lost, is lost in each.
 */
static void run_again(const struct oom_case *c)
{
	unsigned grown = 0;
	size_t before = SIZE_MAX, now;

	for (unsigned i = 0; i < AGAIN; i++) {
		now = bytes_after(c);
		grown += now > before;
		before = now;
	}
	oom_check(grown < AGAIN / 2);
	*told = oom_calls();
}

static void warm_up_and_run(const struct oom_case *c)
{
	for (unsigned i = 0; i < WARM_UP; i++)
		(void)bytes_after(c);
	run_again(c);
}

/* What is there once is not asked for again: all trials in one process. */
static void run_all(const struct oom_case *c)
{
	oom_plan.first = 0;
	warm_up_and_run(c);
	do {
		oom_plan.first++;
		run_again(c);
	} while (*told >= oom_plan.first);
}

static void look_for_leaks(const struct oom_case *c)
{
	oom_plan = (struct oom_plan){ c->name, 0, 1, false, true };
	in_child(run_all, c);
	oom_plan.count = LONG_MAX;
	in_child(run_all, c);
	/* what is refused each time is asked for each time: a process for each trial */
	do {
		oom_plan.first++;
		*told = -1;
		in_child(warm_up_and_run, c);
		ck_assert_int_ge(*told, 0);
	} while (*told >= oom_plan.first);
}

START_TEST(no_leak)
{
	share();
	look_for_leaks(&oom_cases[_i]);
}
END_TEST

/* ---- processes */

static const char *plan_text(void)
{
	static char text[200];

	snprintf(text, sizeof(text), "%s, %ld requests refused from number %ld on, %s, %s",
		 oom_plan.name, oom_plan.count, oom_plan.first,
		 oom_plan.in_thread ? "in a thread" : "in the first thread",
		 oom_plan.warm ? "not for the first time" : "for the first time");
	return text;
}

#if defined(_WIN32)

static void (*const in_children[])(const struct oom_case *c) = { trial, run_all, warm_up_and_run };

static void share(void)
{
	static long number;

	told = &number;
}

/* Run fn(c) in a process of its own: this program with a line that says it all. */
static void in_child(void (*fn)(const struct oom_case *c), const struct oom_case *c)
{
	char line[100];
	struct spawn s = { .argument = line };
	unsigned which = 0;

	while (in_children[which] != fn)
		which++;
	snprintf(line, sizeof(line), "%u:%u:%ld:%ld:%d:%d", which, (unsigned)(c - oom_cases),
		 oom_plan.first, oom_plan.count, oom_plan.in_thread, oom_plan.warm);
	spawn(&s);
	ck_assert_msg(spawn_exited(&s, 0) && sscanf(s.out, "told %ld", (long *)told) == 1,
		      "%s: status %#x, output:\n%s%s", plan_text(), (unsigned)s.status, s.out,
		      s.err);
}

static int be_child(const char *line)
{
	unsigned which, c;
	int in_thread, warm;

	share();
	if (sscanf(line, "%u:%u:%ld:%ld:%d:%d", &which, &c, &oom_plan.first, &oom_plan.count,
		   &in_thread, &warm) != 6 || which >= 3 || c >= oom_case_count)
		return 2;
	oom_plan.name = oom_cases[c].name;
	oom_plan.in_thread = in_thread;
	oom_plan.warm = warm;
	in_children[which](&oom_cases[c]);
	printf("told %ld\n", *told);
	return 0;
}

#else

static void share(void)
{
	told = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ck_assert(told != MAP_FAILED);
}

/* Run fn(c) in a process of its own. */
static void in_child(void (*fn)(const struct oom_case *c), const struct oom_case *c)
{
	pid_t pid = spawn_fork();
	int status;

	if (pid == 0) {
		fn(c);
		_exit(0);
	}
	status = spawn_await(pid);
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: status 0x%x",
		      plan_text(), (unsigned)status);
}

static int be_child(const char *line)
{
	(void)line;
	return 2;
}

#endif

/* ---- the table */

static bool has_case(const char *symbol)
{
	size_t n = strlen(symbol);

	for (size_t i = 0; i < oom_case_count; i++)
		if (strncmp(oom_cases[i].name, symbol, n) == 0 &&
		    (oom_cases[i].name[n] == '\0' || oom_cases[i].name[n] == ':'))
			return true;
	return false;
}

/* Every symbol that the library exports has a case. */
START_TEST(table_is_complete)
{
	const char *srcdir = getenv("srcdir");
	char line[256], symbol[200];
	size_t n = 0;
	FILE *f;

	snprintf(line, sizeof(line), "%s/lib/libmempool.map", srcdir != NULL ? srcdir : ".");
	f = fopen(line, "r");
	ck_assert_msg(f != NULL, "cannot read %s; set srcdir", line);
	while (fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, " mp_%190[a-z_0-9];", symbol + 3) != 1)
			continue;
		memcpy(symbol, "mp_", 3);
		ck_assert_msg(has_case(symbol), "no case for %s", symbol);
		n++;
	}
	fclose(f);
	ck_assert_uint_ge(n, 30);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, table_is_complete);
	tcase_add_loop_test(tc, each_request, 0, (int)oom_case_count);
	tcase_add_loop_test(tc, no_leak, 0, (int)oom_case_count);
}

int main(int argc, char **argv)
{
	return argc == 2 ? be_child(argv[1]) : suite_run("oom-refused", add);
}
