/* SPDX-License-Identifier: MIT */
/* table.h - the results as tables on standard output. */
#ifndef BENCH_TABLE_H
#define BENCH_TABLE_H

#include "result.h"

/* What is measured, on what. */
void table_heading(const struct plan *plan);

/* Each workload, memory, and the summary. */
void table_print(const struct results *r);

#endif
