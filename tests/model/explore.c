/* SPDX-License-Identifier: MIT */
/*
 * explore.c - runs a litmus program through all its executions.
 *
 * The program is compiled with -fsanitize=thread, so that the compiler calls
 * a function for every access to memory, and linked with this file in place of the
 * sanitizer's library.  Threads are coroutines; a switch can come before each atomic
 * operation.  All choices are tried, depth first, each execution from its start.
 *
 * Memory.  Every atomic location has the list of its values, in the order in which
 * they were written.  A thread has a view: how far along each list it is bound to
 * have got.  A load may read any value not before that; a release attaches the
 * writer's view to the value, an acquire joins it to the reader's; a
 * read-modify-write reads the last value and passes on what was attached to it.  So
 * a missing release or acquire is seen: a stale value is read, or two plain
 * accesses are not ordered, which vector clocks tell, and that is a failure.
 *
 * What it does not see: a plain atomic store is always the last of its list (no
 * execution in which a store lands before one that was done earlier), a load reads
 * nothing that is still to be written, a weak compare-and-swap does not fail for no
 * reason, and an order that only address dependencies give is not given: it is
 * C11's, like the model checkers'.  No fences, no sequentially consistent order:
 * the library has none.
 *
 * Executions that differ only in the order of operations on different locations,
 * or of loads, are run once: sleep sets (Godefroid).  Those found out midway are
 * counted as "cut short".
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define THREADS 5u		/* with the first */
#define LOCATIONS 250u
#define VALUES 120u		/* of one location in one execution */
#define CHOICES 4000u		/* in one execution */
#define STEPS 20000u		/* atomic operations in one execution */
#define STACK (1024u * 1024)
#define SHADOW (1u << 14)
#define LIMIT 3000000ul		/* executions */

enum order { RELAXED, CONSUME, ACQUIRE, RELEASE, ACQ_REL, SEQ_CST };

struct view {
	uint8_t at[LOCATIONS];
	uint32_t clock[THREADS];
};

struct value {
	uint64_t v;
	struct view view;
};

struct location {
	uintptr_t addr;
	unsigned n;
	struct value values[VALUES];
};

/* What a thread does when it is let go. */
enum op { OP_NONE, OP_LOAD, OP_WRITE, OP_LOCK, OP_JOIN, OP_ASLEEP };

struct thread {
	ucontext_t ctx, *back;
	char *stack;
	void *(*fn)(void *);
	void *arg;
	enum op op;
	uintptr_t addr;		/* of the operation */
	unsigned target;	/* of a join */
	bool done;
	struct view view;
};

/* One point where there was more than one way to go on, or may be. */
struct choice {
	bool of_thread;
	unsigned enabled, asleep, tried;	/* of threads, bits */
	unsigned taken, n;
};

/* Plain accesses to one address. */
struct shadow {
	uintptr_t addr;
	unsigned long run;
	unsigned writer;
	uint32_t written;
	uint32_t read[THREADS];
};

int litmus_main(void);
int explore_create(void *id, const void *attr, void *(*fn)(void *), void *arg);
int explore_join(unsigned long id, void **result);
void explore_wait(void *addr, uint32_t value);
void explore_wake(void *addr);
void explore_lock(void *addr);
void explore_unlock(void *addr);

static struct location locations[LOCATIONS];
static struct thread threads[THREADS];
static struct choice choices[CHOICES];
static struct shadow shadow[SHADOW];
static unsigned location_count, thread_count, alive, current, depth, choice_count, steps, asleep;
static unsigned deepest;
static unsigned long run, cut, complete;
static bool abandoned;
static ucontext_t scheduler;

static _Noreturn void fail(const char *what, const char *where, unsigned line)
{
	printf("FAILED in execution %lu: %s (%s:%u), thread %u; schedule:", run, what, where,
	       line, current);
	for (unsigned i = 0; i < depth && i < 80; i++)
		printf(choices[i].of_thread ? " %u" : " =%u", choices[i].taken);
	printf("\n");
	fflush(stdout);
	_Exit(1);
}

/* assert() of the program, and mpp_assert() of the library, end here. */
void __assert_fail(const char *what, const char *file, unsigned line, const char *function)
{
	(void)function;
	fail(what, file, line);
}

/* ---- threads */

static bool is_enabled(const struct thread *t)
{
	if (t->done || t->op == OP_ASLEEP)
		return false;
	if (t->op == OP_LOCK)
		return *(const volatile uint32_t *)t->addr == 0;
	return t->op != OP_JOIN || threads[t->target].done;
}

static bool independent(const struct thread *a, const struct thread *b)
{
	if (a->op == OP_JOIN || b->op == OP_JOIN || a->op == OP_NONE || b->op == OP_NONE)
		return true;
	return a->addr != b->addr || (a->op == OP_LOAD && b->op == OP_LOAD);
}

static struct choice *next_choice(bool of_thread)
{
	struct choice *c = &choices[depth];

	if (depth == CHOICES - 1)
		fail("too many choices", __FILE__, __LINE__);
	depth++;
	if (depth > deepest)
		deepest = depth;
	if (depth <= choice_count)
		return c;
	memset(c, 0, sizeof(*c));
	c->of_thread = of_thread;
	return c;
}

static unsigned lowest(unsigned bits)
{
	return (unsigned)__builtin_ctz(bits);
}

/* One of n ways, the first first. */
static unsigned choose(unsigned n)
{
	struct choice *c;

	if (n == 1)
		return 0;
	c = next_choice(false);
	if (depth > choice_count) {
		c->n = n;
		choice_count = depth;
	}
	return c->taken;
}

/* Which thread goes on; false if every way from here was seen before, in another order. */
static bool choose_thread(unsigned enabled)
{
	struct choice *c = next_choice(true);
	unsigned open, others;

	if (depth > choice_count) {
		c->enabled = enabled;
		c->asleep = asleep & enabled;
		open = enabled & ~asleep;
		if (open == 0) {
			depth--;
			return false;
		}
		c->taken = (open >> current & 1) != 0 ? current : lowest(open);
		choice_count = depth;
	}
	current = c->taken;
	others = (c->asleep | c->tried) & ~(1u << current);
	asleep = 0;
	for (; others != 0; others &= others - 1)
		if (independent(&threads[lowest(others)], &threads[current]))
			asleep |= 1u << lowest(others);
	return true;
}

/* To the next way not tried; false if there is none. */
static bool backtrack(void)
{
	while (choice_count > 0) {
		struct choice *c = &choices[choice_count - 1];

		if (c->of_thread) {
			unsigned open;

			c->tried |= 1u << c->taken;
			open = c->enabled & ~c->asleep & ~c->tried;
			if (open != 0) {
				c->taken = lowest(open);
				return true;
			}
		} else if (c->taken + 1 < c->n) {
			c->taken++;
			return true;
		}
		choice_count--;
	}
	return false;
}

/* The running thread is about to do op: let the scheduler decide who goes on. */
static void pause_before(enum op op, uintptr_t addr)
{
	struct thread *t = &threads[current];

	if (++steps > STEPS)
		fail("it does not end", __FILE__, __LINE__);
	t->op = op;
	t->addr = addr;
	swapcontext(&t->ctx, t->back);
	t->op = OP_NONE;
}

static void body(void)
{
	struct thread *t = &threads[current];

	if (t == threads)
		litmus_main();
	else
		t->fn(t->arg);
	threads[current].done = true;
	alive--;
	setcontext(threads[current].back);
}

static void start(struct thread *t, ucontext_t *back)
{
	t->done = false;
	t->op = OP_NONE;
	t->back = back;
	if (t->stack == NULL)
		t->stack = malloc(STACK);
	if (t->stack == NULL || getcontext(&t->ctx) != 0)
		fail("no memory", __FILE__, __LINE__);
	t->ctx.uc_stack.ss_sp = t->stack;
	t->ctx.uc_stack.ss_size = STACK;
	t->ctx.uc_link = NULL;
	makecontext(&t->ctx, body, 0);
	alive++;
}

/* A new thread runs up to its first atomic operation at once: nobody can tell. */
int explore_create(void *id, const void *attr, void *(*fn)(void *), void *arg)
{
	struct thread *parent = &threads[current], *t = &threads[thread_count];
	unsigned self = current;

	(void)attr;
	if (thread_count == THREADS)
		fail("too many threads", __FILE__, __LINE__);
	*(unsigned long *)id = thread_count;
	t->fn = fn;
	t->arg = arg;
	t->view = parent->view;
	t->view.clock[thread_count] = 1;
	parent->view.clock[self]++;
	current = thread_count++;
	start(t, &parent->ctx);
	swapcontext(&parent->ctx, &t->ctx);
	t->back = &scheduler;
	current = self;
	return 0;
}

static void join_view(struct view *v, const struct view *with)
{
	for (unsigned i = 0; i < location_count; i++)
		if (with->at[i] > v->at[i])
			v->at[i] = with->at[i];
	for (unsigned i = 0; i < thread_count; i++)
		if (with->clock[i] > v->clock[i])
			v->clock[i] = with->clock[i];
}

int explore_join(unsigned long id, void **result)
{
	(void)result;
	threads[current].target = (unsigned)id;
	pause_before(OP_JOIN, 0);
	join_view(&threads[current].view, &threads[id].view);
	return 0;
}

static bool run_once(void)
{
	thread_count = 1;
	location_count = alive = steps = depth = asleep = current = 0;
	memset(&threads[0].view, 0, sizeof(struct view));
	threads[0].view.clock[0] = 1;
	start(&threads[0], &scheduler);
	abandoned = false;
	for (;;) {
		unsigned enabled = 0;

		swapcontext(&scheduler, &threads[current].ctx);
		if (alive == 0)
			return true;
		for (unsigned i = 0; i < thread_count; i++)
			if (is_enabled(&threads[i]))
				enabled |= 1u << i;
		if (enabled == 0)
			fail("every thread waits", __FILE__, __LINE__);
		if (!choose_thread(enabled))
			return false;
	}
}

/* ---- plain accesses */

static void report_race(const void *p, const char *what)
{
	char text[120];

	snprintf(text, sizeof(text), "data race: %s of %p", what, p);
	fail(text, "plain access", 0);
}

static struct shadow *shadow_of(uintptr_t addr)
{
	size_t i = (addr * 0x9e3779b97f4a7c15u) >> 50;

	while (shadow[i].run == run && shadow[i].addr != addr)
		i = (i + 1) % SHADOW;
	if (shadow[i].run != run) {
		memset(&shadow[i], 0, sizeof(shadow[i]));
		shadow[i].run = run;
		shadow[i].addr = addr;
	}
	return &shadow[i];
}

static bool is_private(const void *p)
{
	const char *stack = threads[current].stack;

	return alive < 2 || ((const char *)p >= stack && (const char *)p < stack + STACK);
}

static void plain_unit(uintptr_t addr, bool write)
{
	struct view *v = &threads[current].view;
	struct shadow *s = shadow_of(addr);

	if (s->written > v->clock[s->writer])
		report_race((void *)addr, write ? "write after write" : "read after write");
	if (!write) {
		s->read[current] = v->clock[current];
		return;
	}
	for (unsigned i = 0; i < thread_count; i++)
		if (s->read[i] > v->clock[i])
			report_race((void *)addr, "write after read");
	s->writer = current;
	s->written = v->clock[current];
}

static void plain(const void *p, size_t size, bool write)
{
	uintptr_t a = (uintptr_t)p;
	size_t unit = size >= 4 ? 4 : 1;

	if (is_private(p))
		return;
	for (size_t i = 0; i < size; i += unit)
		plain_unit(a + i, write);
}

/* ---- atomic accesses */

static bool is_acquire(int order)
{
	return order == ACQUIRE || order == ACQ_REL || order == SEQ_CST || order == CONSUME;
}

static bool is_release(int order)
{
	return order == RELEASE || order == ACQ_REL || order == SEQ_CST;
}

static uint64_t peek(const void *p, size_t size)
{
	uint64_t v = 0;

	memcpy(&v, p, size); /* little-endian machines only, see main */
	return v;
}

static unsigned location_of(const void *p, size_t size)
{
	unsigned i;

	for (i = 0; i < location_count; i++)
		if (locations[i].addr == (uintptr_t)p)
			return i;
	if (i == LOCATIONS)
		fail("too many locations", __FILE__, __LINE__);
	location_count++;
	locations[i].addr = (uintptr_t)p;
	locations[i].n = 1;
	locations[i].values[0].v = peek(p, size);
	memset(&locations[i].values[0].view, 0, sizeof(struct view));
	for (unsigned t = 0; t < THREADS; t++)
		threads[t].view.at[i] = 0;
	for (unsigned l = 0; l < i; l++)
		for (unsigned n = 0; n < locations[l].n; n++)
			locations[l].values[n].view.at[i] = 0;
	return i;
}

/* The plain accesses that an atomic one must be ordered behind. */
static void check_plain(const void *p)
{
	struct view *v = &threads[current].view;
	struct shadow *s = shadow_of((uintptr_t)p);

	if (s->written > v->clock[s->writer])
		report_race(p, "atomic access after a plain write");
}

static struct value *read_value(unsigned l, unsigned i, int order)
{
	struct value *v = &locations[l].values[i];
	struct view *view = &threads[current].view;

	view->at[l] = (uint8_t)i;
	if (is_acquire(order))
		join_view(view, &v->view);
	return v;
}

/* Add a value; after: what a read-modify-write passes on, or NULL. */
static void write_value(unsigned l, void *p, size_t size, uint64_t v, int order,
			const struct value *after)
{
	struct view *view = &threads[current].view;
	struct value *value = &locations[l].values[locations[l].n];

	if (locations[l].n == VALUES)
		fail("too many values", __FILE__, __LINE__);
	view->at[l] = (uint8_t)locations[l].n++;
	value->v = v;
	if (is_release(order))
		value->view = *view;
	else
		memset(&value->view, 0, sizeof(value->view));
	value->view.at[l] = view->at[l];
	if (after != NULL)
		join_view(&value->view, &after->view);
	if (is_release(order))
		view->clock[current]++;
	memcpy(p, &v, size);
}

static uint64_t load(const void *p, size_t size, int order)
{
	unsigned l, first, n;

	if (is_private(p))
		return peek(p, size);
	pause_before(OP_LOAD, (uintptr_t)p);
	check_plain(p);
	l = location_of(p, size);
	first = threads[current].view.at[l];
	n = locations[l].n;
	return read_value(l, n - 1 - choose(n - first), order)->v; /* the newest first */
}

static void store(void *p, size_t size, uint64_t v, int order)
{
	if (is_private(p)) {
		memcpy(p, &v, size);
		return;
	}
	pause_before(OP_WRITE, (uintptr_t)p);
	check_plain(p);
	write_value(location_of(p, size), p, size, v, order, NULL);
}

enum rmw { EXCHANGE, ADD, SUB, AND, OR, XOR };

static uint64_t apply(enum rmw what, uint64_t old, uint64_t v)
{
	switch (what) {
	case ADD:
		return old + v;
	case SUB:
		return old - v;
	case AND:
		return old & v;
	case OR:
		return old | v;
	case XOR:
		return old ^ v;
	default:
		return v;
	}
}

static uint64_t modify(void *p, size_t size, enum rmw what, uint64_t v, int order)
{
	uint64_t old, new;
	struct value *last;
	unsigned l;

	if (is_private(p)) {
		old = peek(p, size);
		new = apply(what, old, v);
		memcpy(p, &new, size);
		return old;
	}
	pause_before(OP_WRITE, (uintptr_t)p);
	check_plain(p);
	l = location_of(p, size);
	last = read_value(l, locations[l].n - 1, order);
	new = 0;
	old = apply(what, last->v, v);
	memcpy(&new, &old, size); /* as wide as the location */
	old = last->v;
	write_value(l, p, size, new, order, last);
	return old;
}

/* The n-th from the last of those it may read that are not v; their number if n is too large. */
static unsigned other_value(unsigned l, uint64_t v, unsigned n, unsigned *count)
{
	unsigned i, found = 0, at = 0;

	for (i = locations[l].n; i-- > threads[current].view.at[l];) {
		if (locations[l].values[i].v == v)
			continue;
		if (found++ == n)
			at = i;
	}
	*count = found;
	return at;
}

static bool swap_if(void *p, size_t size, void *expected, uint64_t v, int order, int failing)
{
	uint64_t want = peek(expected, size), seen;
	unsigned l, ways, which, i;
	bool can;

	if (is_private(p)) {
		seen = peek(p, size);
		memcpy(seen == want ? p : expected, seen == want ? &v : &seen, size);
		return seen == want;
	}
	pause_before(OP_WRITE, (uintptr_t)p);
	check_plain(p);
	l = location_of(p, size);
	can = locations[l].values[locations[l].n - 1].v == want;
	(void)other_value(l, want, 0, &ways);
	which = choose(ways + can);
	if (can && which == 0) {
		struct value *last = read_value(l, locations[l].n - 1, order);

		write_value(l, p, size, v, order, last);
		return true;
	}
	i = other_value(l, want, which - can, &ways);
	seen = read_value(l, i, failing)->v;
	memcpy(expected, &seen, size);
	return false;
}

/* ---- the sleeping side of locks */

void explore_wait(void *addr, uint32_t value)
{
	struct thread *t = &threads[current];
	unsigned l;

	if (is_private(addr))
		return;
	pause_before(OP_WRITE, (uintptr_t)addr);
	l = location_of(addr, sizeof(value));
	if ((uint32_t)locations[l].values[locations[l].n - 1].v != value)
		return;
	t->op = OP_ASLEEP;
	t->addr = (uintptr_t)addr;
	if (++steps > STEPS)
		fail("it does not end", __FILE__, __LINE__);
	swapcontext(&t->ctx, t->back);
	t->op = OP_NONE;
}

void explore_wake(void *addr)
{
	if (is_private(addr))
		return;
	pause_before(OP_WRITE, (uintptr_t)addr);
	for (unsigned i = 0; i < thread_count; i++)
		if (threads[i].op == OP_ASLEEP && threads[i].addr == (uintptr_t)addr) {
			threads[i].op = OP_NONE;
			return;
		}
}

/* A lock in one step each, for programs whose race is not that of the lock itself. */
void explore_lock(void *addr)
{
	uint32_t held = 1;
	unsigned l;

	if (is_private(addr)) {
		memcpy(addr, &held, sizeof(held));
		return;
	}
	pause_before(OP_LOCK, (uintptr_t)addr);
	l = location_of(addr, sizeof(held));
	write_value(l, addr, sizeof(held), held, RELAXED,
		    read_value(l, locations[l].n - 1, ACQUIRE));
}

void explore_unlock(void *addr)
{
	store(addr, sizeof(uint32_t), 0, RELEASE);
}

/* ---- what the compiler calls */

#define PLAIN(name, size, write) \
	void __tsan_##name(void *p); \
	void __tsan_##name(void *p) \
	{ \
		plain(p, size, write); \
	}
#define PLAIN_SIZE(size) \
	PLAIN(read##size, size, false) \
	PLAIN(write##size, size, true) \
	PLAIN(unaligned_read##size, size, false) \
	PLAIN(unaligned_write##size, size, true)
PLAIN_SIZE(1)
PLAIN_SIZE(2)
PLAIN_SIZE(4)
PLAIN_SIZE(8)
PLAIN_SIZE(16)

#define MODIFY(bits, type, name, what) \
	type __tsan_atomic##bits##_##name(void *p, type v, int order); \
	type __tsan_atomic##bits##_##name(void *p, type v, int order) \
	{ \
		return (type)modify(p, sizeof(type), what, v, order); \
	}
#define SWAP_IF(bits, type, name) \
	int __tsan_atomic##bits##_##name(void *p, void *old, type v, int order, int failing); \
	int __tsan_atomic##bits##_##name(void *p, void *old, type v, int order, int failing) \
	{ \
		return swap_if(p, sizeof(type), old, v, order, failing); \
	}
/* clang's: returns what was there, which is old if it went well. */
#define SWAP_VAL(bits, type) \
	type __tsan_atomic##bits##_compare_exchange_val(void *p, type old, type v, int order, \
							int failing); \
	type __tsan_atomic##bits##_compare_exchange_val(void *p, type old, type v, int order, \
							int failing) \
	{ \
		(void)swap_if(p, sizeof(type), &old, v, order, failing); \
		return old; \
	}
#define ATOMIC(bits, type) \
	type __tsan_atomic##bits##_load(const void *p, int order); \
	type __tsan_atomic##bits##_load(const void *p, int order) \
	{ \
		return (type)load(p, sizeof(type), order); \
	} \
	void __tsan_atomic##bits##_store(void *p, type v, int order); \
	void __tsan_atomic##bits##_store(void *p, type v, int order) \
	{ \
		store(p, sizeof(type), v, order); \
	} \
	MODIFY(bits, type, exchange, EXCHANGE) \
	MODIFY(bits, type, fetch_add, ADD) \
	MODIFY(bits, type, fetch_sub, SUB) \
	MODIFY(bits, type, fetch_and, AND) \
	MODIFY(bits, type, fetch_or, OR) \
	MODIFY(bits, type, fetch_xor, XOR) \
	SWAP_IF(bits, type, compare_exchange_strong) \
	SWAP_IF(bits, type, compare_exchange_weak) \
	SWAP_VAL(bits, type)
ATOMIC(8, uint8_t)
ATOMIC(16, uint16_t)
ATOMIC(32, uint32_t)
ATOMIC(64, uint64_t)

void __tsan_init(void);
void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller);
void __tsan_func_entry(void *caller)
{
	(void)caller;
}

void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

void __tsan_read_range(void *p, size_t size);
void __tsan_read_range(void *p, size_t size)
{
	plain(p, size, false);
}

void __tsan_write_range(void *p, size_t size);
void __tsan_write_range(void *p, size_t size)
{
	plain(p, size, true);
}

void *__tsan_memset(void *p, int v, size_t n);
void *__tsan_memset(void *p, int v, size_t n)
{
	plain(p, n, true);
	return memset(p, v, n);
}

void *__tsan_memcpy(void *to, const void *from, size_t n);
void *__tsan_memcpy(void *to, const void *from, size_t n)
{
	plain(to, n, true);
	plain(from, n, false);
	return memcpy(to, from, n);
}

void *__tsan_memmove(void *to, const void *from, size_t n);
void *__tsan_memmove(void *to, const void *from, size_t n)
{
	plain(to, n, true);
	plain(from, n, false);
	return memmove(to, from, n);
}

int main(void)
{
	const uint16_t probe = 1;

	if (*(const unsigned char *)&probe != 1) {
		printf("not run: for little-endian machines only\n");
		return 77;
	}
	do {
		run++;
		if (run > LIMIT) {
			printf("FAILED: more than %lu executions\n", LIMIT);
			return 1;
		}
		if (run_once())
			complete++;
		else
			cut++;
	} while (backtrack());
	printf("%lu executions, %lu more cut short, at most %u choices in one\n", complete, cut,
	       deepest);
	return 0;
}
