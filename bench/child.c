/* SPDX-License-Identifier: MIT */
/* child.c - one run: a measured program started, and its answer read. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "child.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_NS (UINT64_C(120) * 1000000000) /* a run takes no longer */

struct output {
	char text[16384];
	size_t length;
	bool late; /* it did not end in time */
};

/* What the caller's environment asks of the library is not what is measured. */
static void clear_environment(void)
{
	static const char *const names[] = { "LD_PRELOAD", "MEMPOOL_DEBUG", "MEMPOOL_FAIL",
		"MEMPOOL_GUARD", "MEMPOOL_LEAKS", "MEMPOOL_LIMIT", "MEMPOOL_ON_ERROR",
		"MEMPOOL_PURGE", "MEMPOOL_STATS", "MEMPOOL_TOOLS" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

static void child_exec(const struct plan *plan, const struct point *p, const char *program,
		       const char *setting)
{
	char workload[64], size[32], n[32], threads[32], ms[32], seed[40];

	snprintf(workload, sizeof(workload), "workload=%s", p->workload->name);
	snprintf(size, sizeof(size), "size=%zu", p->size);
	snprintf(n, sizeof(n), "n=%zu", p->n);
	snprintf(threads, sizeof(threads), "threads=%u", p->threads);
	snprintf(ms, sizeof(ms), "ms=%u", plan->options.ms);
	snprintf(seed, sizeof(seed), "seed=%" PRIu64, plan->options.seed);
	clear_environment();
	if (setting)
		putenv((char *)(uintptr_t)setting);
	execl(program, program, workload, size, n, threads, ms, seed, (char *)NULL);
	fprintf(stderr, "%s: %s\n", program, strerror(errno));
	_exit(127);
}

/* Read all that comes until the other end is closed or the time is over. */
static void collect(int fd, struct output *out)
{
	uint64_t end = clock_ns() + LIMIT_NS;

	for (;;) {
		struct pollfd poller = { .fd = fd, .events = POLLIN };
		uint64_t now = clock_ns();
		char rest[512];
		bool room = out->length < sizeof(out->text) - 1;
		ssize_t got;
		int rc;

		rc = now < end ? poll(&poller, 1, (int)((end - now) / 1000000) + 1) : 0;
		if (rc < 0 && errno == EINTR)
			continue;
		if (rc <= 0) {
			out->late = true;
			break;
		}
		got = room ? read(fd, out->text + out->length, sizeof(out->text) - 1 - out->length)
			   : read(fd, rest, sizeof(rest));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		if (room)
			out->length += (size_t)got;
	}
	out->text[out->length] = '\0';
}

static const char *line_with(const char *text, const char *start)
{
	size_t length = strlen(start);

	while (text && strncmp(text, start, length)) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text;
}

static bool parse_report(const char *line, struct report *r)
{
	return sscanf(line,
		      "ok ns=%lf ops=%" SCNu64 " start=%" SCNd64 " live=%" SCNd64
		      " live_bytes=%" SCNd64 " peak=%" SCNd64 " after=%" SCNd64
		      " reclaimed=%" SCNd64,
		      &r->ns, &r->ops, &r->start, &r->live, &r->live_bytes, &r->peak, &r->after,
		      &r->reclaimed) == 8;
}

static void copy_line(char *to, size_t size, const char *line)
{
	snprintf(to, size, "%.*s", (int)strcspn(line, "\n"), line);
}

static void note_failure(struct series *s, const struct output *out, int status)
{
	const char *line = out->text;

	if (out->late) {
		snprintf(s->failure, sizeof(s->failure), "did not end within %d seconds",
			 (int)(LIMIT_NS / 1000000000));
		return;
	}
	if (WIFSIGNALED(status))
		snprintf(s->failure, sizeof(s->failure), "%s: ", strsignal(WTERMSIG(status)));
	else
		snprintf(s->failure, sizeof(s->failure), "exit status %d: ", WEXITSTATUS(status));
	copy_line(s->failure + strlen(s->failure), sizeof(s->failure) - strlen(s->failure), line);
}

static void note_result(struct series *s, const struct output *out, int status)
{
	const char *line;

	if (out->late || !WIFEXITED(status) || WEXITSTATUS(status)) {
		note_failure(s, out, status);
		return;
	}
	line = line_with(out->text, "skip ");
	if (line) {
		copy_line(s->skip, sizeof(s->skip), line + strlen("skip "));
		return;
	}
	line = line_with(out->text, "ok ");
	if (!line || !parse_report(line, &s->last)) {
		note_failure(s, out, status);
		return;
	}
	s->ns[s->runs++] = s->last.ns;
}

static pid_t start(const struct plan *plan, const struct point *p, const char *program,
		   const char *setting, int *from)
{
	int ends[2];
	pid_t pid;

	fflush(NULL);
	if (pipe(ends) || (pid = fork()) < 0) {
		fprintf(stderr, "driver: cannot start %s: %s\n", program, strerror(errno));
		exit(1);
	}
	if (!pid) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		child_exec(plan, p, program, setting);
	}
	close(ends[1]);
	*from = ends[0];
	return pid;
}

void child_run(const struct plan *plan, const struct point *p, const struct subject *subject,
	       struct series *s)
{
	static struct output out;
	const char *program = p->workload->containers ? subject->containers : subject->program;
	int from, status;
	pid_t pid;

	if (!program[0]) {
		snprintf(s->skip, sizeof(s->skip), "no C++ allocator of it");
		return;
	}
	out.length = 0;
	out.late = false;
	pid = start(plan, p, program, subject->setting, &from);
	collect(from, &out);
	close(from);
	if (out.late)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (!stopped)
		note_result(s, &out, status);
}
