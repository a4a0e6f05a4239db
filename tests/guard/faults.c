/* SPDX-License-Identifier: MIT */
/*
 * faults.c - what a guarded object's neighbours catch, and what becomes of the signal, or
 * on Windows of the exception.
 *
 * Each case is this program run again.  It prints what the report has to begin with,
 * then does the deed.
 */
#include "guard.h"

#include "../spawn.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

enum end { ENDS, FAULTS, ABORT, EXITS_7 };

static const char *program;
static struct mp_cache *orders;

static void give_up(const char *why)
{
	printf("FAILED: %s\n", why);
	fflush(stdout);
	_exit(3);
}

/* To standard output, at once. */
static __attribute__((format(printf, 1, 2))) void say(const char *format, ...)
{
	char text[300];
	va_list args;

	va_start(args, format);
	portable_vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fputs(text, stdout);
	fflush(stdout);
}

static unsigned id_of(struct mp_cache *c)
{
	struct mp_cache_stats stats = { .struct_size = sizeof(stats) };

	if (mp_cache_get_stats(c, &stats) != 0)
		give_up("no statistics");
	return stats.id;
}

static char *object(size_t size)
{
	char *p;

	orders = guarded_cache("orders", size, 1);
	p = orders != NULL ? mp_cache_alloc(orders) : NULL;
	if (p == NULL || !is_guarded(p))
		give_up("not guarded");
	return launder(p);
}

/* The beginning of the report to come. */
static void expect(const char *kind, const char *cache, const void *object, const void *at)
{
	struct mp_object_info info = { .struct_size = sizeof(info) };

	if (mp_object_info(object, &info) != 0)
		give_up("no information");
	say("mempool: %s: cache \"%s\" (id %u) pointer %p\n", kind, cache, id_of(info.cache), at);
	say("mempool:   object %p, index %zu of slab %p, offset %td, size %zu\n", object,
	    info.index, info.slab, (const char *)at - (const char *)object, info.object_size);
}

static volatile char *touched;

/* From the object on in steps of one until it faults. */
static void run_over(char *p, int step)
{
	char *limit = address(page_of(p) + (step > 0 ? portable_page() : (size_t)-1));

	expect(step > 0 ? "overflow" : "underflow", "orders", p, limit);
	for (char *at = p;; at = launder(at + step)) {
		touched = at;
		*touched = 0x11;
	}
}

static void overflow(size_t size)
{
	run_over(object(size), 1);
}

static void underflow(size_t size)
{
	run_over(object(size), -1);
}

static void read_freed(size_t size)
{
	char *p = object(size);

	mp_cache_free(orders, p);
	expect("use-after-free", "orders", p, p + size - 1);
	touched = launder(p);
	exit(touched[size - 1]);
}

static void write_freed(size_t size)
{
	char *p = object(size);

	mp_cache_free(orders, p);
	expect("use-after-free", "orders", p, p);
	touched = launder(p);
	touched[0] = 1;
}

static void *free_it(void *p)
{
	mp_free(p);
	return NULL;
}

/* Freed by another thread, the cache destroyed: what is known of it still stands. */
static void read_destroyed(size_t size)
{
	char *p = object(size);
	pthread_t thread;
	unsigned id = id_of(orders);

	if (pthread_create(&thread, NULL, free_it, p) != 0 || pthread_join(thread, NULL) != 0)
		give_up("no thread");
	if (mp_cache_destroy(orders) != 0)
		give_up("not destroyed");
	say("mempool: use-after-free: cache \"orders\" (id %u) pointer %p\n", id, (void *)p);
	touched = launder(p);
	exit(touched[0]);
}

static void double_free(size_t size)
{
	char *p = object(size);

	mp_cache_free(orders, p);
	expect("double-free", "orders", p, p);
	mp_cache_free(orders, launder(p));
}

static void interior(size_t size)
{
	char *p = object(size);

	expect("interior-pointer", "orders", p, p + 8);
	mp_cache_free(orders, launder(p + 8));
}

static void beside(size_t size)
{
	char *p = object(size), *next;

	while ((uintptr_t)p != page_of(p)) /* at the left edge: there is room behind it */
		p = launder(mp_cache_alloc(orders));
	next = launder(p + mp_cache_size(orders));
	*next = 0x11;
	expect("overflow", "orders", p, p);
	mp_cache_free(orders, p);
}

static void clean(size_t size)
{
	char *p = object(size);

	for (unsigned i = 0; i < 1000; i++) {
		char *q = mp_cache_alloc(orders);

		if (q == NULL)
			give_up("no memory");
		memset(q, (int)i, mp_cache_size(orders));
		mp_cache_free(orders, q);
	}
	mp_cache_free(orders, p);
	if (mp_cache_validate(orders) != 0 || mp_cache_destroy(orders) != 0)
		give_up("not clean");
	exit(0);
}

/* A fault that has nothing to do with us: not a word. */
static void elsewhere(size_t size)
{
	(void)object(size);
	touched = portable_no_access(portable_page());
	touched[5] = 1;
}

#if defined(_WIN32)
#include "faults_windows.h"
#else
#include "faults_unix.h"
#endif

/* ---- asked for by the environment, MEMPOOL_GUARD=1,ord*,mp-128 */

static void by_environment(size_t size)
{
	struct mp_cache *other = mp_cache_create("others", size, 0, 0, NULL);
	char *p, *q;

	orders = mp_cache_create("orders", size, 0, 0, NULL);
	p = mp_cache_alloc(orders);
	q = mp_cache_alloc(other);
	if (!is_guarded(p) || is_guarded(q) || is_guarded(mp_alloc(500)))
		give_up("not by name");
	mp_cache_free(other, q);
	mp_cache_free(orders, p);
	p = mp_alloc(100);
	if (!is_guarded(p) || mp_usable_size(p) != 128)
		give_up("not in mp_alloc()");
	wrong_free(p);
	expect("use-after-free", "mp-128", p, p + 3);
	touched = launder(p);
	exit(touched[3]);
}

/* Two faults of two threads at a time: both reports whole; the signal comes once. */
static void *touch(void *p)
{
	char *at = launder(p);

	*at = 1;
	return NULL;
}

static void two_at_once(size_t size)
{
	pthread_t thread;
	char *p = object(size), *q = mp_cache_alloc(orders);

	mp_cache_free(orders, p);
	mp_cache_free(orders, q);
	if (pthread_create(&thread, NULL, touch, p) != 0)
		give_up("no thread");
	touch(q);
	pthread_join(thread, NULL);
}

/* No memory for the pool: ordinary objects, no fault, no word. */
static void no_room(size_t size)
{
	struct mp_cache *c = guarded_cache("orders", size, 1);
	char *p;

	/* a slab there is, a pool would be too much */
	if (c == NULL || mp_cache_prealloc(c, 1) != 0 ||
	    mp_set_limit(MP_CHUNK_SIZE + 512 * 1024) != 0)
		give_up("no limit");
	p = mp_cache_alloc(c);
	if (p == NULL || is_guarded(p))
		give_up("no object");
	memset(p, 1, size);
	mp_cache_free(c, p);
	if (mp_set_limit(0) != 0 || mp_cache_validate(c) != 0 || mp_cache_destroy(c) != 0)
		give_up("not clean");
	exit(0);
}

static const struct deed {
	const char *name;
	void (*run)(size_t size);
	enum end end;
	const char *words;		/* anywhere in the report */
	const char *words2;
	const char *setting;
} deeds[] = {
	{ "overflow", overflow, FAULTS, "found by a guard page", "allocated by thread", NULL },
	{ "underflow", underflow, FAULTS, "found by a guard page", "allocated by thread", NULL },
	{ "read-freed", read_freed, FAULTS, "allocated by thread", "freed by thread", NULL },
	{ "write-freed", write_freed, FAULTS, "allocated by thread", "freed by thread", NULL },
	{ "read-destroyed", read_destroyed, FAULTS, "allocated by thread", "freed by thread", NULL },
	{ "double-free", double_free, ABORT, "allocated by thread", "freed by thread", NULL },
	{ "interior", interior, ABORT, "found by the free", "allocated by thread", NULL },
	{ "beside", beside, ABORT, "damaged bytes at offset", ": 11 bb bb", NULL },
	{ "clean", clean, ENDS, "", "", NULL },
	FAULTS_OF_SYSTEM
	{ "elsewhere", elsewhere, FAULTS, "", "", NULL },
	{ "by-environment", by_environment, FAULTS, "freed by thread", "",
	  "MEMPOOL_GUARD=1,ord*,mp-128" },
	{ "two-at-once", two_at_once, FAULTS, "use-after-free", "freed by thread", NULL },
	{ "no-room", no_room, ENDS, "", "", NULL },
};

#define DEEDS ((int)(sizeof(deeds) / sizeof(deeds[0])))

static const size_t sizes[] = { 16, 64, 100, 4000 };

static void check_end(const struct spawn *s, enum end end)
{
	if (end == ENDS)
		spawn_expect_exit(s, 0);
	else if (end == EXITS_7)
		spawn_expect_exit(s, 7);
	else if (end == ABORT)
		spawn_expect_signal(s, SIGABRT);
	else
		spawn_expect_fault(s);
}

/* What was promised stands at the beginning; without a promise nothing is said. */
static void check_report(const struct spawn *s, const struct deed *deed)
{
	ck_assert_msg(strncmp(s->out, s->err, strlen(s->out)) == 0, "%s: expected:\n%sgot:\n%s",
		      deed->name, s->out, s->err);
	ck_assert_msg(strstr(s->err, deed->words) != NULL && strstr(s->err, deed->words2) != NULL,
		      "%s:\n%s", deed->name, s->err);
	if (deed->words[0] == '\0')
		ck_assert_msg(strstr(s->err, "mempool:") == NULL, "%s:\n%s", deed->name, s->err);
}

START_TEST(each)
{
	const struct deed *deed = &deeds[_i];

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct spawn s = { .program = program, .setting = deed->setting };
		char text[64];

		snprintf(text, sizeof(text), "%d:%zu", _i, sizes[i]);
		s.argument = text;
		spawn(&s);
		check_report(&s, deed);
		check_end(&s, deed->end);
	}
}
END_TEST

/* Standard error closed: the signal comes all the same. */
START_TEST(unheard)
{
	struct spawn s = { .program = program, .argument = "0:64", .close_errors = true };

	spawn(&s);
	ck_assert_str_eq(s.err, "");
	check_end(&s, FAULTS);
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, each, 0, DEEDS);
	tcase_add_test(tc, unheard);
}

int main(int argc, char **argv)
{
	const char *size = argc > 1 ? strchr(argv[1], ':') : NULL;
	int deed;

	program = argv[0];
	if (size == NULL)
		return suite_run("guard-faults", add);
	deed = atoi(argv[1]);
	if (deed < 0 || deed >= DEEDS)
		give_up("no such deed");
	deeds[deed].run((size_t)atoi(size + 1));
	printf("FAILED: went on\n");
	return 9;
}
