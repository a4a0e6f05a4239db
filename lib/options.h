/* SPDX-License-Identifier: MIT */
/*
 * options.h - layer 2: the environment, parsed once into a constant struct.
 */
#ifndef MPP_OPTIONS_H
#define MPP_OPTIONS_H

#include "base.h"

struct mpp_options {
	bool report_only;	/* MEMPOOL_ON_ERROR=report: print and carry on */
	bool stats_at_exit;	/* MEMPOOL_STATS=exit */
	bool poison;		/* MEMPOOL_DEBUG=P */
	size_t limit;		/* MEMPOOL_LIMIT, bytes; 0 is none */
	char stats_file[256];	/* MEMPOOL_STATS=exit:file; empty is standard error */
	char patterns[256];	/* names MEMPOOL_DEBUG is for, commas between; empty is all */
};

/* Written by mpp_options_read() before anything else runs, constant afterwards. */
extern struct mpp_options mpp_options;

/* Read the environment.  An unknown word is warned of on standard error and ignored. */
void mpp_options_read(void);

/* Parse into *o the values of the four variables, any may be NULL; for tests. */
void mpp_options_parse(struct mpp_options *o, const char *debug, const char *on_error,
		       const char *stats, const char *limit);

/* Whether MEMPOOL_DEBUG applies to a cache of this name. */
bool mpp_options_debugs(const struct mpp_options *o, const char *name);

#endif /* MPP_OPTIONS_H */
