/* SPDX-License-Identifier: MIT */
/*
 * purge.h - layer 7: a thread of the library's own that gives back what lies idle, for programs
 * that ask for it.
 */
#ifndef MPP_PURGE_H
#define MPP_PURGE_H

#include "atomic.h"

/* Look every ms milliseconds from now on, 0 for never.  False if there can be no thread. */
bool mpp_purge_set(unsigned ms);

/* The same from the start, once threads can be made. */
void mpp_purge_init(unsigned ms);

/* The thread is wanted and not there. */
extern _Atomic uint32_t mpp_purge_missing;
mpp_cold void mpp_purge_start(void);

/* Start it if it is missing; no lock held. */
mpp_inline void mpp_purge_poke(void)
{
	/* relaxed: a wish, somebody sees it */
	if (mpp_unlikely(mpp_load_relaxed(&mpp_purge_missing) != 0))
		mpp_purge_start();
}

/* In the child of a fork: it did not come along. */
void mpp_purge_after_fork(void);

/* What the thread does each time. */
void mpp_purge_idle(unsigned ms);

#endif /* MPP_PURGE_H */
