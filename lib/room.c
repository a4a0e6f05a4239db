/* SPDX-License-Identifier: MIT */
/*
 * room.c - layer 4: what is kept for later makes room for what is in use.
 *
 * Looked at when memory was had, not when it is freed: a free moves bytes from what is in use
 * to what is kept and the sum stays, as it does where kept pages are used again.  No lock.
 */
#include "room.h"

#include "budget.h"
#include "chunk.h"
#include "large.h"

void mpp_room_make(void)
{
	size_t limit = mpp_budget_limit(), held, done;
	struct mpp_large_stats spans;
	struct mpp_chunk_stats chunks;

	if (mpp_likely(limit == 0))
		return;
	mpp_large_stats(&spans);
	mpp_chunk_stats(&chunks);
	held = mpp_budget_used() + spans.kept + chunks.kept;
	if (held <= limit)
		return;
	done = mpp_large_purge(held - limit);
	if (done < held - limit)
		(void)mpp_chunk_purge(held - limit - done);
}
