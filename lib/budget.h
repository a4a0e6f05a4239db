/* SPDX-License-Identifier: MIT */
/*
 * budget.h - layer 2: bytes in use against the limit of mp_set_limit().
 *
 * Lock-free: one counter.  take() reserves before memory is obtained,
 * give() when it is no longer in use, so the counter never exceeds the limit.
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
