/* SPDX-License-Identifier: MIT */
/*
 * spawn.h - run this program again, with another argument, environment or
 * limits, and look at what it wrote and how it ended.
 */
#ifndef TESTS_SPAWN_H
#define TESTS_SPAWN_H

#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* How to run it; all but program and argument may be left zero. */
struct spawn {
	const char *program;		/* argv[0] of this one */
	const char *argument;
	const char *setting;		/* "NAME=value" for the environment, or NULL */
	size_t address_space;		/* bytes, RLIMIT_AS; 0 is as it is */
	bool close_errors;		/* without standard error */
	bool no_environment;		/* with none but what finds the library */
	/* results */
	int status;			/* as of waitpid() */
	char out[8192], err[8192];
};

static inline void spawn_read(FILE *f, char *buf, size_t size)
{
	size_t n;

	rewind(f);
	n = fread(buf, 1, size - 1, f);
	buf[n] = '\0';
	fclose(f);
}

/* In the child: never returns. */
static inline void spawn_exec(const struct spawn *s, FILE *out, FILE *err)
{
	static const char *const ours[] = { "MEMPOOL_DEBUG", "MEMPOOL_ON_ERROR", "MEMPOOL_STATS",
					    "MEMPOOL_LIMIT", "MEMPOOL_GUARD", "MEMPOOL_LEAKS" };
	char *little[] = { NULL, NULL };
	char *argv[] = { (char *)(uintptr_t)s->program, (char *)(uintptr_t)s->argument, NULL };
	struct rlimit core = { 0, 0 }, space = { s->address_space, s->address_space };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		unsetenv(ours[i]);
	if (s->setting != NULL && putenv((char *)(uintptr_t)s->setting) != 0)
		_exit(125);
	if (dup2(fileno(out), 1) < 0 || dup2(fileno(err), 2) < 0)
		_exit(125);
	if (s->close_errors)
		close(2);
	setrlimit(RLIMIT_CORE, &core);
	if (s->address_space != 0 && setrlimit(RLIMIT_AS, &space) != 0)
		_exit(125);
	for (char **e = environ; s->no_environment && *e != NULL; e++)
		if (strncmp(*e, "LD_LIBRARY_PATH=", 16) == 0)
			little[0] = *e;
	if (s->no_environment)
		execve(s->program, argv, little);
	execv(s->program, argv);
	_exit(126);
}

static inline void spawn(struct spawn *s)
{
	FILE *out = tmpfile(), *err = tmpfile();
	pid_t pid;

	ck_assert(out != NULL && err != NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		spawn_exec(s, out, err);
	ck_assert_int_eq(waitpid(pid, &s->status, 0), pid);
	spawn_read(out, s->out, sizeof(s->out));
	spawn_read(err, s->err, sizeof(s->err));
}

static inline void spawn_expect_exit(const struct spawn *s, int code)
{
	ck_assert_msg(WIFEXITED(s->status) && WEXITSTATUS(s->status) == code,
		      "status %#x, output:\n%s%s", (unsigned)s->status, s->out, s->err);
}

static inline void spawn_expect_signal(const struct spawn *s, int signal)
{
	ck_assert_msg(WIFSIGNALED(s->status) && WTERMSIG(s->status) == signal,
		      "status %#x, output:\n%s%s", (unsigned)s->status, s->out, s->err);
}

#endif /* TESTS_SPAWN_H */
