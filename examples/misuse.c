/* SPDX-License-Identifier: MIT */
/*
 * misuse.c - three mistakes, each caught at the call, and a program that carries on.
 *
 *   cc -o misuse misuse.c $(pkg-config --cflags --libs mempool)
 *
 * Without a handler the library prints the same reports and aborts.
 */
#include <mempool.h>
#include <string.h>

struct session {
	int number;
	char user[28];
};

/* Called in the thread that made the mistake, with no lock held. */
static enum mp_error_action caught(const struct mp_error *e, void *arg)
{
	unsigned *count = arg;

	++*count;
	printf("caught: kind %d, cache \"%s\"\n%s\n", (int)e->kind, e->cache_name, e->message);
	return MP_ERROR_CONTINUE;
}

int main(void)
{
	struct mp_cache *sessions = MP_CACHE(session, 0);
	struct session *s, local = { .number = 2 };
	/* Through volatile, so that the compiler does not find the mistakes first. */
	struct session *volatile again, *volatile foreign = &local;
	char *volatile inner;
	unsigned count = 0;

	if (sessions == NULL)
		return 1;
	mp_set_error_handler(caught, &count);
	s = mp_new(sessions, struct session);
	if (s == NULL)
		return 1;
	s->number = 1;
	strcpy(s->user, "root");
	again = s;
	inner = s->user;

	printf("freeing a pointer into an object\n");
	mp_free(inner);
	printf("freeing a variable on the stack\n");
	mp_free(foreign);
	printf("freeing an object twice\n");
	mp_cache_free(sessions, s);
	mp_cache_free(sessions, again);

	printf("still running; %u mistakes were caught\n", count);
	return count == 3 && mp_cache_destroy(sessions) == 0 ? 0 : 1;
}
