/* SPDX-License-Identifier: MIT */
/* plan.h - what is measured: workloads, their points, and subjects. */
#ifndef BENCH_PLAN_H
#define BENCH_PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_SUBJECTS 24
#define MAX_POINTS 1024
#define MAX_LIST 32

struct workload {
	const char *name;
	const char *text; /* for a heading */
	const char *unit; /* of its ns */
	const char *axis; /* what differs between its points: size, n or threads; or NULL */
	size_t size; /* bytes, where the size does not differ */
	const size_t *values; /* of the axis, 0 at the end; NULL: the sizes asked for */
	size_t n; /* objects, or as the workload says */
	bool containers; /* one of the C++ programs */
	bool quick; /* part of a quick run */
};

/* One measurement of each subject. */
struct point {
	const struct workload *workload;
	size_t size, n;
	unsigned threads;
};

enum kind {
	OURS,
	LIMIT, /* the reference */
	PEER, /* safe between threads */
	UNSAFE, /* not, so not one to be ahead of */
};

struct subject {
	const char *name;
	enum kind kind;
	const char *colour; /* in plots */
	const char *setting; /* of the environment, or NULL; measured only if it is named */
	char program[512]; /* empty if it was not built */
	char containers[512]; /* likewise, the C++ one */
};

struct options {
	const char *bin; /* where the measured programs are */
	unsigned rounds;
	unsigned ms; /* to measure in each run */
	uint64_t seed;
	bool quick;
	bool least; /* compare the best of the rounds, not the median */
	bool list;
	const char *tsv; /* files to write, or NULL */
	const char *plot;
	size_t sizes[MAX_LIST + 1]; /* 0 at the end */
	const char *workloads[MAX_LIST + 1];
	const char *subjects[MAX_LIST + 1];
};

struct plan {
	struct options options;
	struct subject subjects[MAX_SUBJECTS];
	size_t nsubjects;
	struct point points[MAX_POINTS];
	size_t npoints;
};

/* Fill plan from the arguments; exits with a message about wrong ones. */
void plan_parse(struct plan *plan, int argc, char **argv);

/* Every workload, the last with a NULL name. */
extern const struct workload workloads[];

/* What a point is called in a row or a column: "64", "8 threads". */
const char *point_label(const struct point *p, char *text, size_t size);

#endif
