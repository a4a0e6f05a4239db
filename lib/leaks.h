/* SPDX-License-Identifier: MIT */
/*
 * leaks.h - layer 7: what is live, and who allocated it.
 */
#ifndef MPP_LEAKS_H
#define MPP_LEAKS_H

#include "base.h"

/* See to it that what MEMPOOL_LEAKS asks for happens at the end of the process. */
void mpp_leaks_init(void);

#endif /* MPP_LEAKS_H */
