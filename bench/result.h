/* SPDX-License-Identifier: MIT */
/* result.h - what was measured, and figures of it. */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include "measure.h"
#include "plan.h"

#define MAX_ROUNDS 64

/* All runs of one subject at one point. */
struct series {
	double *ns; /* of each run */
	struct report last; /* memory of the last run */
	size_t runs;
	char skip[80]; /* why it is not measured, or empty */
	char failure[200]; /* what went wrong, or empty; then no more runs */
};

struct results {
	const struct plan *plan;
	struct series *series; /* npoints * nsubjects */
};

struct figure {
	double value; /* what is compared: the median, or the least */
	double least, most;
};

static inline struct series *series_at(const struct results *r, size_t point, size_t subject)
{
	return &r->series[point * r->plan->nsubjects + subject];
}

/* False if there is no run. */
bool figure_of(const struct results *r, size_t point, size_t subject, struct figure *f);

/* The subject of that kind with the smallest figure; -1 if there is none. */
int best_of(const struct results *r, size_t point, enum kind kind);

/* The subject of that name; -1 if it is not measured. */
int subject_named(const struct plan *plan, const char *name);

#endif
