/* SPDX-License-Identifier: MIT */
/*
 * bits.h - layer 0: words of bits, counts and positions, exact division.
 */
#ifndef MPP_BITS_H
#define MPP_BITS_H

#include "base.h"

/* A word of the free list: what the machine exchanges in one atomic step. */
typedef uintptr_t mpp_bits;
#define MPP_BITS ((unsigned)(sizeof(mpp_bits) * 8))

#if defined(__GNUC__) || defined(__clang__)

mpp_inline unsigned mpp_popcount(mpp_bits x)
{
	return (unsigned)__builtin_popcountll((unsigned long long)x);
}

/* Position of the lowest set bit; x is not 0. */
mpp_inline unsigned mpp_lowest(mpp_bits x)
{
	return (unsigned)__builtin_ctzll((unsigned long long)x);
}

/* The same of 64 bits. */
mpp_inline unsigned mpp_lowest64(uint64_t x)
{
	return (unsigned)__builtin_ctzll(x);
}

/* Number of bits needed to write x; x is not 0. */
mpp_inline unsigned mpp_width(size_t x)
{
	return 64u - (unsigned)__builtin_clzll((unsigned long long)x);
}

#else

mpp_inline unsigned mpp_popcount(mpp_bits x)
{
	unsigned n = 0;

	for (; x != 0; x &= x - 1)
		n++;
	return n;
}

mpp_inline unsigned mpp_lowest(mpp_bits x)
{
	unsigned n = 0;

	for (; (x & 1) == 0; x >>= 1)
		n++;
	return n;
}

mpp_inline unsigned mpp_lowest64(uint64_t x)
{
	unsigned n = 0;

	for (; (x & 1) == 0; x >>= 1)
		n++;
	return n;
}

mpp_inline unsigned mpp_width(size_t x)
{
	unsigned n = 0;

	for (; x != 0; x >>= 1)
		n++;
	return n;
}

#endif

/* Position of the first of n adjacent set bits of x, n from 1 to 64; -1 if there are none. */
mpp_inline int mpp_find_run(uint64_t x, unsigned n)
{
	int at = 0;

	for (unsigned i = 1; i < n && x != 0; i++)
		x &= x >> 1;
	if (x == 0)
		return -1;
	for (; (x & 0xff) == 0; x >>= 8)
		at += 8;
	for (; (x & 1) == 0; x >>= 1)
		at++;
	return at;
}

/* n low bits set, n from 0 to 64. */
mpp_inline uint64_t mpp_low_bits64(unsigned n)
{
	return n >= 64 ? ~UINT64_C(0) : (UINT64_C(1) << n) - 1;
}

/* n low bits set, n from 0 to MPP_BITS. */
mpp_inline mpp_bits mpp_low_bits(unsigned n)
{
	return n >= MPP_BITS ? ~(mpp_bits)0 : ((mpp_bits)1 << n) - 1;
}

/* The lowest n set bits of x. */
mpp_inline mpp_bits mpp_first_bits(mpp_bits x, unsigned n)
{
	mpp_bits rest = x;

	if (mpp_popcount(x) <= n)
		return x;
	while (n-- > 0)
		rest &= rest - 1;
	return x & ~rest;
}

/*
 * Division that is exact or refused, in one multiplication: for d = odd * 2^s
 * and inv the inverse of odd modulo 2^32, n * inv rotated right by s is n / d when d
 * divides n, and larger than any quotient otherwise (Granlund and
 * Montgomery, PLDI 1994, section 9).  So "quotient < count" is the test for
 * "n is one of 0, d, 2d, ... (count - 1)d", and it yields which.
 */
struct mpp_divisor {
	uint32_t inv;	/* const: inverse of the odd part of d */
	uint32_t shift;	/* const: s */
};

mpp_inline struct mpp_divisor mpp_divisor(uint32_t d)
{
	struct mpp_divisor v = { 0, 0 };
	uint32_t x;

	while ((d & 1) == 0) {
		d >>= 1;
		v.shift++;
	}
	x = d; /* right to 3 bits; each step of Newton's doubles them */
	for (int i = 0; i < 4; i++)
		x *= 2 - d * x;
	v.inv = x;
	return v;
}

mpp_inline uint32_t mpp_quotient(uint32_t n, struct mpp_divisor v)
{
	uint32_t q = n * v.inv;

	return (q >> (v.shift & 31)) | (q << ((32 - v.shift) & 31));
}

#endif /* MPP_BITS_H */
