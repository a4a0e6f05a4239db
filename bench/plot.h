/* SPDX-License-Identifier: MIT */
/* plot.h - the results as SVG files. */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

#include "result.h"

/* Draw into the directory of --plot; 0, or -1 after a message. */
int plot_all(const struct results *r);

#endif
