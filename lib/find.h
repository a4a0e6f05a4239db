/* SPDX-License-Identifier: MIT */
/*
 * find.h - layer 6: what a pointer is, and reports about objects.
 */
#ifndef MPP_FIND_H
#define MPP_FIND_H

#include "debug.h"
#include "registry.h"

/* What a pointer is. */
struct mpp_found {
	unsigned code;		/* 0 not ours, MPP_CODE_LARGE or _GUARD, or a cache's id */
	void *head;		/* the slab's first chunk, or the region's first granule */
	struct mp_cache *cache;	/* of a slab, else NULL */
	uint32_t index;		/* of the object if below the capacity */
};

/* Find out without following p. */
void mpp_find(const void *p, struct mpp_found *found);

/* obj, an object of c that is watched, with its notes: number index of the slab at head. */
mpp_inline struct mpp_watched mpp_find_numbered(struct mp_cache *c, void *head, void *obj,
						uint32_t index)
{
	const struct mpp_watched o = {
		.w = &c->watch,
		.g = &c->g,
		.s = mpp_slab_of(head, &c->g),
		.obj = obj,
		.index = index,
	};

	return o;
}

/* The same where slab and number are to be found. */
mpp_inline void mpp_find_watched(struct mp_cache *c, void *obj, struct mpp_watched *out)
{
	void *head = (void *)((uintptr_t)obj & ~MPP_CHUNK_MASK);

	if (mpp_likely(c->g.chunks == 1)) {
		*out = mpp_find_numbered(c, head, obj, mpp_slab_near_index(obj, &c->g));
		return;
	}
	(void)mpp_map_find(obj, &head);
	*out = mpp_find_numbered(c, head, obj, mpp_slab_index(head, obj, &c->g));
}

/* Fill f in with the object that pointer is in: which it is, and who had it. */
void mpp_find_describe(struct mpp_fault *f, const void *pointer);

/* A fault of the object that pointer is in, to be reported; c is the cache the caller named. */
mpp_cold void mpp_find_fault(struct mpp_faults *faults, enum mp_error_kind kind,
			     const struct mp_cache *c, const void *pointer, const char *where);

/* What is wrong with the bytes of o, of which something is, as a fault. */
mpp_cold void mpp_find_damage(struct mpp_faults *faults, const struct mp_cache *c,
			      const struct mpp_watched *o, const char *where);

/* The free objects of a slab that goes back to the system, unless they are as they were left. */
void mpp_find_damaged_free(struct mp_cache *c, struct mpp_slab *s, const char *where,
			   struct mpp_faults *faults);

/* The first, reported at once. */
mpp_cold void mpp_find_report(enum mp_error_kind kind, const struct mp_cache *c,
			      const void *pointer, const char *where);

/* Copy the damaged bytes into f. */
void mpp_find_show_damage(struct mpp_fault *f, const void *obj, const struct mpp_damage *damage);

#endif /* MPP_FIND_H */
