/* SPDX-License-Identifier: MIT */
/* plan.c - the workloads, the subjects, and the choice among them. */
#include "plan.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const size_t all_sizes[] = { 16, 24, 40, 64, 96, 200, 256, 1024, 1500, 4096, 0 };
static const size_t quick_sizes[] = { 64, 1024, 0 };
static const size_t large_sizes[] = { 5120, 16384, 65536, 262144, 1048576, 0 };
static const size_t thread_counts[] = { 1, 2, 4, 8, 16, 0 };
static const size_t object_counts[] = { 1000, 10000, 100000, 1000000, 0 };

#define PAIR "ns per allocation and free"

const struct workload workloads[] = {
	{ .name = "pair",
	  .text = "Hot pair: allocate, write, read, free",
	  .unit = PAIR,
	  .axis = "size",
	  .n = 1,
	  .quick = true },
	{ .name = "lifo",
	  .text = "1000 allocated, freed last first",
	  .unit = PAIR,
	  .axis = "size",
	  .n = 1000,
	  .quick = true },
	{ .name = "fifo",
	  .text = "1000 allocated, freed first first",
	  .unit = PAIR,
	  .axis = "size",
	  .n = 1000 },
	{ .name = "random",
	  .text = "1000 allocated, freed in random order",
	  .unit = PAIR,
	  .axis = "size",
	  .n = 1000,
	  .quick = true },
	{ .name = "bulk",
	  .text = "64 at a time, with bulk calls where there are any",
	  .unit = PAIR,
	  .axis = "size",
	  .n = 64 },
	{ .name = "freeall",
	  .text = "100,000 allocated, all freed",
	  .unit = PAIR,
	  .axis = "size",
	  .n = 100000,
	  .quick = true },
	{ .name = "replace",
	  .text = "100,000 live, one at random read, freed and replaced",
	  .unit = PAIR,
	  .axis = "size",
	  .n = 100000,
	  .quick = true },
	{ .name = "prodcons",
	  .text = "Producer and consumer through a ring",
	  .unit = "ns per object",
	  .axis = "size",
	  .n = 1,
	  .quick = true },
	{ .name = "prodcons2",
	  .text = "Two producers and one consumer through rings",
	  .unit = "ns per object",
	  .axis = "size",
	  .n = 2 },
	{ .name = "large",
	  .text = "Large blocks: allocate, write to each page, free",
	  .unit = PAIR,
	  .axis = "size",
	  .values = large_sizes,
	  .n = 1 },
	{ .name = "largemix",
	  .text = "Large blocks of 5 KiB to 1 MiB in 16 slots, each page written",
	  .unit = PAIR,
	  .n = 16 },
	{ .name = "mix",
	  .text = "10,000 blocks of 8 bytes to 512 KiB, most small and short-lived",
	  .unit = PAIR,
	  .n = 10000 },
	{ .name = "phase",
	  .text = "16 MiB of 16, then of 64, 256, 1024 and 4096 bytes",
	  .unit = PAIR,
	  .n = 1 },
	{ .name = "burst",
	  .text = "1000 short threads, 8 at a time, of 100 objects",
	  .unit = "ns per thread",
	  .size = 64,
	  .n = 1000 },
	{ .name = "map",
	  .text = "std::map of 10,000, one erased and one inserted",
	  .unit = PAIR,
	  .n = 10000,
	  .containers = true },
	{ .name = "list",
	  .text = "std::list of 10,000, one erased and one inserted",
	  .unit = PAIR,
	  .n = 10000,
	  .containers = true },
	{ .name = "umap",
	  .text = "std::unordered_map of 10,000, one erased and one inserted",
	  .unit = PAIR,
	  .n = 10000,
	  .containers = true },
	{ .name = "scale",
	  .text = "Threads on pools of their own, 100 at a time, 64 bytes",
	  .unit = "ns of a processor per allocation and free",
	  .axis = "threads",
	  .size = 64,
	  .values = thread_counts,
	  .n = 1 },
	{ .name = "share",
	  .text = "Threads on one pool, 1000 at a time, 64 bytes",
	  .unit = "ns of a processor per allocation and free",
	  .axis = "threads",
	  .size = 64,
	  .values = thread_counts,
	  .n = 1 },
	{ .name = "objects",
	  .text = "Live objects of 64 bytes, one at random replaced",
	  .unit = PAIR,
	  .axis = "n",
	  .size = 64,
	  .values = object_counts },
	{ .name = NULL },
};

static const struct subject known_subjects[] = {
	{ .name = "limit", .kind = LIMIT, .colour = "#777777" },
	{ .name = "mp_cache", .kind = OURS, .colour = "#c00000" },
	{ .name = "mp_alloc", .kind = OURS, .colour = "#e07000" },
	{ .name = "glibc", .kind = PEER, .colour = "#1f77b4" },
	{ .name = "mimalloc", .kind = PEER, .colour = "#2ca02c" },
	{ .name = "jemalloc", .kind = PEER, .colour = "#9467bd" },
	{ .name = "tcmalloc", .kind = PEER, .colour = "#8c564b" },
	{ .name = "tbbmalloc", .kind = PEER, .colour = "#e377c2" },
	{ .name = "rte_mempool", .kind = PEER, .colour = "#17becf" },
	{ .name = "g_slice", .kind = PEER, .colour = "#bcbd22" },
	{ .name = "boost_pool", .kind = PEER, .colour = "#3f3f9f" },
	{ .name = "talloc", .kind = UNSAFE, .colour = "#a0a0a0" },
	/* mp_cache with a setting; only where they are asked for */
	{ .name = "mp_cache-H", .kind = OURS, .colour = "#900000", .setting = "MEMPOOL_DEBUG=H" },
	{ .name = "mp_cache-F", .kind = OURS, .colour = "#a04000", .setting = "MEMPOOL_DEBUG=F" },
	{ .name = "mp_cache-Z", .kind = OURS, .colour = "#a08000", .setting = "MEMPOOL_DEBUG=Z" },
	{ .name = "mp_cache-P", .kind = OURS, .colour = "#60a000", .setting = "MEMPOOL_DEBUG=P" },
	{ .name = "mp_cache-FZP", .kind = OURS, .colour = "#0060a0", .setting = "MEMPOOL_DEBUG=FZP" },
	{ .name = "mp_cache-FZPU", .kind = OURS, .colour = "#6000a0", .setting = "MEMPOOL_DEBUG=FZPU" },
	{ .name = "mp_cache-G10000", .kind = OURS, .colour = "#008060",
	  .setting = "MEMPOOL_GUARD=10000" },
	{ .name = "mp_cache-G1000", .kind = OURS, .colour = "#00a060",
	  .setting = "MEMPOOL_GUARD=1000" },
	{ .name = "mp_cache-G100", .kind = OURS, .colour = "#00c060",
	  .setting = "MEMPOOL_GUARD=100" },
};

static void usage(FILE *out)
{
	fputs("usage: driver [OPTION]...\n"
	      "Measure libmempool beside the allocators that are installed.\n"
	      "\n"
	      "  --quick            six workloads, two sizes, three short rounds: a minute or so\n"
	      "  --rounds N         rounds, each a fresh process for every figure (7)\n"
	      "  --ms N             milliseconds measured in each run (150)\n"
	      "  --workloads A,B    these only\n"
	      "  --sizes N,N        these object sizes only\n"
	      "  --subjects A,B     these allocators only\n"
	      "  --min              compare the best of the rounds, not their medians\n"
	      "  --seed N           of the random orders (1)\n"
	      "  --tsv FILE         write every run as a line of tab-separated values\n"
	      "  --plot DIR         draw plots, SVG files, in DIR\n"
	      "  --bin DIR          where the measured programs are (bin beside this one)\n"
	      "  --list             print the workloads and the subjects found, and exit\n",
	      out);
}

static void wrong(const char *option, const char *value)
{
	fprintf(stderr, "driver: --%s %s: not understood; --help lists the options\n", option,
		value);
	exit(2);
}

static uint64_t number(const char *option, const char *text)
{
	char *end;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end || end == text || *text == '-' || errno || !value || value > UINT32_MAX)
		wrong(option, text);
	return value;
}

/* Cut text at its commas; the words stay in it. */
static void words(const char *option, char *text, const char **list)
{
	size_t n = 0;

	for (char *word = strtok(text, ","); word; word = strtok(NULL, ",")) {
		if (n == MAX_LIST)
			wrong(option, word);
		list[n++] = word;
	}
	list[n] = NULL;
	if (!n)
		wrong(option, "(nothing)");
}

static void sizes(char *text, size_t *list)
{
	const char *texts[MAX_LIST + 1];
	size_t n = 0;

	words("sizes", text, texts);
	for (; texts[n]; n++) {
		list[n] = (size_t)number("sizes", texts[n]);
		/* A word is written into each object. */
		if (list[n] < 8 || list[n] > 16384)
			wrong("sizes", texts[n]);
	}
	list[n] = 0;
}

static bool chosen(const char **list, const char *name)
{
	if (!list[0])
		return true;
	for (; *list; list++)
		if (!strcmp(*list, name))
			return true;
	return false;
}

static void check_names(const struct options *o)
{
	for (size_t i = 0; o->workloads[i]; i++) {
		const struct workload *w = workloads;

		while (w->name && strcmp(w->name, o->workloads[i]))
			w++;
		if (!w->name)
			wrong("workloads", o->workloads[i]);
	}
	for (size_t i = 0; o->subjects[i]; i++) {
		size_t k = 0;

		while (k < sizeof(known_subjects) / sizeof(known_subjects[0]) &&
		       strcmp(known_subjects[k].name, o->subjects[i]))
			k++;
		if (k == sizeof(known_subjects) / sizeof(known_subjects[0]))
			wrong("subjects", o->subjects[i]);
	}
}

/* One option and its value, in optarg. */
static void set_option(struct options *o, int c)
{
	switch (c) {
	case 'q':
		o->quick = true;
		break;
	case 'm':
		o->least = true;
		break;
	case 'l':
		o->list = true;
		break;
	case 'r':
		o->rounds = (unsigned)number("rounds", optarg);
		break;
	case 't':
		o->ms = (unsigned)number("ms", optarg);
		break;
	case 's':
		o->seed = number("seed", optarg);
		break;
	case 'w':
		words("workloads", optarg, o->workloads);
		break;
	case 'z':
		sizes(optarg, o->sizes);
		break;
	case 'a':
		words("subjects", optarg, o->subjects);
		break;
	case 'T':
		o->tsv = optarg;
		break;
	case 'P':
		o->plot = optarg;
		break;
	case 'b':
		o->bin = optarg;
		break;
	case 'h':
		usage(stdout);
		exit(0);
	default:
		usage(stderr);
		exit(2);
	}
}

static void parse_options(struct options *o, int argc, char **argv)
{
	static const struct option known[] = {
		{ "quick", no_argument, NULL, 'q' },
		{ "min", no_argument, NULL, 'm' },
		{ "list", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{ "rounds", required_argument, NULL, 'r' },
		{ "ms", required_argument, NULL, 't' },
		{ "seed", required_argument, NULL, 's' },
		{ "workloads", required_argument, NULL, 'w' },
		{ "sizes", required_argument, NULL, 'z' },
		{ "subjects", required_argument, NULL, 'a' },
		{ "tsv", required_argument, NULL, 'T' },
		{ "plot", required_argument, NULL, 'P' },
		{ "bin", required_argument, NULL, 'b' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", known, NULL)) != -1)
		set_option(o, c);
	if (optind < argc) {
		fprintf(stderr, "driver: %s: not an option\n", argv[optind]);
		exit(2);
	}
	check_names(o);
	if (!o->rounds)
		o->rounds = o->quick ? 3 : 7;
	if (!o->ms)
		o->ms = o->quick ? 30 : 150;
	if (!o->sizes[0])
		memcpy(o->sizes, o->quick ? quick_sizes : all_sizes,
		       o->quick ? sizeof(quick_sizes) : sizeof(all_sizes));
}

static void add_point(struct plan *plan, const struct workload *w, size_t value)
{
	struct point p = { .workload = w, .size = w->size, .n = w->n, .threads = 1 };

	if (plan->npoints == MAX_POINTS) {
		fprintf(stderr, "driver: too many workloads and sizes\n");
		exit(2);
	}
	if (w->axis && !strcmp(w->axis, "size"))
		p.size = value;
	else if (w->axis && !strcmp(w->axis, "n"))
		p.n = value;
	else if (w->axis)
		p.threads = (unsigned)value;
	plan->points[plan->npoints++] = p;
}

static void add_points(struct plan *plan)
{
	static const size_t one[] = { 1, 0 };
	const struct options *o = &plan->options;

	for (const struct workload *w = workloads; w->name; w++) {
		const size_t *values = !w->axis ? one : w->values ? w->values : o->sizes;

		if (!chosen((const char **)o->workloads, w->name) ||
		    (!o->workloads[0] && o->quick && !w->quick))
			continue;
		for (; *values; values++)
			add_point(plan, w, *values);
	}
}

static void find_program(char *path, size_t size, const char *dir, const char *prefix,
			 const char *name)
{
	int n = snprintf(path, size, "%s/%s-%s", dir, prefix, name);

	if (n < 0 || (size_t)n >= size || access(path, X_OK))
		path[0] = '\0';
}

static void add_subjects(struct plan *plan)
{
	const struct options *o = &plan->options;

	for (size_t i = 0; i < sizeof(known_subjects) / sizeof(known_subjects[0]); i++) {
		struct subject s = known_subjects[i];

		if (!chosen((const char **)o->subjects, s.name) ||
		    (s.setting && !o->subjects[0]))
			continue;
		find_program(s.program, sizeof(s.program), o->bin, "bench",
			     s.setting ? "mp_cache" : s.name);
		find_program(s.containers, sizeof(s.containers), o->bin, "containers", s.name);
		if (s.program[0])
			plan->subjects[plan->nsubjects++] = s;
		else if (o->subjects[0])
			fprintf(stderr, "driver: %s was not built\n", s.name);
	}
	if (plan->nsubjects)
		return;
	fprintf(stderr, "driver: nothing to measure in %s; run make bench, which builds it\n",
		o->bin);
	exit(2);
}

void plan_parse(struct plan *plan, int argc, char **argv)
{
	static char bin[512];
	const char *slash = strrchr(argv[0], '/');

	memset(plan, 0, sizeof(*plan));
	snprintf(bin, sizeof(bin), "%.*sbin", slash ? (int)(slash - argv[0]) + 1 : 0, argv[0]);
	plan->options.bin = bin;
	plan->options.seed = 1;
	parse_options(&plan->options, argc, argv);
	add_points(plan);
	add_subjects(plan);
}

const char *point_label(const struct point *p, char *text, size_t size)
{
	const char *axis = p->workload->axis;

	if (!axis)
		snprintf(text, size, "-");
	else if (!strcmp(axis, "size"))
		snprintf(text, size, "%zu", p->size);
	else if (!strcmp(axis, "n"))
		snprintf(text, size, "n=%zu", p->n);
	else
		snprintf(text, size, "t=%u", p->threads);
	return text;
}
