/* SPDX-License-Identifier: MIT */
/* table.c - the results as tables on standard output. */
#include "table.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#define NAME_WIDTH 14
#define CELL_WIDTH 21
#define CELLS 4 /* in one row */

static const char *const ours[] = { "mp_cache", "mp_alloc" };

static void print_processor(void)
{
	char line[256];
	FILE *f = fopen("/proc/cpuinfo", "r");

	while (f && fgets(line, sizeof(line), f)) {
		char *value = strchr(line, ':');

		if (value && !strncmp(line, "model name", 10)) {
			printf("%.*s, ", (int)strcspn(value + 2, "\n"), value + 2);
			break;
		}
	}
	if (f)
		fclose(f);
	printf("%u processors", cpus_usable());
}

void table_heading(const struct plan *plan)
{
	struct utsname system;

	printf("Machine: ");
	print_processor();
	if (!uname(&system))
		printf(", %s %s %s", system.sysname, system.release, system.machine);
	printf("\nRounds: %u of %u ms each, every figure from a fresh process, seed %" PRIu64 ".\n",
	       plan->options.rounds, plan->options.ms, plan->options.seed);
	printf("Figures: %s (least..most) of the rounds.  Ratios compare the %s.\n",
	       plan->options.least ? "least" : "median", plan->options.least ? "least" : "medians");
	printf("limit: a thread-local free list, or two rings between threads; a reference "
	       "without\nthread safety or checks.  best: the best thread-safe peer.\n");
	fflush(stdout);
}

static void print_cell(const char *text)
{
	printf("%*s", CELL_WIDTH, text);
}

static void format_ns(char *text, size_t size, double ns)
{
	snprintf(text, size, ns < 100 ? "%.2f" : ns < 10000 ? "%.0f" : "%.3g", ns);
}

static void print_figure(const struct figure *f)
{
	char value[16], least[16], most[16], text[64];

	format_ns(value, sizeof(value), f->value);
	format_ns(least, sizeof(least), f->least);
	format_ns(most, sizeof(most), f->most);
	snprintf(text, sizeof(text), "%s (%s..%s)", value, least, most);
	print_cell(text);
}

static double ratio(const struct results *r, size_t point, int subject, int to)
{
	struct figure a, b;

	if (subject < 0 || to < 0 || !figure_of(r, point, (size_t)subject, &a) ||
	    !figure_of(r, point, (size_t)to, &b))
		return NAN;
	return a.value / b.value;
}

static void print_head(const struct results *r, size_t first, size_t last)
{
	char label[32];

	printf("%-*s", NAME_WIDTH, "");
	for (size_t point = first; point < last; point++)
		print_cell(point_label(&r->plan->points[point], label, sizeof(label)));
	putchar('\n');
}

static void print_subject(const struct results *r, size_t first, size_t last, size_t subject)
{
	bool any = false;

	for (size_t point = first; point < last; point++) {
		const struct series *s = series_at(r, point, subject);

		any |= s->runs || s->failure[0];
	}
	if (!any)
		return;
	printf("%-*s", NAME_WIDTH, r->plan->subjects[subject].name);
	for (size_t point = first; point < last; point++) {
		struct figure f;

		if (figure_of(r, point, subject, &f))
			print_figure(&f);
		else
			print_cell(series_at(r, point, subject)->failure[0] ? "failed" : "-");
	}
	putchar('\n');
}

static void print_ratio_cell(const struct results *r, size_t point, int subject, enum kind kind)
{
	int to = best_of(r, point, kind);
	double value = ratio(r, point, subject, to);
	char text[64] = "-";

	if (!isnan(value) && kind == LIMIT)
		snprintf(text, sizeof(text), "%.2f", value);
	else if (!isnan(value))
		snprintf(text, sizeof(text), "%s %.2f", r->plan->subjects[to].name, value);
	print_cell(text);
}

/* A row that compares one of ours with the limit or with the best peer. */
static void print_ratios(const struct results *r, size_t first, size_t last, const char *name,
			 enum kind kind)
{
	int subject = subject_named(r->plan, name);
	bool any = false;
	char row[32];

	for (size_t point = first; point < last; point++)
		any |= !isnan(ratio(r, point, subject, best_of(r, point, kind)));
	if (!any)
		return;
	snprintf(row, sizeof(row), "%s/%s", name, kind == LIMIT ? "limit" : "best");
	printf("%-*s", NAME_WIDTH, row);
	for (size_t point = first; point < last; point++)
		print_ratio_cell(r, point, subject, kind);
	putchar('\n');
}

/* The points first to last - 1, all of one workload. */
static void print_block(const struct results *r, size_t first, size_t last)
{
	print_head(r, first, last);
	for (size_t i = 0; i < r->plan->nsubjects; i++)
		print_subject(r, first, last, i);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		print_ratios(r, first, last, ours[i], LIMIT);
		print_ratios(r, first, last, ours[i], PEER);
	}
}

static size_t end_of_workload(const struct plan *plan, size_t first)
{
	size_t last = first;

	while (last < plan->npoints && plan->points[last].workload == plan->points[first].workload)
		last++;
	return last;
}

static void print_workload(const struct results *r, size_t first, size_t last)
{
	const struct workload *w = r->plan->points[first].workload;

	printf("\n%s: %s; %s\n", w->name, w->text, w->unit);
	for (size_t at = first; at < last; at += CELLS)
		print_block(r, at, at + CELLS < last ? at + CELLS : last);
}

/* ------------------------------------------------------------------------
 * Memory
 */

/* The last run of that subject at that point, if it went well. */
static const struct report *report_of(const struct results *r, size_t point, size_t subject)
{
	const struct series *s = series_at(r, point, subject);

	return s->runs && !s->failure[0] ? &s->last : NULL;
}

static void print_per_live(const struct results *r, size_t first, size_t last)
{
	printf("\n%s: resident bytes above the start per live byte, all in use\n%-*s",
	       r->plan->points[first].workload->name, NAME_WIDTH, "");
	for (size_t point = first; point < last; point++) {
		char label[32];

		printf("%8s", point_label(&r->plan->points[point], label, sizeof(label)));
	}
	putchar('\n');
	for (size_t i = 0; i < r->plan->nsubjects; i++) {
		printf("%-*s", NAME_WIDTH, r->plan->subjects[i].name);
		for (size_t point = first; point < last; point++) {
			const struct report *m = report_of(r, point, i);

			if (m && m->live >= 0 && m->live_bytes > 0)
				printf("%8.3f", (double)m->live / (double)m->live_bytes);
			else
				printf("%8s", "-");
		}
		putchar('\n');
	}
}

static void print_kib(int64_t bytes)
{
	if (bytes < 0)
		printf("%12s", "-");
	else
		printf("%12" PRId64, (bytes + 1023) / 1024);
}

static void print_resident(const struct results *r, size_t point)
{
	const struct point *p = &r->plan->points[point];
	char label[32];

	printf("\n%s %s: resident KiB above the start\n%-*s%12s%12s%12s\n", p->workload->name,
	       point_label(p, label, sizeof(label)), NAME_WIDTH, "", "peak", "all freed",
	       "given back");
	for (size_t i = 0; i < r->plan->nsubjects; i++) {
		const struct report *m = report_of(r, point, i);

		if (!m)
			continue;
		printf("%-*s", NAME_WIDTH, r->plan->subjects[i].name);
		print_kib(m->peak);
		print_kib(m->after);
		print_kib(m->reclaimed);
		putchar('\n');
	}
}

static bool one_of(const char *name, const char *const *names)
{
	while (*names && strcmp(name, *names))
		names++;
	return *names;
}

/* Of the points of a workload, the one of 64 bytes, or else the first. */
static size_t typical_point(const struct results *r, size_t first, size_t last)
{
	for (size_t point = first; point < last; point++)
		if (r->plan->points[point].size == 64)
			return point;
	return first;
}

static void print_memory(const struct results *r)
{
	static const char *const with_live[] = { "freeall", "replace", "mix",	  "map",
						 "list",    "umap",    "objects", NULL };
	static const char *const with_peak[] = { "freeall", "prodcons", "prodcons2", "largemix",
						 "mix",	    "phase",	"burst",     NULL };

	for (size_t first = 0, last; first < r->plan->npoints; first = last) {
		const char *name = r->plan->points[first].workload->name;

		last = end_of_workload(r->plan, first);
		if (one_of(name, with_live))
			print_per_live(r, first, last);
		if (one_of(name, with_peak))
			print_resident(r, typical_point(r, first, last));
	}
}

/* ------------------------------------------------------------------------
 * Summary
 */

struct mean {
	double log_sum;
	unsigned count;
	unsigned ahead; /* of count */
};

static void mean_add(struct mean *m, double ratio_of)
{
	if (isnan(ratio_of))
		return;
	m->log_sum += log(ratio_of);
	m->count++;
	m->ahead += ratio_of < 1;
}

static void print_number(double value, int width)
{
	if (isnan(value))
		printf("%*s", width, "-");
	else
		printf(value < 1000 ? "%*.2f" : "%*.0f", width, value);
}

static double value_of(const struct results *r, size_t point, int subject)
{
	struct figure f;

	return subject >= 0 && figure_of(r, point, (size_t)subject, &f) ? f.value : NAN;
}

static void print_summary(const struct results *r)
{
	struct mean to_limit[2] = { { 0 } }, to_best[2] = { { 0 } };

	printf("\nSummary\n%-18s%9s", "", "limit");
	for (size_t i = 0; i < 2; i++)
		printf("%10s%7s%7s", ours[i], "/limit", "/best");
	printf("%9s  best peer\n", "best");
	for (size_t point = 0; point < r->plan->npoints; point++) {
		int limit = best_of(r, point, LIMIT), best = best_of(r, point, PEER);
		char label[32], row[64];

		snprintf(row, sizeof(row), "%s %s", r->plan->points[point].workload->name,
			 point_label(&r->plan->points[point], label, sizeof(label)));
		printf("%-18s", row);
		print_number(value_of(r, point, limit), 9);
		for (size_t i = 0; i < 2; i++) {
			int subject = subject_named(r->plan, ours[i]);
			double over_limit = ratio(r, point, subject, limit);
			double over_best = ratio(r, point, subject, best);

			mean_add(&to_limit[i], over_limit);
			mean_add(&to_best[i], over_best);
			print_number(value_of(r, point, subject), 10);
			print_number(over_limit, 7);
			print_number(over_best, 7);
		}
		print_number(value_of(r, point, best), 9);
		printf("  %s\n", best < 0 ? "-" : r->plan->subjects[best].name);
	}
	for (size_t i = 0; i < 2; i++) {
		if (!to_best[i].count)
			continue;
		printf("%s: ahead of the best peer at %u of %u points, geometric mean %.2f of it",
		       ours[i], to_best[i].ahead, to_best[i].count,
		       exp(to_best[i].log_sum / to_best[i].count));
		if (to_limit[i].count)
			printf(" and %.2f of the limit",
			       exp(to_limit[i].log_sum / to_limit[i].count));
		printf("\n");
	}
}

void table_print(const struct results *r)
{
	for (size_t first = 0, last; first < r->plan->npoints; first = last) {
		last = end_of_workload(r->plan, first);
		print_workload(r, first, last);
	}
	print_memory(r);
	print_summary(r);
	fflush(stdout);
}
