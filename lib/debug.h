/* SPDX-License-Identifier: MIT */
/*
 * debug.h - layer 4: poison.
 *
 * Fills objects and finds what was written into them since.  Red zones and
 * tracking belong here too when they come.
 */
#ifndef MPP_DEBUG_H
#define MPP_DEBUG_H

#include "base.h"

#define MPP_POISON_FREE 0xcc	/* a freed object */
#define MPP_POISON_FRESH 0xcd	/* an object just handed out */

void mpp_poison_fill(void *p, size_t size, unsigned char byte);

/* Offset of the first byte that is not byte, or size. */
size_t mpp_poison_check(const void *p, size_t size, unsigned char byte);

#endif /* MPP_DEBUG_H */
