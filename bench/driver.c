/* SPDX-License-Identifier: MIT */
/*
 * driver.c - runs every subject at every point, round by round.
 *
 * Each figure is a process of its own, and a round runs all of them once, so that
 * what disturbs the machine for a while disturbs all subjects.  The first subject is
 * another one in each round.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "child.h"
#include "plot.h"
#include "table.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

volatile int stopped;

static void on_interrupt(int number)
{
	(void)number;
	stopped = 1;
}

static struct plan plan;

/* ------------------------------------------------------------------------
 * Progress, on standard error
 */

static void show_progress(uint64_t start, size_t done, size_t all, unsigned round,
			  const struct point *p, const char *subject)
{
	static bool terminal, asked;
	static const struct workload *last;
	uint64_t left = 0;
	char label[32];

	if (!asked) {
		asked = true;
		terminal = isatty(STDERR_FILENO);
	}
	if (done)
		left = (clock_ns() - start) / done * (all - done) / 1000000000;
	if (terminal) {
		fprintf(stderr,
			"\r\033[Kround %u of %u, %zu %%, %" PRIu64 ":%02" PRIu64 " left: %s %s %s",
			round + 1, plan.options.rounds, done * 100 / all, left / 60, left % 60,
			p->workload->name, point_label(p, label, sizeof(label)), subject);
	} else if (last != p->workload) {
		last = p->workload;
		fprintf(stderr, "round %u of %u, %zu %%, %" PRIu64 ":%02" PRIu64 " left: %s\n",
			round + 1, plan.options.rounds, done * 100 / all, left / 60, left % 60,
			p->workload->name);
	}
}

static void end_progress(void)
{
	if (isatty(STDERR_FILENO))
		fputs("\r\033[K", stderr);
}

/* ------------------------------------------------------------------------
 * Rounds
 */

static FILE *tsv;

static void open_tsv(void)
{
	if (!plan.options.tsv)
		return;
	tsv = fopen(plan.options.tsv, "w");
	if (!tsv) {
		perror(plan.options.tsv);
		exit(1);
	}
	fprintf(tsv, "round\tsubject\tworkload\tsize\tn\tthreads\tseed\tms\tns\tops\tstart\tlive\t"
		     "live_bytes\tpeak\tafter\treclaimed\n");
}

/* False, and said why, if not all of it was written. */
static bool close_tsv(void)
{
	bool lost;

	if (!tsv)
		return true;
	lost = ferror(tsv) != 0;
	if (fclose(tsv) || lost) {
		fprintf(stderr, "driver: %s: not all was written\n", plan.options.tsv);
		return false;
	}
	return true;
}

static void write_tsv(unsigned round, const struct point *p, const struct subject *subject,
		      const struct report *r)
{
	if (!tsv)
		return;
	fprintf(tsv, "%u\t%s\t%s\t%zu\t%zu\t%u\t%" PRIu64 "\t%u\t%.4f\t%" PRIu64, round + 1,
		subject->name, p->workload->name, p->size, p->n, p->threads, plan.options.seed,
		plan.options.ms, r->ns, r->ops);
	fprintf(tsv,
		"\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\t%" PRId64 "\n",
		r->start, r->live, r->live_bytes, r->peak, r->after, r->reclaimed);
	fflush(tsv);
}

static void run_point(struct results *r, unsigned round, size_t point, size_t *done, size_t all,
		      uint64_t start)
{
	for (size_t i = 0; i < plan.nsubjects && !stopped; i++, ++*done) {
		size_t subject = (i + round) % plan.nsubjects;
		struct series *s = series_at(r, point, subject);
		size_t before = s->runs;

		if (s->skip[0] || s->failure[0])
			continue;
		show_progress(start, *done, all, round, &plan.points[point],
			      plan.subjects[subject].name);
		child_run(&plan, &plan.points[point], &plan.subjects[subject], s);
		if (s->runs > before)
			write_tsv(round, &plan.points[point], &plan.subjects[subject], &s->last);
	}
}

static void run_all(struct results *r)
{
	size_t all = plan.options.rounds * plan.npoints * plan.nsubjects;
	size_t done = 0;
	uint64_t start = clock_ns();

	for (unsigned round = 0; round < plan.options.rounds; round++)
		for (size_t point = 0; point < plan.npoints && !stopped; point++)
			run_point(r, round, point, &done, all, start);
	end_progress();
	if (stopped)
		printf("Stopped; what follows is of the runs until then.\n");
}

static void list(void)
{
	printf("workloads\n");
	for (const struct workload *w = workloads; w->name; w++)
		printf("  %-12s%s\n", w->name, w->text);
	printf("subjects\n");
	for (size_t i = 0; i < plan.nsubjects; i++)
		printf("  %-12s%s%s\n", plan.subjects[i].name,
		       plan.subjects[i].kind == UNSAFE ? "not thread-safe" : "",
		       plan.subjects[i].containers[0] ? "" : " (not in the C++ workloads)");
}

/* The first failure of each subject and how many there were; true if there was any. */
static bool print_failures(const struct results *r)
{
	bool any = false;
	char label[32];

	for (size_t i = 0; i < plan.nsubjects; i++) {
		size_t failures = 0, first = 0;

		for (size_t point = plan.npoints; point-- > 0;) {
			if (!series_at(r, point, i)->failure[0])
				continue;
			failures++;
			first = point;
		}
		if (!failures)
			continue;
		if (!any)
			printf("\nFailed\n");
		any = true;
		printf("  %s at %zu of %zu points, first %s %s: %s\n", plan.subjects[i].name,
		       failures, plan.npoints, plan.points[first].workload->name,
		       point_label(&plan.points[first], label, sizeof(label)),
		       series_at(r, first, i)->failure);
	}
	return any;
}

int main(int argc, char **argv)
{
	struct results r = { .plan = &plan };
	struct sigaction action = { .sa_handler = on_interrupt };
	bool written, failed;
	double *runs;

	plan_parse(&plan, argc, argv);
	if (plan.options.list) {
		list();
		return 0;
	}
	if (plan.options.rounds > MAX_ROUNDS) {
		fprintf(stderr, "driver: at most %d rounds\n", MAX_ROUNDS);
		return 2;
	}
	r.series = calloc(plan.npoints * plan.nsubjects, sizeof(*r.series));
	runs = calloc(plan.npoints * plan.nsubjects * plan.options.rounds, sizeof(*runs));
	if (!r.series || !runs) {
		perror("driver");
		return 1;
	}
	for (size_t i = 0; i < plan.npoints * plan.nsubjects; i++)
		r.series[i].ns = runs + i * plan.options.rounds;
	open_tsv();
	sigaction(SIGINT, &action, NULL);
	table_heading(&plan);
	run_all(&r);
	written = close_tsv();
	table_print(&r);
	if (plan.options.plot && plot_all(&r))
		return 1;
	failed = print_failures(&r);
	if (fflush(stdout) || ferror(stdout)) {
		perror("driver: standard output");
		return 1;
	}
	return failed || !written ? 1 : stopped ? 130 : 0;
}
