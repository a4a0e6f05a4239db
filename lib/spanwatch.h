/* SPDX-License-Identifier: MIT */
/*
 * spanwatch.h - layer 6: large spans that are watched, where MEMPOOL_DEBUG has letters for "large".
 *
 *	span:  | red zone, whole pages | asked bytes | red zone, to the end |
 *
 * With Z what the program gets begins behind a red zone, so not at the start of its span.  A
 * freed span waits, filled with poison by P, until so many others were freed.
 */
#ifndef MPP_SPANWATCH_H
#define MPP_SPANWATCH_H

#include "debug.h"
#include "large.h"

/* MPP_D_*; 0: spans are not watched, and nothing below finds one. */
extern unsigned mpp_spanwatch_letters;	/* const after start-up */
void mpp_spanwatch_init(void);

/* As mpp_large_alloc(); no lock held. */
void *mpp_spanwatch_alloc(size_t size, size_t align, bool *zeroed);

/*
 * Free p, which is in the region at head, or report what is wrong with that.  False, and nothing
 * done, if it is in no span that is watched.  No lock held.
 */
bool mpp_spanwatch_free(void *p, void *head);

/*
 * The live object at p is to be moved: false, and reported, if its red zones are damaged; it
 * is lost then, with what it holds.
 */
bool mpp_spanwatch_whole(const void *p, void *head, const char *where);

/* What is known of a watched span. */
struct mpp_spanwatch {
	char *object;		/* what the program has */
	size_t asked;
	bool live;
	struct mpp_user alloced;
	struct mpp_user freed;
};

/* The span that starts at start; false if it is not watched. */
bool mpp_spanwatch_look(const void *start, struct mpp_spanwatch *out);
/* For walks: the nth live one of a part of all, parts 0 to MPP_SPANWATCH_PARTS - 1. */
#define MPP_SPANWATCH_PARTS 1024u
bool mpp_spanwatch_nth(unsigned part, size_t n, struct mpp_spanwatch *out);
/* The one that p, in the region at head, is in. */
bool mpp_spanwatch_find(const void *p, void *head, struct mpp_spanwatch *out);

/* Usable bytes of the live object at p; 0 if it is none. */
size_t mpp_spanwatch_live(const void *p, void *head);

/* As mpp_large_fault(), with what is known of the object. */
void mpp_spanwatch_fault(struct mpp_fault *f, enum mp_error_kind kind, const void *p, void *head,
			 const char *where);

/* Freed spans that wait, and lost ones: live to large.c, and not to the program. */
void mpp_spanwatch_count(size_t *spans, size_t *bytes);

/* Give back all that waits; no lock held. */
void mpp_spanwatch_flush(void);

void mpp_spanwatch_lock(void);
void mpp_spanwatch_unlock(void);

#endif /* MPP_SPANWATCH_H */
