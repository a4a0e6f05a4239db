/* SPDX-License-Identifier: MIT */
/*
 * spawn_windows.h - the functions of spawn.h on Windows.
 */
#ifndef TESTS_SPAWN_WINDOWS_H
#define TESTS_SPAWN_WINDOWS_H

#include "portable.h"

#include <check.h>
#include <process.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct spawn {
	const char *program;		/* not used: this one */
	const char *argument;
	const char *setting;		/* "NAME=value" for the environment, or NULL */
	const char *setting2;		/* one more */
	size_t address_space;		/* there is no such limit here: not 0 is a mistake */
	bool close_errors;		/* without standard error */
	bool no_environment;		/* with none but what finds the libraries */
	/* results */
	int status;			/* the exit status */
	char out[8192], err[8192];
};

/* Whether an entry "NAME=value" of the environment is one of these names. */
static inline bool spawn_is_one_of(const char *entry, const char *const *names)
{
	for (; *names != NULL; names++) {
		size_t n = strlen(*names);

		if (_strnicmp(entry, *names, n) == 0 && entry[n] == '=')
			return true;
	}
	return false;
}

/* The environment for the program, to be freed. */
static inline char *spawn_environment(const struct spawn *s)
{
	static const char *const ours[] = { "MEMPOOL_DEBUG", "MEMPOOL_ON_ERROR", "MEMPOOL_STATS",
					    "MEMPOOL_LIMIT", "MEMPOOL_GUARD", "MEMPOOL_LEAKS",
					    "MEMPOOL_FAIL", NULL };
	static const char *const little[] = { "PATH", "WINEPATH", "SYSTEMROOT", "SYSTEMDRIVE",
					      NULL };
	char *all = GetEnvironmentStringsA(), *block, *to;
	const char *from;
	size_t n = 2;

	ck_assert_ptr_nonnull(all);
	for (from = all; *from != '\0'; from += strlen(from) + 1)
		n += strlen(from) + 1;
	n += s->setting != NULL ? strlen(s->setting) + 1 : 0;
	n += s->setting2 != NULL ? strlen(s->setting2) + 1 : 0;
	block = calloc(1, n);
	ck_assert_ptr_nonnull(block);
	to = block;
	for (from = all; *from != '\0'; from += strlen(from) + 1) {
		if (spawn_is_one_of(from, ours) ||
		    (s->no_environment && !spawn_is_one_of(from, little)))
			continue;
		strcpy(to, from);
		to += strlen(to) + 1;
	}
	if (s->setting != NULL) {
		strcpy(to, s->setting);
		to += strlen(to) + 1;
	}
	if (s->setting2 != NULL)
		strcpy(to, s->setting2);
	FreeEnvironmentStringsA(all);
	return block;
}

/* A file that the program can write to, gone when it is closed. */
static inline HANDLE spawn_file(void)
{
	SECURITY_ATTRIBUTES inherit = { sizeof(inherit), NULL, TRUE };
	char directory[MAX_PATH], name[MAX_PATH];
	HANDLE h;

	ck_assert_uint_gt(GetTempPathA(sizeof(directory), directory), 0);
	ck_assert_uint_gt(GetTempFileNameA(directory, "mp", 0, name), 0);
	h = CreateFileA(name, GENERIC_READ | GENERIC_WRITE,
			FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, &inherit,
			CREATE_ALWAYS, FILE_ATTRIBUTE_TEMPORARY | FILE_FLAG_DELETE_ON_CLOSE, NULL);
	ck_assert(h != INVALID_HANDLE_VALUE);
	return h;
}

/* What is in it, lines ending in a newline alone. */
static inline void spawn_read(HANDLE h, char *buf, size_t size)
{
	DWORD n = 0;
	char *to = buf;

	SetFilePointer(h, 0, NULL, FILE_BEGIN);
	ck_assert(ReadFile(h, buf, (DWORD)size - 1, &n, NULL));
	for (DWORD i = 0; i < n; i++)
		if (buf[i] != '\r')
			*to++ = buf[i];
	*to = '\0';
	CloseHandle(h);
}

static inline void spawn(struct spawn *s)
{
	HANDLE out = spawn_file(), err = spawn_file();
	STARTUPINFOA start = { .cb = sizeof(start), .dwFlags = STARTF_USESTDHANDLES,
			       .hStdOutput = out, .hStdError = s->close_errors ? NULL : err };
	PROCESS_INFORMATION process;
	char program[MAX_PATH], line[2 * MAX_PATH];
	char *environment = spawn_environment(s);
	DWORD status = 0;

	ck_assert_uint_eq(s->address_space, 0);
	SetErrorMode(SEM_NOGPFAULTERRORBOX); /* inherited: a fault ends the program, no more */
	GetModuleFileNameA(NULL, program, sizeof(program));
	snprintf(line, sizeof(line), "\"%s\" %s", program, s->argument);
	ck_assert_msg(CreateProcessA(program, line, NULL, NULL, TRUE, 0, environment, NULL, &start,
				     &process),
		      "%s: not started, error %u", line, (unsigned)GetLastError());
	WaitForSingleObject(process.hProcess, INFINITE);
	ck_assert(GetExitCodeProcess(process.hProcess, &status));
	s->status = (int)status;
	CloseHandle(process.hThread);
	CloseHandle(process.hProcess);
	free(environment);
	spawn_read(out, s->out, sizeof(s->out));
	spawn_read(err, s->err, sizeof(s->err));
}

static inline bool spawn_exited(const struct spawn *s, int code)
{
	return s->status == code;
}

/* Only of SIGABRT is anything known here. */
static inline bool spawn_signalled(const struct spawn *s, int signal)
{
	return signal == SIGABRT && s->status == PORTABLE_ABORTED;
}

static inline void spawn_expect_exit(const struct spawn *s, int code)
{
	ck_assert_msg(spawn_exited(s, code), "status %#x, output:\n%s%s", (unsigned)s->status, s->out,
		      s->err);
}

static inline void spawn_expect_signal(const struct spawn *s, int signal)
{
	ck_assert_msg(spawn_signalled(s, signal), "status %#x, output:\n%s%s",
		      (unsigned)s->status, s->out, s->err);
}

/* This program once more, with the environment as it is; its exit status, or -1. */
static inline int spawn_again(char **argv)
{
	char program[MAX_PATH];

	GetModuleFileNameA(NULL, program, sizeof(program));
	return (int)_spawnv(_P_WAIT, program, (const char *const *)argv);
}

/* Ended by an access that is not allowed, which nobody took care of. */
static inline void spawn_expect_fault(const struct spawn *s)
{
	spawn_expect_exit(s, (int)STATUS_ACCESS_VIOLATION);
}

#endif /* TESTS_SPAWN_WINDOWS_H */
