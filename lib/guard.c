/* SPDX-License-Identifier: MIT */
/*
 * guard.c - layer 5: sampled objects between inaccessible pages.
 *
 * Lock: guard_lock, for the line of free slots, the states and the counts that go with
 * them.  Nothing is called under it and no other lock taken.  Whoever moved a
 * slot to TAKING or FREEING owns it until the next state.  The fault handler takes no
 * lock: it reads what may change meanwhile, follows none of it, and bounds all of it.
 */
#include "guard.h"

#include "annotate.h"
#include "budget.h"
#include "debug.h"
#include "options.h"
#include "os.h"

#include <string.h>

enum pool { POOL_NONE = 0, POOL_MAKING, POOL_READY, POOL_REFUSED };
enum state { FRESH = 0, TAKING, LIVE, FREEING, FREED, LOST };

struct slot {
	_Atomic uint32_t state;		/* atomic: enum state, changed under guard_lock */
	_Atomic uint32_t told;		/* atomic: a fault on this object was reported */
	struct mp_cache *cache;		/* owner; NULL once the cache is destroyed */
	uint32_t id;			/* owner */
	char *object;			/* owner */
	size_t size;			/* owner */
	char name[MPP_NAME_MAX];	/* owner: the cache's */
	struct mpp_user alloced;	/* owner */
	struct mpp_user freed;		/* owner */
};

static struct mpp_lock guard_lock;
static struct slot slots[MPP_GUARD_SLOTS];
static uint16_t line[MPP_GUARD_SLOTS];	/* lock:guard_lock, free slots, a ring */
static unsigned line_first, line_count;	/* lock:guard_lock */
static _Atomic uint32_t pool;		/* atomic: enum pool */
static char *base;			/* const once POOL_READY */

mpp_thread_local struct mpp_guard_turn mpp_guard_turn;

/* xorshift: a choice, no secret. */
static uint32_t draw(uint32_t n)
{
	uint64_t x = mpp_own(mpp_guard_turn).random;

	while (x == 0)
		x = mpp_os_entropy();
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	mpp_own(mpp_guard_turn).random = x;
	return (uint32_t)((x >> 32) * n >> 32);
}

void mpp_guard_attach(struct mp_cache *c, unsigned own)
{
	unsigned rate = own;

	if (rate == 0 && mpp_options.guard_rate != 0 &&
	    mpp_options_match(mpp_options.guard_patterns, c->name))
		rate = mpp_options.guard_rate;
	/* objects that are built once per slab stay in slabs */
	if (c->ctor != NULL || c->ctor_arg != NULL || c->dtor_arg != NULL ||
	    (c->flags & MP_TYPE_STABLE) || mpp_max(c->size, c->align) > mpp_os_page())
		rate = 0;
	if (mpp_annotate_tools != 0) /* a memory checker sees more, of every object */
		rate = 0;
	c->guard_rate = mpp_min(rate, INT32_MAX);
}

/*
 * Another rate than the last.  Waits are drawn evenly from 1 to 2 rate - 1; this is what is left
 * of one that began some time ago, so that each allocation from the first on is
 * guarded with the same chance, 1 in rate, however often a thread comes back to the rate.
 */
static void change_rate(uint32_t rate)
{
	mpp_own(mpp_guard_turn).rate = rate;
	mpp_own(mpp_guard_turn).left = 1 + (uint32_t)mpp_min(draw(2 * rate - 1), draw(2 * rate));
}

bool mpp_guard_due(const struct mp_cache *c)
{
	if (mpp_unlikely(mpp_own(mpp_guard_turn).rate != c->guard_rate))
		change_rate((uint32_t)c->guard_rate);
	if (mpp_likely(--mpp_own(mpp_guard_turn).left != 0))
		return false;
	mpp_own(mpp_guard_turn).left = 1 + draw(2 * mpp_own(mpp_guard_turn).rate - 1); /* the rate is the mean */
	return true;
}

static char *page_of(size_t i)
{
	return base + ((2 * i + 1) << mpp_os_page_shift());
}

static size_t pool_size(void)
{
	return mpp_round_up((2 * (size_t)MPP_GUARD_SLOTS + 1) << mpp_os_page_shift(),
			    mpp_max(MP_CHUNK_SIZE, mpp_os_page()));
}

static void append_locked(unsigned i)
{
	line[(line_first + line_count++) % MPP_GUARD_SLOTS] = (uint16_t)i;
}

static enum state state_of(const struct slot *s)
{
	/* acquire: the rest of the slot; pairs with set_state */
	return (enum state)mpp_load_acquire(&s->state);
}

static void set_state(struct slot *s, enum state state)
{
	/* release: the rest of the slot, for the fault handler and state_of */
	mpp_store_release(&s->state, (uint32_t)state);
}

/* ---- a fault on a page of the pool */

/* What the address at was meant for: the object nearest to it, live ones first. */
static struct slot *blame(const char *at, size_t page, bool *inside)
{
	struct slot *best = NULL;
	size_t least = SIZE_MAX;

	*inside = page % 2 == 1 && page / 2 < MPP_GUARD_SLOTS;
	if (*inside)
		return &slots[page / 2];
	for (size_t i = page / 2 - (page > 0); i <= page / 2 && i < MPP_GUARD_SLOTS; i++) {
		struct slot *s = &slots[i];
		enum state state = state_of(s);
		size_t far;

		if (state == FRESH)
			continue;
		far = at < s->object ? (size_t)(s->object - at) :
				       (size_t)(at - s->object) - s->size;
		far += state == LIVE ? 0 : pool_size();
		if (far < least) {
			least = far;
			best = s;
		}
	}
	return best;
}

static void fill(struct mpp_fault *f, const struct slot *s, const void *pointer)
{
	enum state state = state_of(s);

	if (f->cache_name[0] == '\0') {
		f->cache = s->cache;
		memcpy(f->cache_name, s->name, sizeof(f->cache_name) - 1);
		f->cache_id = s->id;
	}
	f->index = (size_t)(s - slots);
	f->slab = page_of(f->index);
	f->object = s->object;
	f->offset = (uintptr_t)pointer - (uintptr_t)s->object;
	f->size = s->size;
	f->alloced = s->alloced;
	if (state != LIVE)
		f->freed = s->freed;
}

/* Called by the signal handler: nothing but loads, one write, and no lock. */
static void on_fault(const void *address, enum mpp_os_access access)
{
	static char text[4096];			/* turn_of_fault: small signal stacks */
	static struct mpp_fault f;		/* as above */
	static _Atomic uint32_t turn_of_fault;	/* atomic: one at a time */
	const char *at = address;
	struct slot *s;
	bool inside;

	/* acquire: base; pairs with make_pool */
	if (mpp_load_acquire(&pool) != POOL_READY || at < base || at >= base + pool_size())
		return;
	s = blame(at, (size_t)(at - base) >> mpp_os_page_shift(), &inside);
	if (s == NULL || state_of(s) == FRESH)
		return;
	/* acquire: for nothing, only who is first counts */
	if (mpp_swap_acquire(&s->told, 1) != 0)
		return;
	/* acquire: what the last one left; pairs with the release below */
	while (mpp_swap_acquire(&turn_of_fault, 1) != 0)
		mpp_os_yield();
	memset(&f, 0, sizeof(f));
	f.kind = inside || state_of(s) != LIVE ? MP_ERROR_USE_AFTER_FREE :
		 at < s->object		       ? MP_ERROR_UNDERFLOW :
						 MP_ERROR_OVERFLOW;
	f.where = access == MPP_OS_READ	 ? "a guard page, a read" :
		  access == MPP_OS_WRITE ? "a guard page, a write" :
					   "a guard page";
	f.pointer = address;
	fill(&f, s, address);
	mpp_report_print(&f, text, sizeof(text));
	/* release: pairs with the swap above */
	mpp_store_release(&turn_of_fault, 0);
}

/* ---- the pool */

static bool map_pool(void)
{
	size_t page = mpp_os_page(), size = pool_size();

	if (!mpp_budget_take(MPP_GUARD_SLOTS * page))
		return false;
	base = mpp_os_map(size, mpp_max(MP_CHUNK_SIZE, page));
	if (base != NULL && mpp_os_protect(base, size, false) &&
	    mpp_map_publish(base, size / MP_CHUNK_SIZE, MPP_CODE_GUARD))
		return true;
	if (base != NULL) /* refused: untouched address space stays behind */
		(void)mpp_os_unmap(base, size);
	mpp_budget_give(MPP_GUARD_SLOTS * page);
	return false;
}

static bool make_pool(void)
{
	uint32_t none = POOL_NONE;

	/* acquire: base, if another thread made it; pairs with the release below */
	if (!mpp_cas_acquire(&pool, &none, POOL_MAKING))
		return none == POOL_READY;
	if (!map_pool()) {
		/* relaxed: publishes nothing; it is not tried again */
		mpp_store_relaxed(&pool, POOL_REFUSED);
		return false;
	}
	mpp_lock_acquire(&guard_lock);
	for (unsigned i = 0; i < MPP_GUARD_SLOTS; i++)
		append_locked(i);
	mpp_lock_release(&guard_lock);
	mpp_os_on_fault(on_fault);
	/* release: base; pairs with is_ready and on_fault */
	mpp_store_release(&pool, POOL_READY);
	return true;
}

static bool is_ready(void)
{
	/* acquire: base; pairs with make_pool */
	return mpp_likely(mpp_load_acquire(&pool) == POOL_READY) || make_pool();
}

static struct slot *take(void)
{
	struct slot *s = NULL;

	mpp_lock_acquire(&guard_lock);
	if (line_count > 0) {
		s = &slots[line[line_first]];
		line_first = (line_first + 1) % MPP_GUARD_SLOTS;
		line_count--;
		set_state(s, TAKING);
	}
	mpp_lock_release(&guard_lock);
	return s;
}

static void dress(struct slot *s, struct mp_cache *c, size_t size)
{
	size_t page = mpp_os_page();
	char *at = page_of((size_t)(s - slots));

	s->size = size;
	s->object = at + (draw(2) == 0 ? 0 : (page - size) & ~(c->align - 1));
	s->cache = c;
	s->id = mpp_cache_id(c);
	memcpy(s->name, c->name, sizeof(s->name));
	mpp_report_user(&s->alloced);
	s->freed.thread = 0;
	/* relaxed: published with the state */
	mpp_store_relaxed(&s->told, 0);
	memset(at, MPP_RED, page);
	if (c->watch.letters & MPP_D_POISON)
		memset(s->object, MPP_POISON_FRESH, size);
}

void *mpp_guard_alloc(struct mp_cache *c, size_t asked)
{
	struct slot *s = is_ready() ? take() : NULL;
	bool open;

	if (s == NULL)
		return NULL;
	open = mpp_os_protect(page_of((size_t)(s - slots)), mpp_os_page(), true);
	if (open)
		dress(s, c, c->watch.reach != 0 ? asked : c->size);
	mpp_lock_acquire(&guard_lock);
	if (open) {
		mpp_cache_count_taken(c, 1);
		c->guarded++;
		set_state(s, LIVE);
	} else {
		set_state(s, FREED);
		append_locked((unsigned)(s - slots));
	}
	mpp_lock_release(&guard_lock);
	return open ? s->object : NULL;
}

/* ---- free */

static struct slot *slot_of(const void *p)
{
	size_t page = ((uintptr_t)p - (uintptr_t)base) >> mpp_os_page_shift();

	return page % 2 == 1 && page / 2 < MPP_GUARD_SLOTS ? &slots[page / 2] : NULL;
}

/* The same of any address. */
static struct slot *slot_of_any(const void *p)
{
	void *head;

	return mpp_map_find(p, &head) == MPP_CODE_GUARD ? slot_of(p) : NULL;
}

void mpp_guard_describe(struct mpp_fault *f, const void *pointer)
{
	const struct slot *s = slot_of(pointer);

	if (s != NULL && state_of(s) != FRESH)
		fill(f, s, pointer);
}

static mpp_cold void report(enum mp_error_kind kind, const struct mp_cache *c, void *p)
{
	struct mpp_faults faults = { .n = 0 };
	struct mpp_fault *f = mpp_cache_fault(&faults, kind, c, p, "the free");

	mpp_guard_describe(f, p);
	mpp_faults_report(&faults);
}

/* What is wrong with freeing p, at s, into c; 0 if it is now FREEING, the caller's. */
static int claim(struct slot *s, const struct mp_cache *c, const void *p)
{
	int wrong = 0;

	if (s == NULL)
		return MP_ERROR_BAD_FREE;
	mpp_lock_acquire(&guard_lock);
	if (state_of(s) == FRESH)
		wrong = MP_ERROR_BAD_FREE;
	else if (s->object != p)
		wrong = MP_ERROR_INTERIOR_POINTER;
	else if (state_of(s) != LIVE)
		wrong = MP_ERROR_DOUBLE_FREE;
	else if (c != NULL && c != s->cache)
		wrong = MP_ERROR_WRONG_CACHE;
	else
		set_state(s, FREEING);
	mpp_lock_release(&guard_lock);
	return wrong;
}

/* The bytes of the page around the object are as they were; otherwise reported. */
static bool is_whole(const struct slot *s)
{
	char *at = page_of((size_t)(s - slots)), *end = s->object + s->size;
	size_t before = (size_t)(s->object - at), after = mpp_os_page() - before - s->size;
	size_t low = mpp_poison_check(at, before, MPP_RED);
	size_t high = mpp_poison_check(end, after, MPP_RED), n;
	struct mpp_faults faults = { .n = 0 };
	struct mpp_fault *f;

	if (mpp_likely(low == before && high == after))
		return true;
	f = mpp_cache_fault(&faults, high != after ? MP_ERROR_OVERFLOW : MP_ERROR_UNDERFLOW,
			    s->cache, s->object, "the free");
	fill(f, s, s->object);
	n = high != after ? after - high : before - low;
	f->damage_offset = high != after ? (ptrdiff_t)(s->size + high) : -(ptrdiff_t)n;
	f->damaged = (unsigned)mpp_min(n, MPP_DAMAGE_MAX);
	memcpy(f->damage, s->object + f->damage_offset, f->damaged);
	mpp_faults_report(&faults);
	return false;
}

void mpp_guard_free(struct mp_cache *c, void *p)
{
	struct slot *s = slot_of(p);
	int wrong = claim(s, c, p);
	bool whole;

	if (mpp_unlikely(wrong != 0)) {
		report((enum mp_error_kind)wrong, c, p);
		return;
	}
	c = s->cache;
	mpp_report_user(&s->freed);
	whole = is_whole(s);
	if (c->flags & MP_ZERO_ON_FREE)
		memset(s->object, 0, s->size);
	/* refused: the page stays accessible, and waits in line like the others */
	(void)mpp_os_protect(page_of((size_t)(s - slots)), mpp_os_page(), false);
	mpp_lock_acquire(&guard_lock);
	set_state(s, whole ? FREED : LOST);
	if (whole) {
		mpp_cache_count_returned(c, 1);
		c->guarded--;
		append_locked((unsigned)(s - slots));
	} else {
		mpp_cache_count_leaked(c);
	}
	mpp_lock_release(&guard_lock);
	if (c->counted)
		mpp_cache_release(c, 1);
}

/* ---- looking */

bool mpp_guard_look(const void *p, struct mpp_guarded *out)
{
	struct slot *s = slot_of(p);
	bool known;

	if (s == NULL)
		return false;
	mpp_lock_acquire(&guard_lock);
	known = state_of(s) != FRESH && state_of(s) != TAKING && s->cache != NULL;
	*out = (struct mpp_guarded){
		.cache = s->cache,
		.object = s->object,
		.page = page_of((size_t)(s - slots)),
		.index = (size_t)(s - slots),
		.size = s->size,
		.live = state_of(s) == LIVE,
	};
	mpp_lock_release(&guard_lock);
	return known;
}

bool mpp_guard_noted(const void *p, struct mpp_user *alloced, struct mpp_user *freed)
{
	struct slot *s = slot_of_any(p);

	if (s == NULL)
		return false;
	mpp_lock_acquire(&guard_lock);
	*alloced = s->alloced;
	*freed = s->freed;
	mpp_lock_release(&guard_lock);
	return true;
}

enum mp_error_kind mpp_guard_fault(const void *p)
{
	struct mpp_guarded o;

	if (!mpp_guard_look(p, &o))
		return MP_ERROR_BAD_FREE;
	return o.object == p ? MP_ERROR_DOUBLE_FREE : MP_ERROR_INTERIOR_POINTER;
}

int mpp_guard_each(struct mp_cache *c, int (*fn)(void *obj, void *arg), void *arg)
{
	int stop = 0;

	for (unsigned i = 0; i < MPP_GUARD_SLOTS && stop == 0; i++) {
		void *obj = NULL;

		mpp_lock_acquire(&guard_lock);
		if (state_of(&slots[i]) == LIVE && slots[i].cache == c)
			obj = slots[i].object;
		mpp_lock_release(&guard_lock);
		if (obj != NULL)
			stop = fn(obj, arg);
	}
	return stop;
}

size_t mpp_guard_out(struct mp_cache *c, size_t *guarded)
{
	size_t out;

	mpp_lock_acquire(&guard_lock);
	*guarded = c->guarded;
	out = mpp_cache_out(c) - *guarded;
	mpp_lock_release(&guard_lock);
	return out;
}

void mpp_guard_forget(const struct mp_cache *c)
{
	mpp_lock_acquire(&guard_lock);
	for (unsigned i = 0; i < MPP_GUARD_SLOTS; i++)
		if (slots[i].cache == c && state_of(&slots[i]) != TAKING)
			slots[i].cache = NULL;
	mpp_lock_release(&guard_lock);
}

void mpp_guard_lock(void)
{
	mpp_lock_acquire(&guard_lock);
}

void mpp_guard_unlock(void)
{
	mpp_lock_release(&guard_lock);
}

/* What other threads were about to do with their slots is done, or not begun. */
void mpp_guard_after_fork(void)
{
	/* relaxed: the child has one thread; a pool half made is lost to the child */
	if (mpp_load_relaxed(&pool) == POOL_MAKING)
		mpp_store_relaxed(&pool, POOL_REFUSED); /* relaxed: as above */
	for (unsigned i = 0; i < MPP_GUARD_SLOTS; i++) {
		struct slot *s = &slots[i];
		enum state state = state_of(s);

		if (state != TAKING && state != FREEING)
			continue;
		if (state == FREEING) {
			mpp_cache_count_returned(s->cache, 1);
			s->cache->guarded--;
		}
		set_state(s, FRESH); /* nothing is sure of its object */
		append_locked(i);
	}
}
