/* SPDX-License-Identifier: MIT */
/*
 * options.c - layer 2: MEMPOOL_* from the environment.
 *
 * Runs once, before the first allocation, without allocating.
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

static void parse_debug(struct mpp_options *o, const char *s)
{
	size_t n = strcspn(s, ",");

	for (size_t i = 0; i < n; i++) {
		if (s[i] == 'P' || s[i] == 'p')
			o->poison = true;
		else if (s[i] == '-' && n == 1)
			return;
		else if (s[i] != '\0' && strchr("FZUTHfzuth", s[i]) != NULL)
			warn("MEMPOOL_DEBUG", s + i, 1, "is not available in this version");
		else
			warn("MEMPOOL_DEBUG", s + i, 1, "is no letter of it");
	}
	if (s[n] == '\0')
		return;
	s += n + 1;
	n = strlen(s);
	if (n >= sizeof(o->patterns)) {
		warn("MEMPOOL_DEBUG", s, n, "is too long a list");
		o->poison = false;
		return;
	}
	memcpy(o->patterns, s, n + 1);
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

void mpp_options_parse(struct mpp_options *o, const char *debug, const char *on_error,
		       const char *stats, const char *limit)
{
	*o = (struct mpp_options){ .limit = 0 };
	if (debug != NULL)
		parse_debug(o, debug);
	if (on_error != NULL)
		parse_on_error(o, on_error);
	if (stats != NULL)
		parse_stats(o, stats);
	if (limit != NULL && !parse_size(limit, &o->limit))
		warn("MEMPOOL_LIMIT", limit, strlen(limit), "is no number of bytes");
}

void mpp_options_read(void)
{
	static const char *const later[] = { "MEMPOOL_GUARD", "MEMPOOL_LEAKS", "MEMPOOL_FAIL" };

	mpp_options_parse(&mpp_options, mpp_os_env("MEMPOOL_DEBUG"),
			  mpp_os_env("MEMPOOL_ON_ERROR"), mpp_os_env("MEMPOOL_STATS"),
			  mpp_os_env("MEMPOOL_LIMIT"));
	for (size_t i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		const char *value = mpp_os_env(later[i]);

		if (value != NULL)
			warn(later[i], value, strlen(value), "is not available in this version");
	}
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

bool mpp_options_debugs(const struct mpp_options *o, const char *name)
{
	const char *p = o->patterns;

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
