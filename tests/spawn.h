/* SPDX-License-Identifier: MIT */
/*
 * spawn.h - run this program again, with another argument, environment or
 * limits, and look at what it wrote and how it ended.
 */
#ifndef TESTS_SPAWN_H
#define TESTS_SPAWN_H

#include "portable.h"

#if defined(_WIN32)
#include "spawn_windows.h"
#else

#include <check.h>
#include <errno.h>
#include <signal.h>
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
	const char *setting2;		/* one more */
	size_t address_space;		/* bytes, RLIMIT_AS; 0 is as it is */
	bool close_errors;		/* without standard error */
	bool no_environment;		/* with none but what finds the library, and tools */
	/* results */
	int status;			/* as of waitpid() */
	char out[8192], err[8192];
};

/* fork() as a test wants it: 0 in the child, which ends with _exit(). */
static inline pid_t spawn_fork(void)
{
	pid_t pid;

	fflush(NULL);
	pid = fork();
	ck_assert_int_ge(pid, 0);
	return pid;
}

/* The status of that child, as of waitpid(). */
static inline int spawn_await(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		ck_assert_int_eq(errno, EINTR);
	return status;
}

static inline void spawn_read(FILE *f, char *buf, size_t size)
{
	size_t n;

	rewind(f);
	n = fread(buf, 1, size - 1, f);
	buf[n] = '\0';
	fclose(f);
}

/*
 * Another processor's programs run under an emulator, TESTS_EMULATOR="COMMAND
 * OPTION...": the kernel cannot run them, so it is run and they are its argument.
 */
#define SPAWN_EMULATOR "TESTS_EMULATOR"
#define SPAWN_WORDS 16

static inline bool spawn_emulated(void)
{
	const char *emulator = getenv(SPAWN_EMULATOR);

	return emulator != NULL && emulator[0] != '\0';
}

/* Replace this process by the program, argv[0], with NULL behind its arguments. */
static inline void spawn_run(char **argv, char **environment)
{
	static char words[1024];
	char *with[SPAWN_WORDS + 8] = { NULL };
	size_t n = 0;

	if (!spawn_emulated()) {
		execve(argv[0], argv, environment);
		return;
	}
	strncpy(words, getenv(SPAWN_EMULATOR), sizeof(words) - 1);
	for (char *word = strtok(words, " "); word != NULL && n < SPAWN_WORDS;
	     word = strtok(NULL, " "))
		with[n++] = word;
	for (size_t i = 0; argv[i] != NULL && n < SPAWN_WORDS + 7; i++)
		with[n++] = argv[i];
	environ = environment; /* the emulator hands it on */
	execvp(with[0], with);
}

/* Qemu tells of a program's death, on its standard error. */
static inline void spawn_remove_emulator(char *text)
{
	char *line = strstr(text, "qemu: uncaught target signal");
	char *end = line != NULL ? strchr(line, '\n') : NULL;

	if (end != NULL)
		memmove(line, end + 1, strlen(end + 1) + 1);
}

/* In the child: never returns. */
static inline void spawn_exec(const struct spawn *s, FILE *out, FILE *err)
{
	static const char *const ours[] = { "MEMPOOL_DEBUG", "MEMPOOL_ON_ERROR", "MEMPOOL_STATS",
					    "MEMPOOL_LIMIT", "MEMPOOL_GUARD", "MEMPOOL_LEAKS",
					    "MEMPOOL_FAIL" };
	char *little[] = { NULL, NULL, NULL };
	size_t kept = 0;
	char *argv[] = { (char *)(uintptr_t)s->program, (char *)(uintptr_t)s->argument, NULL };
	struct rlimit core = { 0, 0 }, space = { s->address_space, s->address_space };

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		unsetenv(ours[i]);
	if (s->setting != NULL && putenv((char *)(uintptr_t)s->setting) != 0)
		_exit(125);
	if (s->setting2 != NULL && putenv((char *)(uintptr_t)s->setting2) != 0)
		_exit(125);
	if (dup2(fileno(out), 1) < 0 || dup2(fileno(err), 2) < 0)
		_exit(125);
	if (s->close_errors)
		close(2);
	setrlimit(RLIMIT_CORE, &core);
	if (s->address_space != 0 && setrlimit(RLIMIT_AS, &space) != 0)
		_exit(125);
	for (char **e = environ; s->no_environment && *e != NULL; e++)
		if (strncmp(*e, "LD_LIBRARY_PATH=", 16) == 0 ||
		    strncmp(*e, "MEMPOOL_TOOLS=", 14) == 0)
			little[kept++] = *e;
	spawn_run(argv, s->no_environment ? little : environ);
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
	if (spawn_emulated())
		spawn_remove_emulator(s->err);
}

static inline bool spawn_exited(const struct spawn *s, int code)
{
	return WIFEXITED(s->status) && WEXITSTATUS(s->status) == code;
}

static inline bool spawn_signalled(const struct spawn *s, int signal)
{
	return WIFSIGNALED(s->status) && WTERMSIG(s->status) == signal;
}

static inline void spawn_expect_exit(const struct spawn *s, int code)
{
	ck_assert_msg(spawn_exited(s, code),
		      "status %#x, output:\n%s%s", (unsigned)s->status, s->out, s->err);
}

static inline void spawn_expect_signal(const struct spawn *s, int signal)
{
	ck_assert_msg(spawn_signalled(s, signal),
		      "status %#x, output:\n%s%s", (unsigned)s->status, s->out, s->err);
}

/* This program once more, with the environment as it is; its exit status, or -1. */
static inline int spawn_again(char **argv)
{
	int status = -1;
	pid_t pid = fork();

	if (pid == 0) {
		spawn_run(argv, environ);
		_exit(126);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

/*
 * Ended by an access that is not allowed, which nobody took care of.  A sanitizer handles the
 * signal, and says so: AddressSanitizer with 1, the other with 66.
 */
static inline void spawn_expect_fault(const struct spawn *s)
{
	if (SANITIZED && WIFEXITED(s->status))
		ck_assert_msg(WEXITSTATUS(s->status) == 1 || WEXITSTATUS(s->status) == 66,
			      "status %#x, output:\n%s%s", (unsigned)s->status, s->out, s->err);
	else
		spawn_expect_signal(s, SIGSEGV);
}

#endif /* not Windows */

#endif /* TESTS_SPAWN_H */
