/* SPDX-License-Identifier: MIT */
/*
 * model.h - what the litmus programs share.
 *
 * Each program includes this first, then source files of lib/ as they are, and has
 * two or three threads and a check of the end.  It is built in three ways:
 *
 *   as it is              for a C11 model checker: one round
 *   -DMODEL_ROUNDS=n      natively: n rounds with real threads
 *   -DMODEL_EXPLORE       with explore.c: every execution
 *
 * The set-up of a program sets everything that it changes: explore.c leaves an execution
 * where it is once it knows that it saw the rest.
 *
 * -DWRONG=n makes it wrong in the n-th way that its head tells; then it must fail.
 */
#ifndef MODEL_H
#define MODEL_H

#include "mempool.h"

/* Geometry: a program may ask for another size of chunks before it includes this. */
#ifndef MODEL_CHUNK_SIZE
#define MODEL_CHUNK_SIZE 4096
#endif
#undef MP_CHUNK_SIZE
#define MP_CHUNK_SIZE MODEL_CHUNK_SIZE
#undef MP_MIN_BLOCK_SIZE
#define MP_MIN_BLOCK_SIZE 16
#undef MP_ALIGN_SIZE
#define MP_ALIGN_SIZE 16
#undef MP_MAX_FIXED_SIZE
#define MP_MAX_FIXED_SIZE 512

#include "atomic.h"
#include "check.h"
#include "list.h"

#undef NDEBUG
#include <assert.h>
#include <pthread.h>
#include <sched.h>

#ifndef WRONG
#define WRONG 0
#endif
#ifndef MODEL_ROUNDS
#define MODEL_ROUNDS 1
#endif

#ifdef MODEL_EXPLORE
int explore_create(pthread_t *id, const void *attr, void *(*fn)(void *), void *arg);
int explore_join(pthread_t id, void **result);
void explore_wait(_Atomic uint32_t *addr, uint32_t value);
void explore_wake(_Atomic uint32_t *addr);
int litmus_main(void);
#define pthread_create explore_create
#define pthread_join explore_join
#define main litmus_main
#define MODEL_WAIT(addr, value) explore_wait(addr, value)
#define MODEL_WAKE(addr) explore_wake(addr)
#else
#define MODEL_WAIT(addr, value) ((void)(addr), (void)(value), (void)sched_yield())
#define MODEL_WAKE(addr) ((void)(addr))
#endif

/* A closing line, natively. */
#if MODEL_ROUNDS > 1
#include <stdio.h>
#define MODEL_SAY() printf("model: %d rounds, 0 failed\n", MODEL_ROUNDS)
#else
#define MODEL_SAY() ((void)0)
#endif

#ifndef MODEL_LOCK /* then lock.c has it */
void mpp_check_failed(const char *what, const char *file, int line)
{
	(void)what;
	(void)file;
	(void)line;
	assert(0 && "an assertion of the library");
	for (;;)
		continue;
}
#endif

/* A read-modify-write torn in two, for what is wrong on purpose. */
#define MODEL_TORN(p, type, new_of_old) \
	__extension__({ \
		type old_ = mpp_load_acquire(p); \
		mpp_store_release(p, (type)(new_of_old)); \
		old_; \
	})

/* Run the threads to their end, as often as asked; the first of them is this one's child too. */
#define MODEL_MAIN(setup, a, b, c, check) \
	int main(void) \
	{ \
		for (long round_ = 0; round_ < MODEL_ROUNDS; round_++) { \
			void *(*threads_[])(void *) = { a, b, c }; \
			pthread_t ids_[3]; \
			setup(); \
			for (int i = 0; i < 3; i++) \
				if (threads_[i] != NULL && \
				    pthread_create(&ids_[i], NULL, threads_[i], NULL) != 0) \
					return 2; \
			for (int i = 0; i < 3; i++) \
				if (threads_[i] != NULL) \
					pthread_join(ids_[i], NULL); \
			check(); \
		} \
		MODEL_SAY(); \
		return 0; \
	}

#endif /* MODEL_H */
