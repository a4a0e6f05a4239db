/* SPDX-License-Identifier: MIT */
/*
 * options.h - layer 2: the environment, parsed once into a constant struct.
 */
#ifndef MPP_OPTIONS_H
#define MPP_OPTIONS_H

#include "base.h"

/* What may be watched in a cache: the letters of MEMPOOL_DEBUG, a bit each. */
#define MPP_D_CHECKS 0x01u	/* F: the slab's header and the object's mark at every step */
#define MPP_D_ZONES 0x02u	/* Z: red zones around the size asked for */
#define MPP_D_POISON 0x04u	/* P: fill what is free, look at it before reuse */
#define MPP_D_USERS 0x08u	/* U: who allocated and who freed */
#define MPP_D_TRACE 0x10u	/* T: a line for each allocation and free */
#define MPP_D_HARDENED 0x20u	/* H: no object is handed out twice, random order */
#define MPP_D_ZERO 0x40u	/* 0: zeroes into what is free */
#define MPP_D_TOOL 0x80u	/* no letter: a memory checker runs and is told instead of Z and P */

#define MPP_OPTION_BLOCKS 8u
#define MPP_OPTION_TEXT 512u

enum mpp_leaks {
	MPP_LEAKS_IGNORE = 0,
	MPP_LEAKS_REPORT,
	MPP_LEAKS_ERROR,	/* and the exit status says so */
};

/* When an allocation is made to fail. */
enum mpp_fail_when {
	MPP_FAIL_NEVER = 0,
	MPP_FAIL_NTH,		/* once, the nth */
	MPP_FAIL_EVERY,		/* every nth */
	MPP_FAIL_ONE_IN,	/* one in n, by chance from the seed */
};

struct mpp_options {
	bool report_only;	/* MEMPOOL_ON_ERROR=report: print and carry on */
	bool stats_at_exit;	/* MEMPOOL_STATS=exit */
	bool tools_off;		/* MEMPOOL_TOOLS=off: memory checkers are not told of objects */
	enum mpp_leaks leaks;	/* MEMPOOL_LEAKS */
	size_t limit;		/* MEMPOOL_LIMIT, bytes; 0 is none */
	unsigned purge;		/* MEMPOOL_PURGE, milliseconds; 0 is never */
	char stats_file[256];	/* MEMPOOL_STATS=exit:file; empty is standard error */

	unsigned blocks;	/* of MEMPOOL_DEBUG */
	struct {
		unsigned letters;	/* MPP_D_* */
		const char *patterns;	/* names it is for, commas between; "" is all */
	} block[MPP_OPTION_BLOCKS];
	char debug_text[MPP_OPTION_TEXT];	/* where those patterns are */

	unsigned guard_rate;		/* MEMPOOL_GUARD: one allocation in so many; 0 is off */
	char guard_patterns[256];

	enum mpp_fail_when fail;	/* MEMPOOL_FAIL */
	uint64_t fail_n;
	uint64_t fail_seed;
	char fail_patterns[256];
};

/* Written by mpp_options_read() before anything else runs, constant afterwards. */
extern struct mpp_options mpp_options;

/* Read the environment.  An unknown word is warned of on standard error and ignored. */
void mpp_options_read(void);

/* The values of the variables, any may be NULL. */
struct mpp_environment {
	const char *debug;
	const char *on_error;
	const char *stats;
	const char *limit;
	const char *guard;
	const char *leaks;
	const char *fail;
	const char *tools;
	const char *purge;
};

/* Parse them into *o; for tests. */
void mpp_options_parse(struct mpp_options *o, const struct mpp_environment *e);

/* Whether one of the patterns of a list matches; an empty list matches all names. */
bool mpp_options_match(const char *patterns, const char *name);

/* What MEMPOOL_DEBUG asks for in a cache of this name: MPP_D_*. */
unsigned mpp_options_debug(const struct mpp_options *o, const char *name);

/* Whether any block asks for one of letters. */
bool mpp_options_asks_for(const struct mpp_options *o, unsigned letters);

#endif /* MPP_OPTIONS_H */
