/* SPDX-License-Identifier: MIT */
/*
 * atomic.h - layer 0: C11 atomics whose names spell their order.
 *
 * No other file names a memory order.  Each use is commented with what it
 * publishes and the use it pairs with, or with why relaxed is enough.
 */
#ifndef MPP_ATOMIC_H
#define MPP_ATOMIC_H

#include "base.h" /* first: config.h decides what the system headers offer */

#include <stdatomic.h>

#define mpp_load_relaxed(p) atomic_load_explicit((p), memory_order_relaxed)
#define mpp_load_acquire(p) atomic_load_explicit((p), memory_order_acquire)
#define mpp_store_relaxed(p, v) atomic_store_explicit((p), (v), memory_order_relaxed)
#define mpp_store_release(p, v) atomic_store_explicit((p), (v), memory_order_release)

#define mpp_add_relaxed(p, v) atomic_fetch_add_explicit((p), (v), memory_order_relaxed)
#define mpp_sub_relaxed(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_relaxed)
#define mpp_sub_release(p, v) atomic_fetch_sub_explicit((p), (v), memory_order_release)
#define mpp_or_relaxed(p, v) atomic_fetch_or_explicit((p), (v), memory_order_relaxed)
#define mpp_or_release(p, v) atomic_fetch_or_explicit((p), (v), memory_order_release)
#define mpp_or_acq_rel(p, v) atomic_fetch_or_explicit((p), (v), memory_order_acq_rel)
#define mpp_and_acquire(p, v) atomic_fetch_and_explicit((p), (v), memory_order_acquire)
#define mpp_and_acq_rel(p, v) atomic_fetch_and_explicit((p), (v), memory_order_acq_rel)
#define mpp_swap_acquire(p, v) atomic_exchange_explicit((p), (v), memory_order_acquire)
#define mpp_swap_release(p, v) atomic_exchange_explicit((p), (v), memory_order_release)
#define mpp_swap_acq_rel(p, v) atomic_exchange_explicit((p), (v), memory_order_acq_rel)

/* Weak: may fail for no reason, for loops.  On failure *old is what was seen. */
#define mpp_cas_weak_relaxed(p, old, v) \
	atomic_compare_exchange_weak_explicit((p), (old), (v), memory_order_relaxed, \
					      memory_order_relaxed)
#define mpp_cas_weak_release(p, old, v) \
	atomic_compare_exchange_weak_explicit((p), (old), (v), memory_order_release, \
					      memory_order_relaxed)
#define mpp_cas_weak_acq_rel(p, old, v) \
	atomic_compare_exchange_weak_explicit((p), (old), (v), memory_order_acq_rel, \
					      memory_order_acquire)
#define mpp_cas_acquire(p, old, v) \
	atomic_compare_exchange_strong_explicit((p), (old), (v), memory_order_acquire, \
						memory_order_relaxed)
#define mpp_cas_acq_rel(p, old, v) \
	atomic_compare_exchange_strong_explicit((p), (old), (v), memory_order_acq_rel, \
						memory_order_acquire)

#endif /* MPP_ATOMIC_H */
