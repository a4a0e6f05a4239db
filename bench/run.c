/* SPDX-License-Identifier: MIT */
/* run.c - main of a measured program: one subject, one workload, one process. */
#include "workload.h"

#include <string.h>

static const struct {
	const char *name;
	workload_run run;
} workloads[] = {
	{ "pair", run_pair },	 { "count", run_count },       { "lifo", run_lifo },
	{ "fifo", run_fifo },	 { "random", run_random },     { "bulk", run_bulk },
	{ "freeall", run_fifo }, { "replace", run_replace },   { "objects", run_replace },
	{ "large", run_large },	 { "largemix", run_largemix }, { "mix", run_mix },
	{ "phase", run_phase },	 { "prodcons", run_prodcons }, { "prodcons2", run_prodcons },
	{ "scale", run_scale },	 { "share", run_share },       { "burst", run_burst },
};

void time_batches(const struct request *q, struct report *r, uint64_t (*work)(void *arg), void *arg)
{
	uint64_t start, elapsed;

	work(arg);
	r->ops = 0;
	start = clock_ns();
	do {
		r->ops += work(arg);
		elapsed = clock_ns() - start;
	} while (elapsed < q->target_ns);
	r->ns = (double)elapsed / (double)r->ops;
}

int main(int argc, char **argv)
{
	struct request q = request_parse(argc, argv);
	struct report r = { 0 };

	if (subj_init())
		harness_die("the allocator did not start");
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		if (strcmp(q.workload, workloads[i].name))
			continue;
		if (workloads[i].run(&q, &r))
			harness_die("%s: out of memory", q.workload);
		return report_print(&r);
	}
	harness_die("%s: no such workload", q.workload);
}
