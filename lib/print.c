/* SPDX-License-Identifier: MIT */
/*
 * print.c - layer 7: the tables: slabinfo, JSON.
 *
 * What there is to say of a cache is put into a buffer on the stack, which has room for all of
 * it, and handed on, to a FILE or a descriptor, when the cache is no longer looked at: that
 * may take for ever, and the cache may be destroyed meanwhile.  No lock is held then.
 */
#include "base.h"

#include "init.h"
#include "object.h"
#include "options.h"
#include "os.h"
#include "text.h"
#include "walk.h"

#include <errno.h>

/*
 * Room for a cache: of 63 bytes of a name each may become six in JSON, and there are 21 numbers of
 * at most 20 digits.
 */
#define TEXT_SIZE 2048u

static bool to_file(struct mpp_text *t)
{
	return fwrite(t->buf, 1, t->len, t->to) == t->len;
}

/* Whether all of it arrived, as far as the system says. */
static int end_file(struct mpp_text *t)
{
	return mpp_text_flush(t) && fflush(t->to) == 0 ? 0 : -EIO;
}

static bool to_descriptor(struct mpp_text *t)
{
	return mpp_os_write(*(int *)t->to, t->buf, t->len);
}

static int hand_on(void *arg)
{
	struct mpp_text *const *t = arg; /* what all of the arguments begin with */

	return mpp_text_flush(*t) ? 0 : -EIO;
}

/* ---- slabinfo */

static int print_slabinfo_line(struct mp_cache *c, void *arg)
{
	struct mp_cache_stats s = { .struct_size = sizeof(s) };
	struct mpp_text *t = *(struct mpp_text **)arg;
	char name[MPP_NAME_MAX];
	size_t pages = (size_t)c->g.chunks * MP_CHUNK_SIZE / mpp_min(mpp_os_page(), MP_CHUNK_SIZE);
	uint32_t limit;

	if (mp_cache_get_stats(c, &s) != 0)
		return 0;
	mpp_lock_acquire(&c->lock);
	limit = c->direct ? 0 : c->magazine_max;
	mpp_lock_release(&c->lock);
	/* columns are separated by spaces, names may not hold any */
	for (size_t i = 0; i < sizeof(name); i++)
		name[i] = c->name[i] == ' ' || c->name[i] == '\n' ? '_' : c->name[i];
	mpp_text_add(t, "%-17s %6zu %6zu %6zu %4zu %4zu : tunables %4u %4u %4u : slabdata %6zu %6zu %6zu\n",
		     name, s.live, s.capacity, s.slot_size, s.objects_per_slab, pages,
		     limit, limit == 0 ? 0u : (limit + 1) / 2,
		     0u, s.slabs - s.slabs_empty, s.slabs, s.cached);
	return 0;
}

static void print_slabinfo(struct mpp_text *t)
{
	mpp_thread_bury_orphans(); /* here, and not while a cache is looked at: it may report */
	mpp_text_add(t, "slabinfo - version: 2.1\n"
			"# name            <active_objs> <num_objs> <objsize> <objperslab> "
			"<pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata "
			"<active_slabs> <num_slabs> <sharedavail>\n");
	(void)mpp_text_flush(t);
	(void)mpp_registry_tell(print_slabinfo_line, hand_on, &t);
}

int mp_slabinfo_print(FILE *f)
{
	char buf[TEXT_SIZE];
	struct mpp_text t = { .buf = buf, .size = sizeof(buf), .flush = to_file, .to = f };

	if (f == NULL)
		return -EINVAL;
	if (!mpp_init())
		return -ENOMEM;
	print_slabinfo(&t);
	return end_file(&t);
}

/* ---- JSON */

static void add_json_string(struct mpp_text *t, const char *s)
{
	mpp_text_add(t, "\"");
	for (; *s != '\0'; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\')
			mpp_text_add(t, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			mpp_text_add(t, "\\u%04x", (unsigned)c);
		else
			mpp_text_add(t, "%c", c);
	}
	mpp_text_add(t, "\"");
}

struct json {
	struct mpp_text *t;		/* first, for hand_on() */
	const char *separator;
};

static int print_json_cache(struct mp_cache *c, void *arg)
{
	struct mp_cache_stats s = { .struct_size = sizeof(s) };
	struct json *j = arg;

	if (mp_cache_get_stats(c, &s) != 0)
		return 0;
	mpp_text_add(j->t, "%s\n    {\"name\": ", j->separator);
	add_json_string(j->t, c->name);
	mpp_text_add(j->t, ", \"id\": %u, \"flags\": %u, \"object_size\": %zu, \"slot_size\": %zu, "
			   "\"align\": %zu, \"objects_per_slab\": %zu, \"chunks_per_slab\": %zu,",
		     s.id, s.flags, s.object_size, s.slot_size, s.align, s.objects_per_slab,
		     s.chunks_per_slab);
	mpp_text_add(j->t, "\n     \"live\": %zu, \"cached\": %zu, \"free\": %zu, \"leaked\": %zu, "
			   "\"capacity\": %zu, \"peak\": %zu, \"max_objects\": %zu, \"slabs\": %zu, "
			   "\"slabs_empty\": %zu, \"chunks\": %zu,",
		     s.live, s.cached, s.free, s.leaked, s.capacity, s.peak, s.max_objects,
		     s.slabs, s.slabs_empty, s.chunks);
	mpp_text_add(j->t, "\n     \"bytes_mapped\": %zu, \"bytes_asked\": %zu, \"allocs\": %ju, "
			   "\"frees\": %ju, \"failed\": %ju}",
		     s.bytes_mapped, s.bytes_asked, (uintmax_t)s.allocs, (uintmax_t)s.frees,
		     (uintmax_t)s.failed);
	j->separator = ",";
	return 0;
}

int mp_stats_print_json(FILE *f)
{
	char buf[TEXT_SIZE];
	struct mpp_text t = { .buf = buf, .size = sizeof(buf), .flush = to_file, .to = f };
	struct json j = { .t = &t, .separator = "" };
	struct mp_stats s = { .struct_size = sizeof(s) };
	int error;

	if (f == NULL)
		return -EINVAL;
	mpp_thread_bury_orphans();
	error = mp_get_stats(&s);
	if (error != 0)
		return error;
	mpp_text_add(&t, "{\"version\": \"%s\", \"chunk_size\": %zu,\n \"threads\": %zu, "
			 "\"slabs\": %zu, \"bytes_slabs\": %zu, \"bytes_large\": %zu, "
			 "\"bytes_meta\": %zu, \"bytes_kept\": %zu,",
		     mp_version(), (size_t)MP_CHUNK_SIZE, s.threads, s.slabs, s.bytes_slabs,
		     s.bytes_large, s.bytes_meta, s.bytes_kept);
	mpp_text_add(&t, "\n \"bytes_reserved\": %zu, \"bytes_peak\": %zu, \"limit\": %zu, "
			 "\"large_live\": %zu, \"os_calls\": %ju, \"faults\": %ju,\n \"caches\": [",
		     s.bytes_reserved, s.bytes_peak, s.limit, s.large_live, (uintmax_t)s.os_calls,
		     (uintmax_t)s.faults);
	(void)mpp_text_flush(&t);
	(void)mpp_registry_tell(print_json_cache, hand_on, &j);
	mpp_text_add(&t, "\n ]}\n");
	return end_file(&t);
}

/* ---- at exit */

void mpp_print_at_exit(void)
{
	char buf[TEXT_SIZE];
	int fd = 2;
	struct mpp_text t = { .buf = buf, .size = sizeof(buf), .flush = to_descriptor, .to = &fd };

	if (mpp_options.stats_file[0] != '\0')
		fd = mpp_os_create(mpp_options.stats_file);
	if (fd < 0)
		return;
	print_slabinfo(&t);
	(void)mpp_text_flush(&t);
	if (fd != 2)
		mpp_os_close(fd);
}
