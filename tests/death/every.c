/* SPDX-License-Identifier: MIT */
/*
 * every.c - every kind of fault at every size, in both policies, and its twin.
 *
 * Each case is this program run again: by default it dies of SIGABRT, with
 * MEMPOOL_ON_ERROR=report it goes on and all caches validate, and without the fault it
 * writes nothing.  The child prints the first line of each report that it is about to
 * cause, and lines that have to be in it.
 */
#define _GNU_SOURCE /* dladdr() */
#include "../suite.h"

#include "../loading.h"
#include "../spawn.h"

#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* What a case works with. */
struct scene {
	size_t size;
	bool bad;		/* commit the fault; else its twin */
	struct mp_cache *c;	/* "orders"; NULL: mp_alloc() and mp_free() */
	unsigned faults;	/* expected */
};

static const char *program;

static void give_up(const char *why)
{
	printf("FAILED: %s\n", why);
	fflush(stdout);
	_exit(4);
}

static char *get(struct scene *s)
{
	char *p = launder(s->c != NULL ? mp_cache_alloc(s->c) : mp_alloc(s->size));

	if (p == NULL)
		give_up("no memory");
	return p;
}

static void put(struct scene *s, const void *p)
{
	if (s->c != NULL)
		mp_cache_free(s->c, launder(p));
	else
		wrong_free(p);
}

static unsigned id_of(struct mp_cache *c)
{
	struct mp_cache_stats stats = { .struct_size = sizeof(stats) };

	if (mp_cache_get_stats(c, &stats) != 0)
		give_up("no statistics");
	return stats.id;
}

/* The first line of a report, about the object that p is in, or about c, or no cache. */
static void expect(struct scene *s, const char *kind, struct mp_cache *c, const void *p)
{
	struct mp_object_info info = { .struct_size = sizeof(info) };
	char pointer[40];

	s->faults++;
	printf("mempool: %s:", kind);
	if (c != NULL)
		printf(" cache \"%s\" (id %u)", mp_cache_name(c), id_of(c));
	else if (mp_object_info(p, &info) == 0)
		printf(" cache \"%s\" (id %u)", info.cache_name,
		       info.cache != NULL ? id_of(info.cache) : 0);
	portable_snprintf(pointer, sizeof(pointer), " pointer %p", p);
	puts(p != NULL ? pointer : "");
	fflush(stdout);
}

/* ---- double frees */

static void double_free(struct scene *s)
{
	char *p = get(s);

	put(s, p);
	if (!s->bad)
		return;
	expect(s, "double-free", s->c, p);
	put(s, p);
}

static void double_free_later(struct scene *s)
{
	char *p = get(s), *q = get(s);

	put(s, p);
	put(s, q);
	if (s->bad) {
		expect(s, "double-free", s->c, p);
		put(s, p);
	}
	mp_thread_flush();
}

static void *free_elsewhere(void *arg)
{
	void **what = arg;

	put(what[0], what[1]);
	mp_thread_flush();
	return NULL;
}

static void in_thread(struct scene *s, void *p)
{
	void *what[] = { s, p };
	pthread_t thread;

	if (pthread_create(&thread, NULL, free_elsewhere, what) != 0)
		give_up("no thread");
	pthread_join(thread, NULL);
}

static void double_free_thread(struct scene *s)
{
	char *p = get(s), *q = get(s);

	put(s, p);
	put(s, q);
	if (s->bad) {
		expect(s, "double-free", s->c, p);
		in_thread(s, p);
	}
	mp_thread_flush();
}

static pthread_barrier_t start;

static void *free_now(void *arg)
{
	void **what = arg;

	pthread_barrier_wait(&start);
	put(what[0], what[1]);
	return NULL;
}

/* Two threads, the same object, the same moment: one of them is told, whichever. */
static void double_free_race(struct scene *s)
{
	for (int round = 0; round < (s->bad ? 4 : 3); round++) {
		char *p = get(s), *q = s->bad ? p : get(s);
		void *one[] = { s, p }, *two[] = { s, q };
		pthread_t thread;

		pthread_barrier_init(&start, NULL, 2);
		if (s->bad)
			expect(s, "double-free", s->c, p);
		if (pthread_create(&thread, NULL, free_now, one) != 0)
			give_up("no thread");
		free_now(two);
		pthread_join(thread, NULL);
		pthread_barrier_destroy(&start);
	}
}

/* ---- pointers that are not ours */

static void not_ours(struct scene *s, const void *p)
{
	char *q = get(s);

	if (s->bad) {
		expect(s, "bad-free", s->c, p);
		put(s, p);
	}
	put(s, q);
}

static void bad_malloc(struct scene *s)
{
	void *p = launder(malloc(s->size));

	not_ours(s, p);
	free(p);
}

static void bad_stack(struct scene *s)
{
	_Alignas(64) char local[64];

	not_ours(s, launder(local));
}

static void bad_global(struct scene *s)
{
	static _Alignas(64) char global[64];

	not_ours(s, launder(global));
}

static void bad_unmapped(struct scene *s)
{
	char *p;

	put(s, get(s)); /* the library has what it maps for one */
	p = portable_no_access(MP_CHUNK_SIZE);
	portable_free_addresses(p, MP_CHUNK_SIZE);
	not_ours(s, p);
}

static void bad_low(struct scene *s)
{
	not_ours(s, address(16));
}

static void bad_non_canonical(struct scene *s)
{
	not_ours(s, address((uintptr_t)UINT64_C(0xdeadbeefdeadbee0)));
}

/* A page that is not ours and looks exactly as a slab does. */
static void bad_forged(struct scene *s)
{
	struct mp_object_info info = { .struct_size = sizeof(info) };
	struct mp_cache *c = s->c != NULL ? s->c : mp_cache_find("mp-16");
	char *area = portable_map(2 * MP_CHUNK_SIZE), *forged, *p;

	p = launder(mp_cache_alloc(c));
	if (area == NULL || p == NULL || mp_object_info(p, &info) != 0)
		give_up("no slab");
	forged = area + (MP_CHUNK_SIZE - (uintptr_t)area % MP_CHUNK_SIZE) % MP_CHUNK_SIZE;
	memcpy(forged, info.slab, MP_CHUNK_SIZE);
	not_ours(s, forged + (p - (char *)info.slab));
	mp_cache_free(c, p);
	portable_free_addresses(area, 2 * MP_CHUNK_SIZE);
}

#ifdef HAVE_SHARED
static void copy_file(const char *from, const char *to)
{
	char buf[65536];
	FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
	size_t n;

	if (in == NULL || out == NULL)
		give_up("the library cannot be copied");
	while ((n = fread(buf, 1, sizeof(buf), in)) > 0)
		if (fwrite(buf, 1, n, out) != n)
			give_up("the copy cannot be written");
	fclose(in);
	if (fclose(out) != 0)
		give_up("the copy cannot be written");
}

/* Another copy of the library has memory of its own. */
static void bad_other_copy(struct scene *s)
{
	char path[1000], copy[1100];
	void *(*volatile copy_alloc)(size_t size);
	void (*volatile copy_free)(void *p);
	void *lib, *symbol, *p;

	if (!loading_path("mp_alloc", path, sizeof(path)))
		give_up("the library is not found");
	snprintf(copy, sizeof(copy), "%s-copy.tmp", path);
	copy_file(path, copy);
	lib = loading_open(copy, LOADING_NOW);
	(void)remove(copy); /* Windows lets nobody: it is there for the next one */
	if (lib == NULL)
		give_up(loading_error());
	symbol = loading_find(lib, "mp_alloc");
	memcpy((void *)&copy_alloc, &symbol, sizeof(symbol));
	symbol = loading_find(lib, "mp_free");
	memcpy((void *)&copy_free, &symbol, sizeof(symbol));
	p = copy_alloc(s->size);
	if (p == NULL)
		give_up("no memory");
	not_ours(s, p);
	copy_free(p);
}
#endif

/* ---- pointers into what is ours */

static void into(struct scene *s, const char *p, ptrdiff_t at)
{
	if (s->bad) {
		expect(s, "interior-pointer", s->c, p + at);
		put(s, p + at);
	}
	put(s, p);
}

static void interior(struct scene *s)
{
	into(s, get(s), (ptrdiff_t)s->size / 2);
}

static void unaligned(struct scene *s)
{
	into(s, get(s), 1);
}

static void header(struct scene *s)
{
	struct mp_object_info info = { .struct_size = sizeof(info) };
	char *p = get(s);

	if (mp_object_info(p, &info) != 0)
		give_up("not ours");
	if (s->bad && info.cache != NULL) {
		expect(s, "interior-pointer", info.cache, info.slab);
		put(s, info.slab);
	}
	put(s, p);
}

static void wrong_cache(struct scene *s)
{
	struct mp_cache *other = mp_cache_create("other", s->size, 0, 0, NULL);
	char *p = get(s);

	if (s->bad) {
		expect(s, "wrong-cache", other, p);
		mp_cache_free(other, p);
	}
	put(s, p);
}

/* ---- writes that were not lawful */

static void overflow(struct scene *s)
{
	char *p = get(s);

	memset(p, 0x11, s->size);
	if (s->bad) {
		expect(s, "overflow", NULL, p);
		printf("mempool:   damaged bytes at offset %zu: 41 bb bb", s->size);
		puts("");
		fflush(stdout);
		p[s->size] = 0x41;
	}
	put(s, p);
}

static void underflow(struct scene *s)
{
	char *p = get(s);

	memset(p, 0x11, s->size);
	if (s->bad) {
		expect(s, "underflow", NULL, p);
		puts("mempool:   damaged bytes at offset -1: 42\n");
		fflush(stdout);
		p[-1] = 0x42;
	}
	put(s, p);
}

/* No slab's object: a cache has slabs for 4096 bytes however small the chunks are. */
static bool is_span(const struct scene *s)
{
	return s->size > (s->c != NULL ? 4096 : MP_MAX_FIXED_SIZE);
}

/* An object that was freed and, if bad, written to. */
static char *write_late(struct scene *s)
{
	char *p = get(s);

	put(s, p);
	if (s->bad) {
		expect(s, "use-after-free-write", NULL, p);
		puts("mempool:   damaged bytes at offset 3: 43");
		fflush(stdout);
		p = launder(p);
		p[3] = 0x43;
	}
	return p;
}

static void write_after_free(struct scene *s)
{
	const char *p = write_late(s);

	if (is_span(s)) /* it waits for others */
		(void)mp_reclaim(0);
	for (int i = 0; i < 3; i++) /* it comes up, and is not handed out */
		if (get(s) == p && s->bad)
			give_up("a damaged object was handed out");
}

/* The memory goes before it is asked for again. */
static void write_before_reclaim(struct scene *s)
{
	(void)write_late(s);
	(void)mp_reclaim(0);
}

static void write_before_destroy(struct scene *s)
{
	(void)write_late(s);
	if (mp_cache_destroy(s->c) != 0)
		give_up("a cache was not destroyed");
}

/* ---- sizes */

static void size_mismatch(struct scene *s)
{
	char *p = get(s);

	if (s->bad) {
		expect(s, "size-mismatch", NULL, p);
		mp_free_sized(launder(p), 3 * s->size);
	}
	mp_free_sized(launder(p), s->size);
}

static void size_mismatch_by_one(struct scene *s)
{
	char *p = get(s);

	if (s->bad) {
		expect(s, "size-mismatch", NULL, p);
		printf("mempool:   size in bytes: expected %zu, found %zu\n", s->size, s->size - 1);
		fflush(stdout);
		mp_free_sized(launder(p), s->size - 1);
	}
	mp_free_sized(launder(p), s->size);
}

/* ---- caches */

static void live_at_destroy(struct scene *s)
{
	char *p = get(s), among[60];

	if (s->bad) {
		expect(s, "live-at-destroy", s->c, NULL);
		portable_snprintf(among, sizeof(among), "mempool:   among them %p", p);
		printf("mempool:   live objects: expected 0, found 1\n%s\n", among);
		fflush(stdout);
		if (mp_cache_destroy(s->c) != -EBUSY)
			give_up("a cache with live objects was destroyed");
	}
	put(s, p);
	if (mp_cache_destroy(s->c) != 0)
		give_up("not destroyed");
}

static void dead_cache(struct scene *s)
{
	struct mp_cache *c = launder(s->c);

	put(s, get(s));
	if (s->bad) {
		expect(s, "dead-cache", c, c);
		if (mp_cache_destroy(c) != 0)
			give_up("not destroyed");
		if (mp_cache_alloc(c) != NULL)
			give_up("a dead cache gave an object");
	}
}

/* ---- the table */

enum { CACHE = 1, GENERAL = 2, SPAN = 4, BOTH = 3, ALL = 7 };

static const struct kind {
	const char *name;
	void (*run)(struct scene *s);
	unsigned where;
	const char *debug;	/* letters of MEMPOOL_DEBUG, or "" */
	size_t least;		/* size */
} kinds[] = {
	{ "double_free", double_free, ALL, "", 0 },
	{ "double_free", double_free, ALL, "H", 0 },
	{ "double_free", double_free, ALL, "FZPU", 0 },
	{ "double_free_later", double_free_later, BOTH, "", 0 },
	{ "double_free_later", double_free_later, SPAN, "", 0 },
	{ "double_free_later", double_free_later, ALL, "H", 0 },
	{ "double_free_later", double_free_later, ALL, "FZPU", 0 },
	{ "double_free_thread", double_free_thread, ALL, "", 0 },
	{ "double_free_thread", double_free_thread, ALL, "H", 0 },
	{ "double_free_thread", double_free_thread, ALL, "F", 0 },
	{ "double_free_race", double_free_race, ALL, "H", 0 },
	{ "double_free_race", double_free_race, ALL, "FZPU", 0 },
	{ "bad_malloc", bad_malloc, ALL, "", 0 },
	{ "bad_stack", bad_stack, ALL, "", 0 },
	{ "bad_global", bad_global, ALL, "", 0 },
	{ "bad_unmapped", bad_unmapped, ALL, "", 0 },
	{ "bad_low", bad_low, ALL, "", 0 },
	{ "bad_non_canonical", bad_non_canonical, ALL, "", 0 },
	{ "bad_forged", bad_forged, BOTH, "", 0 },
	{ "bad_forged", bad_forged, BOTH, "FZPU", 0 },
#ifdef HAVE_SHARED
	{ "bad_other_copy", bad_other_copy, ALL, "", 0 },
#endif
	{ "interior", interior, ALL, "", 0 },
	{ "interior", interior, ALL, "FZPU", 0 },
	{ "unaligned", unaligned, ALL, "", 0 },
	{ "unaligned", unaligned, ALL, "H", 0 },
	{ "header", header, BOTH, "", 0 },
	{ "header", header, BOTH, "FZPU", 0 },
	{ "wrong_cache", wrong_cache, ALL, "", 0 },
	{ "wrong_cache", wrong_cache, ALL, "FZPU", 0 },
	{ "overflow", overflow, ALL, "Z", 0 },
	{ "overflow", overflow, ALL, "FZPU", 0 },
	{ "underflow", underflow, ALL, "Z", 0 },
	{ "underflow", underflow, ALL, "FZPU", 0 },
	{ "write_after_free", write_after_free, ALL, "P", 0 },
	{ "write_after_free", write_after_free, ALL, "FZPU", 0 },
	{ "write_before_reclaim", write_before_reclaim, ALL, "P", 0 },
	{ "write_before_reclaim", write_before_reclaim, ALL, "FZPU", 0 },
	{ "write_before_destroy", write_before_destroy, CACHE, "P", 0 },
	{ "write_before_destroy", write_before_destroy, CACHE, "FZPU", 0 },
	{ "size_mismatch", size_mismatch, GENERAL, "", 0 },
	{ "size_mismatch", size_mismatch, SPAN, "", 0 },
	{ "size_mismatch_by_one", size_mismatch_by_one, GENERAL, "Z", 0 },
	{ "size_mismatch_by_one", size_mismatch_by_one, SPAN, "Z", 0 },
	{ "size_mismatch_by_one", size_mismatch_by_one, GENERAL, "FZPU", 0 },
	{ "size_mismatch_by_one", size_mismatch_by_one, SPAN, "FZPU", 0 },
	{ "live_at_destroy", live_at_destroy, CACHE, "", 0 },
	{ "live_at_destroy", live_at_destroy, CACHE, "FZPU", 0 },
	{ "dead_cache", dead_cache, CACHE, "", 0 },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static const size_t sizes[] = { 16, 64, 100, 4096, 300000 };

#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

static const struct variant {
	unsigned where;
	const char *mode;
} variants[] = { { CACHE, "cache" }, { GENERAL, "general" } };

static int validate(struct mp_cache *c, void *arg)
{
	(void)arg;
	if (mp_cache_validate(c) != 0)
		give_up("a cache does not validate");
	return 0;
}

static int run(const char *what)
{
	struct mp_stats stats = { .struct_size = sizeof(stats) };
	struct scene s = { .faults = 0 };
	char mode[10], fault[10];
	unsigned k, size;

	if (sscanf(what, "%u:%u:%9[a-z]:%9[a-z]", &k, &size, mode, fault) != 4 || k >= KINDS)
		return 2;
	s.size = size;
	s.bad = strcmp(fault, "fault") == 0;
	if (strcmp(mode, "cache") == 0)
		s.c = mp_cache_create("orders", s.size, 0, 0, NULL);
	kinds[k].run(&s);
	for (unsigned i = 0; i < 300; i++)
		wrong_free(mp_alloc(i * 17));
	if (mp_cache_for_each(validate, NULL) != 0 || mp_get_stats(&stats) != 0)
		give_up("the walk stopped");
	if (stats.faults != s.faults) {
		printf("%" PRIu64 " faults\n", stats.faults);
		give_up("another number of faults");
	}
	return 0;
}

/* Each line of out that begins a report is the next in err that does, others are in err. */
static void compare(const char *out, const char *err, bool all, const char *what)
{
	const char *at = err;
	unsigned reports = 0, expected = 0;

	for (const char *e = err; (e = strstr(e, "mempool: ")) != NULL; e++)
		reports += e[9] != ' ';
	for (const char *line = out; *line != '\0'; line += strcspn(line, "\n") + 1) {
		char text[300];

		snprintf(text, sizeof(text), "%.*s", (int)strcspn(line, "\n"), line);
		if (text[0] == '\0' || (!all && expected > 0 && text[9] != ' '))
			continue;
		at = strstr(at, text);
		ck_assert_msg(at != NULL, "%s: \"%s\" is not in:\n%s", what, text, err);
		expected += text[9] != ' ';
	}
	ck_assert_msg(reports == expected && expected > 0, "%s: %u reports, %u expected:\n%s%s",
		      what, reports, expected, out, err);
}

static void check_one(unsigned k, size_t size, const char *mode)
{
	char fault[60], twin[60], debug[60];
	struct spawn s = { .program = program, .argument = fault, .setting = debug };

	snprintf(debug, sizeof(debug), "MEMPOOL_DEBUG=%s", kinds[k].debug);
	snprintf(fault, sizeof(fault), "%u:%u:%s:fault", k, (unsigned)size, mode);
	snprintf(twin, sizeof(twin), "%u:%u:%s:twin", k, (unsigned)size, mode);
	spawn(&s);
	ck_assert_msg(spawn_signalled(&s, SIGABRT),
		      "%s %s %s: status %#x, output:\n%s%s", kinds[k].name, debug, fault,
		      (unsigned)s.status, s.out, s.err);
	compare(s.out, s.err, false, fault);
	s.setting2 = "MEMPOOL_ON_ERROR=report";
	spawn(&s);
	ck_assert_msg(spawn_exited(&s, 0),
		      "%s %s %s: status %#x, output:\n%s%s", kinds[k].name, debug, fault,
		      (unsigned)s.status, s.out, s.err);
	compare(s.out, s.err, true, fault);
	s.argument = twin;
	spawn(&s);
	ck_assert_msg(spawn_exited(&s, 0) && s.err[0] == '\0' && s.out[0] == '\0',
		      "%s %s %s: status %#x, output:\n%s%s", kinds[k].name,
		      debug, twin, (unsigned)s.status, s.out, s.err);
}

START_TEST(every_size)
{
	unsigned k = (unsigned)_i;

	for (size_t i = 0; i < SIZES; i++)
		for (size_t v = 0; v < 2; v++) {
			unsigned where = variants[v].where;

			if (where == GENERAL && sizes[i] > MP_MAX_FIXED_SIZE)
				where = SPAN;
			if ((kinds[k].where & where) && (where == SPAN || sizes[i] <= 4096))
				check_one(k, sizes[i], variants[v].mode);
		}
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_loop_test(tc, every_size, 0, (int)KINDS);
}

int main(int argc, char **argv)
{
	program = argv[0];
	return argc == 2 ? run(argv[1]) : suite_run("every", add);
}
