/* SPDX-License-Identifier: MIT */
/*
 * report.c - layer 2: the report of a fault, and the policy.
 *
 * The handler decides first, then MEMPOOL_ON_ERROR, then abort.
 * Lock: handler_lock, held only to read or write the handler's two words.
 */
#include "report.h"

#include "lock.h"
#include "options.h"
#include "os.h"
#include "text.h"

#define REPORT_SIZE 4096 /* bytes; what is over it is cut */

static struct mpp_lock handler_lock;
static mp_error_handler *handler;	/* lock:handler_lock */
static void *handler_arg;		/* lock:handler_lock */
static _Atomic uint64_t faults;		/* atomic: a count */

const char *mpp_report_kind(enum mp_error_kind kind)
{
	switch (kind) {
	case MP_ERROR_DOUBLE_FREE:
		return "double-free";
	case MP_ERROR_BAD_FREE:
		return "bad-free";
	case MP_ERROR_WRONG_CACHE:
		return "wrong-cache";
	case MP_ERROR_INTERIOR_POINTER:
		return "interior-pointer";
	case MP_ERROR_OVERFLOW:
		return "overflow";
	case MP_ERROR_UNDERFLOW:
		return "underflow";
	case MP_ERROR_USE_AFTER_FREE_WRITE:
		return "use-after-free-write";
	case MP_ERROR_FREE_LIST:
		return "free-list";
	case MP_ERROR_SLAB_HEADER:
		return "slab-header";
	case MP_ERROR_SIZE_MISMATCH:
		return "size-mismatch";
	case MP_ERROR_LIVE_AT_DESTROY:
		return "live-at-destroy";
	case MP_ERROR_DEAD_CACHE:
		return "dead-cache";
	case MP_ERROR_USE_AFTER_FREE:
		return "use-after-free";
	}
	return "unknown";
}

mpp_noinline void mpp_report_user(struct mpp_user *u)
{
	u->thread = mpp_os_thread_id();
	u->when = mpp_os_clock_ms();
	u->frames = mpp_os_stack(u->stack, MPP_FRAMES);
}

void mpp_report_add_user(struct mpp_text *t, const char *what, const struct mpp_user *u)
{
	if (u->thread == 0)
		return;
	mpp_text_add(t, "mempool:   %s by thread %u, %ju ms ago\n", what, u->thread,
		     (uintmax_t)(mpp_os_clock_ms() - u->when));
	for (unsigned i = 0; i < u->frames && i < MPP_FRAMES; i++) {
		struct mpp_os_symbol s;

		mpp_os_symbol(u->stack[i], &s);
		mpp_text_add(t, "mempool:     #%u ", i);
		if (s.name != NULL)
			mpp_text_add(t, "%s+0x%zx ", s.name, (size_t)s.name_offset);
		if (s.file != NULL)
			mpp_text_add(t, "(%s+0x%zx)\n", s.file, (size_t)s.file_offset);
		else
			mpp_text_add(t, "%p\n", (void *)u->stack[i]);
	}
}

/*
 * mempool: KIND: cache "NAME" (id N) pointer P
 * mempool:   object O, index I of slab S, offset F, size Z, live L of C
 * mempool:   NOTE
 * mempool:   damaged bytes at offset F: xx xx
 * mempool:   found by WHERE
 * mempool:   allocated by thread T, N ms ago
 * mempool:     #0 FUNCTION+OFFSET (FILE+OFFSET)
 * mempool:   freed by thread T, N ms ago
 */
static void compose(struct mpp_text *t, const struct mpp_fault *f)
{
	mpp_text_add(t, "mempool: %s:", mpp_report_kind(f->kind));
	if (f->cache_name[0] != '\0')
		mpp_text_add(t, " cache \"%s\" (id %u)", f->cache_name, f->cache_id);
	if (f->pointer != NULL)
		mpp_text_add(t, " pointer %p", f->pointer);
	mpp_text_add(t, "\n");
	if (f->slab != NULL && f->object != NULL)
		mpp_text_add(t, "mempool:   object %p, index %zu of slab %p, offset %s%zu, size %zu",
			     f->object, f->index, f->slab, f->pointer < f->object ? "-" : "",
			     f->pointer < f->object ? 0 - f->offset : f->offset, f->size);
	else if (f->slab != NULL)
		mpp_text_add(t, "mempool:   in slab %p, offset %zu", f->slab, f->offset);
	if (f->slab != NULL && f->capacity != 0)
		mpp_text_add(t, ", not free %zu of %zu", f->live, f->capacity);
	if (f->slab != NULL)
		mpp_text_add(t, "\n");
	if (f->note != NULL)
		mpp_text_add(t, "mempool:   %s: expected %zu, found %zu\n", f->note, f->expected,
			     f->found);
	if (f->samples != 0) {
		mpp_text_add(t, "mempool:   among them");
		for (unsigned i = 0; i < f->samples && i < MPP_SAMPLE_MAX; i++)
			mpp_text_add(t, " %p", f->sample[i]);
		mpp_text_add(t, "\n");
		for (unsigned i = 0; i < f->owners && i < f->samples; i++) {
			mpp_text_add(t, "mempool:   %p:\n", f->sample[i]);
			mpp_report_add_user(t, "allocated", &f->owner[i]);
		}
	}
	if (f->damaged != 0) {
		mpp_text_add(t, "mempool:   damaged bytes at offset %s%zu:",
			     f->damage_offset < 0 ? "-" : "",
			     f->damage_offset < 0 ? 0 - (size_t)f->damage_offset :
						    (size_t)f->damage_offset);
		for (unsigned i = 0; i < f->damaged && i < MPP_DAMAGE_MAX; i++)
			mpp_text_add(t, " %02x", f->damage[i]);
		mpp_text_add(t, "\n");
	}
	mpp_text_add(t, "mempool:   found by %s\n", f->where != NULL ? f->where : "a check");
	mpp_report_add_user(t, "allocated", &f->alloced);
	mpp_report_add_user(t, "freed", &f->freed);
}

void mpp_report_print(const struct mpp_fault *f, char *buf, size_t size)
{
	struct mpp_text t;

	/* relaxed: a count */
	mpp_add_relaxed(&faults, 1);
	mpp_text_init(&t, buf, size);
	compose(&t, f);
	mpp_os_write(2, buf, t.len);
}

void mpp_report(const struct mpp_fault *f)
{
	char buf[REPORT_SIZE];
	struct mpp_text t;
	struct mp_error e = { .struct_size = sizeof(e) };
	mp_error_handler *fn;
	void *arg;

	/* relaxed: a count */
	mpp_add_relaxed(&faults, 1);
	mpp_text_init(&t, buf, sizeof(buf));
	compose(&t, f);
	mpp_lock_acquire(&handler_lock);
	fn = handler;
	arg = handler_arg;
	mpp_lock_release(&handler_lock);
	if (fn != NULL) {
		e.kind = f->kind;
		e.message = mpp_text_end(&t);
		e.pointer = f->pointer;
		e.object = f->object;
		e.cache = f->cache;
		e.cache_name = f->cache_name;
		if (fn(&e, arg) == MP_ERROR_CONTINUE)
			return;
	}
	mpp_os_write(2, buf, t.len);
	if (fn != NULL || !mpp_options.report_only)
		mpp_os_abort();
}

void mpp_report_panic(const char *cache_name, int error)
{
	char buf[200];
	struct mpp_text t;

	mpp_text_init(&t, buf, sizeof(buf));
	mpp_text_add(&t, "mempool: panic: cannot create cache \"%s\" (errno %d)\n", cache_name,
		     error);
	mpp_os_write(2, buf, t.len);
	mpp_os_abort();
}

void mpp_report_set_handler(mp_error_handler *fn, void *arg)
{
	mpp_lock_acquire(&handler_lock);
	handler = fn;
	handler_arg = arg;
	mpp_lock_release(&handler_lock);
}

uint64_t mpp_report_count(void)
{
	/* relaxed: a count */
	return mpp_load_relaxed(&faults);
}

void mpp_report_lock(void)
{
	mpp_lock_acquire(&handler_lock);
}

void mpp_report_unlock(void)
{
	mpp_lock_release(&handler_lock);
}
