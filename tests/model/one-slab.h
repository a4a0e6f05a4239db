/* SPDX-License-Identifier: MIT */
/*
 * one-slab.h - slab.c and one slab of it, for litmus programs.
 *
 * Objects are eight bytes of the chunk that their holder writes and reads plainly: two
 * holders at once, or a hand-over without order, is a data race.
 */
#ifndef ONE_SLAB_H
#define ONE_SLAB_H

#include "../../lib/slab.c"

#define MODEL_ID 3u
#define MODEL_SLOT 16u

static _Alignas(MP_CHUNK_SIZE) char model_chunk[MP_CHUNK_SIZE];
static struct mpp_slab *model_slab;
static struct mpp_geometry model_geometry;

static uint64_t *model_data(size_t index)
{
	return mpp_slab_object(model_slab, &model_geometry, index);
}

/* A slab of n objects in words words of bits, in a state, with those of mask free. */
static void model_slab_set(uint32_t n, enum mpp_slab_state state, mpp_bits mask)
{
	model_geometry = (struct mpp_geometry){
		.first = 1024, .capacity = n, .divisor = mpp_divisor(MODEL_SLOT),
		.slot = MODEL_SLOT, .chunks = 1, .colors = 0, .shifts = 0, .words = 1,
	};
	model_slab = mpp_slab_init(model_chunk, &model_geometry, MODEL_ID);
	mpp_store_relaxed(&model_slab->bits[0], mask);
	mpp_store_relaxed(&model_slab->word, mpp_word(state, mpp_popcount(mask)));
	for (size_t i = 0; i < n; i++)
		*model_data(i) = 0;
}

/* Free object index: what a drain does to the slab, in its order. */
static enum mpp_slab_duty model_free(uint32_t index)
{
	mpp_bits fresh;

	*model_data(index) = 100 + index;
	fresh = mpp_slab_set_bits(model_slab, 0, (mpp_bits)1 << index);
	assert(fresh == (mpp_bits)1 << index);
	return mpp_slab_publish(model_slab, &model_geometry, 1);
}

/* Take up to want as the slab's holder; I1: what was reserved is there. */
static inline uint32_t model_take(uint32_t want, uint64_t **out)
{
	_Atomic(void *) cells[4];
	uint32_t n = mpp_slab_reserve(model_slab, want);
	uint32_t got = n == 0 ? 0 : mpp_slab_collect(model_slab, &model_geometry, n, cells);

	assert(got == n);
	for (uint32_t i = 0; i < n; i++)
		out[i] = mpp_load_relaxed(&cells[i]);
	return n;
}

static inline uint32_t model_count(void)
{
	return mpp_word_count(mpp_load_relaxed(&model_slab->word));
}

static inline enum mpp_slab_state model_state(void)
{
	return mpp_word_state(mpp_load_relaxed(&model_slab->word));
}

#endif /* ONE_SLAB_H */
