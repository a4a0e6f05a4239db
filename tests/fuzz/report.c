/* SPDX-License-Identifier: MIT */
/*
 * report.c - fuzz: slabs are damaged, then the library is used.
 *
 * Bytes are written over headers, free lists, notes and objects of a few caches, as
 * a program with a wild pointer does it.  What the library then says is free; but it
 * must not follow what it reads there: no crash, no endless loop, and no pointer
 * handed out that is not an object of the cache.  Caches too broken to be destroyed
 * stay behind, so the driver runs a few inputs in each process.
 */
#include "fuzz.h"

#include <mempool.h>

#include "cache.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char fz_name[] = "report";
const bool fz_leaves_behind = true;

#define CACHES 3u
#define OBJECTS 200u

static struct mp_cache *caches[CACHES];
static struct {
	char *p;
	unsigned cache;
} objects[OBJECTS];
static size_t count;
static bool twice; /* something may have been freed twice, or be when its slab has gone */
static FILE *null;

static enum mp_error_action carry_on(const struct mp_error *e, void *arg)
{
	size_t n = strlen(e->message);

	fz_check(arg == caches && n > 10 && n < 4096 && e->message[n - 1] == '\n');
	fz_check(strncmp(e->message, "mempool: ", 9) == 0 && strlen(e->cache_name) < 64);
	return MP_ERROR_CONTINUE;
}

static void create(unsigned i, struct fz_input *in)
{
	static const unsigned flags[] = {
		0, MP_POISON, MP_RED_ZONE, MP_STORE_USER, MP_CONSISTENCY_CHECKS,
		MP_POISON | MP_RED_ZONE | MP_STORE_USER | MP_CONSISTENCY_CHECKS,
		MP_TYPE_STABLE, MP_HARDENED,
	};
	struct mp_cache_args args = { .struct_size = sizeof(args) };

	args.max_objects = fz_byte(in) % 4 == 0 ? OBJECTS : 0;
	args.align = fz_byte(in) % 8 == 0 ? 256 : 0;
	caches[i] = fz_call(mp_cache_create_args(
		"damaged", fz_log(in, fz_byte(in) % 8 == 0 ? 200000 : 6000), &args,
		flags[fz_byte(in) % 8]));
	fz_check(caches[i] != NULL);
}

/* ---- damage */

static void scribble(char *at, size_t room, struct fz_input *in)
{
	size_t n = fz_byte(in) % 24 + 1;
	unsigned how = fz_byte(in);

	for (size_t i = 0; i < n && i < room; i++)
		at[i] = (char)(how % 4 == 0 ? 0 :
			       how % 4 == 1 ? 0xff :
			       how % 4 == 2 ? at[i] ^ 1 << how / 4 % 8 :
					      (int)fz_byte(in));
}

/* Write somewhere near one object: its slab's header, or itself, or behind it. */
static void op_damage(struct fz_input *in)
{
	size_t i = fz_below(in, count + 1), offset = fz_word(in);
	const struct mpp_geometry *g;
	struct mpp_slab *s;
	void *head = NULL;
	char *p;

	if (i >= count)
		return;
	p = objects[i].p;
	g = &caches[objects[i].cache]->g;
	if (mpp_map_find(p, &head) != mpp_cache_id(caches[objects[i].cache]))
		return; /* freed, and its slab gone */
	s = mpp_slab_of(head, g);
	switch (fz_byte(in) % 6) {
	case 0: /* the fields of the header */
		offset %= sizeof(*s);
		scribble((char *)s + offset, sizeof(*s) - offset, in);
		break;
	case 1: /* the free list */
		offset %= g->words * sizeof(mpp_bits);
		scribble((char *)s->bits + offset, 24, in);
		break;
	case 2: /* all in front of the objects */
		offset %= mpp_slab_first(head, g);
		scribble((char *)head + offset, mpp_slab_first(head, g) - offset, in);
		break;
	case 3: /* the header, whole */
		memset(s, (int)fz_byte(in), sizeof(*s));
		break;
	case 4: /* the object and what is behind it */
		offset %= g->slot;
		scribble(p + offset, g->slot - offset, in);
		break;
	default: /* any object of the slab, free or live */
		offset = offset * 64 % ((size_t)g->slot * g->capacity);
		scribble((char *)head + mpp_slab_first(head, g) + offset,
			 (size_t)g->slot * g->capacity - offset, in);
		break;
	}
}

/* ---- use */

static void op_alloc(struct fz_input *in)
{
	unsigned i = (unsigned)fz_below(in, CACHES);
	struct mp_cache_stats s = { .struct_size = sizeof(s) };
	void *head = NULL;
	char *p;

	if (count == OBJECTS)
		return;
	p = fz_call(mp_cache_alloc(caches[i]));
	if (p == NULL)
		return;
	fz_check(fz_call(mp_cache_get_stats(caches[i], &s)) == 0);
	/* without marks the second copy of an object can be at hand when its slab goes */
	if (twice && !mpp_watch_is_marked(&caches[i]->watch) && mpp_map_find(p, &head) != s.id)
		return;
	fz_check(mpp_map_find(p, &head) == s.id);
	fz_check(mpp_slab_index(head, p, &caches[i]->g) < s.objects_per_slab);
	memset(p, 1, s.object_size);
	objects[count].p = p;
	objects[count++].cache = i;
}

static void op_bulk(struct fz_input *in)
{
	unsigned i = (unsigned)fz_below(in, CACHES);
	size_t n = fz_byte(in) % (OBJECTS - count + 1);
	void *objs[OBJECTS];

	if (fz_call(mp_cache_alloc_bulk(caches[i], n, objs)) != 0)
		return;
	for (size_t k = 0; k < n; k++) {
		objects[count].p = objs[k];
		objects[count++].cache = i;
	}
	if (fz_byte(in) % 2 == 0) {
		fz_call(mp_cache_free_bulk(caches[i], n, objs));
		count -= n;
	}
}

static void op_free(struct fz_input *in)
{
	size_t i = fz_below(in, count + 1);
	void *p;

	if (i >= count)
		return;
	p = objects[i].p;
	if (fz_byte(in) % 2 == 0)
		fz_call(mp_cache_free(caches[objects[i].cache], p));
	else
		fz_call(mp_free(p));
	if (fz_byte(in) % 8 != 0)
		objects[i] = objects[--count];
	else
		twice = true;
}

static int see(void *obj, void *arg)
{
	size_t *n = arg;

	return obj == NULL || ++*n > 100000;
}

static void op_look(struct fz_input *in)
{
	struct mp_cache *c = caches[fz_below(in, CACHES)];
	struct mp_object_info info = { .struct_size = sizeof(info) };
	size_t n = 0;

	switch (fz_byte(in) % 8) {
	case 0:
		(void)fz_call(mp_leak_report(null));
		break;
	case 1:
		fz_check(fz_call(mp_cache_for_each_object(c, see, &n)) <= 0);
		break;
	case 2:
		fz_check(fz_call(mp_slabinfo_print(null)) == 0);
		break;
	case 3:
		if (count > 0)
			(void)fz_call(mp_object_info(objects[fz_below(in, count)].p, &info));
		break;
	case 4:
		(void)fz_call(mp_cache_shrink(c));
		break;
	case 5:
		fz_call(mp_thread_flush());
		break;
	default:
		fz_check(fz_call(mp_cache_validate(c)) >= 0);
		break;
	}
}

static void finish(void)
{
	for (; count > 0; count--)
		fz_call(mp_free(objects[count - 1].p));
	for (unsigned i = 0; i < CACHES; i++) {
		int error = fz_call(mp_cache_destroy(caches[i]));

		fz_check(error == 0 || error == -EBUSY);
	}
	(void)fz_call(mp_reclaim(0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fz_input in = { data, size, 0 };

	if (null == NULL)
		null = fopen("/dev/null", "w");
	fz_check(null != NULL);
	fz_call(mp_set_error_handler(carry_on, caches));
	twice = false;
	for (unsigned i = 0; i < CACHES; i++)
		create(i, &in);
	while (fz_more(&in)) {
		unsigned dice = fz_byte(&in);

		if (dice < 100)
			op_alloc(&in);
		else if (dice < 170)
			op_free(&in);
		else if (dice < 190)
			op_bulk(&in);
		else if (dice < 210)
			op_damage(&in);
		else
			op_look(&in);
	}
	finish();
	return 0;
}
