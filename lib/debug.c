/* SPDX-License-Identifier: MIT */
/*
 * debug.c - layer 4: poison.
 */
#include "debug.h"

#include <string.h>

void mpp_poison_fill(void *p, size_t size, unsigned char byte)
{
	memset(p, byte, size);
}

size_t mpp_poison_check(const void *p, size_t size, unsigned char byte)
{
	const unsigned char *bytes = p;

	/* all equal if the first is right and each equals the next */
	if (size > 0 && bytes[0] == byte && memcmp(bytes, bytes + 1, size - 1) == 0)
		return size;
	for (size_t i = 0; i < size; i++)
		if (bytes[i] != byte)
			return i;
	return size;
}
