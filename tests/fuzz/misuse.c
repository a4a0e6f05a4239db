/* SPDX-License-Identifier: MIT */
/*
 * misuse.c - unlawful calls, see misuse.h.
 */
#include "misuse.h"

#include <stdlib.h>

/* Flags of caches in which a second free is found however late it comes. */
#define EXACT (MP_POISON | MP_RED_ZONE | MP_STORE_USER | MP_CONSISTENCY_CHECKS | MP_HARDENED)

#define ANY_FREE_ERROR \
	(M_KIND(MP_ERROR_DOUBLE_FREE) | M_KIND(MP_ERROR_BAD_FREE) | \
	 M_KIND(MP_ERROR_INTERIOR_POINTER))

#define FREED 64u

static struct m_object freed[FREED];
static size_t freed_at;

void misuse_remember(const struct m_object *o)
{
	if (o->kind != M_GENERAL && (m_caches[o->kind].flags & EXACT))
		freed[freed_at++ % FREED] = *o;
}

/* Hand p to one of the functions that take a pointer; each must report one of kinds. */
static void hand_in(void *p, unsigned kinds, struct mp_cache *c, struct fz_input *in)
{
	void *objs[1] = { p };

	m_expect(kinds);
	errno = 77;
	switch (fz_byte(in) % 7) {
	case 0:
		fz_call(mp_free_sized(p, 1 + fz_byte(in)));
		break;
	case 1:
		fz_call(mp_free_aligned_sized(p, 64, 1 + fz_byte(in)));
		break;
	case 2:
		fz_check(fz_call(mp_realloc(p, fz_word(in))) == NULL && errno == EINVAL);
		errno = 77;
		break;
	case 3:
		fz_check(fz_call(mp_usable_size(p)) == 0);
		break;
	case 4:
		fz_call(mp_cache_free_bulk(c, 1, objs));
		break;
	case 5:
		if (c != NULL) {
			fz_call(mp_cache_free(c, p));
			break;
		}
		/* fall through */
	default:
		fz_call(mp_free(p));
		break;
	}
	fz_check(errno == 77);
	m_told();
}

static void interior(struct fz_input *in)
{
	struct m_object *o;
	size_t offset;

	if (m_lives == 0)
		return;
	o = &m_live[fz_below(in, m_lives)];
	offset = fz_word(in);
	if (o->size < 2)
		return;
	hand_in(o->p + 1 + offset % (o->size - 1), M_KIND(MP_ERROR_INTERIOR_POINTER),
		o->kind != M_GENERAL ? m_caches[o->kind].c : NULL, in);
	m_look(o);
}

static void foreign(struct fz_input *in)
{
	static char in_data[64];
	char on_stack[64], *on_heap = malloc(64);
	uintptr_t address[] = {
		(uintptr_t)in_data, (uintptr_t)on_stack, (uintptr_t)on_heap, 1, 4096,
		(uintptr_t)foreign, UINTPTR_MAX, (uintptr_t)-4096,
		sizeof(void *) > 4 ? (uintptr_t)(UINT64_C(1) << 47) : (uintptr_t)-8192,
	};
	struct m_cache *c = &m_caches[fz_below(in, M_CACHES)];
	uintptr_t p = address[fz_below(in, sizeof(address) / sizeof(address[0]))];

	hand_in((void *)(p + fz_byte(in) % 2 * 16), M_KIND(MP_ERROR_BAD_FREE), c->c, in);
	free(on_heap);
}

static void wrong_cache(struct fz_input *in)
{
	struct m_cache *c = &m_caches[fz_below(in, M_CACHES)];
	struct m_object *o;
	void *objs[1];

	if (c->c == NULL || m_lives == 0)
		return;
	o = &m_live[fz_below(in, m_lives)];
	objs[0] = o->p;
	if (o->kind == (unsigned)(c - m_caches))
		return;
	m_expect(M_KIND(MP_ERROR_WRONG_CACHE));
	if (fz_byte(in) % 2 == 0)
		fz_call(mp_cache_free(c->c, o->p));
	else
		fz_call(mp_cache_free_bulk(c->c, 1, objs));
	m_told();
	m_look(o);
}

static void wrong_size(struct fz_input *in)
{
	struct m_object *o;
	size_t usable;

	if (m_lives == 0)
		return;
	o = &m_live[fz_below(in, m_lives)];
	usable = fz_call(mp_usable_size(o->p));
	m_expect(M_KIND(MP_ERROR_SIZE_MISMATCH));
	if (fz_byte(in) % 2 == 0)
		fz_call(mp_free_sized(o->p, usable + 1 + fz_word(in)));
	else
		fz_call(mp_free_aligned_sized(o->p, 16, usable + 1 + fz_word(in)));
	m_told();
	m_look(o);
}

/*
 * Twice in a row, whatever it is.  Not while memory is short: the first free may then find no
 * magazine and go to the slab, the second find one and be reported when that is drained.
 */
static void twice(struct fz_input *in)
{
	void *volatile again; /* which no compiler warns of */
	struct m_object o;

	if (m_lives == 0 || m_pressed)
		return;
	o = m_take(fz_below(in, m_lives));
	again = o.p;
	fz_call(mp_free(o.p));
	m_expect(ANY_FREE_ERROR | M_KIND(MP_ERROR_FREE_LIST));
	if (o.kind != M_GENERAL && fz_byte(in) % 2 == 0)
		fz_call(mp_cache_free(m_caches[o.kind].c, again));
	else
		fz_call(mp_free(again));
	m_told();
}

/* One of those freed lately, if it is still free: the cache, else NULL. */
static struct m_cache *freed_lately(struct fz_input *in, struct m_object *o,
				    enum mp_object_state *state)
{
	struct mp_object_info info = { .struct_size = sizeof(info) };
	struct m_cache *c;

	*o = freed[fz_below(in, FREED)];
	if (o->p == NULL)
		return NULL;
	c = &m_caches[o->kind];
	if (c->c == NULL || (c->flags & EXACT) == 0 || m_overlaps(o->p, 1) ||
	    fz_call(mp_object_info(o->p, &info)) != 0 || info.cache != c->c ||
	    info.object != o->p)
		return NULL;
	*state = info.state;
	return c;
}

static void twice_late(struct fz_input *in)
{
	enum mp_object_state state;
	struct m_object o;
	struct m_cache *c = freed_lately(in, &o, &state);

	if (c == NULL || state == MP_OBJECT_LIVE || state == MP_OBJECT_LOST)
		return;
	m_expect(M_KIND(MP_ERROR_DOUBLE_FREE) | M_KIND(MP_ERROR_FREE_LIST));
	if (fz_byte(in) % 2 == 0)
		fz_call(mp_cache_free(c->c, o.p));
	else
		fz_call(mp_free(o.p));
	m_told();
}

/* Written behind its end or in front of it, then freed; or found by validate and mended. */
static void overflow(struct fz_input *in)
{
	size_t i = fz_below(in, m_lives + 1);
	struct m_object o;
	struct m_cache *c;
	unsigned dice = fz_byte(in);
	unsigned char *p, old;
	bool over = dice % 2 == 0;

	if (i >= m_lives || m_live[i].kind == M_GENERAL)
		return;
	c = &m_caches[m_live[i].kind];
	if ((c->flags & MP_RED_ZONE) == 0 || m_guards()) /* a guard page would end it all */
		return;
	p = over ? m_live[i].p + c->size + dice / 2 % 16 : m_live[i].p - 1 - dice / 2 % 16;
	old = *p;
	*p = (unsigned char)(old ^ (1 + fz_byte(in) % 255));
	m_expect(M_KIND(over ? MP_ERROR_OVERFLOW : MP_ERROR_UNDERFLOW));
	if (fz_byte(in) % 2 == 0) {
		fz_check(fz_call(mp_cache_validate(c->c)) == 1);
		*p = old;
	} else {
		o = m_take(i);
		fz_call(mp_cache_free(c->c, o.p));
		c->leaked++;
	}
	m_told();
}

/* Written after it was freed; found by validate where it is in the slab. */
static void use_after_free(struct fz_input *in)
{
	enum mp_object_state state;
	struct m_object o;
	struct m_cache *c = freed_lately(in, &o, &state);
	size_t at = fz_word(in);
	unsigned char *p;

	if (c == NULL || state != MP_OBJECT_FREE || c->has_ctor || !(c->flags & MP_POISON) ||
	    m_guards())
		return;
	p = o.p + at % c->size;
	*p ^= 0x55;
	m_expect(M_KIND(MP_ERROR_USE_AFTER_FREE_WRITE));
	fz_check(fz_call(mp_cache_validate(c->c)) == 1);
	m_told();
	*p ^= 0x55;
}

void misuse_dead(struct mp_cache *dead, struct fz_input *in)
{
	struct mp_cache_stats s = { .struct_size = sizeof(s) };
	void *p = m_lives > 0 ? (void *)m_live[0].p : &s;

	fz_check(fz_call(mp_cache_get_stats(dead, &s)) == -EINVAL);
	fz_check(fz_call(mp_cache_validate(dead)) == -EINVAL);
	m_expect(M_KIND(MP_ERROR_DEAD_CACHE));
	switch (fz_byte(in) % 8) {
	case 0:
		fz_check(fz_call(mp_cache_alloc(dead)) == NULL && errno == EINVAL);
		break;
	case 1:
		fz_call(mp_cache_free(dead, p));
		break;
	case 2:
		fz_check(fz_call(mp_cache_alloc_bulk(dead, 1, &p)) == -EINVAL);
		break;
	case 3:
		fz_call(mp_cache_free_bulk(dead, 1, &p));
		break;
	case 4:
		fz_check(fz_call(mp_cache_prealloc(dead, 1)) == -EINVAL);
		break;
	case 5:
		fz_check(fz_call(mp_cache_set_max(dead, 1)) == -EINVAL);
		break;
	case 6:
		(void)fz_call(mp_cache_shrink(dead));
		break;
	default:
		fz_check(fz_call(mp_cache_destroy(dead)) == -EINVAL);
		break;
	}
	m_told();
}

void op_misuse(struct fz_input *in)
{
	static void (*const kinds[])(struct fz_input *in) = {
		interior, foreign, wrong_cache, wrong_size, twice, twice_late, overflow,
		use_after_free,
	};

	kinds[fz_below(in, sizeof(kinds) / sizeof(kinds[0]))](in);
}
