/* SPDX-License-Identifier: MIT */
/*
 * debug-double-free.c - a sample program with a mistake, for mempool_debug(7).
 *
 *   cc -g -rdynamic -o debug-double-free debug-double-free.c \
 *	$(pkg-config --cflags --libs mempool)
 *   MEMPOOL_DEBUG=U,session ./debug-double-free
 */
#include <mempool.h>

struct session {
	int number;
	char user[28];
};

void log_out(struct mp_cache *sessions, struct session *s);
void time_out(struct mp_cache *sessions, struct session *s);

void log_out(struct mp_cache *sessions, struct session *s)
{
	mp_cache_free(sessions, s);
	puts("logged out");
}

/* The mistake: who has logged out does not time out as well. */
void time_out(struct mp_cache *sessions, struct session *s)
{
	mp_cache_free(sessions, s);
	puts("timed out");
}

int main(void)
{
	struct mp_cache *sessions = MP_CACHE(session, 0);
	struct session *s = mp_new(sessions, struct session);

	if (s == NULL)
		return 1;
	s->number = 1;
	log_out(sessions, s);
	time_out(sessions, s);
	return 0;
}
