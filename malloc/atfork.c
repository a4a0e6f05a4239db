/* SPDX-License-Identifier: MIT */
/*
 * atfork.c - layer 8: before anybody else's fork handlers are registered, ours are.
 *
 * Prepare handlers run last registered, first run.  Ours take every lock of the library and so
 * have to be registered before those that still allocate.  A preloaded object is initialised
 * behind the libraries of the program, whose constructors may register theirs without
 * having allocated anything; so what pthread_atfork() of the GNU C library calls is caught.
 *
 * Its fork() takes the lock of the list of streams behind the handlers.  fflush(NULL) holds
 * that while it waits for a stream, and in the stream getline() may wait for memory, which
 * is behind our locks.  So a handler of this file, registered next to those of the
 * library, takes it in front of them.
 */
#include "malloc.h"

#include <mempool.h>

#include <stdatomic.h>
#include <string.h>

#if defined(__GLIBC__)

typedef int register_fn(void (*prepare)(void), void (*parent)(void), void (*child)(void),
			void *object);

EXPORT register_fn __register_atfork;

/* Of the GNU C library since its version 2.2; where they are. */
extern void _IO_list_lock(void) __attribute__((weak));
extern void _IO_list_unlock(void) __attribute__((weak));
extern void _IO_list_resetlock(void) __attribute__((weak));

static _Atomic(register_fn *) next_register; /* atomic: set once, or to the same again */

static int register_first(void (*prepare)(void), void (*parent)(void), void (*child)(void),
			  void *object)
{
	/* the first to come by is the library, when it starts: the loader's lock is taken once */
	void *address = next_symbol("__register_atfork");
	register_fn *fn;
	int error;

	memcpy(&fn, &address, sizeof(fn));
	error = fn(prepare, parent, child, object);
	/* in the child fork() has reset that lock if there were other threads; otherwise it is held */
	if (error == 0 && _IO_list_lock != NULL && _IO_list_unlock != NULL &&
	    _IO_list_resetlock != NULL)
		error = fn(_IO_list_lock, _IO_list_unlock, _IO_list_resetlock, object);
	/* relaxed: a function, which needs nothing of us */
	if (error == 0)
		atomic_store_explicit(&next_register, fn, memory_order_relaxed);
	return error;
}

EXPORT int __register_atfork(void (*prepare)(void), void (*parent)(void), void (*child)(void),
			     void *object)
{
	register_fn *fn;

	mp_free(mp_alloc(1)); /* starts the library, which comes by here itself */
	/* relaxed: as above */
	fn = atomic_load_explicit(&next_register, memory_order_relaxed);
	return fn != NULL ? fn(prepare, parent, child, object) :
			    register_first(prepare, parent, child, object);
}

#else

typedef int mpp_nothing; /* a source is not empty */

#endif
