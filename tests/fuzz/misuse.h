/* SPDX-License-Identifier: MIT */
/*
 * misuse.h - unlawful calls, each of which must be reported once and change nothing.
 */
#ifndef FUZZ_MISUSE_H
#define FUZZ_MISUSE_H

#include "fuzz.h"
#include "model.h"

/* One of them. */
void op_misuse(struct fz_input *in);

/* Use the handle of a cache that was destroyed just now. */
void misuse_dead(struct mp_cache *dead, struct fz_input *in);

/* o was freed: it may be freed again later. */
void misuse_remember(const struct m_object *o);

#endif /* FUZZ_MISUSE_H */
