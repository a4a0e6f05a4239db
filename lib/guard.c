/* SPDX-License-Identifier: MIT */
/*
 * guard.c - layer 5: sampled objects between inaccessible pages.
 *
 * Lock: guard_lock, for the line of free slots, the slots' records and the counts that go
 * with them.  Nothing is called under it and no other lock taken.
 *
 *	FRESH --+
 *	        +--> TAKING --> LIVE --> FREEING --> FREED, LOST
 *	FREED --+
 *
 *  G1  A slot's record says what its last object was.  It changes as a whole, under
 *      guard_lock, from a copy that was made ready before; so who reads it under the lock,
 *      mp_object_info() say, while another thread takes or frees the slot, finds all of
 *      the old object or all of the new one.
 *  G2  Whoever moved a slot to TAKING or FREEING alone touches its page, and moves it on.
 *  G3  The fault handler takes no lock, for the thread that it interrupts may hold it.  A
 *      record is kept in atomic words between two changes of its version, odd in
 *      between: words that were read between two looks at one even version are of one record.
 *      After a few tries it takes what it has: sizes of what is printed are bounded, nothing of
 *      it is followed, and a page that is being handed on is nobody's to touch.
 *  G4  Of two threads that fault at a time one waits for the other's report, a bounded
 *      number of turns.  Nothing else in the handler waits or repeats.
 */
#include "guard.h"

#include "annotate.h"
#include "budget.h"
#include "debug.h"
#include "options.h"
#include "os.h"

#include <string.h>

#define TRIES 8u	/* of the fault handler, to read a record */
#define TURNS 1000000u	/* that it gives another thread's report, some seconds */

enum pool { POOL_NONE = 0, POOL_MAKING, POOL_READY, POOL_REFUSED };
enum state { FRESH = 0, TAKING, LIVE, FREEING, FREED, LOST };

/* What is known of the object in a slot. */
struct record {
	struct mp_cache *cache;		/* NULL: none yet, or it is destroyed; first, for forget */
	char *object;			/* NULL: none yet */
	size_t size;
	enum state state;
	uint32_t id;			/* the cache's */
	char name[MPP_NAME_MAX];	/* the cache's */
	struct mpp_user alloced;
	struct mpp_user freed;
};

union record_words {
	struct record record;
	uintptr_t words[(sizeof(struct record) + sizeof(uintptr_t) - 1) / sizeof(uintptr_t)];
};

#define WORDS (sizeof(union record_words) / sizeof(uintptr_t))
_Static_assert(offsetof(struct record, cache) == 0, "cache_of_locked() reads the first word");

struct slot {
	_Atomic uint32_t version;	/* atomic: of the words, odd while they change */
	_Atomic uint32_t told;		/* atomic: a fault on this object was reported */
	_Atomic uintptr_t words[WORDS];	/* atomic: a struct record, changed under guard_lock */
};

static struct mpp_lock guard_lock;
static struct slot slots[MPP_GUARD_SLOTS];
static uint16_t line[MPP_GUARD_SLOTS];	/* lock:guard_lock, free slots, a ring */
static unsigned line_first, line_count;	/* lock:guard_lock */
static _Atomic uint32_t pool;		/* atomic: enum pool */
static char *base;			/* const once POOL_READY */
static _Atomic uint32_t turn_of_fault;	/* atomic: a report is being written, one at a time */

mpp_thread_local struct mpp_guard_turn mpp_guard_turn;

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
	mpp_own(mpp_guard_turn).left = 1 + (uint32_t)mpp_min(mpp_os_random(2 * rate - 1), mpp_os_random(2 * rate));
}

bool mpp_guard_due(const struct mp_cache *c)
{
	struct mpp_guard_turn *turn = &mpp_own(mpp_guard_turn);

	if (mpp_unlikely(turn->rate != c->guard_rate))
		change_rate((uint32_t)c->guard_rate);
	if (mpp_likely(--turn->left != 0))
		return false;
	turn->left = 1 + mpp_os_random(2 * turn->rate - 1); /* the rate is the mean */
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

static void read_locked(const struct slot *s, struct record *out)
{
	union record_words u;

	for (size_t i = 0; i < WORDS; i++)
		/* relaxed: under the lock they do not change */
		u.words[i] = mpp_load_relaxed(&s->words[i]);
	*out = u.record;
}

static void write_locked(struct slot *s, const struct record *r)
{
	union record_words u = { .record = *r };
	/* relaxed: changed under the lock only */
	uint32_t version = mpp_load_relaxed(&s->version);

	/* relaxed: the words' release keeps it in front of them */
	mpp_store_relaxed(&s->version, version + 1);
	for (size_t i = 0; i < WORDS; i++)
		/* release: the odd version; pairs with peek */
		mpp_store_release(&s->words[i], u.words[i]);
	/* release: the words; pairs with peek */
	mpp_store_release(&s->version, version + 2);
}

static void set_state_locked(struct slot *s, struct record *r, enum state state)
{
	r->state = state;
	write_locked(s, r);
}

static const struct mp_cache *cache_of_locked(const struct slot *s)
{
	/* relaxed: under the lock */
	return (const struct mp_cache *)mpp_load_relaxed(&s->words[0]);
}

/* The same without the lock, by the fault handler (G3). */
static void peek(const struct slot *s, struct record *out)
{
	union record_words u = { .record = { .state = FRESH } };
	uint32_t before, after;

	for (unsigned tries = 0; tries < TRIES; tries++) {
		/* acquire: the words of this version; pairs with write_locked */
		before = mpp_load_acquire(&s->version);
		for (size_t i = 0; i < WORDS; i++)
			/* acquire: the version before this word; pairs with write_locked */
			u.words[i] = mpp_load_acquire(&s->words[i]);
		/* relaxed: behind the words, by their acquire */
		after = mpp_load_relaxed(&s->version);
		if (before == after && before % 2 == 0)
			break;
	}
	u.record.name[sizeof(u.record.name) - 1] = '\0';
	*out = u.record;
}

/* ---- a fault on a page of the pool */

/*
 * What the address at, in a page of the pool, was meant for: the object nearest to it, live
 * ones first.  Its slot and record; NULL if there is none.
 */
static struct slot *blame(const char *at, size_t page, struct record *out)
{
	struct slot *best = NULL;
	size_t least = SIZE_MAX;

	if (page % 2 == 1 && page / 2 < MPP_GUARD_SLOTS) {
		best = &slots[page / 2];
		peek(best, out);
		return out->object != NULL ? best : NULL;
	}
	for (size_t i = page / 2 - (page > 0); i <= page / 2 && i < MPP_GUARD_SLOTS; i++) {
		struct record r;
		size_t far;

		peek(&slots[i], &r);
		if (r.object == NULL)
			continue;
		far = at < r.object ? (size_t)(r.object - at) : (size_t)(at - r.object) - r.size;
		far += r.state == LIVE ? 0 : pool_size();
		if (far < least) {
			least = far;
			best = &slots[i];
			*out = r;
		}
	}
	return best;
}

static void fill(struct mpp_fault *f, size_t index, const struct record *r, const void *pointer)
{
	if (f->cache_name[0] == '\0') {
		f->cache = r->cache;
		memcpy(f->cache_name, r->name, sizeof(f->cache_name));
		f->cache_id = r->id;
	}
	f->index = index;
	f->slab = page_of(index);
	f->object = r->object;
	f->offset = (uintptr_t)pointer - (uintptr_t)r->object;
	f->size = r->size;
	f->alloced = r->alloced;
	if (r->state != LIVE)
		f->freed = r->freed;
}

/* Another thread's report, if there is one, is out (G4); false: not in this time. */
static bool wait_for_turn(void)
{
	for (unsigned i = 0; i < TURNS; i++) {
		/* acquire: what the last one left; pairs with on_fault */
		if (mpp_swap_acquire(&turn_of_fault, 1) == 0)
			return true;
		mpp_os_yield();
	}
	return false;
}

/* Called by the signal handler: nothing but loads, one write, and no lock. */
static void on_fault(const void *address, enum mpp_os_access access)
{
	static char text[4096];			/* turn_of_fault: small signal stacks */
	static struct mpp_fault f;		/* as above */
	const char *at = address;
	struct record r;
	struct slot *s;
	size_t page;

	/* acquire: base; pairs with make_pool */
	if (mpp_load_acquire(&pool) != POOL_READY || at < base || at >= base + pool_size())
		return;
	page = (size_t)(at - base) >> mpp_os_page_shift();
	s = blame(at, page, &r);
	/* acquire: for nothing, only who is first counts */
	if (s == NULL || mpp_swap_acquire(&s->told, 1) != 0)
		return;
	if (!wait_for_turn())
		return;
	memset(&f, 0, sizeof(f));
	f.kind = page % 2 == 1 || r.state != LIVE ? MP_ERROR_USE_AFTER_FREE :
		 at < r.object			  ? MP_ERROR_UNDERFLOW :
						    MP_ERROR_OVERFLOW;
	f.where = access == MPP_OS_READ	 ? "a guard page, a read" :
		  access == MPP_OS_WRITE ? "a guard page, a write" :
					   "a guard page";
	f.pointer = address;
	fill(&f, (size_t)(s - slots), &r, address);
	mpp_report_print(&f, text, sizeof(text));
	/* release: pairs with wait_for_turn */
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

/* A free slot, TAKING; its record is still that of the object before. */
static struct slot *take(struct record *r)
{
	struct slot *s = NULL;

	mpp_lock_acquire(&guard_lock);
	if (line_count > 0) {
		s = &slots[line[line_first]];
		line_first = (line_first + 1) % MPP_GUARD_SLOTS;
		line_count--;
		read_locked(s, r);
		set_state_locked(s, r, TAKING);
	}
	mpp_lock_release(&guard_lock);
	return s;
}

/* Lay out the page at, and a record for it. */
static void dress(char *at, struct record *r, struct mp_cache *c, size_t size)
{
	size_t page = mpp_os_page();

	r->size = size;
	r->object = at + (mpp_os_random(2) == 0 ? 0 : (page - size) & ~(c->align - 1));
	r->cache = c;
	r->id = mpp_cache_id(c);
	memcpy(r->name, c->name, sizeof(r->name));
	mpp_report_user(&r->alloced);
	memset(&r->freed, 0, sizeof(r->freed));
	memset(at, MPP_RED, page);
	if (c->watch.letters & MPP_D_POISON)
		memset(r->object, MPP_POISON_FRESH, size);
}

void *mpp_guard_alloc(struct mp_cache *c, size_t asked)
{
	struct record r;
	struct slot *s = is_ready() ? take(&r) : NULL;
	char *at;
	bool open;

	if (s == NULL)
		return NULL;
	at = page_of((size_t)(s - slots));
	open = mpp_os_protect(at, mpp_os_page(), true);
	if (open)
		dress(at, &r, c, c->watch.reach != 0 ? asked : c->size);
	mpp_lock_acquire(&guard_lock);
	if (open) {
		mpp_cache_count_taken(c, 1);
		c->guarded++;
		/* relaxed: a fault can only follow the return of the object */
		mpp_store_relaxed(&s->told, 0);
		set_state_locked(s, &r, LIVE);
	} else {
		read_locked(s, &r); /* its cache may be gone since */
		set_state_locked(s, &r, r.object != NULL ? FREED : FRESH);
		append_locked((unsigned)(s - slots));
	}
	mpp_lock_release(&guard_lock);
	return open ? r.object : NULL;
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

/* The record of the object that p is in the page of; false if there is none. */
static bool look(const void *p, struct record *out, size_t *index)
{
	const struct slot *s = slot_of_any(p);

	if (s == NULL)
		return false;
	*index = (size_t)(s - slots);
	mpp_lock_acquire(&guard_lock);
	read_locked(s, out);
	mpp_lock_release(&guard_lock);
	return out->object != NULL;
}

void mpp_guard_describe(struct mpp_fault *f, const void *pointer)
{
	struct record r;
	size_t index;

	if (look(pointer, &r, &index))
		fill(f, index, &r, pointer);
}

/* What is wrong with freeing p, at s, into c; 0 if it is now FREEING, the caller's. */
static int claim(struct slot *s, const struct mp_cache *c, const void *p, struct record *r)
{
	int wrong = 0;

	if (s == NULL)
		return MP_ERROR_BAD_FREE;
	mpp_lock_acquire(&guard_lock);
	read_locked(s, r);
	if (r->object == NULL)
		wrong = MP_ERROR_BAD_FREE;
	else if (r->object != p)
		wrong = MP_ERROR_INTERIOR_POINTER;
	else if (r->state != LIVE)
		wrong = MP_ERROR_DOUBLE_FREE;
	else if (c != NULL && c != r->cache)
		wrong = MP_ERROR_WRONG_CACHE;
	else
		set_state_locked(s, r, FREEING);
	mpp_lock_release(&guard_lock);
	return wrong;
}

/* The bytes of the page around the object are as they were; otherwise a fault. */
static bool is_whole(size_t index, const struct record *r, const char *where,
		     struct mpp_faults *faults)
{
	char *at = page_of(index), *end = r->object + r->size;
	size_t before = (size_t)(r->object - at), after = mpp_os_page() - before - r->size;
	size_t low = mpp_poison_check(at, before, MPP_RED);
	size_t high = mpp_poison_check(end, after, MPP_RED), n;
	struct mpp_fault *f;

	if (mpp_likely(low == before && high == after))
		return true;
	f = mpp_cache_fault(faults, high != after ? MP_ERROR_OVERFLOW : MP_ERROR_UNDERFLOW,
			    r->cache, r->object, where);
	fill(f, index, r, r->object);
	n = high != after ? after - high : before - low;
	f->damage_offset = high != after ? (ptrdiff_t)(r->size + high) : -(ptrdiff_t)n;
	f->damaged = (unsigned)mpp_min(n, MPP_DAMAGE_MAX);
	memcpy(f->damage, r->object + f->damage_offset, f->damaged);
	return false;
}

/* The end of a free: back into line, or never to be used again. */
static void settle(struct slot *s, struct record *r, bool whole)
{
	struct mp_cache *c = r->cache;

	mpp_lock_acquire(&guard_lock);
	set_state_locked(s, r, whole ? FREED : LOST);
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

void mpp_guard_free(struct mp_cache *c, void *p, struct mpp_faults *faults)
{
	struct slot *s = slot_of(p);
	struct record r;
	int wrong = claim(s, c, p, &r);
	struct mpp_fault *f;
	bool whole;

	if (mpp_unlikely(wrong != 0)) {
		f = mpp_cache_fault(faults, (enum mp_error_kind)wrong, c, p, "the free");
		mpp_guard_describe(f, p);
		return;
	}
	mpp_report_user(&r.freed);
	whole = is_whole((size_t)(s - slots), &r, "the free", faults);
	if (r.cache->flags & MP_ZERO_ON_FREE)
		memset(r.object, 0, r.size);
	/* refused: the page stays accessible, and waits in line like the others */
	(void)mpp_os_protect(page_of((size_t)(s - slots)), mpp_os_page(), false);
	settle(s, &r, whole);
}

bool mpp_guard_whole(void *p, const char *where, struct mpp_faults *faults)
{
	struct slot *s = slot_of(p);
	struct record r;

	if (claim(s, NULL, p, &r) != 0)
		return true;
	if (!is_whole((size_t)(s - slots), &r, where, faults)) {
		settle(s, &r, false);
		return false;
	}
	mpp_lock_acquire(&guard_lock);
	set_state_locked(s, &r, LIVE);
	mpp_lock_release(&guard_lock);
	return true;
}

/* ---- looking */

bool mpp_guard_look(const void *p, struct mpp_guarded *out)
{
	struct record r;
	size_t index;

	if (!look(p, &r, &index))
		return false;
	*out = (struct mpp_guarded){
		.cache = r.cache,
		.object = r.object,
		.page = page_of(index),
		.index = index,
		.size = r.size,
		.live = r.state == LIVE,
		.alloced = r.alloced,
		.freed = r.freed,
	};
	return r.cache != NULL;
}

bool mpp_guard_noted(const void *p, struct mpp_user *alloced, struct mpp_user *freed)
{
	struct record r;
	size_t index;

	if (!look(p, &r, &index))
		return false;
	*alloced = r.alloced;
	*freed = r.freed;
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
		struct record r = { .state = FRESH };

		mpp_lock_acquire(&guard_lock);
		if (cache_of_locked(&slots[i]) == c)
			read_locked(&slots[i], &r);
		mpp_lock_release(&guard_lock);
		if (r.state == LIVE)
			stop = fn(r.object, arg);
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
	struct record r;

	mpp_lock_acquire(&guard_lock);
	for (unsigned i = 0; i < MPP_GUARD_SLOTS; i++) {
		if (cache_of_locked(&slots[i]) != c)
			continue;
		read_locked(&slots[i], &r);
		r.cache = NULL;
		write_locked(&slots[i], &r);
	}
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
	struct record r;

	/* relaxed: the child has one thread; a pool half made is lost to the child */
	if (mpp_load_relaxed(&pool) == POOL_MAKING)
		mpp_store_relaxed(&pool, POOL_REFUSED); /* relaxed: as above */
	/* relaxed: as above; another thread's report is the parent's */
	mpp_store_relaxed(&turn_of_fault, 0);
	for (unsigned i = 0; i < MPP_GUARD_SLOTS; i++) {
		read_locked(&slots[i], &r);
		if (r.state != TAKING && r.state != FREEING)
			continue;
		if (r.state == FREEING) {
			mpp_cache_count_returned(r.cache, 1);
			r.cache->guarded--;
		}
		memset(&r, 0, sizeof(r)); /* nothing is sure of its object */
		write_locked(&slots[i], &r);
		append_locked(i);
	}
}
