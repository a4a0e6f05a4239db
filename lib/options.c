/* SPDX-License-Identifier: MIT */
/*
 * options.c - layer 2: MEMPOOL_* from the environment.
 *
 * Runs once, before the first allocation, without allocating.
 *
 * MEMPOOL_DEBUG is the kernel's slab_debug: LETTERS[,NAME...][;LETTERS[,NAME...]]...
 * The first block with a name that matches decides, else the last without names.
 */
#include "options.h"

#include "os.h"
#include "text.h"

#include <string.h>

struct mpp_options mpp_options;

static void warn(const char *variable, const char *word, size_t n, const char *why)
{
	char buf[200], part[64];
	struct mpp_text t;

	n = mpp_min(n, sizeof(part) - 1);
	memcpy(part, word, n);
	part[n] = '\0';
	mpp_text_init(&t, buf, sizeof(buf));
	mpp_text_add(&t, "mempool: %s: \"%s\" %s, ignored\n", variable, part, why);
	mpp_os_write(2, buf, t.len);
}

static bool is_word(const char *s, size_t n, const char *word)
{
	return strlen(word) == n && memcmp(s, word, n) == 0;
}

static unsigned letter(char c)
{
	static const char letters[] = "FZPUTH0";
	const char *at;

	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	at = c != '\0' ? strchr(letters, c) : NULL;
	return at != NULL ? 1u << (at - letters) : 0;
}

/* One block: letters, or "-" for none, and patterns behind the first comma. */
static void parse_block(struct mpp_options *o, char *s)
{
	size_t n = strcspn(s, ",");
	unsigned letters = 0;

	if (o->blocks == MPP_OPTION_BLOCKS) {
		warn("MEMPOOL_DEBUG", s, strlen(s), "is one block too many");
		return;
	}
	for (size_t i = 0; i < n && !(s[i] == '-' && n == 1); i++) {
		if (letter(s[i]) == 0)
			warn("MEMPOOL_DEBUG", s + i, 1, "is no letter of it");
		letters |= letter(s[i]);
	}
	o->block[o->blocks].letters = letters;
	o->block[o->blocks].patterns = s[n] == ',' ? s + n + 1 : s + n;
	o->blocks++;
}

static void parse_debug(struct mpp_options *o, const char *s)
{
	size_t len = strlen(s);
	char *part = o->debug_text, *end;

	if (len >= sizeof(o->debug_text)) {
		warn("MEMPOOL_DEBUG", s, len, "is too long");
		return;
	}
	memcpy(o->debug_text, s, len + 1);
	for (;; part = end + 1) {
		end = strchr(part, ';');
		if (end != NULL)
			*end = '\0';
		if (*part != '\0')
			parse_block(o, part);
		if (end == NULL)
			return;
	}
}

static void parse_on_error(struct mpp_options *o, const char *s)
{
	size_t n = strlen(s);

	if (is_word(s, n, "report"))
		o->report_only = true;
	else if (!is_word(s, n, "abort"))
		warn("MEMPOOL_ON_ERROR", s, n, "is neither abort nor report");
}

static void parse_stats(struct mpp_options *o, const char *s)
{
	size_t n = strcspn(s, ":");
	size_t len;

	if (!is_word(s, n, "exit")) {
		warn("MEMPOOL_STATS", s, n, "is not exit");
		return;
	}
	o->stats_at_exit = true;
	if (s[n] == '\0')
		return;
	len = strlen(s + n + 1);
	if (len >= sizeof(o->stats_file)) {
		warn("MEMPOOL_STATS", s + n + 1, len, "is too long a file name");
		o->stats_at_exit = false;
	} else {
		memcpy(o->stats_file, s + n + 1, len + 1);
	}
}

/* Bytes with an optional K, M or G; false if it is not a number or too large. */
static bool parse_size(const char *s, size_t *out)
{
	static const char units[] = "KMG";
	const char *unit;
	unsigned shift = 0;
	size_t n = 0;

	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++) {
		size_t digit = (size_t)(*s - '0');

		if (n > (SIZE_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	if (*s != '\0') {
		unit = strchr(units, *s >= 'a' ? *s - 'a' + 'A' : *s);
		if (unit == NULL || s[1] != '\0')
			return false;
		shift = 10 * (unsigned)(unit - units + 1);
	}
	if (n > (SIZE_MAX >> shift))
		return false;
	*out = n << shift;
	return true;
}

/* A decimal number that ends at the first of the characters in ends. */
static bool parse_number(const char *s, const char *ends, uint64_t *out, const char **rest)
{
	uint64_t n = 0;
	const char *p;

	for (p = s; *p >= '0' && *p <= '9'; p++) {
		uint64_t digit = (uint64_t)(*p - '0');

		if (n > (UINT64_MAX - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	if (p == s || (*p != '\0' && strchr(ends, *p) == NULL))
		return false;
	*out = n;
	*rest = p;
	return true;
}

/* What stands behind the comma, if there is one; false if it is too long. */
static bool copy_patterns(const char *variable, const char *s, char *to, size_t size)
{
	size_t n;

	if (*s == ',')
		s++;
	n = strlen(s);
	if (n >= size) {
		warn(variable, s, n, "is too long a list");
		return false;
	}
	memcpy(to, s, n + 1);
	return true;
}

static void parse_guard(struct mpp_options *o, const char *s)
{
	const char *rest;
	uint64_t rate;

	if (!parse_number(s, ",", &rate, &rest) || rate > UINT32_MAX)
		warn("MEMPOOL_GUARD", s, strlen(s), "is no rate");
	else if (copy_patterns("MEMPOOL_GUARD", rest, o->guard_patterns,
			       sizeof(o->guard_patterns)))
		o->guard_rate = (unsigned)rate;
}

static void parse_purge(struct mpp_options *o, const char *s)
{
	const char *rest;
	uint64_t ms;

	if (parse_number(s, "", &ms, &rest) && ms <= UINT32_MAX)
		o->purge = (unsigned)ms;
	else
		warn("MEMPOOL_PURGE", s, strlen(s), "is no number of milliseconds");
}

static void parse_leaks(struct mpp_options *o, const char *s)
{
	size_t n = strlen(s);

	if (is_word(s, n, "report"))
		o->leaks = MPP_LEAKS_REPORT;
	else if (is_word(s, n, "error"))
		o->leaks = MPP_LEAKS_ERROR;
	else
		warn("MEMPOOL_LEAKS", s, n, "is neither report nor error");
}

static void parse_tools(struct mpp_options *o, const char *s)
{
	size_t n = strlen(s);

	if (is_word(s, n, "off"))
		o->tools_off = true;
	else if (!is_word(s, n, "on"))
		warn("MEMPOOL_TOOLS", s, n, "is neither on nor off");
}

/* nth=N, every=N or one-in=N[:SEED], then patterns. */
static void parse_fail(struct mpp_options *o, const char *s)
{
	static const char *const words[] = { "", "nth", "every", "one-in" };
	size_t n = strcspn(s, "=");
	enum mpp_fail_when when = MPP_FAIL_NEVER;
	const char *rest;

	for (unsigned i = MPP_FAIL_NTH; i <= MPP_FAIL_ONE_IN; i++)
		if (is_word(s, n, words[i]))
			when = (enum mpp_fail_when)i;
	if (when == MPP_FAIL_NEVER || s[n] != '=' ||
	    !parse_number(s + n + 1, ",:", &o->fail_n, &rest) || o->fail_n == 0 ||
	    (*rest == ':' && (when != MPP_FAIL_ONE_IN ||
			      !parse_number(rest + 1, ",", &o->fail_seed, &rest)))) {
		warn("MEMPOOL_FAIL", s, strlen(s), "is not nth=N, every=N or one-in=N:SEED");
		return;
	}
	if (copy_patterns("MEMPOOL_FAIL", rest, o->fail_patterns, sizeof(o->fail_patterns)))
		o->fail = when;
}

void mpp_options_parse(struct mpp_options *o, const struct mpp_environment *e)
{
	memset(o, 0, sizeof(*o));
	if (e->debug != NULL)
		parse_debug(o, e->debug);
	if (e->on_error != NULL)
		parse_on_error(o, e->on_error);
	if (e->stats != NULL)
		parse_stats(o, e->stats);
	if (e->limit != NULL && !parse_size(e->limit, &o->limit))
		warn("MEMPOOL_LIMIT", e->limit, strlen(e->limit), "is no number of bytes");
	if (e->guard != NULL)
		parse_guard(o, e->guard);
	if (e->leaks != NULL)
		parse_leaks(o, e->leaks);
	if (e->fail != NULL)
		parse_fail(o, e->fail);
	if (e->tools != NULL)
		parse_tools(o, e->tools);
	if (e->purge != NULL)
		parse_purge(o, e->purge);
}

void mpp_options_read(void)
{
	struct mpp_environment e = {
		.debug = mpp_os_env("MEMPOOL_DEBUG"),
		.on_error = mpp_os_env("MEMPOOL_ON_ERROR"),
		.stats = mpp_os_env("MEMPOOL_STATS"),
		.limit = mpp_os_env("MEMPOOL_LIMIT"),
		.guard = mpp_os_env("MEMPOOL_GUARD"),
		.leaks = mpp_os_env("MEMPOOL_LEAKS"),
		.fail = mpp_os_env("MEMPOOL_FAIL"),
		.tools = mpp_os_env("MEMPOOL_TOOLS"),
		.purge = mpp_os_env("MEMPOOL_PURGE"),
	};

	mpp_options_parse(&mpp_options, &e);
}

/* Does name match the n bytes of pattern, in which '*' stands for anything? */
static bool matches(const char *pattern, size_t n, const char *name)
{
	const char *end = pattern + n, *star = NULL, *retry = NULL;

	while (*name != '\0') {
		if (pattern < end && *pattern == '*') {
			star = ++pattern;
			retry = name;
		} else if (pattern < end && *pattern == *name) {
			pattern++;
			name++;
		} else if (star != NULL) {
			pattern = star;
			name = ++retry;
		} else {
			return false;
		}
	}
	while (pattern < end && *pattern == '*')
		pattern++;
	return pattern == end;
}

bool mpp_options_match(const char *patterns, const char *name)
{
	const char *p = patterns;

	if (*p == '\0')
		return true;
	for (;;) {
		size_t n = strcspn(p, ",");

		if (n > 0 && matches(p, n, name))
			return true;
		if (p[n] == '\0')
			return false;
		p += n + 1;
	}
}

unsigned mpp_options_debug(const struct mpp_options *o, const char *name)
{
	unsigned all = 0;

	for (unsigned i = 0; i < o->blocks; i++) {
		if (*o->block[i].patterns == '\0')
			all = o->block[i].letters;
		else if (mpp_options_match(o->block[i].patterns, name))
			return o->block[i].letters;
	}
	return all;
}

bool mpp_options_asks_for(const struct mpp_options *o, unsigned letters)
{
	for (unsigned i = 0; i < o->blocks; i++)
		if (o->block[i].letters & letters)
			return true;
	return false;
}
