/* SPDX-License-Identifier: MIT */
/*
 * guard.h - layer 5: sampled objects that stand alone on a page between
 * inaccessible ones.
 *
 *	pool:  | no access | slot 0 | no access | slot 1 | ... | no access |
 *
 * A slot is one page and holds one object, at its left or its right edge by chance.  Free
 * slots are inaccessible and wait in line, so that one is used again as late as
 * possible.  The pool is made at first use, has MPP_GUARD_SLOTS slots and stays.
 */
#ifndef MPP_GUARD_H
#define MPP_GUARD_H

#include "cache.h"

#define MPP_GUARD_SLOTS 256u

/* Decide whether objects of c are sampled; own is the rate its creator wants, 0 for none. */
void mpp_guard_attach(struct mp_cache *c, unsigned own);

/* How long the calling thread has to wait, at the rate that it met last. */
struct mpp_guard_turn {
	unsigned rate;
	unsigned left;
};
extern mpp_thread_local struct mpp_guard_turn mpp_guard_turn;

/* Whether this allocation is the one in c->guard_rate; that is not 0. */
bool mpp_guard_due(const struct mp_cache *c);

/* One that is not passes, and need not be asked about again; false: ask mpp_guard_due(). */
mpp_inline bool mpp_guard_pass(const struct mp_cache *c)
{
	if (mpp_own(mpp_guard_turn).rate != c->guard_rate || mpp_own(mpp_guard_turn).left <= 1)
		return false;
	mpp_own(mpp_guard_turn).left--;
	return true;
}

/*
 * An object of c in the pool, asked bytes of it wanted, counted as taken; NULL, and no harm, if
 * there is none.  No lock held.
 */
void *mpp_guard_alloc(struct mp_cache *c, size_t asked);

/*
 * Free p, which the owner map says is in the pool, into c, NULL for any; what is
 * wrong is added to faults.  No lock held.
 */
void mpp_guard_free(struct mp_cache *c, void *p, struct mpp_faults *faults);

/* Whether the live object p is undamaged; otherwise it is lost, and what is wrong in faults. */
bool mpp_guard_whole(void *p, const char *where, struct mpp_faults *faults);

/* What is known of an address in the pool. */
struct mpp_guarded {
	struct mp_cache *cache;
	void *object;
	void *page;
	size_t index;
	size_t size;			/* bytes the program may use */
	bool live;
	struct mpp_user alloced;
	struct mpp_user freed;
};

/* False if p is in no object's page, or its cache is destroyed. */
bool mpp_guard_look(const void *p, struct mpp_guarded *out);

/* Who allocated and who freed the object at p; false if p is in no object's page. */
bool mpp_guard_noted(const void *p, struct mpp_user *alloced, struct mpp_user *freed);

/* What is wrong with p, in the pool and not the start of a live object. */
enum mp_error_kind mpp_guard_fault(const void *p);

/* Fill f in with the object at pointer, in the pool. */
void mpp_guard_describe(struct mpp_fault *f, const void *pointer);

/* Call fn for each live object of c in the pool until it returns other than 0. */
int mpp_guard_each(struct mp_cache *c, int (*fn)(void *obj, void *arg), void *arg);

/* Objects out of c's slabs; those out of the pool are not counted.  In the pool, in *guarded. */
size_t mpp_guard_out(struct mp_cache *c, size_t *guarded);

/* c is destroyed: its freed objects keep its name only. */
void mpp_guard_forget(const struct mp_cache *c);

/* Around fork; the last in the child, with the lock held. */
void mpp_guard_lock(void);
void mpp_guard_unlock(void);
void mpp_guard_after_fork(void);

#endif /* MPP_GUARD_H */
