/* SPDX-License-Identifier: MIT */
/*
 * check.h - layer 1: assertions about the library itself.
 *
 * mpp_assert() always, for what would corrupt memory if it were wrong;
 * mpp_debug() with --enable-debug, for invariants; both cite the invariant.
 */
#ifndef MPP_CHECK_H
#define MPP_CHECK_H

#include "base.h"

mpp_cold _Noreturn void mpp_check_failed(const char *what, const char *file, int line);

#define mpp_assert(cond) \
	((void)(mpp_likely(cond) || (mpp_check_failed(#cond, __FILE__, __LINE__), 0)))
#define mpp_debug(cond) \
	((void)(!MPP_DEBUG_CHECKS || mpp_likely(cond) || \
		(mpp_check_failed(#cond, __FILE__, __LINE__), 0)))

#endif /* MPP_CHECK_H */
