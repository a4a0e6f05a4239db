/* SPDX-License-Identifier: MIT */
/*
 * plain-lock.h - lock.h for programs whose race is not that of the lock: explore.c
 * takes and releases it in one step each; else it is lock.c (one-lock.h).
 */
#ifndef PLAIN_LOCK_H
#define PLAIN_LOCK_H

#include "lock.h"

#if defined(MODEL_EXPLORE) && !defined(MODEL_REAL_LOCK)
void explore_lock(_Atomic uint32_t *addr);
void explore_unlock(_Atomic uint32_t *addr);
#define mpp_lock_acquire(l) explore_lock(&(l)->state)
#define mpp_lock_release(l) explore_unlock(&(l)->state)
#endif

#endif /* PLAIN_LOCK_H */
