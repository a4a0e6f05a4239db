/* SPDX-License-Identifier: MIT */
/*
 * fail.h - layer 6: allocations that are made to fail, for the tests of programs.
 */
#ifndef MPP_FAIL_H
#define MPP_FAIL_H

#include "registry.h"

/* The plan of MEMPOOL_FAIL, shared by all it is for. */
extern struct mpp_fail mpp_fail_environment;
/* Whether it is for large spans. */
extern bool mpp_fail_large;

/* Read it from the options, before the first cache. */
void mpp_fail_init(void);

/* A new cache: its plan is that of the environment if its name is meant. */
void mpp_fail_attach(struct mp_cache *c);

/* Whether this allocation is to fail; counts it. */
bool mpp_fail_now(struct mpp_fail *f);

/* Set a plan anew. */
void mpp_fail_set(struct mpp_fail *f, enum mp_fail_when when, uint64_t n, uint64_t seed);

#endif /* MPP_FAIL_H */
