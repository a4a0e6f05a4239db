/* SPDX-License-Identifier: MIT */
/*
 * create.c - layer 7: the life of a cache: create, limit, shrink, destroy.
 */
#include "base.h"

#include "budget.h"
#include "check.h"
#include "fail.h"
#include "guard.h"
#include "find.h"
#include "init.h"
#include "object.h"
#include "os.h"
#include "reclaim.h"
#include "walk.h"

#include <errno.h>
#include <string.h>

#define KNOWN_FLAGS \
	(MP_HWCACHE_ALIGN | MP_POISON | MP_RED_ZONE | MP_STORE_USER | MP_CONSISTENCY_CHECKS | \
	 MP_TYPE_STABLE | MP_ZERO_ON_FREE | MP_PANIC | MP_HARDENED)

/* The alignment asked for, made one that slots can have; 0 if it is none. */
static size_t normal_align(size_t align, size_t size, unsigned flags)
{
	size_t line = MPP_LINE;

	if (align == 0)
		align = MP_ALIGN_SIZE;
	if (!mpp_is_pow2(align))
		return 0;
	align = mpp_max(align, MPP_ALIGN_MIN);
	if (flags & MP_HWCACHE_ALIGN) {
		/* as the kernel does: small objects share a line evenly */
		while (size <= line / 2 && line > MPP_ALIGN_MIN)
			line /= 2;
		align = mpp_max(align, line);
	}
	return align;
}

static int check_flags(unsigned flags, const struct mpp_cache_spec *spec)
{
	if (flags & ~KNOWN_FLAGS)
		return EINVAL;
	if ((flags & MP_TYPE_STABLE) && (flags & (MP_POISON | MP_ZERO_ON_FREE)))
		return EINVAL;
	if ((flags & MP_ZERO_ON_FREE) && (flags & MP_POISON))
		return EINVAL;
	if ((flags & MP_ZERO_ON_FREE) &&
	    (spec->ctor != NULL || (spec->args != NULL && spec->args->ctor != NULL)))
		return EINVAL;
	return 0;
}

/* Fill in align and check all of spec; 0 or an errno value. */
static int check_spec(struct mpp_cache_spec *spec, size_t align)
{
	if (spec->name == NULL || spec->name[0] == '\0' || spec->size == 0)
		return EINVAL;
	if (spec->args != NULL && spec->args->struct_size != sizeof(*spec->args))
		return EINVAL;
	if (spec->size > MPP_OBJECT_MAX)
		return E2BIG;
	spec->align = normal_align(align, spec->size, spec->flags);
	if (spec->align == 0)
		return EINVAL;
	if (spec->align > MPP_ALIGN_MAX)
		return E2BIG;
	return check_flags(spec->flags, spec);
}

static struct mp_cache *create(struct mpp_cache_spec *spec, size_t align)
{
	int error = check_spec(spec, align);
	struct mp_cache *c = NULL;

	if (error == 0) {
		error = ENOMEM;
		if (mpp_init())
			c = mpp_cache_make(spec, &error);
		if (c != NULL && ((c->watch.letters & MPP_D_USERS) || c->guard_rate != 0))
			mpp_os_stack_ready();
	}
	if (c != NULL)
		return c;
	if (spec->flags & MP_PANIC)
		mpp_report_panic(spec->name != NULL ? spec->name : "(null)", error);
	errno = error;
	return NULL;
}

struct mp_cache *mp_cache_create(const char *name, size_t size, size_t align, unsigned flags,
				 void (*ctor)(void *obj))
{
	struct mpp_cache_spec spec = { .name = name, .size = size, .flags = flags, .ctor = ctor };

	return create(&spec, align);
}

struct mp_cache *mp_cache_create_args(const char *name, size_t size,
				      const struct mp_cache_args *args, unsigned flags)
{
	struct mpp_cache_spec spec = { .name = name, .size = size, .flags = flags, .args = args };
	bool understood = args != NULL && args->struct_size == sizeof(*args);
	struct mp_cache *c;

	c = create(&spec, understood ? args->align : 0);
	if (c != NULL && args != NULL && args->prealloc != 0 &&
	    mp_cache_prealloc(c, args->prealloc) != 0) {
		(void)mp_cache_destroy(c);
		if (flags & MP_PANIC)
			mpp_report_panic(name, ENOMEM);
		errno = ENOMEM;
		return NULL;
	}
	return c;
}

struct forget {
	struct mp_cache *c;
	struct mpp_work work;
	bool again;
};

/* What one thread holds of a cache goes back. */
static void forget_cache(struct mpp_thread *t, void *arg)
{
	struct forget *f = arg;
	struct mpp_slot *slot = mpp_thread_find_slot(t, f->c);

	if (slot == NULL)
		return;
	if (f->work.faults.n == MPP_FAULTS_MAX) {
		f->again = true;
		return;
	}
	mpp_magazine_flush_locked(t, f->c, slot, &f->work);
	f->again = f->again || mpp_slot_count(slot) > 0;
}

static void forget_everywhere(struct mp_cache *c)
{
	struct forget f = { .c = c };

	do {
		f.again = false;
		mpp_work_init(&f.work);
		mpp_thread_each(forget_cache, &f);
		(void)mpp_work_finish(&f.work);
	} while (f.again);
}

#define OWNERS_SHOWN 3u	/* as many stacks as a report has room for */

struct busy {
	struct mp_cache *c;
	struct mpp_fault *f;
	struct mpp_user owner[OWNERS_SHOWN];
};

/* Name the first few live objects, and who allocated them. */
static int add_sample(void *obj, void *arg)
{
	struct busy *busy = arg;
	struct mpp_fault *f = busy->f;
	struct mpp_user freed;
	struct mpp_watched o;

	if (f->samples == MPP_SAMPLE_MAX)
		return 1;
	f->sample[f->samples++] = obj;
	if (f->owners < OWNERS_SHOWN && mpp_guard_noted(obj, &busy->owner[f->owners], &freed)) {
		f->owners++;
	} else if (mpp_watch_keeps_users(&busy->c->watch) && f->owners < OWNERS_SHOWN) {
		mpp_find_watched(busy->c, obj, &o);
		mpp_watch_noted(&o, MPP_USE_ALLOC, &busy->owner[f->owners++]);
	}
	return 0;
}

static int refuse_busy(struct mp_cache *c, size_t live)
{
	struct busy busy = { .c = c };
	struct mpp_work work;

	mpp_work_init(&work);
	busy.f = mpp_cache_fault(&work.faults, MP_ERROR_LIVE_AT_DESTROY, c, NULL,
				 "mp_cache_destroy");
	busy.f->note = "live objects";
	busy.f->found = live;
	busy.f->owner = busy.owner;
	(void)mpp_walk_live(c, add_sample, &busy, &work);
	(void)mpp_work_finish(&work);
	return -EBUSY;
}

int mp_cache_destroy(struct mp_cache *c)
{
	struct mpp_faults faults;
	struct mpp_chain chain = { NULL };
	size_t out, leaked, slabs;

	if (c == NULL)
		return 0;
	if (!mpp_cache_alive(c)) {
		mpp_cache_report_dead(c, "mp_cache_destroy");
		return -EINVAL;
	}
	if (c->builtin)
		return -EPERM;
	mpp_thread_bury_orphans();
	forget_everywhere(c);
	/* relaxed: nobody works on the cache any more */
	leaked = mpp_load_relaxed(&c->leaked);
	out = mpp_cache_out(c);
	if (out > leaked)
		return refuse_busy(c, out - leaked);
	mpp_registry_seal(c);
	mpp_guard_forget(c);
	slabs = c->slabs;
	mpp_cache_strip_all(c, &chain);
	mpp_faults_init(&faults);
	for (struct mpp_slab *s = chain.first; s != NULL; s = s->chain)
		mpp_find_damaged_free(c, s, "mp_cache_destroy", &faults);
	slabs -= mpp_cache_retire(c, &chain) / ((size_t)c->g.chunks * MP_CHUNK_SIZE);
	/* a damaged slab stays behind for ever, and its id with it */
	mpp_registry_remove(c, slabs == 0);
	mpp_faults_report(&faults);
	return 0;
}

int mp_cache_prealloc(struct mp_cache *c, size_t n)
{
	if (c == NULL)
		return -EINVAL;
	if (!mpp_cache_alive(c)) {
		mpp_cache_report_dead(c, "mp_cache_prealloc");
		return -EINVAL;
	}
	if (n > ((size_t)1 << (MPP_ADDRESS_BITS - 1)) / c->g.slot)
		return -ENOMEM; /* there are not so many addresses */
	if (mpp_object_prealloc(c, n))
		return 0;
	(void)mpp_reclaim(0, true); /* what other caches keep */
	return mpp_object_prealloc(c, n) ? 0 : -ENOMEM;
}

int mp_cache_set_max(struct mp_cache *c, size_t n)
{
	if (c == NULL)
		return -EINVAL;
	if (!mpp_cache_alive(c)) {
		mpp_cache_report_dead(c, "mp_cache_set_max");
		return -EINVAL;
	}
	if (c->builtin)
		return -EPERM;
	/* a refused allocation counts: it may have left a magazine, which a limited cache has not;
	 * relaxed: none was made, none runs */
	if (mpp_load_relaxed(&c->taken) != 0 || mpp_load_relaxed(&c->failed) != 0)
		return -EBUSY;
	/* relaxed: as above */
	mpp_store_relaxed(&c->max_objects, n);
	mpp_cache_reroute(c);
	return 0;
}

int mp_cache_set_fail(struct mp_cache *c, enum mp_fail_when when, uint64_t n, uint64_t seed)
{
	if (c == NULL || when > MP_FAIL_ONE_IN || (n == 0 && when != MP_FAIL_NEVER))
		return -EINVAL;
	if (!mpp_cache_alive(c)) {
		mpp_cache_report_dead(c, "mp_cache_set_fail");
		return -EINVAL;
	}
	/* a magazine that a refused allocation left would not be looked at any more;
	 * relaxed: no allocation was made, none runs */
	if (c->fail != &c->own_fail &&
	    (mpp_load_relaxed(&c->taken) != 0 || mpp_load_relaxed(&c->failed) != 0))
		return -EBUSY;
	mpp_fail_set(&c->own_fail, when, n, seed);
	if (c->fail != &c->own_fail) {
		c->fail = &c->own_fail;
		mpp_cache_reroute(c);
	}
	return 0;
}

int mp_cache_shrink(struct mp_cache *c)
{
	struct mpp_thread *t;
	struct mpp_slot *slot;
	struct mpp_work work;
	bool left;

	if (c == NULL)
		return -EINVAL;
	t = mpp_thread_get();
	if (!mpp_cache_alive(c)) {
		mpp_cache_report_dead(c, "mp_cache_shrink");
		return 1;
	}
	mpp_thread_bury_orphans();
	/* relaxed: a request, obeyed at some later slow path */
	mpp_add_relaxed(&c->shrinks, 1);
	do {
		mpp_work_init(&work);
		mpp_lock_acquire(&t->lock);
		slot = t != &mpp_thread_shared ? mpp_thread_find_slot(t, c) : NULL;
		if (slot != NULL)
			mpp_magazine_flush_locked(t, c, slot, &work);
		mpp_lock_release(&t->lock);
		(void)mpp_work_finish(&work);
	} while (slot != NULL && mpp_slot_count(slot) > 0);
	mpp_work_init(&work);
	mpp_cache_unkeep(c);
	(void)mpp_work_strip(c, &work);
	mpp_faults_report(&work.faults);
	mpp_lock_acquire(&c->lock);
	left = c->slabs != 0;
	mpp_lock_release(&c->lock);
	return left;
}
