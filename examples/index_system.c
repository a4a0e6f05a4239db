/* SPDX-License-Identifier: MIT */
/*
 * index_system.c - what the example "index" asks of the operating system, POSIX or Windows.
 */
#define _POSIX_C_SOURCE 200809L
#define _DARWIN_C_SOURCE 1 /* for what macOS hides otherwise */

#include "index_system.h"
#include "index_alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a run sent, and how it ended. */
static void check_run(bool whole, int status)
{
	if (status == 1)
		exit(1); /* it has said why */
	if (status != 0)
		die("a run ended with status %d", status);
	if (!whole)
		die("a run sent no figures");
}

#if defined(_WIN32)

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <io.h>
#include <process.h>
#include <psapi.h>

#define AGAIN "INDEX_RUN" /* the variable that tells a program of its job: "JOB PIPE" */

const int system_open_flags = O_RDONLY | O_BINARY | O_NOINHERIT;

double system_peak_memory(void)
{
	PROCESS_MEMORY_COUNTERS counters;

	if (!K32GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof(counters)))
		die("GetProcessMemoryInfo: error %lu", GetLastError());
	return (double)counters.PeakWorkingSetSize;
}

unsigned system_processors(void)
{
	SYSTEM_INFO info;

	GetSystemInfo(&info);
	return info.dwNumberOfProcessors;
}

/* tmpfile() would put it where only an administrator may write. */
FILE *system_temporary_file(void)
{
	char directory[MAX_PATH], name[MAX_PATH];
	int fd;

	if (GetTempPathA(sizeof(directory), directory) == 0 ||
	    GetTempFileNameA(directory, "idx", 0, name) == 0)
		return NULL;
	fd = open(name, O_RDWR | O_BINARY | O_TEMPORARY | O_NOINHERIT);
	return fd < 0 ? NULL : fdopen(fd, "w+b");
}

long system_read_at(FILE *f, void *to, size_t size, long long offset)
{
	OVERLAPPED at = { .Offset = (DWORD)offset, .OffsetHigh = (DWORD)(offset >> 32) };
	DWORD n = 0;

	if (!ReadFile((HANDLE)_get_osfhandle(fileno(f)), to, (DWORD)size, &n, &at) &&
	    GetLastError() != ERROR_HANDLE_EOF) {
		errno = EIO;
		return -1;
	}
	return (long)n;
}

enum system_kind system_kind_of(const char *path)
{
	DWORD attributes = GetFileAttributesA(path);

	if (attributes == INVALID_FILE_ATTRIBUTES)
		return SYSTEM_NOTHING;
	if (attributes & FILE_ATTRIBUTE_REPARSE_POINT)
		return SYSTEM_OTHER;
	return attributes & FILE_ATTRIBUTE_DIRECTORY ? SYSTEM_DIRECTORY : SYSTEM_FILE;
}

int system_gunzip(int from, int to)
{
	(void)from;
	(void)to;
	return -1;
}

void system_run(char **argv, system_work *work, int job, void *result, size_t size)
{
	char program[MAX_PATH], value[80];
	int ends[2], n, status;
	intptr_t process;

	(void)work;
	fflush(NULL);
	if (_pipe(ends, (unsigned)size, O_BINARY) != 0)
		die("cannot make a pipe: %s", strerror(errno));
	GetModuleFileNameA(NULL, program, sizeof(program));
	snprintf(value, sizeof(value), "%d %d", job, ends[1]);
	SetEnvironmentVariableA(AGAIN, value);
	process = _spawnv(_P_NOWAIT, program, (const char *const *)argv);
	if (process == -1)
		die("cannot start %s: %s", program, strerror(errno));
	close(ends[1]);
	n = read(ends[0], result, (unsigned)size);
	close(ends[0]);
	if (_cwait(&status, process, 0) == -1)
		die("cannot wait for a run: %s", strerror(errno));
	check_run(n == (int)size, status);
}

bool system_is_again(void)
{
	return getenv(AGAIN) != NULL;
}

void system_continue(system_work *work, void *result, size_t size)
{
	const char *value = getenv(AGAIN);
	int job, pipe_end;

	if (value == NULL || sscanf(value, "%d %d", &job, &pipe_end) != 2)
		return;
	work(job, result);
	if (write(pipe_end, result, (unsigned)size) != (int)size)
		die("cannot hand on the figures: %s", strerror(errno));
	exit(0);
}

#else

#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

extern char **environ;

const int system_open_flags = O_RDONLY | O_CLOEXEC;

double system_peak_memory(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) != 0)
		die("getrusage: %s", strerror(errno));
#ifdef __APPLE__
	return (double)usage.ru_maxrss;
#else
	return (double)usage.ru_maxrss * 1024;
#endif
}

unsigned system_processors(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : (unsigned)n;
}

FILE *system_temporary_file(void)
{
	return tmpfile();
}

long system_read_at(FILE *f, void *to, size_t size, long long offset)
{
	return (long)pread(fileno(f), to, size, (off_t)offset);
}

enum system_kind system_kind_of(const char *path)
{
	struct stat st;

	if (lstat(path, &st) != 0)
		return SYSTEM_NOTHING;
	return S_ISDIR(st.st_mode) ? SYSTEM_DIRECTORY :
	       S_ISREG(st.st_mode) ? SYSTEM_FILE :
				     SYSTEM_OTHER;
}

int system_gunzip(int from, int to)
{
	char *argv[] = { (char[]){ "gzip" }, (char[]){ "-dc" }, NULL };
	posix_spawn_file_actions_t actions;
	int error, status;
	pid_t pid;

	if (posix_spawn_file_actions_init(&actions) != 0 ||
	    posix_spawn_file_actions_adddup2(&actions, from, 0) != 0 ||
	    posix_spawn_file_actions_adddup2(&actions, to, 1) != 0 ||
	    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0) != 0)
		die("out of memory");
	error = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	if (error != 0)
		return -1;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			die("cannot wait for gzip: %s", strerror(errno));
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return -1;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : 1;
}

static void run_child(system_work *work, int job, void *result, size_t size, int pipe_end)
{
	work(job, result);
	if (write(pipe_end, result, size) != (ssize_t)size)
		die("cannot hand on the figures: %s", strerror(errno));
	exit(0);
}

void system_run(char **argv, system_work *work, int job, void *result, size_t size)
{
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	(void)argv;
	fflush(NULL);
	if (pipe(ends) != 0)
		die("cannot make a pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die("cannot fork: %s", strerror(errno));
	if (pid == 0)
		run_child(work, job, result, size, ends[1]);
	close(ends[1]);
	n = read(ends[0], result, size);
	close(ends[0]);
	if (waitpid(pid, &status, 0) != pid)
		die("cannot wait for a run: %s", strerror(errno));
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE)
		exit(1); /* nobody reads on */
	if (WIFSIGNALED(status))
		die("a run ended with signal %d", WTERMSIG(status));
	check_run(n == (ssize_t)size, WEXITSTATUS(status));
}

bool system_is_again(void)
{
	return false;
}

void system_continue(system_work *work, void *result, size_t size)
{
	(void)work;
	(void)result;
	(void)size;
}

#endif
