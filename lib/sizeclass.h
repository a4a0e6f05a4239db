/* SPDX-License-Identifier: MIT */
/*
 * sizeclass.h - layer 0: size to power-of-two class and back.
 */
#ifndef MPP_SIZECLASS_H
#define MPP_SIZECLASS_H

#include "bits.h"

/* The class of a size from 1 to MP_MAX_FIXED_SIZE; class 0 is MP_MIN_BLOCK_SIZE. */
mpp_inline unsigned mpp_class_of(size_t size)
{
	return mpp_width((size - 1) | (MP_MIN_BLOCK_SIZE - 1)) - MPP_MIN_SHIFT;
}

mpp_inline size_t mpp_class_size(unsigned cls)
{
	return (size_t)MP_MIN_BLOCK_SIZE << cls;
}

/* Whether a cache serves size; 0 is no size. */
mpp_inline bool mpp_class_fits(size_t size)
{
	return size - 1 < (size_t)MP_MAX_FIXED_SIZE;
}

#endif /* MPP_SIZECLASS_H */
