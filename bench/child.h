/* SPDX-License-Identifier: MIT */
/* child.h - one run: a measured program started, and its answer read. */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include "result.h"

/* Add one run to s, or note in it why there is none. */
void child_run(const struct plan *plan, const struct point *p, const struct subject *subject,
	       struct series *s);

/* Set when the user has asked to stop. */
extern volatile int stopped;

#endif
