/* SPDX-License-Identifier: MIT */
/*
 * model.h - what the library must do, kept beside it by the fuzz program calls:
 * the live objects with their contents, the caches with their counts, what may be
 * refused, and which report is expected.
 */
#ifndef FUZZ_MODEL_H
#define FUZZ_MODEL_H

#include <mempool.h>

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define M_LIVE 600u		/* most objects live at once */
#define M_CACHES 6u
#define M_GENERAL M_CACHES	/* the kind of what mp_alloc() and so on gave */
#define M_BYTES ((size_t)24 << 20)	/* most bytes live at once */
#define M_CONSTRUCTED 0x5c

struct m_object {
	unsigned char *p;
	size_t size;		/* that the program may use */
	size_t align;		/* asked of mp_aligned_alloc(), else 0 */
	unsigned kind;		/* a cache's number or M_GENERAL */
	unsigned char pattern;
};

struct m_cache {
	struct mp_cache *c;	/* or NULL */
	size_t size;
	size_t align;
	size_t max;
	unsigned flags;
	bool has_ctor;
	bool plain;		/* the constructor is that of mp_cache_create() */
	long built;		/* constructed and not destructed, where both are told */
	size_t live;
	size_t leaked;		/* damaged by the model on purpose */
	size_t peak;
	uint64_t taken;		/* objects allocated */
	uint64_t failed;
	enum mp_fail_when fail;
	uint64_t fail_n, fail_seen;
};

extern struct m_object m_live[M_LIVE];
extern size_t m_lives, m_bytes;
extern struct m_cache m_caches[M_CACHES];
extern bool m_pressed;		/* requests to the system may be refused, or the limit reached */
extern bool m_watched;		/* MEMPOOL_DEBUG asks for something */

/* Start of an input; after its end m_finish() looks at what is left. */
void m_start(void);
void m_finish(void);

/* The report of the next call: one of kinds, a bit each; none if there is no such call. */
#define M_KIND(kind) (1u << (kind))
void m_expect(unsigned kinds);
/* It came, and came once. */
void m_told_at(int line);
#define m_told() m_told_at(__LINE__)

/* Whether some objects are in guard pages, and in no slab. */
bool m_guards(void);

/* p, of size bytes, was handed out: nobody else has any of it.  Filled from now on. */
struct m_object *m_add(void *p, size_t size, unsigned kind);
/* Object i has another size now, where it is. */
void m_resize(size_t i, size_t size);
/* Look at what object i holds, and give it up: it is to be freed. */
struct m_object m_take(size_t i);
/* The same without a look: it is gone already. */
void m_forget(size_t i);
void m_look(const struct m_object *o);
/* The same for the first n bytes only. */
void m_look_part(const struct m_object *o, size_t n);
/* Whether any live object has one of the n bytes at p. */
bool m_overlaps(const void *p, size_t n);
bool m_has_room(size_t objects, size_t bytes);

/* A plan of failures counts an allocation: 1 it must fail, 0 it must not, -1 either. */
int m_fail(struct m_cache *c);

/* The numbers of one cache, and of the whole library. */
void m_check_cache(struct m_cache *c);
void m_check_library(void);

/* Destroy: nothing is live in it. */
void m_destroy(struct m_cache *c);

void m_ctor(void *obj, void *arg);
void m_dtor(void *obj, void *arg);
void m_ctor_plain(void *obj);

#endif /* FUZZ_MODEL_H */
