/* SPDX-License-Identifier: MIT */
/*
 * driver.c - runs a fuzz program without libFuzzer.
 *
 *	usage: NAME [--seed N] [--runs N] [--calls N] [--first N] [--size N] [--alone] [FILE...]
 *	       NAME --decode HEX-FILE
 *
 * First the inputs in the files (hexadecimal text, "#" begins a comment), by default those
 * of tests/fuzz/corpus/NAME; then random ones, --runs of them or until --calls calls were
 * made; with --alone no files, and all in one process.  Input number i of a seed is the same in
 * each run.  --decode writes one file as bytes, for libFuzzer.  The seed is printed first, the
 * counts last.
 */
#include "fuzz.h"

#include <dirent.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#else
#include <sys/mman.h>
#include <sys/wait.h>
#endif

#define MOST 65536u
#define CORPUS 64u	/* files there at most */
#define BATCH 20u	/* inputs in one process, where each leaves something behind */
#define STUCK 300u	/* seconds after which an input is taken for an endless loop */

static struct {
	uint64_t seed, runs, calls, first;
	size_t size;	/* most bytes of a random input */
	bool alone;	/* no files, and all random inputs in this process */
} options = { .runs = 300, .size = 4096 };

/* What is running, for whoever has to repeat it. */
static char running[300];

static void died(int signal_number)
{
	size_t done = 0, n = strlen(running);

	while (done < n) {
		ssize_t got = (ssize_t)write(2, running + done, (unsigned)(n - done));

		if (got <= 0)
			break;
		done += (size_t)got;
	}
	signal(signal_number, SIG_DFL);
	raise(signal_number);
}

#if defined(_WIN32)

/* Whoever runs the tests has a limit for each. */
static void start_watch(void)
{
}

static void prepare(void)
{
	signal(SIGABRT, died);
	signal(SIGSEGV, died);
	signal(SIGFPE, died);
}

#else

static void start_watch(void)
{
	alarm(STUCK);
}

static void prepare(void)
{
	signal(SIGABRT, died);
	signal(SIGSEGV, died);
	signal(SIGBUS, died);
	signal(SIGFPE, died);
	signal(SIGALRM, died);
}

#endif

_Noreturn static void die(const char *what, const char *which)
{
	fprintf(stderr, "fuzz-%s: %s: %s\n", fz_name, which, what);
	exit(2);
}

/* splitmix64 */
static uint64_t next(uint64_t *state)
{
	uint64_t x = *state += UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* Random bytes; in some inputs most bytes are of a few values. */
static size_t make_input(uint8_t *data, uint64_t number)
{
	uint64_t state = options.seed * UINT64_C(0xd1342543de82ef95) + number, few = next(&state);
	size_t size = 1 + (size_t)(next(&state) % options.size);
	uint64_t favour = next(&state) % 4;

	for (size_t i = 0; i < size; i++) {
		uint64_t x = next(&state);

		data[i] = (uint8_t)(favour == 0 && x % 3 != 0 ? few >> (x >> 8) % 8 * 8 : x >> 24);
	}
	return size;
}

static int digit(int c)
{
	const char *digits = "0123456789abcdef", *at = c > 0 ? strchr(digits, c | 32) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

static size_t read_hex(const char *path, uint8_t *data)
{
	FILE *f = fopen(path, "r");
	size_t n = 0;
	int c;

	if (f == NULL)
		die("cannot be read", path);
	while ((c = fgetc(f)) != EOF) {
		if (c == '#') {
			while (c != '\n' && c != EOF)
				c = fgetc(f);
		} else if (c != ' ' && c != '\n') {
			int high = digit(c), low = digit(fgetc(f));

			if (high < 0 || low < 0 || n == MOST)
				die("is no hexadecimal text, or too long", path);
			data[n++] = (uint8_t)(high << 4 | low);
		}
	}
	fclose(f);
	return n;
}

static void run_file(const char *path, uint8_t *data)
{
	size_t n = read_hex(path, data);

	snprintf(running, sizeof(running), "fuzz-%s: died in file %.250s\n", fz_name, path);
	start_watch();
	LLVMFuzzerTestOneInput(data, n);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static size_t run_corpus(uint8_t *data)
{
	static char paths[CORPUS][600];
	const char *srcdir = getenv("srcdir");
	char directory[500];
	struct dirent *entry;
	size_t n = 0;
	DIR *dir;

	snprintf(directory, sizeof(directory), "%s/tests/fuzz/corpus/%s",
		 srcdir != NULL ? srcdir : ".", fz_name);
	dir = opendir(directory);
	if (dir == NULL)
		return 0;
	while (n < CORPUS && (entry = readdir(dir)) != NULL) {
		const char *dot = strrchr(entry->d_name, '.');

		if (dot != NULL && strcmp(dot, ".hex") == 0 && strlen(entry->d_name) < 90)
			snprintf(paths[n++], sizeof(paths[0]), "%s/%.90s", directory,
				 entry->d_name);
	}
	closedir(dir);
	qsort(paths, n, sizeof(paths[0]), by_name);
	for (size_t i = 0; i < n; i++)
		run_file(paths[i], data);
	return n;
}

/* The arguments from argv[1] on; where the files begin. */
static int parse(int argc, char **argv)
{
	int i;

	for (i = 1; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		const char *name = argv[i] + 2;
		uint64_t n;

		if (strcmp(name, "alone") == 0) {
			options.alone = true;
			continue;
		}
		if (i + 1 == argc)
			die("wants a number", argv[i]);
		n = strtoull(argv[++i], NULL, 0);
		if (strcmp(name, "seed") == 0)
			options.seed = n;
		else if (strcmp(name, "runs") == 0)
			options.runs = n;
		else if (strcmp(name, "calls") == 0)
			options.calls = n;
		else if (strcmp(name, "first") == 0)
			options.first = n;
		else if (strcmp(name, "size") == 0 && n > 0 && n <= MOST)
			options.size = (size_t)n;
		else
			die("unknown", argv[i - 1]);
	}
	return i;
}

static void run_one(uint8_t *data, uint64_t number)
{
	snprintf(running, sizeof(running),
		 "fuzz-%s: died in input %" PRIu64 " of --seed %" PRIu64
		 "; alone: --first %" PRIu64 " --runs 1 --size %zu\n",
		 fz_name, number, options.seed, number, options.size);
	start_watch();
	LLVMFuzzerTestOneInput(data, make_input(data, number));
}

/* Inputs from number on in a process of their own; the calls that it made. */
#if defined(_WIN32)

/* This program again, which says so in its last line. */
static uint64_t run_batch(uint8_t *data, uint64_t number, uint64_t n)
{
	char line[1000], program[MAX_PATH];
	uint64_t calls = 0;
	const char *at;
	FILE *f;

	(void)data;
	GetModuleFileNameA(NULL, program, sizeof(program));
	snprintf(line, sizeof(line),
		 "\"\"%s\" --seed %" PRIu64 " --first %" PRIu64 " --runs %" PRIu64
		 " --size %u --alone\"",
		 program, options.seed, number, n, (unsigned)options.size);
	f = popen(line, "r");
	if (f == NULL)
		die("no process", line);
	while (fgets(line, sizeof(line), f) != NULL) {
		at = strstr(line, " calls, ");
		while (at != NULL && at > line && at[-1] != ' ')
			at--;
		if (at != NULL)
			calls = strtoull(at, NULL, 10);
	}
	if (pclose(f) != 0 || calls == 0) {
		fprintf(stderr, "fuzz-%s: a process ended badly: %" PRIu64 " inputs from %" PRIu64
			" on, seed %" PRIu64 "\n", fz_name, n, number, options.seed);
		exit(1);
	}
	return calls;
}

#else

static uint64_t run_batch(uint8_t *data, uint64_t number, uint64_t n)
{
	volatile uint64_t *calls = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
					MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t made;
	int status;
	pid_t pid;

	if (calls == MAP_FAILED)
		die("cannot be mapped", "a page");
	pid = fork();
	if (pid < 0)
		die("no process", "fork");
	if (pid == 0) {
		for (fz_calls = 0; n > 0; n--)
			run_one(data, number++);
		*calls = fz_calls;
		_exit(0);
	}
	if (waitpid(pid, &status, 0) != pid)
		die("cannot be waited for", "child");
	if (status != 0) {
		fprintf(stderr, "fuzz-%s: a process ended with status 0x%x\n", fz_name,
			(unsigned)status);
		exit(1);
	}
	made = *calls;
	munmap((void *)(uintptr_t)calls, 4096);
	return made;
}

#endif

static void run_random(uint8_t *data)
{
	bool alone = options.alone || options.runs == 1 || !fz_leaves_behind;

	for (uint64_t i = 0; options.calls != 0 ? fz_calls < options.calls : i < options.runs;) {
		if (alone) {
			run_one(data, options.first + i++);
			continue;
		}
		fz_calls += run_batch(data, options.first + i, BATCH);
		i += BATCH;
	}
}

static uint64_t seed_from_clock(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return ((uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000) % 1000000000;
}

int main(int argc, char **argv)
{
	static uint8_t data[MOST];
	const char *seed = getenv("FUZZ_SEED");
	struct timespec start, end;
	size_t files = 0;
	int at;

	if (argc == 3 && strcmp(argv[1], "--decode") == 0) {
		size_t n = read_hex(argv[2], data);

		return fwrite(data, 1, n, stdout) == n && fflush(stdout) == 0 ? 0 : 1;
	}
	options.seed = seed != NULL ? strtoull(seed, NULL, 0) : seed_from_clock();
	at = parse(argc, argv);
	printf("fuzz-%s: --seed %" PRIu64 "\n", fz_name, options.seed);
	fflush(stdout);
	prepare();
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (; at < argc; at++, files++)
		run_file(argv[at], data);
	if (files == 0 && !options.alone)
		files = run_corpus(data);
	run_random(data);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("fuzz-%s: %zu files, seed %" PRIu64 ", %" PRIu64 " calls, %.0f seconds, 0 failed\n",
	       fz_name, files, options.seed, fz_calls,
	       (double)(end.tv_sec - start.tv_sec) +
		       (double)(end.tv_nsec - start.tv_nsec) / 1e9);
	return 0;
}
