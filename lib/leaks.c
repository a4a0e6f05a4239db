/* SPDX-License-Identifier: MIT */
/*
 * leaks.c - layer 7: what is live, and who allocated it.
 *
 * The walk leaves out what is in magazines and what was lost on purpose.  Objects of a
 * cache that keeps who allocated them are grouped by the place: a hash table of stacks
 * in the library's own memory, which doubles when it fills up.  Without memory for that, what
 * is left is counted together.  It is printed when the cache is no longer looked at, as in
 * print.c, with no lock held.
 */
#include "leaks.h"

#include "find.h"
#include "guard.h"
#include "init.h"
#include "large.h"
#include "meta.h"
#include "options.h"
#include "os.h"
#include "spancache.h"
#include "spanwatch.h"
#include "text.h"
#include "walk.h"

#include <errno.h>
#include <string.h>

#define LEAKS_SHOWN 8u		/* addresses of a cache */
#define GROUPS_SHOWN 10u	/* places of a cache */
#define GROUPS_START 64u	/* a power of two */

/* Objects that were allocated at one place. */
struct group {
	size_t count;		/* 0: the entry is free */
	size_t bytes;		/* asked for */
	const void *first;
	struct mpp_user user;	/* of the first */
};

struct leaks {
	struct mpp_text *t;
	size_t total;		/* objects and spans */

	/* of the cache that is looked at; the line for it waits in t */
	struct mp_cache *c;	/* not followed when it is told of */
	struct mpp_work work;	/* left by walks, to be finished then */
	unsigned shown;
	struct group *groups;	/* NULL without memory */
	size_t max;		/* entries there */
	size_t used;
	struct group rest;	/* what found no place there */
};

static bool to_file(struct mpp_text *t)
{
	return fwrite(t->buf, 1, t->len, t->to) == t->len;
}

static bool to_errors(struct mpp_text *t)
{
	return mpp_os_write(2, t->buf, t->len);
}

/* ---- groups */

static size_t stack_size(const struct mpp_user *u)
{
	return mpp_min(u->frames, MPP_FRAMES) * sizeof(u->stack[0]);
}

static bool same_stack(const struct mpp_user *a, const struct mpp_user *b)
{
	return stack_size(a) == stack_size(b) && memcmp(a->stack, b->stack, stack_size(a)) == 0;
}

static size_t hash_stack(const struct mpp_user *u)
{
	uint64_t h = u->frames;

	for (unsigned i = 0; i < u->frames && i < MPP_FRAMES; i++)
		h = (h ^ u->stack[i]) * UINT64_C(0x9e3779b97f4a7c15);
	return (size_t)(h >> 32);
}

/* The entry with u's stack, or the free one where it belongs. */
static struct group *group_of(struct group *groups, size_t max, const struct mpp_user *u)
{
	size_t i = hash_stack(u) & (max - 1);

	while (groups[i].count != 0 && !same_stack(&groups[i].user, u))
		i = (i + 1) & (max - 1);
	return &groups[i];
}

static bool grow_groups(struct leaks *leaks)
{
	size_t max = leaks->groups == NULL ? GROUPS_START : 2 * leaks->max;
	struct group *groups = mpp_meta_alloc(max * sizeof(*groups));

	if (groups == NULL)
		return false;
	for (size_t i = 0; leaks->groups != NULL && i < leaks->max; i++)
		if (leaks->groups[i].count != 0)
			*group_of(groups, max, &leaks->groups[i].user) = leaks->groups[i];
	if (leaks->groups != NULL)
		mpp_meta_free(leaks->groups, leaks->max * sizeof(*groups));
	leaks->groups = groups;
	leaks->max = max;
	return true;
}

static struct group *find_group(struct leaks *leaks, const struct mpp_user *u)
{
	bool full = leaks->groups == NULL || leaks->used >= leaks->max / 4 * 3;
	struct group *g;

	if (full && !grow_groups(leaks) && leaks->groups == NULL)
		return &leaks->rest;
	g = group_of(leaks->groups, leaks->max, u);
	if (g->count != 0)
		return g;
	if (leaks->used >= leaks->max / 4 * 3)
		return &leaks->rest;
	leaks->used++;
	return g;
}

static void add_to_group(struct leaks *leaks, const void *obj, size_t size,
			 const struct mpp_user *user)
{
	struct group *g = find_group(leaks, user);

	if (g->count++ == 0) {
		g->first = obj;
		g->user = *user;
	}
	g->bytes += size;
}

static int group_object(void *obj, void *arg)
{
	struct leaks *leaks = arg;
	struct mpp_watched o;
	struct mpp_user user, freed;
	size_t size = leaks->c->size;

	if (!mpp_guard_noted(obj, &user, &freed)) {
		if (!mpp_watch_keeps_users(&leaks->c->watch)) {
			leaks->rest.count++;
			return 0;
		}
		mpp_find_watched(leaks->c, obj, &o);
		mpp_watch_noted(&o, MPP_USE_ALLOC, &user);
		size = leaks->c->watch.reach != 0 ? mpp_watch_asked(&o) : size;
	}
	add_to_group(leaks, obj, size, &user);
	return 0;
}

static void print_group(struct leaks *leaks, const struct group *g)
{
	mpp_text_add(leaks->t, "mempool:   %zu of them, %zu bytes, among them %p\n", g->count,
		     g->bytes, g->first);
	mpp_report_add_user(leaks->t, "allocated", &g->user);
}

/* The largest first; what was printed is marked by a count of 0. */
static void print_groups(struct leaks *leaks)
{
	size_t left = leaks->used, objects = leaks->rest.count;

	for (unsigned n = 0; n < GROUPS_SHOWN && left > 0; n++, left--) {
		struct group *most = NULL;

		for (struct group *g = leaks->groups; g < leaks->groups + leaks->max; g++)
			if (g->count != 0 && (most == NULL || g->bytes > most->bytes))
				most = g;
		if (most == NULL)
			break;
		print_group(leaks, most);
		most->count = 0;
	}
	for (size_t i = 0; left > 0 && i < leaks->max; i++)
		objects += leaks->groups[i].count;
	if (objects > 0)
		mpp_text_add(leaks->t, "mempool:   %zu of them at other places\n", objects);
}

static void drop_groups(struct leaks *leaks)
{
	if (leaks->groups != NULL)
		mpp_meta_free(leaks->groups, leaks->max * sizeof(*leaks->groups));
	leaks->groups = NULL;
	leaks->max = leaks->used = 0;
	memset(&leaks->rest, 0, sizeof(leaks->rest));
}

/* ---- caches and spans */

static int show_leak(void *obj, void *arg)
{
	struct leaks *leaks = arg;

	if (leaks->shown == LEAKS_SHOWN)
		return 1;
	leaks->shown++;
	mpp_text_add(leaks->t, " %p", obj);
	return 0;
}

/* The line for a cache, which fits into the buffer, and the groups. */
static int look_at_cache(struct mp_cache *c, void *arg)
{
	struct mp_cache_stats s = { .struct_size = sizeof(s) };
	struct leaks *leaks = arg;

	if (mp_cache_get_stats(c, &s) != 0 || s.live == 0)
		return 0;
	leaks->c = c;
	leaks->total += s.live;
	leaks->shown = 0;
	mpp_text_add(leaks->t, "mempool: leak: cache \"%s\" (id %u): %zu live of %zu bytes:",
		     c->name, s.id, s.live, s.object_size);
	(void)mpp_walk_live(c, show_leak, leaks, &leaks->work);
	mpp_text_add(leaks->t, s.live > leaks->shown ? " ...\n" : "\n");
	if ((c->watch.letters & MPP_D_USERS) || c->guard_rate != 0)
		(void)mpp_walk_live(c, group_object, leaks, &leaks->work);
	return 0;
}

static int tell_of_cache(void *arg)
{
	struct leaks *leaks = arg;

	(void)mpp_work_retire(&leaks->work);
	if (leaks->t->len == 0) /* nothing is live */
		return 0;
	print_groups(leaks);
	drop_groups(leaks);
	(void)mpp_text_flush(leaks->t);
	return 0;
}

/* Those that threads keep at hand, and those that wait, are not live; *span is what the program has. */
static bool is_live(struct mpp_large_info *span)
{
	struct mpp_spanwatch o;

	if (mpp_spanwatch_letters == 0)
		return !mpp_spans_has(span->start);
	if (!mpp_spanwatch_look(span->start, &o) || !o.live)
		return false;
	span->start = o.object;
	span->size = o.asked;
	return true;
}

static void report_span_users(struct leaks *leaks)
{
	struct mpp_spanwatch o;

	for (unsigned part = 0; part < MPP_SPANWATCH_PARTS; part++)
		for (size_t n = 0; mpp_spanwatch_nth(part, n, &o); n++)
			add_to_group(leaks, o.object, o.asked, &o.alloced);
	print_groups(leaks);
	drop_groups(leaks);
}

static void report_large(struct leaks *leaks)
{
	struct mpp_large_info span = { .start = NULL };
	struct mp_stats s = { .struct_size = sizeof(s) };
	size_t n = 0, shown = 0;

	if (mp_get_stats(&s) != 0 || s.large_live == 0)
		return;
	leaks->total += s.large_live;
	mpp_text_add(leaks->t, "mempool: leak: large: %zu live, %zu bytes:", s.large_live,
		     s.bytes_large);
	while (shown < LEAKS_SHOWN && mpp_large_sample(&span, n, 1) == 1) {
		n++;
		if (!is_live(&span))
			continue;
		shown++;
		mpp_text_add(leaks->t, " %p (%zu)", span.start, span.size);
	}
	mpp_text_add(leaks->t, s.large_live > shown ? " ...\n" : "\n");
	if (mpp_spanwatch_letters & MPP_D_USERS)
		report_span_users(leaks);
}

/* Everything; faults that were found with it are left in leaks. */
static void report(struct leaks *leaks, struct mpp_text *t)
{
	*leaks = (struct leaks){ .t = t };
	mpp_thread_bury_orphans(); /* as in print.c */
	(void)mpp_registry_tell(look_at_cache, tell_of_cache, leaks);
	report_large(leaks);
}

long mp_leak_report(FILE *f)
{
	char buf[1024];
	struct mpp_text t = { .buf = buf, .size = sizeof(buf), .flush = to_file, .to = f };
	struct leaks leaks;
	bool done;

	if (f == NULL)
		return -EINVAL;
	if (!mpp_init())
		return -ENOMEM;
	report(&leaks, &t);
	done = mpp_text_flush(&t) && fflush(f) == 0;
	mpp_faults_report(&leaks.work.faults);
	return done ? (long)leaks.total : -EIO;
}

/* ---- at exit */

/* A status that says failure already is left as it is. */
static void report_at_exit(int status)
{
	char buf[1024];
	struct mpp_text t = { .buf = buf, .size = sizeof(buf), .flush = to_errors };
	struct leaks leaks;

	report(&leaks, &t);
	(void)mpp_text_flush(&t);
	mpp_faults_report(&leaks.work.faults);
	if (leaks.total != 0 && status <= 0 && mpp_options.leaks == MPP_LEAKS_ERROR)
		mpp_os_exit(1);
}

void mpp_leaks_init(void)
{
	if (mpp_options.leaks != MPP_LEAKS_IGNORE)
		mpp_os_at_exit_status(report_at_exit);
}
