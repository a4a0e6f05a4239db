/* SPDX-License-Identifier: MIT */
/* measure.c - clock, memory, random numbers: what the measured programs share. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "measure.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

void harness_die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(1);
}

uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

/* As the program was started, before any thread was bound. */
static cpu_set_t usable;

static void cpus_note(void)
{
	if (sched_getaffinity(0, sizeof(usable), &usable))
		CPU_ZERO(&usable);
}

unsigned cpus_usable(void)
{
	int count;

	if (!CPU_COUNT(&usable))
		cpus_note();
	count = CPU_COUNT(&usable);
	return count > 0 ? (unsigned)count : 1;
}

void cpu_bind(unsigned which)
{
	unsigned left = which % cpus_usable();
	cpu_set_t one;

	CPU_ZERO(&one);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &usable))
			continue;
		if (left) {
			left--;
			continue;
		}
		CPU_SET(cpu, &one);
		break;
	}
	/* Where it is not allowed the thread goes where the system puts it. */
	(void)sched_setaffinity(0, sizeof(one), &one);
}

static uint64_t number(const char *name, const char *text)
{
	char *end;
	uint64_t value = strtoull(text, &end, 10);

	if (*end || !*text || *text == '-')
		harness_die("%s=%s: not a number", name, text);
	return value;
}

struct request request_parse(int argc, char **argv)
{
	struct request q = { .workload = "pair",
			     .size = 64,
			     .n = 1000,
			     .threads = 1,
			     .target_ns = 200000000,
			     .seed = 1 };

	cpus_note();
	for (int i = 1; i < argc; i++) {
		char *value = strchr(argv[i], '=');

		if (!value)
			harness_die("usage: %s workload=NAME size=N n=N threads=N ms=N seed=N",
				    argv[0]);
		*value++ = '\0';
		if (!strcmp(argv[i], "workload"))
			q.workload = value;
		else if (!strcmp(argv[i], "size"))
			q.size = number("size", value);
		else if (!strcmp(argv[i], "n"))
			q.n = number("n", value);
		else if (!strcmp(argv[i], "threads"))
			q.threads = (unsigned)number("threads", value);
		else if (!strcmp(argv[i], "ms"))
			q.target_ns = number("ms", value) * 1000000;
		else if (!strcmp(argv[i], "seed"))
			q.seed = number("seed", value);
		else
			harness_die("%s: no such argument", argv[i]);
	}
	return q;
}

int report_print(const struct report *r)
{
	if (r->skip) {
		printf("skip %s\n", r->skip);
		return 0;
	}
	printf("ok ns=%.4f ops=%" PRIu64 " start=%" PRId64 " live=%" PRId64 " live_bytes=%" PRId64
	       " peak=%" PRId64 " after=%" PRId64 " reclaimed=%" PRId64 "\n",
	       r->ns, r->ops, r->start, r->live, r->live_bytes, r->peak, r->after, r->reclaimed);
	return 0;
}

/* The number after name in a file of /proc/self, in KiB; -1 if it is not there. */
static int64_t proc_kib(const char *path, const char *name)
{
	char text[4096];
	const char *at;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	got = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (got <= 0)
		return -1;
	text[got] = '\0';
	at = strstr(text, name);
	return at ? strtoll(at + strlen(name), NULL, 10) : -1;
}

static int64_t resident(void)
{
	/* Exact, where status may lag behind by some pages for each thread. */
	int64_t kib = proc_kib("/proc/self/smaps_rollup", "\nRss:");

	if (kib < 0)
		kib = proc_kib("/proc/self/status", "\nVmRSS:");
	return kib < 0 ? -1 : kib * 1024;
}

static int64_t above(const struct report *r, int64_t bytes)
{
	return bytes < 0 || r->start < 0 ? -1 : bytes < r->start ? 0 : bytes - r->start;
}

void memory_start(struct report *r)
{
	int fd = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);

	/* Forget the peak of the start-up, where the kernel lets us. */
	if (fd >= 0) {
		if (write(fd, "5", 1) < 0)
			fprintf(stderr, "the peak includes the start-up\n");
		close(fd);
	}
	r->live = r->live_bytes = r->peak = r->after = r->reclaimed = -1;
	r->start = resident();
}

void memory_live(struct report *r, size_t bytes)
{
	r->live = above(r, resident());
	r->live_bytes = (int64_t)bytes;
}

void memory_after(struct report *r)
{
	r->after = above(r, resident());
}

void memory_reclaimed(struct report *r)
{
	r->reclaimed = above(r, resident());
}

void memory_peak(struct report *r)
{
	int64_t kib = proc_kib("/proc/self/status", "\nVmHWM:");

	r->peak = kib < 0 ? -1 : above(r, kib * 1024);
	/* The kernel's count may lag behind the exact one. */
	if (r->peak >= 0 && r->live > r->peak)
		r->peak = r->live;
	if (r->peak >= 0 && r->after > r->peak)
		r->peak = r->after;
}

void *harness_array(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		harness_die("no memory for the harness: %zu bytes", bytes);
	memset(p, 0xff, bytes);
	return p;
}

uint32_t *harness_random(size_t count, size_t n, uint64_t seed)
{
	uint32_t *array = harness_array(count * sizeof(*array));
	uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (size_t i = 0; i < count; i++)
		array[i] = random_below(&state, (uint32_t)n);
	return array;
}

uint32_t *harness_shuffle(size_t n, uint64_t seed)
{
	uint32_t *array = harness_array(n * sizeof(*array));
	uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (size_t i = 0; i < n; i++) {
		size_t j = random_below(&state, (uint32_t)i + 1);

		array[i] = array[j];
		array[j] = (uint32_t)i;
	}
	return array;
}
