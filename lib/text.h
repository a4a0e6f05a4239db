/* SPDX-License-Identifier: MIT */
/*
 * text.h - layer 2: formatting into a fixed buffer, without allocation.
 */
#ifndef MPP_TEXT_H
#define MPP_TEXT_H

#include "base.h"

/*
 * Text under construction.  When the buffer is full, flush (if any) empties it;
 * without one, or when it fails, the rest is cut and cut is set.
 */
struct mpp_text {
	char *buf;				/* owner: not terminated until mpp_text_end() */
	size_t size;				/* const: bytes at buf */
	size_t len;				/* owner: bytes written */
	bool cut;				/* owner: something was lost */
	bool (*flush)(struct mpp_text *t);	/* const: hands on buf[0..len) */
	void *to;				/* const: for flush */
};

void mpp_text_init(struct mpp_text *t, char *buf, size_t size);

/* The conversions %s %c %d %u %zu %ju %x %zx %jx %p %%, with width, '-', '0' and '*'. */
void mpp_text_add(struct mpp_text *t, const char *format, ...) mpp_printf(2, 3);

/* Terminate with a NUL (the buffer always has room for it) and return the text. */
const char *mpp_text_end(struct mpp_text *t);

/* Hand on what is left; false if anything was lost on the way. */
bool mpp_text_flush(struct mpp_text *t);

#endif /* MPP_TEXT_H */
