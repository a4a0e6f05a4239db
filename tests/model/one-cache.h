/* SPDX-License-Identifier: MIT */
/*
 * one-cache.h - cache.c and what it stands on, with a cache of one or two slabs.
 *
 * A retired slab's objects and the plain fields of its header are overwritten, as the
 * chunk's next user would: whoever still touches them is a data race.
 */
#ifndef ONE_CACHE_H
#define ONE_CACHE_H

#include "../../lib/map.c"
#include "../../lib/cache.c"
#include "one-slab.h"

static struct mp_cache model_cache;
static unsigned model_retired; /* by whom cannot race: one slab, retired once */
static _Alignas(64) char model_pool[4][(MPP_LEAF_SIZE * sizeof(mpp_code))];
static _Atomic unsigned model_pools;

void *mpp_meta_alloc(size_t size)
{
	unsigned n = mpp_add_relaxed(&model_pools, 1);

	assert(n < 4 && size <= sizeof(model_pool[0]));
	return model_pool[n];
}

void mpp_meta_free(void *p, size_t size)
{
	(void)p;
	(void)size;
}

void mpp_report(const struct mpp_fault *f)
{
	assert(f == NULL);
}

void *mpp_chunk_alloc(size_t n)
{
	(void)n;
	return NULL;
}

void mpp_chunk_free(void *p, size_t n)
{
	assert(p == model_chunk && n == 1);
	assert(model_retired == 0);
	model_retired++;
	for (size_t i = 0; i < model_geometry.capacity; i++)
		*model_data(i) = 0xdd;
	model_slab->id = 0;
	model_slab->slot = 0;
	model_slab->chain = NULL;
	mpp_list_init(&model_slab->link);
}

static void model_cache_set(uint32_t capacity, enum mpp_slab_state state, mpp_bits mask)
{
	struct mp_cache *c = &model_cache;

	memset(c, 0, sizeof(*c));
	model_retired = 0;
	model_slab_set(capacity, state, mask);
	c->g = model_geometry;
	mpp_store_relaxed(&c->id, MODEL_ID);
	mpp_store_relaxed(&c->magic, MPP_CACHE_ALIVE);
	c->old_id = MODEL_ID;
	c->magazine_max = 15;
	mpp_list_init(&c->all);
	mpp_list_init(&c->partial);
	mpp_list_init(&c->empty);
	mpp_list_append(&c->all, &model_slab->all);
	c->slabs = 1;
	if (state == MPP_SLAB_PARTIAL)
		mpp_list_append(&c->partial, &model_slab->link);
	if (state == MPP_SLAB_EMPTY) {
		mpp_list_append(&c->empty, &model_slab->link);
		c->empties = 1;
	}
	assert(mpp_map_publish(model_chunk, 1, MODEL_ID));
}

/* Put the slab back on the lists, held or with a duty. */
static inline void model_settle(void)
{
	struct mpp_chain chain = { NULL }, surplus = { NULL };
	struct mpp_faults faults = { .n = 0 };

	mpp_chain_add(&chain, model_slab);
	mpp_cache_settle(&model_cache, &chain, &surplus, &faults);
	assert(faults.n == 0 && surplus.first == NULL);
}

/* A free with what it obliges to. */
static inline void model_free_settle(uint32_t index)
{
	enum mpp_slab_duty duty = model_free(index);

	assert(duty != MPP_DUTY_BROKEN);
	if (duty != MPP_DUTY_NONE)
		model_settle();
}

/* Take one object through the cache's lists and put the slab back; NULL without one. */
static inline uint64_t *model_supply_take(void)
{
	struct mpp_slab *s = NULL;
	struct mpp_faults faults = { .n = 0 };
	uint64_t *out[1];

	if (mpp_cache_supply(&model_cache, 1, 1, &s, &faults) == 0) {
		assert(faults.n == 0);
		return NULL;
	}
	assert(s == model_slab && faults.n == 0);
	assert(model_take(1, out) == 1); /* nobody else takes from it (I2) */
	(*out[0])++;
	model_settle();
	return out[0];
}

/* Nodes on a list; the walk ends, whatever it is like. */
static inline unsigned model_length(const struct mpp_link *head)
{
	const struct mpp_link *l;
	unsigned n = 0;

	mpp_list_each(l, head) {
		assert(mpp_list_sound(l));
		assert(++n < 3);
	}
	return n;
}

/* I1 and I5 when nothing runs. */
static inline void model_cache_check(void)
{
	struct mp_cache *c = &model_cache;
	enum mpp_slab_state state = model_state();

	assert(model_length(&c->all) == c->slabs && c->slabs == 1 - model_retired);
	assert(model_length(&c->partial) == (state == MPP_SLAB_PARTIAL));
	assert(model_length(&c->empty) == (state == MPP_SLAB_EMPTY));
	assert(c->empties == (state == MPP_SLAB_EMPTY));
	if (model_retired != 0) {
		assert(state == MPP_SLAB_NONE);
		assert(mpp_map_get(model_chunk) == 0);
		return;
	}
	assert(mpp_slab_count_bits_racy(model_slab, &model_geometry) == model_count());
	assert(state == (model_count() == 0 ? MPP_SLAB_FULL :
			 model_count() == model_geometry.capacity ? MPP_SLAB_EMPTY :
								    MPP_SLAB_PARTIAL));
}

#endif /* ONE_CACHE_H */
