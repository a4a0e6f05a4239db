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

#include "index.h"
#include "index_alloc.h"
#include "index_system.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
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

/* What all runs of this program are about. */
static struct corpus corpus;
static struct options options;

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

static uint64_t run_queries(const struct index *index, bool show)
{
	uint64_t sum = 0;

	if (show)
		printf("queries:\n");
	for (const char **query = options.queries; *query != NULL; query++)
		sum = sum * 31 + query_run(index, *query, show);
	return sum * 31 + query_top(index, options.top, show);
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

static void run(bool show, struct figures *f)
{
	struct index index;
	double start = now(), built, queried;
	unsigned caches;

	alloc_start();
	index_build(&index, &corpus, options.threads, options.repeat);
	built = now();
	progress_end();
	f->checksum = run_queries(&index, show);
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
	f->value[PEAK] = system_peak_memory();
	if (show && !alloc_on_malloc)
		printf("taken down: 0 live objects, %u caches destroyed\n", caches);
}

/* A job of system_run(): one round on one of the two. */
enum { JOB_SHOW = 1, JOB_MALLOC = 2, JOB_ROUND = 4 };

/* In the child. */
static void do_job(int job, void *result)
{
	unsigned rounds = options.rounds > 0 ? options.rounds : 1;
	char what[80];

	alloc_on_malloc = (job & JOB_MALLOC) != 0;
	snprintf(what, sizeof(what), "round %d of %u, on %s", job / JOB_ROUND + 1, rounds,
		 alloc_on_malloc ? "malloc" : "libmempool");
	progress_start(what);
	run((job & JOB_SHOW) != 0, result);
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
static void compare(char **argv)
{
	static struct figures figures[2][ROUNDS_MAX];
	unsigned rounds = options.rounds > 0 ? options.rounds : 1;
	unsigned subjects = options.rounds > 0 && !options.on_malloc ? 2 : 1;

	for (unsigned i = 0; i < rounds; i++) {
		for (unsigned j = 0; j < subjects; j++) {
			/* Who goes first takes turns, too. */
			unsigned subject = subjects == 2 ? (i + j) % 2 : options.on_malloc;
			int job = (int)i * JOB_ROUND + (subject == 1 ? JOB_MALLOC : 0) +
				  (i == 0 && j == 0 ? JOB_SHOW : 0);

			system_run(argv, do_job, job, &figures[subject][i], sizeof(struct figures));
			progress_end();
			check_same(&figures[subject][i], &figures[options.on_malloc][0]);
		}
		if (options.on_malloc)
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
	unsigned n = system_processors();

	return n < 2 ? 2 : n > 16 ? 16 : n;
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

static void show_corpus(void)
{
	bool small = (double)corpus.bytes < MIB;

	printf("%zu text%s, %.1f %s", corpus.count, corpus.count == 1 ? "" : "s",
	       (double)corpus.bytes / (small ? KIB : MIB), small ? "KiB" : "MiB");
	if (options.repeat > 1)
		printf(", each taken %u times", options.repeat);
	printf("; %u thread%s\n\n", options.threads, options.threads == 1 ? "" : "s");
}

/* The texts, and how often each is taken. */
static void gather(char **names)
{
	size_t repeat;

	corpus_gather(&corpus, names, (size_t)options.limit << 20);
	repeat = options.repeat;
	if (repeat == 0)
		repeat = SMALL_CORPUS / corpus.bytes < 64 ? SMALL_CORPUS / corpus.bytes + 1 : 64;
	options.repeat = (unsigned)repeat;
	if (corpus.count > UINT32_MAX / repeat)
		die("too many texts");
}

static void choose_progress(void)
{
	if (isatty(STDERR_FILENO))
		progress_mode = PROGRESS_LINE;
	else if (options.progress)
		progress_mode = PROGRESS_LINES;
}

int main(int argc, char **argv)
{
	struct figures figures;

	parse(&options, argc, argv);
	if (!system_is_again()) /* these texts were read before */
		choose_progress();
	gather(argv + optind);
	choose_progress();
	system_continue(do_job, &figures, sizeof(figures));
	show_corpus();
	compare(argv);
	corpus_free(&corpus);
	free(options.queries);
	return 0;
}
