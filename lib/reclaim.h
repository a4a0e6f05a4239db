/* SPDX-License-Identifier: MIT */
/*
 * reclaim.h - layer 7: giving memory back, on request and before refusing.
 */
#ifndef MPP_RECLAIM_H
#define MPP_RECLAIM_H

#include "base.h"

/* What mp_reclaim() does; no lock held. */
size_t mpp_reclaim(size_t bytes);

#endif /* MPP_RECLAIM_H */
