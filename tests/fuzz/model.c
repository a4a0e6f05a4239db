/* SPDX-License-Identifier: MIT */
/*
 * model.c - what the library must do, see model.h.
 */
#include "model.h"

#include "fuzz.h"

#include "os.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct m_object m_live[M_LIVE];
size_t m_lives, m_bytes;
struct m_cache m_caches[M_CACHES];
bool m_pressed, m_watched;

static unsigned expected, told;
static uint64_t reports; /* ever */

/* ---- reports */

static enum mp_error_action handler(const struct mp_error *e, void *arg)
{
	fz_check(arg == &expected && e->struct_size == sizeof(*e));
	fz_check(strlen(e->message) > 10 && e->message[strlen(e->message) - 1] == '\n');
	if ((expected & M_KIND(e->kind)) == 0)
		fz_fail(e->message, (int)expected, "a report that is not expected");
	told++;
	reports++;
	return MP_ERROR_CONTINUE;
}

void m_expect(unsigned kinds)
{
	expected = kinds;
	told = 0;
}

void m_told_at(int line)
{
	if (told != 1)
		fz_fail("misuse.c", line, told == 0 ? "it is reported" : "it is reported once");
	expected = 0;
}

/* ---- contents */

#define EDGE 64u /* bytes filled and looked at, at either end */

static void fill(const struct m_object *o)
{
	if (o->size <= 2 * EDGE) {
		memset(o->p, o->pattern, o->size);
		return;
	}
	memset(o->p, o->pattern, EDGE);
	memset(o->p + o->size - EDGE, o->pattern, EDGE);
}

static bool all_are(const unsigned char *p, size_t n, unsigned char byte)
{
	return n == 0 || (p[0] == byte && memcmp(p, p + 1, n - 1) == 0);
}

void m_look_part(const struct m_object *o, size_t n)
{
	size_t head = o->size <= 2 * EDGE ? o->size : EDGE;

	fz_check(all_are(o->p, n < head ? n : head, o->pattern));
}

void m_look(const struct m_object *o)
{
	m_look_part(o, o->size);
	if (o->size > 2 * EDGE)
		fz_check(all_are(o->p + o->size - EDGE, EDGE, o->pattern));
}

void m_ctor_plain(void *obj)
{
	*(unsigned char *)obj = M_CONSTRUCTED; /* the size is not told */
}

void m_ctor(void *obj, void *arg)
{
	struct m_cache *c = arg;

	c->built++;
	memset(obj, M_CONSTRUCTED, c->size);
}

void m_dtor(void *obj, void *arg)
{
	struct m_cache *c = arg;

	c->built--;
	/* what was leaked on purpose was damaged behind its end only */
	fz_check(all_are(obj, c->size, M_CONSTRUCTED));
}

/* ---- live objects */

bool m_overlaps(const void *p, size_t n)
{
	uintptr_t at = (uintptr_t)p;

	for (size_t i = 0; i < m_lives; i++)
		if (at < (uintptr_t)m_live[i].p + m_live[i].size &&
		    (uintptr_t)m_live[i].p < at + n)
			return true;
	return false;
}

bool m_has_room(size_t objects, size_t bytes)
{
	return m_lives + objects <= M_LIVE && bytes <= M_BYTES && m_bytes <= M_BYTES - bytes;
}

struct m_object *m_add(void *p, size_t size, unsigned kind)
{
	static unsigned char pattern;
	struct m_cache *c = kind < M_CACHES ? &m_caches[kind] : NULL;
	struct m_object *o;

	fz_check(p != NULL && m_lives < M_LIVE);
	fz_check(!m_overlaps(p, size));
	if (c != NULL) {
		fz_check((uintptr_t)p % c->align == 0);
		fz_check(!c->has_ctor || all_are(p, c->plain ? 1 : c->size, M_CONSTRUCTED));
		c->live++;
		c->taken++;
		c->peak = c->live > c->peak ? c->live : c->peak;
		fz_check(c->max == 0 || c->live <= c->max);
	}
	o = &m_live[m_lives++];
	*o = (struct m_object){ p, size, 0, kind, ++pattern };
	m_bytes += size;
	fill(o);
	return o;
}

void m_resize(size_t i, size_t size)
{
	m_bytes += size - m_live[i].size;
	m_live[i].size = size;
	fill(&m_live[i]);
}

void m_forget(size_t i)
{
	m_bytes -= m_live[i].size;
	if (m_live[i].kind < M_CACHES)
		m_caches[m_live[i].kind].live--;
	m_live[i] = m_live[--m_lives];
}

struct m_object m_take(size_t i)
{
	struct m_object o = m_live[i];

	m_look(&o);
	m_forget(i);
	if (o.kind < M_CACHES && m_caches[o.kind].has_ctor)
		memset(o.p, M_CONSTRUCTED, m_caches[o.kind].size);
	return o;
}

int m_fail(struct m_cache *c)
{
	if (c->fail == MP_FAIL_NEVER)
		return 0;
	c->fail_seen++;
	switch (c->fail) {
	case MP_FAIL_NTH:
		return c->fail_seen == c->fail_n;
	case MP_FAIL_EVERY:
		return c->fail_seen % c->fail_n == 0;
	default:
		return c->fail_n == 1 ? 1 : -1;
	}
}

/* ---- numbers */

#define MARKED (MP_POISON | MP_RED_ZONE | MP_STORE_USER | MP_CONSISTENCY_CHECKS)

/* Whether MEMPOOL_DEBUG has such letters for all names, and P is not left out. */
static bool is_marked(const struct m_cache *c)
{
	const char *letters = c->flags & (MP_TYPE_STABLE | MP_ZERO_ON_FREE) ? "FZU" : "FZPU";
	const char *debug = getenv("MEMPOOL_DEBUG");

	return (c->flags & MARKED) != 0 ||
	       (debug != NULL && strpbrk(debug, ",;") == NULL && strpbrk(debug, letters) != NULL);
}

bool m_guards(void)
{
	return getenv("MEMPOOL_GUARD") != NULL;
}

void m_check_cache(struct m_cache *c)
{
	struct mp_cache_stats s = { .struct_size = sizeof(s) };

	fz_check(fz_call(mp_cache_get_stats(c->c, &s)) == 0);
	fz_check(s.object_size == c->size && s.slot_size >= c->size);
	fz_check(s.live == c->live && s.leaked == c->leaked);
	fz_check(s.capacity == s.live + s.cached + s.free + s.leaked);
	if (!m_guards())
		fz_check(s.capacity == s.slabs * s.objects_per_slab);
	else /* guarded objects are in no slab */
		fz_check(s.capacity - s.slabs * s.objects_per_slab <= s.live + s.leaked);
	fz_check(s.chunks == s.slabs * s.chunks_per_slab);
	fz_check(s.bytes_mapped == s.chunks * MP_CHUNK_SIZE);
	fz_check(s.bytes_asked == s.live * s.object_size);
	fz_check(s.slabs_empty <= s.slabs && s.slabs_empty * s.objects_per_slab <= s.free);
	fz_check(s.max_objects == c->max && s.failed == c->failed);
	fz_check(s.align % c->align == 0 && s.slot_size % s.align == 0);
	fz_check(s.peak >= c->live);
	if (c->max == 0 && !is_marked(c)) {
		fz_check(s.allocs - s.frees == s.live + s.cached + s.leaked);
		return;
	}
	fz_check(s.peak >= c->peak && (c->max == 0 || s.peak <= c->max));
	fz_check(s.allocs >= c->taken && s.allocs - s.frees == s.live);
	fz_check(s.cached == 0 || c->max == 0);
}

static int check_quiet(struct mp_cache *c, void *arg)
{
	struct mp_cache_stats s = { .struct_size = sizeof(s) };
	size_t *slabs = arg;

	fz_check(mp_cache_validate(c) == 0);
	fz_check(mp_cache_get_stats(c, &s) == 0);
	fz_check(s.capacity == s.live + s.cached + s.free + s.leaked);
	*slabs += s.slabs;
	return 0;
}

void m_check_library(void)
{
	struct mp_stats s = { .struct_size = sizeof(s) };
	size_t spans = 0, slabs = 0, caches = 0;

	fz_check(fz_call(mp_get_stats(&s)) == 0);
	for (size_t i = 0; i < m_lives; i++)
		if (m_live[i].kind == M_GENERAL && m_live[i].size > MP_MAX_FIXED_SIZE)
			spans++;
	for (size_t i = 0; i < M_CACHES; i++)
		caches += m_caches[i].c != NULL;
	fz_check(s.large_live >= spans && s.large_live <= m_lives);
	fz_check(s.bytes_large >= s.large_live * MP_MAX_FIXED_SIZE || s.large_live > spans);
	fz_check(s.faults == reports);
	fz_check(s.caches >= caches);
	fz_check(s.bytes_slabs % MP_CHUNK_SIZE == 0);
	if (!m_pressed) {
		fz_check(fz_call(mp_cache_for_each(check_quiet, &slabs)) == 0);
		fz_check(slabs == s.slabs);
	}
}

void m_destroy(struct m_cache *c)
{
	fz_check(fz_call(mp_cache_destroy(c->c)) == 0);
	fz_check(c->built == 0);
	c->c = NULL;
}

/* ---- an input */

void m_start(void)
{
	m_watched = getenv("MEMPOOL_DEBUG") != NULL;
	m_pressed = false;
	expected = 0;
	fz_call(mp_set_error_handler(handler, &expected));
}

void m_finish(void)
{
	struct mp_stats s = { .struct_size = sizeof(s) };

	mpp_os_inject(0, 0);
	fz_check(fz_call(mp_set_limit(0)) == 0);
	m_pressed = false;
	m_check_library();
	while (m_lives > 0) {
		struct m_object o = m_take(m_lives - 1);

		fz_call(mp_free(o.p));
	}
	for (size_t i = 0; i < M_CACHES; i++) {
		if (m_caches[i].c == NULL)
			continue;
		m_check_cache(&m_caches[i]);
		fz_check(fz_call(mp_cache_validate(m_caches[i].c)) == 0);
		m_destroy(&m_caches[i]);
	}
	fz_call(mp_thread_flush());
	(void)fz_call(mp_reclaim(0));
	fz_check(mp_get_stats(&s) == 0);
	fz_check(s.slabs == 0 && s.bytes_slabs == 0);
	fz_check(s.large_live == 0 && s.bytes_large == 0);
	fz_check(s.faults == reports);
}
