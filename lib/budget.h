/* SPDX-License-Identifier: MIT */
/*
 * budget.h - layer 2: bytes in use against the limit of mp_set_limit().
 *
 * Lock-free: one counter.
 *
 *  B1  The counter never exceeds a limit that stays: it is raised by a compare-and-swap
 *      from a value that leaves room.  A limit set below what is in use refuses
 *      all until enough is given back.
 *  B2  The counter is at least what is in use: take() before memory is obtained, give()
 *      when it is no longer in use, each once with the same bytes.
 *
 * It orders nothing: memory is handed on by the locks of those who hold it.
 */
#ifndef MPP_BUDGET_H
#define MPP_BUDGET_H

#include "base.h"

/* Reserve bytes; false if that would exceed the limit. */
bool mpp_budget_take(size_t bytes);
void mpp_budget_give(size_t bytes);

void mpp_budget_set_limit(size_t bytes);
size_t mpp_budget_limit(void);
size_t mpp_budget_used(void);
size_t mpp_budget_peak(void);

#endif /* MPP_BUDGET_H */
