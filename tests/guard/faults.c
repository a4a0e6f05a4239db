/* SPDX-License-Identifier: MIT */
/*
 * faults.c - what a guarded object's neighbours catch, and what becomes of the signal.
 *
 * Each case is this program run again.  It prints what the report has to begin with,
 * then does the deed.
 */
#include "guard.h"

#include "../spawn.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

enum end { ENDS, SEGV, ABORT, EXITS_7 };

static const char *program;
static struct mp_cache *orders;

static void give_up(const char *why)
{
	printf("FAILED: %s\n", why);
	fflush(stdout);
	_exit(3);
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
	printf("mempool: %s: cache \"%s\" (id %u) pointer %p\n", kind, cache,
	       id_of(info.cache), at);
	printf("mempool:   object %p, index %zu of slab %p, offset %td, size %zu\n", object,
	       info.index, info.slab, (const char *)at - (const char *)object,
	       info.object_size);
	fflush(stdout);
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
	printf("mempool: use-after-free: cache \"orders\" (id %u) pointer %p\n", id, (void *)p);
	fflush(stdout);
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

/* ---- whoever handled the signal before */

static void leave(int number)
{
	(void)number;
	_exit(7);
}

static void leave_if_told(int number, siginfo_t *info, void *context)
{
	_exit(context != NULL && number == SIGSEGV && (uintptr_t)info->si_addr != 0 ? 7 : 8);
}

static void handle_first(bool told)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	if (told)
		action.sa_sigaction = leave_if_told;
	else
		action.sa_handler = leave;
	action.sa_flags = told ? SA_SIGINFO : 0;
	if (sigaction(SIGSEGV, &action, NULL) != 0 || sigaction(SIGBUS, &action, NULL) != 0)
		give_up("no handler");
}

static void chained(size_t size)
{
	handle_first(false);
	read_freed(size);
}

static void chained_told(size_t size)
{
	handle_first(true);
	overflow(size);
}

/* Called once, as it asked to be; when it returns, the fault comes again. */
static void return_once(int number)
{
	static volatile sig_atomic_t calls;

	(void)number;
	if (++calls > 1)
		_exit(8);
}

static void chained_once(size_t size)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = return_once;
	action.sa_flags = (int)SA_RESETHAND;
	if (sigaction(SIGSEGV, &action, NULL) != 0 || sigaction(SIGBUS, &action, NULL) != 0)
		give_up("no handler");
	read_freed(size);
}

static void ignored(size_t size)
{
	struct sigaction action;

	memset(&action, 0, sizeof(action));
	action.sa_handler = SIG_IGN;
	if (sigaction(SIGSEGV, &action, NULL) != 0 || sigaction(SIGBUS, &action, NULL) != 0)
		give_up("not ignored");
	read_freed(size); /* a fault cannot be */
}

/* A fault that has nothing to do with us: not a word. */
static void elsewhere(size_t size)
{
	(void)object(size);
	touched = portable_no_access(portable_page());
	touched[5] = 1;
}

static void elsewhere_chained(size_t size)
{
	handle_first(true);
	elsewhere(size);
}

static void sent(size_t size)
{
	(void)object(size);
	raise(SIGSEGV);
}

/* Nobody asked for guards: the signal is left alone. */
static void unasked(size_t size)
{
	struct mp_cache *c = mp_cache_create("orders", size, 0, 0, NULL);
	struct sigaction action;

	for (unsigned i = 0; i < 10000; i++)
		mp_cache_free(c, mp_cache_alloc(c));
	if (sigaction(SIGSEGV, NULL, &action) != 0)
		give_up("no action");
	if (!SANITIZED && ((action.sa_flags & SA_SIGINFO) || action.sa_handler != SIG_DFL))
		give_up("a handler");
	exit(0);
}

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

/* In the child of a fork, too. */
static void in_child(size_t size)
{
	char *p = object(size);
	int status;
	pid_t pid;

	pid = fork();
	if (pid < 0)
		give_up("no child");
	if (pid == 0) {
		mp_cache_free(orders, p);
		for (unsigned i = 0; i < 1000; i++)
			mp_cache_free(orders, mp_cache_alloc(orders));
		p = launder(mp_cache_alloc(orders));
		if (!is_guarded(p) || mp_cache_validate(orders) != 0)
			give_up("not guarded in the child");
		mp_cache_free(orders, p);
		read_freed(size);
	}
	if (waitpid(pid, &status, 0) != pid || (WIFEXITED(status) && WEXITSTATUS(status) == 0))
		give_up("the child ended well");
	mp_cache_free(orders, p);
	raise(SIGSEGV);
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
	{ "overflow", overflow, SEGV, "found by a guard page", "allocated by thread", NULL },
	{ "underflow", underflow, SEGV, "found by a guard page", "allocated by thread", NULL },
	{ "read-freed", read_freed, SEGV, "allocated by thread", "freed by thread", NULL },
	{ "write-freed", write_freed, SEGV, "allocated by thread", "freed by thread", NULL },
	{ "read-destroyed", read_destroyed, SEGV, "allocated by thread", "freed by thread", NULL },
	{ "double-free", double_free, ABORT, "allocated by thread", "freed by thread", NULL },
	{ "interior", interior, ABORT, "found by the free", "allocated by thread", NULL },
	{ "beside", beside, ABORT, "damaged bytes at offset", ": 11 bb bb", NULL },
	{ "clean", clean, ENDS, "", "", NULL },
	{ "chained", chained, EXITS_7, "freed by thread", "", NULL },
	{ "chained-told", chained_told, EXITS_7, "allocated by thread", "", NULL },
	{ "chained-once", chained_once, SEGV, "freed by thread", "", NULL },
	{ "ignored", ignored, SEGV, "freed by thread", "", NULL },
	{ "elsewhere", elsewhere, SEGV, "", "", NULL },
	{ "elsewhere-chained", elsewhere_chained, EXITS_7, "", "", NULL },
	{ "sent", sent, SEGV, "", "", NULL },
	{ "unasked", unasked, ENDS, "", "", NULL },
	{ "by-environment", by_environment, SEGV, "freed by thread", "",
	  "MEMPOOL_GUARD=1,ord*,mp-128" },
	{ "in-child", in_child, SEGV, "freed by thread", "", NULL },
	{ "two-at-once", two_at_once, SEGV, "use-after-free", "freed by thread", NULL },
	{ "no-room", no_room, ENDS, "", "", NULL },
};

#define DEEDS ((int)(sizeof(deeds) / sizeof(deeds[0])))

static const size_t sizes[] = { 16, 64, 100, 4000 };

static void check_end(const struct spawn *s, enum end end)
{
	/* a sanitizer handles the signal, and says so: AddressSanitizer with 1, the other with 66 */
	bool bad = WIFSIGNALED(s->status) || WEXITSTATUS(s->status) == 1 ||
		   WEXITSTATUS(s->status) == 66;

	if (end == ENDS)
		spawn_expect_exit(s, 0);
	else if (end == EXITS_7)
		spawn_expect_exit(s, 7);
	else if (end == ABORT)
		spawn_expect_signal(s, SIGABRT);
	else if (SANITIZED)
		ck_assert_msg(bad, "status %#x\n%s%s", (unsigned)s->status, s->out, s->err);
	else
		spawn_expect_signal(s, SIGSEGV);
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
	check_end(&s, SEGV);
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
