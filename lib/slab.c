/* SPDX-License-Identifier: MIT */
/*
 * slab.c - layer 4: the free list of one slab.
 *
 *   chunk  +----------+--------------------------+-------------------------+
 *          | (colour) | header | word | bits ... | object | object | ...   |
 *          +----------+--------------------------+-------------------------+
 *
 * Theory.  A slab's free objects are bits, one each, in atomic words; one more
 * word holds the slab's state and the count of published free objects.
 *
 *   free     set bits (fetch-or), then raise the count (compare-and-swap)
 *   take k   lower the count by k (compare-and-swap: a reservation), then
 *            clear k bits (fetch-and of exactly the chosen ones)
 *
 * Nothing is stored in a free object, so nothing written through a stale
 * pointer can steer what is handed out; there is no link and so no ABA; the
 * old bits of the fetch-or show a double free.
 *
 *                take last              free: duty LIST
 *      ACTIVE ------------------> FULL ------------------> LISTING
 *       ^  |                                                 | lock
 *  lock |  | give up (lock)                                  v
 *       |  +-------------------------------------------> PARTIAL --+
 *       +----------------------------------------------------+     | last free:
 *       |                             lock                         | duty UNLIST
 *       +---------------- EMPTY <---------- EMPTYING <-------------+
 *                          | lock
 *                          v
 *                        NONE (retired)         any ---check---> SICK
 *
 * Invariants.
 *  I1  set bits >= count + (reserved and not yet collected).  A free sets bits
 *      before it raises the count, a take lowers the count before it clears bits.
 *  I2  Only the holder of an ACTIVE slab reserves and collects, so bits seen set
 *      stay set until it clears them: one pass over the words finds k of them.
 *  I3  The word changes by compare-and-swap only, so each change of state happens
 *      once: exactly one free makes FULL into LISTING, or PARTIAL into EMPTYING.
 *  I4  After its compare-and-swap a freer touches the slab only if that gave it a
 *      duty.  LISTING and EMPTYING belong to whoever has the duty: nobody else
 *      takes, links, unlinks or retires the slab.
 *  I5  A slab is linked in the cache's partial list exactly when it is PARTIAL or
 *      EMPTYING, in the empty list exactly when EMPTY; links change under the
 *      cache's lock only.
 *  I6  A slab is retired only by who took it from the empty list under the lock, when
 *      all objects are free.  A lawful free is then impossible (there is no
 *      live object), an unlawful one finds the map withdrawn or the magic gone.
 *
 * Progress.  free and reserve are lock-free: a failed compare-and-swap means
 * another thread's succeeded.  collect is wait-free.
 */
#include "slab.h"

#include "check.h"

uintptr_t mpp_slab_secret;

void mpp_slab_set_secret(uintptr_t value)
{
	mpp_slab_secret = value;
}

/* What a slab is to be cut into. */
struct order {
	size_t slot;
	size_t align;
	size_t note;	/* bytes in the header for each object */
	size_t gap;	/* bytes in front of the first object */
};

static size_t header_size(const struct order *o, size_t capacity)
{
	size_t words = (capacity + MPP_BITS - 1) / MPP_BITS;

	return offsetof(struct mpp_slab, bits) + words * sizeof(mpp_bits) + capacity * o->note;
}

/*
 * Capacity and first object of a slab of so many bytes that leaves lead bytes in front of its
 * header.
 */
static size_t cut(size_t bytes, const struct order *o, size_t lead, size_t *first)
{
	size_t n = bytes / (o->slot + o->note);

	for (;; n--) {
		*first = mpp_round_up(header_size(o, n) + lead + o->gap, o->align);
		if (*first + n * o->slot <= bytes || n == 0)
			return n;
	}
}

/* Chunks for one slab: the fewest that waste at most an eighth, else the least wasteful. */
static size_t choose_chunks(const struct order *o)
{
	size_t best = 0, best_waste = SIZE_MAX, first;

	for (size_t k = 1; k <= 8 || best == 0; k++) {
		size_t bytes = k * MP_CHUNK_SIZE;
		size_t n = cut(bytes, o, 0, &first);
		size_t waste;

		if (n == 0)
			continue;
		waste = (bytes - n * (o->slot + o->note)) * 1024 / bytes;
		if (waste < best_waste) {
			best = k;
			best_waste = waste;
		}
		if (waste <= 128)
			break;
	}
	return best;
}

/* As many colours as cost not one object: the bytes that the last one takes. */
static size_t choose_colors(size_t bytes, const struct order *o)
{
	size_t first, plain = cut(bytes, o, 0, &first), n = 64;

	for (; n > 1; n /= 2)
		if (cut(bytes, o, (n - 1) * MPP_LINE, &first) == plain)
			break;
	return (n - 1) * MPP_LINE;
}

void mpp_geometry_init(struct mpp_geometry *g, size_t size, size_t align,
		       const struct mpp_extra *extra)
{
	struct order o = {
		.slot = mpp_round_up(mpp_max(size, MP_MIN_BLOCK_SIZE) + 2 * extra->gap, align),
		.align = align,
		.note = extra->note,
		.gap = extra->gap,
	};
	size_t chunks = choose_chunks(&o), first;
	size_t bytes = chunks * MP_CHUNK_SIZE;
	size_t colors = choose_colors(bytes, &o);
	bool shifts = align <= MPP_LINE;
	size_t n = cut(bytes, &o, shifts ? 0 : colors, &first);

	mpp_assert(n > 0 && n < MPP_COUNT_MASK); /* the count and its state share a word (I3) */
	g->slot = (uint32_t)o.slot;
	g->chunks = (uint32_t)chunks;
	g->colors = (uint32_t)colors;
	g->shifts = shifts ? g->colors : 0;
	g->first = (uint32_t)first;
	g->capacity = (uint32_t)n;
	g->words = (uint32_t)((n + MPP_BITS - 1) / MPP_BITS);
	g->divisor = mpp_divisor(g->slot);
}

struct mpp_slab *mpp_slab_init(void *chunk, const struct mpp_geometry *g, uint32_t id)
{
	struct mpp_slab *s = mpp_slab_of(chunk, g);
	uint32_t left = g->capacity;

	mpp_list_init(&s->all);
	mpp_list_init(&s->link);
	s->id = id;
	s->capacity = g->capacity;
	s->slot = g->slot;
	for (uint32_t w = 0; w < g->words; w++) {
		uint32_t n = (uint32_t)mpp_min(left, MPP_BITS);

		/* relaxed: the slab is not published yet; the map's release does that */
		mpp_store_relaxed(&s->bits[w], mpp_low_bits(n));
		left -= n;
	}
	/* relaxed: as above */
	mpp_store_relaxed(&s->word, mpp_word(MPP_SLAB_ACTIVE, g->capacity));
	/* relaxed: as above */
	mpp_store_relaxed(&s->magic, mpp_slab_magic(s, id));
	return s;
}

uint32_t mpp_slab_reserve(struct mpp_slab *s, uint32_t want)
{
	/* relaxed: the compare-and-swap decides */
	uint32_t word = mpp_load_relaxed(&s->word), n;

	do {
		n = mpp_word_count(word);
		if (n == 0 || mpp_word_state(word) != MPP_SLAB_ACTIVE)
			return 0;
		n = n < want ? n : want;
		/* acq_rel: acquire the bits set before the count was raised, pairs
		 * with mpp_slab_publish (I1); release keeps its chain unbroken */
	} while (!mpp_cas_weak_acq_rel(&s->word, &word, word - n));
	return n;
}

/* The objects of a whole word, as in a fresh or wholly freed slab: no search for bits. */
static _Atomic(void *) *emit_all(uintptr_t base, size_t step, _Atomic(void *) *out)
{
	for (unsigned i = 0; i < MPP_BITS; i += 4, base += 4 * step) {
		out -= 4;
		/* relaxed: the cells are the holder's; its magazine's top publishes them */
		mpp_store_relaxed(out + 3, (void *)base);
		/* relaxed: as above */
		mpp_store_relaxed(out + 2, (void *)(base + step));
		/* relaxed: as above */
		mpp_store_relaxed(out + 1, (void *)(base + 2 * step));
		/* relaxed: as above */
		mpp_store_relaxed(out, (void *)(base + 3 * step));
	}
	return out;
}

/* Write the objects of the bits in mask downwards from out. */
static _Atomic(void *) *emit(uintptr_t base, size_t step, mpp_bits mask, _Atomic(void *) *out)
{
	if (mask == ~(mpp_bits)0)
		return emit_all(base, step, out);
	for (; mask != 0; mask &= mask - 1)
		/* relaxed: as in emit_all */
		mpp_store_relaxed(--out, (void *)(base + mpp_lowest(mask) * step));
	return out;
}

/* The bits of word w that stand for objects: others may be set only by damage. */
static mpp_bits valid_bits(const struct mpp_geometry *g, uint32_t w)
{
	return mpp_low_bits((uint32_t)mpp_min(g->capacity - w * MPP_BITS, MPP_BITS));
}

uint32_t mpp_slab_collect(struct mpp_slab *s, const struct mpp_geometry *g, uint32_t n,
			  _Atomic(void *) *out)
{
	uintptr_t base = (uintptr_t)mpp_slab_object(s, g, 0);
	size_t stride = (size_t)MPP_BITS * g->slot;
	uint32_t left = n;

	out += n;
	/* from the lowest address: what was used once is used again before fresh pages are */
	for (uint32_t w = 0; w < g->words && left > 0; w++) {
		/* relaxed: only a choice; the fetch-and says what was had */
		mpp_bits have = mpp_load_relaxed(&s->bits[w]) & valid_bits(g, w);
		mpp_bits mask = mpp_first_bits(have, left);

		if (mask != 0) {
			/* acquire: the freers' last writes to these objects; pairs with
			 * the fetch-or in mpp_slab_set_bits */
			mask &= mpp_and_acquire(&s->bits[w], ~mask);
			out = emit(base + w * stride, g->slot, mask, out);
			left -= mpp_popcount(mask);
		}
	}
	return n - left;
}

enum mpp_slab_duty mpp_slab_publish(struct mpp_slab *s, const struct mpp_geometry *g, uint32_t n)
{
	/* relaxed: the compare-and-swap decides */
	uint32_t word = mpp_load_relaxed(&s->word), count, next;
	enum mpp_slab_duty duty;

	do {
		enum mpp_slab_state state = mpp_word_state(word);

		count = mpp_word_count(word) + n;
		duty = MPP_DUTY_NONE;
		if (state == MPP_SLAB_SICK)
			return MPP_DUTY_NONE;
		if (count > g->capacity || state == MPP_SLAB_NONE || state > MPP_SLAB_SICK) {
			state = MPP_SLAB_SICK;
			count = 0;
			duty = MPP_DUTY_BROKEN;
		} else if (state == MPP_SLAB_FULL) {
			state = MPP_SLAB_LISTING;
			duty = MPP_DUTY_LIST;
		} else if (state == MPP_SLAB_PARTIAL && count == g->capacity) {
			state = MPP_SLAB_EMPTYING;
			duty = MPP_DUTY_UNLIST;
		}
		next = mpp_word(state, count);
		/* acq_rel: release the bits set before, pairs with mpp_slab_reserve (I1);
		 * acquire because a duty makes this thread the slab's owner (I4) */
	} while (!mpp_cas_weak_acq_rel(&s->word, &word, next));
	return duty;
}

bool mpp_slab_leave_full(struct mpp_slab *s)
{
	uint32_t word = mpp_word(MPP_SLAB_ACTIVE, 0);

	/* acq_rel: what the holder did to the header, to whoever gets the duty LIST;
	 * pairs with mpp_slab_publish.  Fails if a free came in (I3) */
	return mpp_cas_acq_rel(&s->word, &word, mpp_word(MPP_SLAB_FULL, 0));
}

bool mpp_slab_activate(struct mpp_slab *s)
{
	/* relaxed: the compare-and-swap decides */
	uint32_t word = mpp_load_relaxed(&s->word);

	do {
		if (mpp_word_state(word) != MPP_SLAB_PARTIAL &&
		    mpp_word_state(word) != MPP_SLAB_EMPTY)
			return false;
		/* acq_rel: as in mpp_slab_reserve; frees go on meanwhile */
	} while (!mpp_cas_weak_acq_rel(&s->word, &word,
				       mpp_word(MPP_SLAB_ACTIVE, mpp_word_count(word))));
	return true;
}

enum mpp_slab_state mpp_slab_settle(struct mpp_slab *s, const struct mpp_geometry *g)
{
	/* relaxed: the compare-and-swap decides */
	uint32_t word = mpp_load_relaxed(&s->word), count;
	enum mpp_slab_state state;

	do {
		count = mpp_word_count(word);
		if (mpp_word_state(word) == MPP_SLAB_SICK)
			return MPP_SLAB_SICK;
		state = count == g->capacity ? MPP_SLAB_EMPTY :
			count == 0	     ? MPP_SLAB_FULL :
					       MPP_SLAB_PARTIAL;
		/* acq_rel: hands the slab from this thread to the list's next user, and
		 * frees to it see the new state; pairs with mpp_slab_publish and mpp_slab_activate
		 * (I3) */
	} while (!mpp_cas_weak_acq_rel(&s->word, &word, mpp_word(state, count)));
	return state;
}

void mpp_slab_make_sick(struct mpp_slab *s)
{
	/* acq_rel: no more use; frees that see it stop there */
	(void)mpp_swap_acq_rel(&s->word, mpp_word(MPP_SLAB_SICK, 0));
}

uint32_t mpp_slab_count_bits_racy(const struct mpp_slab *s, const struct mpp_geometry *g)
{
	uint32_t n = 0;

	/* relaxed: a count that is exact only when nobody works on the slab */
	for (uint32_t w = 0; w < g->words; w++)
		n += mpp_popcount(mpp_load_relaxed(&s->bits[w]));
	return n;
}
