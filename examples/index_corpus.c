/* SPDX-License-Identifier: MIT */
/*
 * index_corpus.c - finds texts and copies them into one temporary file; those
 * that end in .gz through "gzip -dc".
 */
#define _POSIX_C_SOURCE 200809L

#include "index.h"
#include "index_alloc.h"
#include "index_system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A growing list of paths.  The corpus is gathered once for all runs and not
 * part of what is compared, so this file uses malloc. */
struct paths {
	char **path;
	size_t count;
	size_t room;
};

static bool no_gzip;			/* there is none on this system */

static bool ends_in(const char *s, const char *end)
{
	size_t length = strlen(s), n = strlen(end);

	return length >= n && strcmp(s + length - n, end) == 0;
}

static void paths_add(struct paths *paths, const char *directory, const char *name)
{
	size_t size = strlen(directory) + strlen(name) + 2;
	char *path = checked(malloc(size));

	if (paths->count == paths->room) {
		paths->room = paths->room * 2 + 16;
		paths->path = checked(realloc(paths->path, paths->room * sizeof(char *)));
	}
	snprintf(path, size, "%s%s%s", directory, *directory != '\0' ? "/" : "", name);
	paths->path[paths->count++] = path;
}

static void paths_free(struct paths *paths)
{
	for (size_t i = 0; i < paths->count; i++)
		free(paths->path[i]);
	free(paths->path);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The entries of a directory, in order; false if it cannot be read. */
static bool list_directory(struct paths *paths, const char *directory)
{
	DIR *dir = opendir(directory);
	struct dirent *entry;

	if (dir == NULL)
		return false;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] != '.')
			paths_add(paths, directory, entry->d_name);
	}
	closedir(dir);
	if (paths->count > 0)
		qsort(paths->path, paths->count, sizeof(char *), by_name);
	return true;
}

/* All regular files below a directory; symbolic links are not followed.  False if
 * the directory itself cannot be read. */
static bool find_files(struct paths *files, const char *directory)
{
	struct paths entries = { 0 };

	if (!list_directory(&entries, directory))
		return false;
	for (size_t i = 0; i < entries.count; i++) {
		enum system_kind kind = system_kind_of(entries.path[i]);

		if (kind == SYSTEM_DIRECTORY)
			(void)find_files(files, entries.path[i]);
		else if (kind == SYSTEM_FILE)
			paths_add(files, "", entries.path[i]);
	}
	paths_free(&entries);
	return true;
}

/* ------------------------------------------------------------------------
 * Copying
 */

static bool copy_plain(int from, int to)
{
	char buffer[16384];
	ssize_t n;

	while ((n = read(from, buffer, sizeof(buffer))) > 0) {
		for (ssize_t done = 0, put; done < n; done += put) {
			put = write(to, buffer + done, (unsigned)(n - done));
			if (put < 0)
				die("cannot write the temporary file: %s", strerror(errno));
		}
	}
	return n == 0;
}

static bool copy_gzip(int from, int to)
{
	int error = system_gunzip(from, to);

	no_gzip = error < 0;
	return error == 0;
}

static bool is_roff(const char *path)
{
	size_t length = strlen(path) - (ends_in(path, ".gz") ? 3 : 0);
	const char *dot = path + length;

	while (dot > path && *dot != '.' && *dot != '/')
		dot--;
	return *dot == '.' && dot[1] >= '1' && dot[1] <= '9';
}

static void corpus_add(struct corpus *corpus, const char *name, const char *path,
		       off_t from, off_t to)
{
	struct text *text;

	if (corpus->count == corpus->room) {
		corpus->room = corpus->room * 2 + 64;
		corpus->texts = checked(realloc(corpus->texts,
						corpus->room * sizeof(*corpus->texts)));
	}
	text = &corpus->texts[corpus->count++];
	text->name = checked(strdup(name));
	text->offset = from;
	text->size = (size_t)(to - from);
	text->roff = is_roff(path);
	corpus->bytes += text->size;
}

/* Copy one file; NULL, or why it cannot be. */
static const char *corpus_read(struct corpus *corpus, const char *name, const char *path)
{
	int to = fileno(corpus->store), from;
	off_t start = lseek(to, 0, SEEK_END), end;
	bool gz = ends_in(path, ".gz"), copied;

	if (gz && no_gzip)
		return "there is no gzip to read it";
	from = open(path, system_open_flags);
	if (from < 0)
		return strerror(errno);
	errno = 0;
	copied = gz ? copy_gzip(from, to) : copy_plain(from, to);
	close(from);
	end = lseek(to, 0, SEEK_END);
	if (!copied) {
		if (ftruncate(to, start) != 0 || lseek(to, start, SEEK_SET) < 0)
			die("cannot write the temporary file: %s", strerror(errno));
		if (gz)
			return no_gzip ? "there is no gzip to read it" : "gzip cannot read it";
		return strerror(errno);
	}
	if (end > start)
		corpus_add(corpus, name, path, start, end);
	return NULL;
}

/* ------------------------------------------------------------------------
 * Where texts come from
 */

/* Files below a directory of the system, whatever can be read of them. */
static void gather_below(struct corpus *corpus, const char *root, const char *directory,
			 size_t limit)
{
	struct paths files = { 0 };
	size_t root_length = strlen(root) + 1;

	(void)find_files(&files, directory);
	for (size_t i = 0; i < files.count && corpus->bytes < limit; i++) {
		const char *path = files.path[i];

		/* Of /usr/share/doc, the licences only. */
		if (ends_in(root, "/doc") && !ends_in(path, "/copyright"))
			continue;
		(void)corpus_read(corpus, path + root_length, path);
		progress(corpus->bytes, limit);
	}
	paths_free(&files);
}

/* The functions of the system come first, as they are what a reader of this
 * example knows. */
static void gather_manual(struct corpus *corpus, size_t limit)
{
	static const char sections[] = "32758461";
	char directory[] = "/usr/share/man/man0";

	for (size_t i = 0; sections[i] != '\0'; i++) {
		directory[sizeof(directory) - 2] = sections[i];
		gather_below(corpus, "/usr/share/man", directory, limit);
	}
}

static void gather_licences(struct corpus *corpus, size_t limit)
{
	gather_below(corpus, "/usr/share", "/usr/share/common-licenses", limit);
	gather_below(corpus, "/usr/share/doc", "/usr/share/doc", limit);
}

/* In the top directory of the library's sources, those. */
static void gather_own(struct corpus *corpus, size_t limit)
{
	static const char *const names[] = { "README", "HACKING", "NEWS", "COPYING" };
	static const char *const directories[] = { "./man", "./include", "./lib" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		(void)corpus_read(corpus, names[i], names[i]);
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		gather_below(corpus, ".", directories[i], limit);
}

/* Too few texts to be worth a search. */
static bool too_few(const struct corpus *corpus)
{
	return corpus->bytes < 128 * 1024;
}

static void gather_default(struct corpus *corpus, size_t limit)
{
	gather_manual(corpus, limit);
	if (too_few(corpus))
		gather_licences(corpus, limit);
	if (too_few(corpus))
		gather_own(corpus, limit);
	if (corpus->count == 0)
		die("no manual pages or licences found here; name files to index");
}

/* What is named must be there. */
static void gather_named(struct corpus *corpus, const char *name)
{
	struct paths files = { 0 };
	const char *problem;
	struct stat st;

	if (stat(name, &st) != 0)
		die("cannot open %s: %s", name, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		paths_add(&files, "", name);
	else if (!find_files(&files, name))
		die("cannot read %s: %s", name, strerror(errno));
	for (size_t i = 0; i < files.count; i++) {
		problem = corpus_read(corpus, files.path[i], files.path[i]);
		if (problem != NULL)
			die("cannot read %s: %s", files.path[i], problem);
		progress(i + 1, files.count);
	}
	paths_free(&files);
}

void corpus_gather(struct corpus *corpus, char **names, size_t limit)
{
	*corpus = (struct corpus){ .store = system_temporary_file() };
	if (corpus->store == NULL)
		die("cannot make a temporary file: %s", strerror(errno));
	progress_start("reading texts");
	if (*names == NULL)
		gather_default(corpus, limit);
	for (; *names != NULL; names++)
		gather_named(corpus, *names);
	progress_end();
	if (corpus->count == 0)
		die("the files named have no text");
}

void corpus_free(struct corpus *corpus)
{
	for (size_t i = 0; i < corpus->count; i++)
		free(corpus->texts[i].name);
	free(corpus->texts);
	fclose(corpus->store);
}
