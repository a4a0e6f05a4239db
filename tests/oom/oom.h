/* SPDX-License-Identifier: MIT */
/*
 * oom.h - what the tests of refused requests share: the plan of what to refuse,
 * checks, and a look at the whole library afterwards.
 */
#ifndef OOM_H
#define OOM_H

#include <mempool.h>

#include <stdbool.h>
#include <stddef.h>

/* Which of the requests between oom_arm() and oom_disarm() are refused. */
struct oom_plan {
	const char *name;	/* of the case, for messages */
	long first;		/* the first one, 0 for none */
	long count;		/* how many from there on */
	bool in_thread;		/* the case runs in a thread of its own */
	bool warm;		/* not the first time in this process */
};

extern struct oom_plan oom_plan;

void oom_arm(void);
void oom_disarm(void);
/* Requests made between the last two calls of these. */
long oom_calls(void);

/* A failed check ends the process with exit status 1. */
_Noreturn void oom_fail(const char *file, int line, const char *what);
#define oom_check(cond) ((void)((cond) || (oom_fail(__FILE__, __LINE__, #cond), 0)))

/* p was asked for while requests may be refused: it is there, or errno says ENOMEM. */
#define oom_check_got(p) oom_check((p) != NULL || errno == ENOMEM)

/*
 * Nothing is live, nothing contradicts itself, nothing was reported, all that can be given back
 * is given back, and caches, objects and spans can be had again.
 */
void oom_check_library(void);

/* Bytes in use, tables included, as the limit counts them. */
size_t oom_bytes(void);

/* One function with a situation that it meets; run by name. */
struct oom_case {
	const char *name;	/* the function, and perhaps ": situation" */
	void (*run)(void);
};

extern const struct oom_case oom_cases[];
extern const size_t oom_case_count;

#endif /* OOM_H */
