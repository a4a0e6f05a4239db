/* SPDX-License-Identifier: MIT */
/*
 * index.c - a search index over real text, built by several threads, and the same
 * program on malloc beside it.
 *
 *   cc -O2 -o index index*.c $(pkg-config --cflags --libs mempool) -pthread
 *   ./index				manual pages, or licences, of this system
 *   ./index --query 'lock AND thread*' FILE...
 *
 * Each run is a process of its own: a child builds the index, runs the queries,
 * takes the index down and sends its figures to the parent through a pipe.
 */
#define _POSIX_C_SOURCE 200809L
#define _DARWIN_C_SOURCE 1 /* for what macOS hides otherwise */

#include "index.h"
#include "index_alloc.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define KIB 1024.0
#define MIB (1024.0 * 1024.0)
#define ROUNDS_MAX 99u
#define SMALL_CORPUS ((size_t)4 << 20)	/* is taken several times, unless told */

struct options {
	unsigned threads;
	unsigned repeat;		/* 0: as the size of the corpus suggests */
	unsigned rounds;
	unsigned top;
	unsigned limit;			/* MiB of the system's texts */
	bool on_malloc;			/* one run on malloc, nothing else */
	bool progress;
	const char **queries;		/* ends in NULL */
};

/* What a run was like. */
enum { BUILD, QUERY, TEARDOWN, TOGETHER, PEAK, FIGURES };

struct figures {
	double value[FIGURES];		/* seconds, and bytes */
	uint64_t terms;
	uint64_t postings;
	uint64_t checksum;		/* of all results */
};

static const char *const default_queries[] = {
	"memory AND free", "allocat*", "copyright AND notice AND warranty", "thread OR process",
	"lock* AND thread* AND memory", NULL,
};

/* ------------------------------------------------------------------------
 * One run
 */

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* The most memory this process ever had resident, in bytes. */
static double peak_memory(void)
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

static uint64_t run_queries(const struct index *index, const struct options *options, bool show)
{
	uint64_t sum = 0;

	if (show)
		printf("queries:\n");
	for (const char **query = options->queries; *query != NULL; query++)
		sum = sum * 31 + query_run(index, *query, show);
	return sum * 31 + query_top(index, options->top, show);
}

static void show_caches(const struct figures *f)
{
	printf("\nthe index: %llu terms, %llu postings\n\n", (unsigned long long)f->terms,
	       (unsigned long long)f->postings);
	if (alloc_on_malloc)
		return;
	printf("its memory by type, before it is taken down:\n");
	if (mp_slabinfo_print(stdout) != 0)
		die("cannot print the table of caches");
	printf("\n");
}

/* In the child. */
static void run(const struct corpus *corpus, const struct options *options, bool show,
		struct figures *f)
{
	struct index index;
	double start = now(), built, queried;
	unsigned caches;

	alloc_start();
	index_build(&index, corpus, options->threads, options->repeat);
	built = now();
	progress_end();
	f->checksum = run_queries(&index, options, show);
	queried = now();
	f->terms = index_count_terms(&index);
	f->postings = index_count_postings(&index);
	if (show)
		show_caches(f);
	f->value[TEARDOWN] = -now();
	index_teardown(&index);
	caches = alloc_end();
	f->value[TEARDOWN] += now();
	f->value[BUILD] = built - start;
	f->value[QUERY] = queried - built;
	f->value[TOGETHER] = f->value[BUILD] + f->value[QUERY] + f->value[TEARDOWN];
	f->value[PEAK] = peak_memory();
	if (show && !alloc_on_malloc)
		printf("taken down: 0 live objects, %u caches destroyed\n", caches);
}

static void run_child(const struct corpus *corpus, const struct options *options, bool show,
		      int pipe_end)
{
	struct figures f = { 0 };

	run(corpus, options, show, &f);
	if (write(pipe_end, &f, sizeof(f)) != (ssize_t)sizeof(f))
		die("cannot hand on the figures: %s", strerror(errno));
	exit(0);
}

/* A run in a process of its own, so that each begins with fresh memory. */
static void run_process(const struct corpus *corpus, const struct options *options, bool show,
			struct figures *f)
{
	int ends[2], status;
	ssize_t n;
	pid_t pid;

	fflush(NULL);
	if (pipe(ends) != 0)
		die("cannot make a pipe: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		die("cannot fork: %s", strerror(errno));
	if (pid == 0)
		run_child(corpus, options, show, ends[1]);
	close(ends[1]);
	n = read(ends[0], f, sizeof(*f));
	close(ends[0]);
	if (waitpid(pid, &status, 0) != pid)
		die("cannot wait for a run: %s", strerror(errno));
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE)
		exit(1); /* nobody reads on */
	if (WIFSIGNALED(status))
		die("a run ended with signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status) == 1)
		exit(1); /* it has said why */
	if (status != 0)
		die("a run ended with status %d", WEXITSTATUS(status));
	if (n != (ssize_t)sizeof(*f))
		die("a run sent no figures");
}

/* ------------------------------------------------------------------------
 * The comparison
 */

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(const struct figures *f, unsigned n, int which)
{
	double values[ROUNDS_MAX];

	for (unsigned i = 0; i < n; i++)
		values[i] = f[i].value[which];
	qsort(values, n, sizeof(*values), by_value);
	return (values[(n - 1) / 2] + values[n / 2]) / 2;
}

static void print_comparison(struct figures figures[2][ROUNDS_MAX], unsigned rounds)
{
	static const struct {
		const char *name;
		const char *unit;
		double scale;
	} rows[FIGURES] = {
		[BUILD] = { "build", "s", 1 },
		[QUERY] = { "queries", "s", 1 },
		[TEARDOWN] = { "take down", "s", 1 },
		[TOGETHER] = { "together", "s", 1 },
		[PEAK] = { "peak memory", "MiB", MIB },
	};

	printf("\n%-16s %12s %12s %18s\n", "", "libmempool", "malloc", "libmempool/malloc");
	for (int i = 0; i < FIGURES; i++) {
		double ours = median(figures[0], rounds, i) / rows[i].scale;
		double theirs = median(figures[1], rounds, i) / rows[i].scale;

		printf("%-12s %3s %12.3f %12.3f %18.2f\n", rows[i].name, rows[i].unit, ours,
		       theirs, ours / theirs);
	}
	printf("medians of %u run%s each, in turns, each run a process of its own; peak memory\n"
	       "is the most the process had resident\n", rounds, rounds == 1 ? "" : "s");
}

static void check_same(const struct figures *a, const struct figures *b)
{
	if (a->terms != b->terms || a->postings != b->postings || a->checksum != b->checksum)
		die("two runs over the same texts had different results");
}

/* The first run on libmempool shows its results. */
static void compare(const struct corpus *corpus, const struct options *options)
{
	static struct figures figures[2][ROUNDS_MAX];
	unsigned rounds = options->rounds > 0 ? options->rounds : 1;
	unsigned subjects = options->rounds > 0 && !options->on_malloc ? 2 : 1;
	char what[80];

	for (unsigned i = 0; i < rounds; i++) {
		for (unsigned j = 0; j < subjects; j++) {
			/* Who goes first takes turns, too. */
			unsigned subject = subjects == 2 ? (i + j) % 2 : options->on_malloc;
			bool show = i == 0 && j == 0;

			alloc_on_malloc = subject == 1;
			snprintf(what, sizeof(what), "round %u of %u, on %s", i + 1, rounds,
				 subject == 1 ? "malloc" : "libmempool");
			progress_start(what);
			run_process(corpus, options, show, &figures[subject][i]);
			progress_end();
			check_same(&figures[subject][i], &figures[options->on_malloc][0]);
		}
		if (options->on_malloc)
			break;
	}
	if (subjects == 2)
		print_comparison(figures, rounds);
}

/* ------------------------------------------------------------------------
 * The command line
 */

static void usage(void)
{
	printf("usage: index [OPTION]... [FILE or DIRECTORY]...\n"
	       "\n"
	       "Index texts, search them, and compare libmempool with malloc in doing so.\n"
	       "Without files: the system's manual pages, or else its licence texts.\n"
	       "Files that end in .gz are read through gzip.\n"
	       "\n"
	       "  -q, --query QUERY   search for QUERY instead of a few examples; may be given\n"
	       "                      often; words with AND or OR between them, word* for\n"
	       "                      all that begin so\n"
	       "      --top N         show the N most common long words (10, at most 50)\n"
	       "  -t, --threads N     how many threads build the index (one for each processor,\n"
	       "                      but 2 at least)\n"
	       "      --rounds N      runs on each allocator, of which medians are printed (5);\n"
	       "                      0: one run on libmempool and no comparison\n"
	       "      --repeat N      take each text N times (as often as a small corpus needs)\n"
	       "      --limit MIB     how much of the system's texts to take (32)\n"
	       "      --malloc        one run on malloc and no comparison\n"
	       "      --progress      show progress even if standard error is no terminal\n"
	       "  -h, --help          print this text\n");
}

static unsigned number(const char *option, const char *text, unsigned min, unsigned max)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || n < min || n > max)
		die("--%s takes a number from %u to %u, not %s", option, min, max, text);
	return (unsigned)n;
}

static unsigned default_threads(void)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);

	return n < 2 ? 2 : n > 16 ? 16 : (unsigned)n;
}

static void take_option(struct options *o, int option, size_t *queries)
{
	switch (option) {
	case 'q':
		o->queries[(*queries)++] = optarg;
		break;
	case 't':
		o->threads = number("threads", optarg, 1, 256);
		break;
	case 'r':
		o->rounds = number("rounds", optarg, 0, ROUNDS_MAX);
		break;
	case 'R':
		o->repeat = number("repeat", optarg, 1, 1000);
		break;
	case 'T':
		o->top = number("top", optarg, 0, 50);
		break;
	case 'l':
		o->limit = number("limit", optarg, 1, 1024);
		break;
	case 'm':
		o->on_malloc = true;
		break;
	case 'p':
		o->progress = true;
		break;
	case 'h':
		usage();
		exit(0);
	default: /* getopt_long() has said why */
		fputs("index --help lists the options\n", stderr);
		exit(1);
	}
}

static void parse(struct options *o, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "query", required_argument, NULL, 'q' },
		{ "threads", required_argument, NULL, 't' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "repeat", required_argument, NULL, 'R' },
		{ "top", required_argument, NULL, 'T' },
		{ "limit", required_argument, NULL, 'l' },
		{ "malloc", no_argument, NULL, 'm' },
		{ "progress", no_argument, NULL, 'p' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	size_t queries = 0;
	int option;

	*o = (struct options){ .threads = default_threads(), .rounds = 5, .top = 10, .limit = 32 };
	o->queries = checked(calloc((size_t)argc + sizeof(default_queries) / sizeof(char *),
				    sizeof(char *)));
	while ((option = getopt_long(argc, argv, "q:t:h", longs, NULL)) != -1)
		take_option(o, option, &queries);
	if (queries == 0)
		memcpy(o->queries, default_queries, sizeof(default_queries));
}

static void show_corpus(const struct corpus *corpus, const struct options *options)
{
	bool small = (double)corpus->bytes < MIB;

	printf("%zu text%s, %.1f %s", corpus->count, corpus->count == 1 ? "" : "s",
	       (double)corpus->bytes / (small ? KIB : MIB), small ? "KiB" : "MiB");
	if (options->repeat > 1)
		printf(", each taken %u times", options->repeat);
	printf("; %u thread%s\n\n", options->threads, options->threads == 1 ? "" : "s");
}

int main(int argc, char **argv)
{
	struct options options;
	struct corpus corpus;
	size_t repeat;

	parse(&options, argc, argv);
	if (isatty(STDERR_FILENO))
		progress_mode = PROGRESS_LINE;
	else if (options.progress)
		progress_mode = PROGRESS_LINES;

	corpus_gather(&corpus, argv + optind, (size_t)options.limit << 20);
	repeat = options.repeat;
	if (repeat == 0)
		repeat = SMALL_CORPUS / corpus.bytes < 64 ? SMALL_CORPUS / corpus.bytes + 1 : 64;
	options.repeat = (unsigned)repeat;
	if (corpus.count > UINT32_MAX / repeat)
		die("too many texts");
	show_corpus(&corpus, &options);
	compare(&corpus, &options);
	corpus_free(&corpus);
	free(options.queries);
	return 0;
}
