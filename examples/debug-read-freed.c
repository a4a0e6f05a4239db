/* SPDX-License-Identifier: MIT */
/*
 * debug-read-freed.c - a sample program with a mistake, for mempool_debug(7).
 *
 *   cc -g -rdynamic -o debug-read-freed debug-read-freed.c \
 *	$(pkg-config --cflags --libs mempool)
 *   MEMPOOL_GUARD=100,job ./debug-read-freed
 */
#include <mempool.h>

struct job {
	long number;
	long cost;
};

long run(struct mp_cache *jobs, long number);

long run(struct mp_cache *jobs, long number)
{
	struct job *job = mp_new(jobs, struct job);

	if (job == NULL)
		return 0;
	*job = (struct job){ number, 2 * number };
	mp_cache_free(jobs, job);
	/* The mistake: the job is gone. */
	return job->cost;
}

int main(void)
{
	struct mp_cache *jobs = MP_CACHE(job, 0);
	long sum = 0;

	for (long number = 0; jobs != NULL && number < 100000; number++)
		sum += run(jobs, number);
	printf("%ld\n", sum);
	return 0;
}
