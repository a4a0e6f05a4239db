/* SPDX-License-Identifier: MIT */
/*
 * init.c - layer 7: start-up, once, by whoever comes first.
 *
 * What may allocate (registering handlers with libc) comes last, when the
 * library already works.
 *
 *  O1  Start-up is done once, under start_lock; mpp_started is written last, with release,
 *      and read with acquire by each public call, so who sees 1 sees all of it.
 *  O2  After that the options, the secret and the table of classes are constant and
 *      read plainly.  If memory is short it is 0 still, and the next call goes on
 *      where it stopped.
 */
#include "init.h"

#include "annotate.h"
#include "budget.h"
#include "fail.h"
#include "guard.h"
#include "leaks.h"
#include "magazine.h"
#include "options.h"
#include "os.h"
#include "purge.h"
#include "spancache.h"
#include "spanwatch.h"
#include "text.h"

#include <errno.h>
#include <string.h>

struct mp_cache *mpp_classes[MPP_CLASSES];
_Atomic uint32_t mpp_started;

static struct mpp_lock start_lock;
static bool core_ready;		/* lock:start_lock */
static unsigned classes_made;	/* lock:start_lock */

static void set_properties(struct mp_cache *c, const struct mpp_cache_spec *spec)
{
	size_t n = strnlen(spec->name, sizeof(c->name) - 1);

	memcpy(c->name, spec->name, n);
	c->size = spec->size;
	c->align = spec->align;
	c->flags = spec->flags;
	c->ctor = spec->ctor;
	c->builtin = spec->builtin;
	if (spec->args != NULL) {
		c->ctor_arg = spec->args->ctor;
		c->dtor_arg = spec->args->dtor;
		c->arg = spec->args->arg;
		/* relaxed: published by mpp_registry_add */
		mpp_store_relaxed(&c->max_objects, spec->args->max_objects);
	}
}

static unsigned letters_of_flags(unsigned flags)
{
	return (flags & MP_POISON ? MPP_D_POISON : 0) |
	       (flags & MP_RED_ZONE ? MPP_D_ZONES : 0) |
	       (flags & MP_STORE_USER ? MPP_D_USERS : 0) |
	       (flags & MP_CONSISTENCY_CHECKS ? MPP_D_CHECKS : 0) |
	       (flags & MP_HARDENED ? MPP_D_HARDENED : 0);
}

/* What is watched: what the flags and the environment say, and may not be forbidden. */
static unsigned letters_of(const struct mp_cache *c)
{
	unsigned letters = letters_of_flags(c->flags) | mpp_options_debug(&mpp_options, c->name);

	if (MPP_HARDENED)
		letters |= MPP_D_HARDENED;
	/* nothing is written into free objects of type-stable caches, nor zeroes over poison */
	if (c->flags & (MP_TYPE_STABLE | MP_ZERO_ON_FREE))
		letters &= ~(MPP_D_POISON | MPP_D_ZERO);
	if (mpp_annotate_tools != 0)
		letters |= MPP_D_TOOL | MPP_D_ZONES;
	return letters;
}

static enum mpp_route route_of(const struct mp_cache *c)
{
	unsigned letters = c->watch.letters;

	if (c->direct || c->fail != NULL || (c->flags & MP_ZERO_ON_FREE) != 0)
		return MPP_ROUTE_SLOW;
	if (letters == 0)
		return c->guard_rate != 0 ? MPP_ROUTE_SAMPLED : MPP_ROUTE_PLAIN;
	if (c->guard_rate != 0 || (letters & (MPP_D_TRACE | MPP_D_TOOL)) != 0)
		return MPP_ROUTE_SLOW;
	return letters == MPP_D_HARDENED && c->g.chunks == 1 ? MPP_ROUTE_HARD : MPP_ROUTE_WATCHED;
}

/* Who serves the cache follows from what is watched and limited. */
void mpp_cache_route(struct mp_cache *c)
{
	const unsigned exact = MPP_D_CHECKS | MPP_D_ZONES | MPP_D_POISON | MPP_D_USERS;
	/* relaxed: set before the first allocation */
	bool limited = mpp_load_relaxed(&c->max_objects) != 0;

	c->direct = c->magazine_max == 0 || limited;
	c->counted = limited;
	c->tallied = limited || (c->watch.letters & exact) != 0;
	c->route = (unsigned char)route_of(c);
	if (c->route == MPP_ROUTE_PLAIN || c->direct) /* the slots of the latter are never filled */
		return;
	/* relaxed: as above; allocations are not for the hit path */
	mpp_store_relaxed(&c->slot_offset, 0);
	if (c->route != MPP_ROUTE_SAMPLED || c->builtin) /* relaxed: as above; nor are frees */
		mpp_store_relaxed(&c->push_offset, 0);
}

void mpp_cache_reroute(struct mp_cache *c)
{
	mpp_lock_acquire(&c->lock);
	mpp_cache_route(c);
	mpp_lock_release(&c->lock);
}

static void set_geometry(struct mp_cache *c)
{
	unsigned letters = letters_of(c);
	struct mpp_extra extra = mpp_watch_extra(letters);

	mpp_geometry_init(&c->g, c->size, c->align, &extra);
	mpp_watch_init(&c->watch, &c->g, letters, c->size, c->ctor != NULL || c->ctor_arg != NULL);
	c->watch.stable = (c->flags & MP_TYPE_STABLE) != 0;
	c->magazine_max = mpp_magazine_max(c->g.slot);
}

struct mp_cache *mpp_cache_make(const struct mpp_cache_spec *spec, int *error)
{
	struct mp_cache *c = mpp_registry_new(error);

	if (c == NULL)
		return NULL;
	set_properties(c, spec);
	set_geometry(c);
	mpp_list_init(&c->all);
	mpp_list_init(&c->partial);
	mpp_list_init(&c->empty);
	mpp_fail_attach(c);
	mpp_guard_attach(c, spec->args != NULL ? spec->args->guard_rate : 0);
	mpp_cache_route(c);
	mpp_registry_add(c);
	return c;
}

static bool make_class(unsigned cls)
{
	char name[MPP_NAME_MAX];
	struct mpp_text t;
	struct mpp_cache_spec spec = {
		.name = name,
		.size = mpp_class_size(cls),
		.align = mpp_class_size(cls),
		.builtin = true,
	};
	int error;

	mpp_text_init(&t, name, sizeof(name));
	mpp_text_add(&t, "mp-%zu", spec.size);
	(void)mpp_text_end(&t);
	mpp_classes[cls] = mpp_cache_make(&spec, &error);
	return mpp_classes[cls] != NULL;
}

/* Without calls that may allocate. */
static bool start_core(void)
{
	if (!core_ready) {
		mpp_options_read();
		if (!mpp_options.tools_off)
			mpp_annotate_init();
		mpp_budget_set_limit(mpp_options.limit);
		mpp_fail_init();
		mpp_slab_set_secret((uintptr_t)mpp_os_entropy());
		mpp_thread_init(mpp_magazine_end);
		mpp_spanwatch_init();
		mpp_spans_init(!mpp_fail_large && mpp_annotate_tools == 0 &&
			       mpp_spanwatch_letters == 0);
		core_ready = true;
	}
	while (classes_made < MPP_CLASSES) {
		if (!make_class(classes_made))
			return false;
		classes_made++;
	}
	return true;
}

bool mpp_init_slow(void)
{
	bool first = false, done;

	mpp_lock_acquire(&start_lock);
	/* relaxed: under the lock */
	done = mpp_load_relaxed(&mpp_started) != 0;
	if (!done && start_core()) {
		/* release: all of the above; pairs with mpp_init */
		mpp_store_release(&mpp_started, 1);
		first = done = true;
	}
	mpp_lock_release(&start_lock);
	if (first) {
		mpp_fork_init();
		if (mpp_options_asks_for(&mpp_options, MPP_D_USERS) || mpp_options.guard_rate != 0)
			mpp_os_stack_ready();
		if (mpp_options.stats_at_exit)
			mpp_os_at_exit(mpp_print_at_exit);
		mpp_leaks_init(); /* registered last, runs first: it may end the process */
	}
	return done;
}

#if defined(__GNUC__) || defined(__clang__)
/* At load and early, so that the fork handlers come before those of others. */
static __attribute__((constructor(101))) void start(void)
{
	(void)mpp_init();
	if (mpp_options.purge != 0)
		mpp_purge_init(mpp_options.purge);
}
#endif
