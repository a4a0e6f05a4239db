/* SPDX-License-Identifier: MIT */
/*
 * index_progress.c - how far the example "index" has come.
 */
#define _POSIX_C_SOURCE 200809L

#include "index.h"

#include <stdatomic.h>

enum progress_mode progress_mode = PROGRESS_OFF;

static const char *task;
static atomic_int shown;		/* the last step printed, -1: none yet */

void progress_start(const char *what)
{
	task = what;
	atomic_store(&shown, -1);
	progress(0, 1);
}

void progress(size_t done, size_t total)
{
	int step, before;

	if (progress_mode == PROGRESS_OFF || total == 0)
		return;
	step = (int)(done * 100 / total);
	if (progress_mode == PROGRESS_LINES)
		step -= step % 25;
	before = atomic_load(&shown);
	do {
		if (before >= step)
			return;
	} while (!atomic_compare_exchange_weak(&shown, &before, step));
	if (progress_mode == PROGRESS_LINE)
		fprintf(stderr, "\r%s: %d %%\033[K", task, step);
	else
		fprintf(stderr, "%s: %d %%\n", task, step);
}

void progress_end(void)
{
	if (progress_mode == PROGRESS_LINE)
		fprintf(stderr, "\r\033[K");
}
