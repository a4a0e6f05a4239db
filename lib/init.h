/* SPDX-License-Identifier: MIT */
/*
 * init.h - layer 7: start-up, the built-in caches, creation inside the library.
 */
#ifndef MPP_INIT_H
#define MPP_INIT_H

#include "registry.h"
#include "sizeclass.h"

/* The power-of-two caches; const once started.  Their ids are 1 to MPP_CLASSES. */
extern struct mp_cache *mpp_classes[MPP_CLASSES];

extern _Atomic uint32_t mpp_started;
mpp_cold bool mpp_init_slow(void);

/* Ready to work; false without the little memory that takes (it is tried again next time). */
mpp_inline bool mpp_init(void)
{
	/* acquire: everything start-up wrote; pairs with mpp_init_slow */
	return mpp_likely(mpp_load_acquire(&mpp_started) != 0) || mpp_init_slow();
}

/* A checked request for a cache. */
struct mpp_cache_spec {
	const char *name;
	size_t size;
	size_t align;
	unsigned flags;
	void (*ctor)(void *obj);
	const struct mp_cache_args *args;	/* or NULL */
	bool builtin;
};

/* Create and register; NULL and *error without memory or ids. */
struct mp_cache *mpp_cache_make(const struct mpp_cache_spec *spec, int *error);

/* Decide anew who serves a cache that was not used yet. */
void mpp_cache_route(struct mp_cache *c);
/* The same for one that others may look at. */
void mpp_cache_reroute(struct mp_cache *c);

/* Register what protects a fork, see fork.c. */
void mpp_fork_init(void);

/* Print what MEMPOOL_STATS=exit asks for, see print.c. */
void mpp_print_at_exit(void);

#endif /* MPP_INIT_H */
