/* SPDX-License-Identifier: MIT */
/*
 * rte_mempool.c - DPDK's rte_mempool behind calls.
 *
 * A thread needs an lcore id for its cache of free objects: the main thread has
 * one from rte_eal_init(), the others register.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "wrapped.h"

#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_mempool.h>

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

int wrapped_init(void)
{
	char core[16];
	/* Newer releases refuse --in-memory beside --no-huge; this is what remains of it. */
	char *argv[] = { "bench",
			 "--no-huge",
			 "--no-shconf",
			 "--no-pci",
			 "--no-telemetry",
			 "--log-level=error",
			 "-m",
			 "4096",
			 "-l",
			 core,
			 NULL };
	cpu_set_t cpus;
	unsigned cpu = 0;
	int rc;

	if (sched_getaffinity(0, sizeof(cpus), &cpus))
		return -1;
	while (cpu < CPU_SETSIZE - 1 && !CPU_ISSET(cpu, &cpus))
		cpu++;
	snprintf(core, sizeof(core), "%u", cpu);
	rc = rte_eal_init((int)(sizeof(argv) / sizeof(argv[0])) - 1, argv);
	/* It has bound this thread to one core, which new threads inherit. */
	sched_setaffinity(0, sizeof(cpus), &cpus);
	return rc < 0 ? -1 : 0;
}

void *wrapped_open(size_t size, size_t max)
{
	static atomic_uint serial;
	char name[32];

	snprintf(name, sizeof(name), "bench-%u", atomic_fetch_add(&serial, 1));
	/* Up to half as much again of its cache waits in each thread. */
	return rte_mempool_create(name, (unsigned)max + 16 * RTE_MEMPOOL_CACHE_MAX_SIZE,
				  (unsigned)size, RTE_MEMPOOL_CACHE_MAX_SIZE, 0, NULL, NULL, NULL,
				  NULL, SOCKET_ID_ANY, 0);
}

void *wrapped_alloc(void *pool)
{
	void *p;

	return rte_mempool_get(pool, &p) ? NULL : p;
}

void wrapped_free(void *pool, void *p)
{
	rte_mempool_put(pool, p);
}

int wrapped_alloc_bulk(void *pool, size_t n, void **objs)
{
	return rte_mempool_get_bulk(pool, objs, (unsigned)n);
}

void wrapped_free_bulk(void *pool, size_t n, void **objs)
{
	rte_mempool_put_bulk(pool, objs, (unsigned)n);
}

void wrapped_thread_enter(void)
{
	(void)rte_thread_register();
}

void wrapped_thread_leave(void)
{
	rte_thread_unregister();
}
