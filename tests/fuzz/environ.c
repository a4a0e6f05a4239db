/* SPDX-License-Identifier: MIT */
/*
 * environ.c - fuzz: the values of MEMPOOL_* are parsed, whatever they are.
 *
 * A byte of the input below 128 is a character of a value, others are words that
 * occur in values; 0 begins the next variable.  What was parsed must be within its
 * bounds, and names must be matched as a plain table of states does it.
 */
#include "fuzz.h"

#include "options.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#if defined(_WIN32)
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#endif

const char fz_name[] = "environ";
const bool fz_leaves_behind = false;

#define VALUE 1500u
#define NAME 64u

static const char *const words[] = {
	"F", "Z", "P", "U", "T", "H", "0", "-", "FZPU", ",", ";", "*", "**", "mp-", "mp-64",
	"exit", "exit:", "/tmp/x", "abort", "report", "error", "nth=", "every=", "one-in=", ":",
	"18446744073709551615", "18446744073709551616", "4294967296", "1000", "1K", "2M", "3g",
	"=", "\n", "\x7f", "\xff", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	"a,b,*c", ",,", ";;", "large", "%s%n", "orders", "order*",
};

#define WORDS (sizeof(words) / sizeof(words[0]))

static void read_value(struct fz_input *in, char *value)
{
	size_t n = 0;

	while (fz_more(in) && n < VALUE - 100) {
		unsigned byte = fz_byte(in);
		const char *word = words[byte % WORDS];

		if (byte == 0)
			break;
		if (byte < 128) {
			value[n++] = (char)byte;
		} else {
			memcpy(value + n, word, strlen(word));
			n += strlen(word);
		}
	}
	value[n] = '\0';
}

/* Whether pattern, n bytes of it, matches: by a row of states for each character. */
static bool plain_match(const char *pattern, size_t n, const char *name)
{
	bool row[VALUE + 1] = { true }, next[VALUE + 1];

	for (size_t i = 0; i < n; i++)
		row[i + 1] = row[i] && pattern[i] == '*';
	for (; *name != '\0'; name++) {
		next[0] = false;
		for (size_t i = 0; i < n; i++)
			next[i + 1] = pattern[i] == '*' ? next[i] || row[i + 1] :
							  row[i] && pattern[i] == *name;
		memcpy(row, next, n + 1);
	}
	return row[n];
}

static bool plain_match_any(const char *patterns, const char *name)
{
	if (*patterns == '\0')
		return true;
	for (;;) {
		size_t n = strcspn(patterns, ",");

		if (n > 0 && plain_match(patterns, n, name))
			return true;
		if (patterns[n] == '\0')
			return false;
		patterns += n + 1;
	}
}

static void check_text(const char *text, const char *start, size_t size)
{
	fz_check(text >= start && text < start + size);
	fz_check(memchr(text, '\0', size - (size_t)(text - start)) != NULL);
}

static void check_bounds(const struct mpp_options *o)
{
	fz_check(o->blocks <= MPP_OPTION_BLOCKS);
	for (unsigned i = 0; i < o->blocks; i++) {
		fz_check((o->block[i].letters & ~0x7fu) == 0);
		check_text(o->block[i].patterns, o->debug_text, sizeof(o->debug_text));
	}
	check_text(o->stats_file, o->stats_file, sizeof(o->stats_file));
	check_text(o->guard_patterns, o->guard_patterns, sizeof(o->guard_patterns));
	check_text(o->fail_patterns, o->fail_patterns, sizeof(o->fail_patterns));
	fz_check(o->fail == MPP_FAIL_NEVER || o->fail_n != 0);
	fz_check(o->stats_at_exit || o->stats_file[0] == '\0');
	fz_check(o->leaks <= MPP_LEAKS_ERROR && o->fail <= MPP_FAIL_ONE_IN);
}

static void check_names(const struct mpp_options *o, const char *name)
{
	unsigned letters = 0, all = 0;
	bool named = false;

	for (unsigned i = 0; i < o->blocks && !named; i++) {
		const char *patterns = o->block[i].patterns;

		named = *patterns != '\0' && plain_match_any(patterns, name);
		if (named)
			letters = o->block[i].letters;
		else if (*patterns == '\0')
			all = o->block[i].letters;
	}
	fz_check(fz_call(mpp_options_debug(o, name)) == (named ? letters : all));
	fz_check(letters == 0 || fz_call(mpp_options_asks_for(o, letters)));
	fz_check(fz_call(mpp_options_match(o->fail_patterns, name)) ==
		 plain_match_any(o->fail_patterns, name));
	fz_check(fz_call(mpp_options_match(o->guard_patterns, name)) ==
		 plain_match_any(o->guard_patterns, name));
}

/* Warnings go to a file: they are all of one form. */
static void check_warnings(int fd)
{
	static char text[32768];
	ssize_t n;

	fz_check(lseek(fd, 0, SEEK_SET) == 0);
	n = read(fd, text, sizeof(text) - 1);
	fz_check(n >= 0);
	text[n] = '\0';
	fz_check(n == 0 || strncmp(text, "mempool: MEMPOOL_", 17) == 0);
	fz_check(n == 0 || (size_t)n == sizeof(text) - 1 || text[n - 1] == '\n');
	fz_check(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
}

#if defined(_WIN32)

/* Standard error becomes that file, or with NULL what it was. */
static void redirect(FILE *to)
{
	static HANDLE saved;

	if (to != NULL)
		saved = GetStdHandle(STD_ERROR_HANDLE);
	fz_check(SetStdHandle(STD_ERROR_HANDLE,
			      to != NULL ? (HANDLE)_get_osfhandle(fileno(to)) : saved));
}

#else

static void redirect(FILE *to)
{
	static int saved;

	if (to != NULL) {
		saved = dup(2);
		fz_check(saved >= 0 && dup2(fileno(to), 2) == 2);
	} else {
		fz_check(dup2(saved, 2) == 2);
		close(saved);
	}
}

#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mpp_options o;
	static char value[8][VALUE], name[VALUE];
	static FILE *warnings;
	struct fz_input in = { data, size, 0 };
	const char *v[8];

	if (warnings == NULL)
		warnings = tmpfile();
	fz_check(warnings != NULL);
	for (size_t i = 0; i < 8; i++) {
		v[i] = fz_more(&in) ? value[i] : NULL;
		read_value(&in, value[i]);
	}
	read_value(&in, name);
	name[NAME - 1] = '\0';
	redirect(warnings);
	fz_call(mpp_options_parse(&o, &(struct mpp_environment){ v[0], v[1], v[2], v[3], v[4],
								 v[5], v[6], NULL, v[7] }));
	redirect(NULL);
	check_warnings(fileno(warnings));
	check_bounds(&o);
	check_names(&o, name);
	check_names(&o, "mp-64");
	return 0;
}
