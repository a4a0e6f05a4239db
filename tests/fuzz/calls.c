/* SPDX-License-Identifier: MIT */
/*
 * calls.c - fuzz: any sequence of public calls, lawful or not, against a model.
 *
 * The input is a sequence of operations, a byte each and what it needs behind it.
 * MEMPOOL_DEBUG in the environment gives the built-in caches the same treatment as
 * flags give the others.
 */
#include "fuzz.h"
#include "misuse.h"
#include "model.h"

#include "os.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

const char fz_name[] = "calls";
const bool fz_leaves_behind = false;

static bool is_elsewhere; /* in a second thread */

static struct m_cache *any_cache(struct fz_input *in)
{
	struct m_cache *c = &m_caches[fz_below(in, M_CACHES)];

	return c->c != NULL ? c : NULL;
}

/* ---- caches */

static bool is_contradiction(unsigned flags, bool has_ctor)
{
	return (flags & ~0x1ffu) != 0 ||
	       ((flags & MP_TYPE_STABLE) && (flags & (MP_POISON | MP_ZERO_ON_FREE))) ||
	       ((flags & MP_ZERO_ON_FREE) && ((flags & MP_POISON) || has_ctor));
}

static const unsigned some_flags[] = {
	0, 0, 0, MP_HWCACHE_ALIGN, MP_POISON, MP_RED_ZONE, MP_RED_ZONE | MP_POISON,
	MP_STORE_USER, MP_CONSISTENCY_CHECKS, MP_TYPE_STABLE, MP_ZERO_ON_FREE,
	MP_RED_ZONE | MP_POISON | MP_STORE_USER | MP_CONSISTENCY_CHECKS,
	MP_CONSISTENCY_CHECKS | MP_TYPE_STABLE, MP_ZERO_ON_FREE | MP_RED_ZONE,
	MP_HARDENED, MP_HARDENED | MP_POISON,
};

static void choose(struct m_cache *c, struct fz_input *in)
{
	unsigned dice = fz_byte(in);

	*c = (struct m_cache){ .flags = some_flags[dice % 16] };
	if (dice >= 240)
		c->flags = (unsigned)fz_word(in) & 0x3ff & ~MP_PANIC;
	c->size = fz_log(in, fz_byte(in) < 8 ? (size_t)1 << 20 : 5000);
	dice = fz_byte(in);
	c->align = dice < 160 ? 0 : (size_t)8 << dice % 10;
	if (dice == 255)
		c->align = 24;
	c->has_ctor = dice % 4 == 1;
	c->plain = fz_byte(in) % 3 == 0;
}

static struct mp_cache *make(struct m_cache *c, struct fz_input *in)
{
	struct mp_cache_args args = { .struct_size = sizeof(args), .align = c->align, .arg = c };

	if (c->plain)
		return fz_call(mp_cache_create("plain", c->size, c->align, c->flags,
					       c->has_ctor ? m_ctor_plain : NULL));
	args.ctor = c->has_ctor ? m_ctor : NULL;
	args.dtor = c->has_ctor ? m_dtor : NULL;
	args.max_objects = fz_byte(in) % 3 == 0 ? fz_byte(in) % 100 : 0;
	args.prealloc = fz_byte(in) % 8 == 0 ? fz_byte(in) % 50 : 0;
	c->max = args.max_objects;
	return fz_call(mp_cache_create_args("args", c->size, &args, c->flags));
}

static void op_create(struct fz_input *in)
{
	struct m_cache *c = &m_caches[fz_below(in, M_CACHES)];

	if (c->c != NULL)
		return;
	choose(c, in);
	errno = 0;
	c->c = make(c, in);
	if (is_contradiction(c->flags, c->has_ctor) || c->align == 24)
		fz_check(c->c == NULL && errno == EINVAL);
	else if (c->c == NULL)
		fz_check(m_pressed && errno == ENOMEM && c->built == 0);
	if (c->c == NULL)
		return;
	c->align = c->align == 0 ? MP_ALIGN_SIZE : c->align;
	fz_check(fz_call(mp_cache_size(c->c)) == c->size);
	fz_check(strcmp(fz_call(mp_cache_name(c->c)), c->plain ? "plain" : "args") == 0);
}

static void op_destroy(struct fz_input *in)
{
	struct m_cache *c = any_cache(in);

	if (c == NULL) {
		fz_check(fz_call(mp_cache_destroy(NULL)) == 0);
		fz_check(fz_call(mp_cache_destroy(mp_cache_find("mp-64"))) == -EPERM);
	} else if (c->live == 0) {
		struct mp_cache *dead = c->c;

		m_destroy(c);
		if (fz_byte(in) % 4 == 0)
			misuse_dead(dead, in);
	} else {
		m_expect(M_KIND(MP_ERROR_LIVE_AT_DESTROY));
		fz_check(fz_call(mp_cache_destroy(c->c)) == -EBUSY);
		m_told();
	}
}

/* An allocation from c was refused: was it to be? */
static void refused(struct m_cache *c, size_t n, int fail)
{
	fz_check(m_pressed || fail != 0 || (c->max != 0 && c->live + n > c->max));
	c->failed++;
}

static void op_alloc(struct fz_input *in)
{
	struct m_cache *c = any_cache(in);
	unsigned char *p;
	bool zero;
	int fail;

	if (c == NULL || !m_has_room(1, c->size))
		return;
	zero = fz_byte(in) % 4 == 0;
	errno = 0;
	if (zero && c->has_ctor) {
		fz_check(fz_call(mp_cache_zalloc(c->c)) == NULL && errno == EINVAL);
		return;
	}
	fail = m_fail(c);
	p = zero ? fz_call(mp_cache_zalloc(c->c)) : fz_call(mp_cache_alloc(c->c));
	if (p == NULL) {
		fz_check(errno == ENOMEM);
		refused(c, 1, fail);
		return;
	}
	fz_check(fail != 1);
	for (size_t i = 0; zero && i < c->size; i += 1 + i / 16)
		fz_check(p[i] == 0);
	fz_check(fz_call(mp_usable_size(p)) == c->size);
	m_add(p, c->size, (unsigned)(c - m_caches));
}

static void op_alloc_bulk(struct fz_input *in)
{
	struct m_cache *c = any_cache(in);
	size_t n = fz_byte(in) % 200;
	void *objs[200];
	int fail, error;

	if (c == NULL || !m_has_room(n, n * c->size))
		return;
	fail = m_fail(c);
	error = fz_call(mp_cache_alloc_bulk(c->c, n, objs));
	if (error != 0) {
		fz_check(error == -ENOMEM);
		refused(c, n, fail);
		return;
	}
	fz_check(fail != 1);
	for (size_t i = 0; i < n; i++)
		m_add(objs[i], c->size, (unsigned)(c - m_caches));
}

static void free_one(struct m_object o, struct fz_input *in)
{
	unsigned how = fz_byte(in) % 4;

	errno = 77;
	if (o.kind != M_GENERAL && how < 2)
		fz_call(mp_cache_free(m_caches[o.kind].c, o.p));
	else if (o.align != 0 && how != 0)
		fz_call(mp_free_aligned_sized(o.p, o.align, o.size));
	else if (o.align == 0 && how == 1)
		fz_call(mp_free_sized(o.p, o.size));
	else
		fz_call(mp_free(o.p));
	fz_check(errno == 77);
	misuse_remember(&o);
}

static void op_free(struct fz_input *in)
{
	if (m_lives > 0)
		free_one(m_take(fz_below(in, m_lives)), in);
}

static void op_free_bulk(struct fz_input *in)
{
	size_t n = 0, i = m_lives, max = fz_byte(in) % 150;
	unsigned kind = (unsigned)fz_below(in, M_CACHES + 3);
	void *objs[151];

	if (kind < M_CACHES && m_caches[kind].c == NULL)
		return;
	for (; i > 0 && n < max; i--) {
		if (kind < M_CACHES && m_live[i - 1].kind != kind)
			continue;
		objs[n++] = m_take(i - 1).p;
		if (n % 16 == 7)
			objs[n++] = NULL;
	}
	fz_call(mp_cache_free_bulk(kind < M_CACHES ? m_caches[kind].c : NULL, n, objs));
}

static void op_prealloc(struct fz_input *in)
{
	struct m_cache *c = any_cache(in);
	size_t n;
	int error;

	if (c == NULL)
		return;
	n = fz_below(in, ((size_t)1 << 20) / c->size % 60000 + 2);
	error = fz_call(mp_cache_prealloc(c->c, n));
	fz_check(error == 0 || (error == -ENOMEM && m_pressed));
	fz_check(fz_call(mp_cache_prealloc(c->c, SIZE_MAX)) == -ENOMEM);
}

/* Only before the first allocation. */
static void op_set_max(struct fz_input *in)
{
	struct m_cache *c = any_cache(in);
	size_t max = fz_byte(in) % 64;
	int error;

	if (c == NULL)
		return;
	error = fz_call(mp_cache_set_max(c->c, max));
	/* what was had for another reason, or given back at once, counts as used */
	fz_check(error == 0 || error == -EBUSY);
	fz_check(error != 0 || c->taken == 0);
	if (error == 0)
		c->max = max;
	fz_check(fz_call(mp_cache_set_max(mp_cache_find("mp-16"), 1)) == -EPERM);
}

static void op_set_fail(struct fz_input *in)
{
	struct m_cache *c = any_cache(in);
	enum mp_fail_when when = (enum mp_fail_when)(fz_byte(in) % 4);
	uint64_t n = fz_byte(in) % 32;
	int error;

	if (c == NULL)
		return;
	error = fz_call(mp_cache_set_fail(c->c, when, n, fz_byte(in)));
	if (n == 0 && when != MP_FAIL_NEVER)
		fz_check(error == -EINVAL);
	else
		fz_check(error == 0 || (error == -EBUSY && c->taken + c->failed > 0));
	if (error != 0)
		return;
	c->fail = when;
	c->fail_n = n;
	c->fail_seen = 0;
}

static void op_shrink(struct fz_input *in)
{
	struct m_cache *c = any_cache(in);
	struct mp_cache_stats s = { .struct_size = sizeof(s) };
	int left;

	if (c == NULL)
		return;
	left = fz_call(mp_cache_shrink(c->c));
	fz_check(fz_call(mp_cache_get_stats(c->c, &s)) == 0);
	fz_check(left == (s.slabs != 0));
	if (s.live != 0) /* perhaps all in guard pages */
		fz_check(left == 1 || m_guards());
	else if (!is_elsewhere) /* the other thread keeps what it has */
		fz_check(s.leaked != 0 || s.slabs == 0 || (c->flags & MP_TYPE_STABLE));
	fz_check(s.cached == 0 || is_elsewhere);
}

/* ---- looking */

struct count {
	struct m_cache *c;
	size_t n;
};

static int count_object(void *obj, void *arg)
{
	struct count *count = arg;

	count->n++;
	fz_check(m_overlaps(obj, count->c->size));
	return 0;
}

static void op_walk(struct fz_input *in)
{
	struct count count = { any_cache(in), 0 };
	int error;

	if (count.c == NULL)
		return;
	error = fz_call(mp_cache_for_each_object(count.c->c, count_object, &count));
	fz_check((error == 0 && count.n == count.c->live) || (m_pressed && error == -ENOMEM));
}

static void op_validate(struct fz_input *in)
{
	struct m_cache *c = any_cache(in);

	if (c != NULL)
		fz_check(fz_call(mp_cache_validate(c->c)) == 0);
}

static void op_stats(struct fz_input *in)
{
	struct m_cache *c = any_cache(in);

	if (c != NULL)
		m_check_cache(c);
	if (fz_byte(in) % 16 == 0)
		m_check_library();
}

static void op_find(struct fz_input *in)
{
	struct m_cache *c = any_cache(in);

	errno = 0;
	if (c != NULL)
		fz_check(fz_call(mp_cache_find(c->plain ? "plain" : "args")) != NULL);
	else
		fz_check(fz_call(mp_cache_find("no such")) == NULL && errno == ENOENT);
}

static void op_info(struct fz_input *in)
{
	struct mp_object_info info = { .struct_size = sizeof(info) };
	struct m_object *o;
	size_t offset;

	if (m_lives == 0) {
		fz_check(fz_call(mp_object_info(&info, &info)) == -ENOENT);
		return;
	}
	o = &m_live[fz_below(in, m_lives)];
	offset = fz_word(in) % (o->size == 0 ? 1 : o->size);
	fz_check(fz_call(mp_object_info(o->p + offset, &info)) == 0);
	fz_check(info.object == o->p && info.offset == offset);
	fz_check(info.state == MP_OBJECT_LIVE && info.object_size >= o->size);
	if (o->kind != M_GENERAL)
		fz_check(info.cache == m_caches[o->kind].c);
	else if (!m_watched)
		fz_check((info.cache == NULL) ==
			 (o->align > MP_MAX_FIXED_SIZE || o->size > MP_MAX_FIXED_SIZE));
}

static void op_print(struct fz_input *in)
{
	FILE *f = fopen("/dev/null", "w");
	unsigned what = fz_byte(in) % 8; /* rarely: it is slow */
	long n;

	fz_check(f != NULL);
	if (what == 0)
		fz_check(fz_call(mp_slabinfo_print(f)) == 0);
	if (what == 1)
		fz_check(fz_call(mp_stats_print_json(f)) == 0);
	if (what == 2) {
		n = fz_call(mp_leak_report(f));
		fz_check(n == (long)m_lives);
	}
	fclose(f);
}

/* ---- general allocation */

#define OWN_MAPPING ((size_t)1 << 20) /* at least so many bytes */

static void check_general(void *p, size_t size, size_t align)
{
	size_t usable = fz_call(mp_usable_size(p));

	fz_check(usable >= size);
	if (align == 0 && !m_watched) {
		size_t good = fz_call(mp_good_size(size));

		/* a mapping of its own is of whole chunks */
		fz_check(usable == good || (size > OWN_MAPPING && usable > good));
		fz_check((uintptr_t)p % (usable > MP_MAX_FIXED_SIZE ? 4096 : usable) == 0);
	}
	fz_check((uintptr_t)p % (align == 0 ? MP_ALIGN_SIZE : align) == 0);
}

static size_t any_size(struct fz_input *in)
{
	unsigned dice = fz_byte(in);

	return dice == 0 ? 0 : fz_log(in, dice < 8 ? (size_t)6 << 20 : dice < 40 ? 200000 : 5000);
}

static bool is_zero(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i += 1 + i / 32)
		if (p[i] != 0)
			return false;
	return n == 0 || p[n - 1] == 0;
}

static void op_general(struct fz_input *in)
{
	volatile size_t too_many = SIZE_MAX / 2;
	size_t size = any_size(in), align = 0;
	unsigned how = fz_byte(in) % 4;
	unsigned char *p;

	if (!m_has_room(1, size))
		return;
	errno = 0;
	if (how == 0) {
		p = fz_call(mp_zalloc(size));
	} else if (how == 1) {
		p = fz_call(mp_calloc(size / 3, 3));
		size = size / 3 * 3;
		fz_check(fz_call(mp_calloc(too_many, 3)) == NULL && errno == ENOMEM);
	} else if (how == 2) {
		align = (size_t)1 << fz_byte(in) % 22;
		p = fz_call(mp_aligned_alloc(align, size));
	} else {
		p = fz_call(mp_alloc(size));
	}
	if (p == NULL) {
		fz_check(errno == ENOMEM && m_pressed);
		return;
	}
	fz_check(how > 1 || is_zero(p, size));
	check_general(p, size, align);
	m_add(p, size, M_GENERAL)->align = align;
}

static void op_realloc(struct fz_input *in)
{
	size_t i = fz_below(in, m_lives + 1), size = any_size(in), keep;
	struct m_object o;
	unsigned char *p;

	if (i >= m_lives || !m_has_room(0, size))
		return;
	o = m_live[i];
	if (o.kind != M_GENERAL && m_caches[o.kind].has_ctor)
		return;
	m_look(&o);
	errno = 0;
	p = fz_call(mp_realloc(o.p, size));
	if (p == NULL) {
		fz_check(m_pressed && errno == ENOMEM);
		m_look(&o);
		return;
	}
	keep = size < o.size ? size : o.size;
	if (p == o.p && o.kind != M_GENERAL) {
		fz_check(size <= m_caches[o.kind].size);
		m_resize(i, size == 0 ? 1 : size);
		return;
	}
	m_forget(i);
	o.p = p;
	m_look_part(&o, keep);
	check_general(p, size, MP_ALIGN_SIZE); /* a large one may keep more */
	(void)m_add(p, size, M_GENERAL);
}

/* ---- the whole library */

static void op_flush(struct fz_input *in)
{
	(void)in;
	fz_call(mp_thread_flush());
}

static void op_reclaim(struct fz_input *in)
{
	(void)fz_call(mp_reclaim(fz_byte(in) % 2 * fz_word(in)));
}

static void op_limit(struct fz_input *in)
{
	struct mp_stats s = { .struct_size = sizeof(s) };
	size_t room = fz_log(in, (size_t)4 << 20);

	if (fz_byte(in) % 2 == 0) {
		fz_check(fz_call(mp_set_limit(0)) == 0);
		mpp_os_inject(0, 0);
		m_pressed = false;
		return;
	}
	fz_check(fz_call(mp_get_stats(&s)) == 0);
	fz_check(fz_call(mp_set_limit(s.bytes_slabs + s.bytes_large + s.bytes_meta + room)) == 0);
	m_pressed = true;
}

/* Some requests to the system are refused from now on. */
static void op_inject(struct fz_input *in)
{
	long first = 1 + fz_byte(in) % 16, count = 1 + fz_byte(in) % 64;

	if (fz_byte(in) % 4 != 0)
		return;
	mpp_os_inject(first, count);
	m_pressed = true;
}

static void *elsewhere(void *arg)
{
	struct fz_input *in = arg;

	for (unsigned n = fz_byte(in) % 32; n > 0; n--) {
		unsigned dice = fz_byte(in);

		if (dice < 128)
			op_free(in);
		else if (dice < 160)
			op_free_bulk(in);
		else if (dice < 200)
			op_alloc(in);
		else if (dice < 250)
			op_general(in);
		else
			op_shrink(in);
	}
	return NULL;
}

/* A thread that works while this one waits, and ends. */
static void op_thread(struct fz_input *in)
{
	pthread_t thread;

	is_elsewhere = true;
	fz_check(pthread_create(&thread, NULL, elsewhere, in) == 0);
	fz_check(pthread_join(thread, NULL) == 0);
	is_elsewhere = false;
}

static void op_constant(struct fz_input *in)
{
	struct mp_version_info info = { .struct_size = sizeof(info) };

	(void)in;
	fz_check(strcmp(fz_call(mp_version()), MP_VERSION_STRING) == 0);
	fz_check(fz_call(mp_version_info(&info)) == 0 && info.chunk_size == MP_CHUNK_SIZE);
	info.struct_size = 1;
	fz_check(fz_call(mp_version_info(&info)) == -EINVAL);
	fz_call(mp_free(NULL));
	fz_check(fz_call(mp_usable_size(NULL)) == 0);
}

static const struct {
	void (*fn)(struct fz_input *in);
	unsigned weight; /* in 256 */
} ops[] = {
	{ op_alloc, 60 },   { op_free, 66 },	 { op_general, 34 },  { op_realloc, 12 },
	{ op_alloc_bulk, 8 }, { op_free_bulk, 8 }, { op_create, 10 },	{ op_destroy, 5 },
	{ op_info, 8 },	    { op_stats, 6 },	 { op_misuse, 9 },   { op_set_max, 2 },
	{ op_set_fail, 2 }, { op_shrink, 3 },	 { op_walk, 3 },     { op_validate, 3 },
	{ op_find, 2 },	    { op_print, 1 },	 { op_flush, 2 },    { op_reclaim, 2 },
	{ op_prealloc, 3 }, { op_limit, 3 },	 { op_inject, 2 },   { op_thread, 1 },
	{ op_constant, 1 },
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fz_input in = { data, size, 0 };

	m_start();
	while (fz_more(&in)) {
		unsigned dice = fz_byte(&in);
		size_t i = 0;

		while (dice >= ops[i].weight)
			dice -= ops[i++].weight;
		ops[i].fn(&in);
	}
	m_finish();
	return 0;
}
