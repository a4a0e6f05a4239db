/* SPDX-License-Identifier: MIT */
/*
 * os_random.c - layer 1: numbers that choose, each thread's own, seeded by the system.
 */
#include "os.h"

/* xorshift, seeded by the system: unguessable enough for an order, not a secret. */
uint32_t mpp_os_random(uint32_t n)
{
	static mpp_thread_local uint64_t state;
	uint64_t x = mpp_own(state);

	while (x == 0)
		x = mpp_os_entropy();
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	mpp_own(state) = x;
	return (uint32_t)((x >> 32) * n >> 32);
}
