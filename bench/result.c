/* SPDX-License-Identifier: MIT */
/* result.c - medians, and who is ahead. */
#include "result.h"

#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

bool figure_of(const struct results *r, size_t point, size_t subject, struct figure *f)
{
	const struct series *s = series_at(r, point, subject);
	double sorted[MAX_ROUNDS];
	size_t n = s->runs;

	if (!n || s->failure[0])
		return false;
	memcpy(sorted, s->ns, n * sizeof(sorted[0]));
	qsort(sorted, n, sizeof(sorted[0]), by_value);
	f->least = sorted[0];
	f->most = sorted[n - 1];
	f->value = (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
	if (r->plan->options.least)
		f->value = f->least;
	return true;
}

int best_of(const struct results *r, size_t point, enum kind kind)
{
	struct figure f;
	double least = 0;
	int best = -1;

	for (size_t i = 0; i < r->plan->nsubjects; i++) {
		if (r->plan->subjects[i].kind != kind || !figure_of(r, point, i, &f))
			continue;
		if (best < 0 || f.value < least) {
			best = (int)i;
			least = f.value;
		}
	}
	return best;
}

int subject_named(const struct plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->nsubjects; i++)
		if (!strcmp(plan->subjects[i].name, name))
			return (int)i;
	return -1;
}
