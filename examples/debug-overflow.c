/* SPDX-License-Identifier: MIT */
/*
 * debug-overflow.c - a sample program with a mistake, for mempool_debug(7).
 *
 *   cc -g -rdynamic -o debug-overflow debug-overflow.c \
 *	$(pkg-config --cflags --libs mempool)
 *   MEMPOOL_DEBUG=ZU ./debug-overflow
 */
#include <mempool.h>
#include <string.h>

char *copy_name(const char *name);

char *copy_name(const char *name)
{
	size_t n = strlen(name);
	char *copy = mp_alloc(n);

	/* The mistake: there is no room for the zero byte. */
	if (copy != NULL)
		memcpy(copy, name, n + 1);
	return copy;
}

int main(void)
{
	char *name = copy_name("grace");

	if (name == NULL)
		return 1;
	puts(name);
	mp_free(name);
	return 0;
}
