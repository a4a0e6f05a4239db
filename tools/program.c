/* SPDX-License-Identifier: MIT */
/*
 * program.c - find a program and tell what the dynamic loader will do with it.
 */
#include "program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

/* 0 if path can be executed, else an errno value. */
static int executable(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return errno;
	if (S_ISDIR(st.st_mode))
		return EISDIR;
	return access(path, X_OK) == 0 ? 0 : errno;
}

bool program_find(const char *name, char *path, size_t size)
{
	const char *dir = getenv("PATH");
	int error = ENOENT;

	if (strchr(name, '/') != NULL) {
		if (strlen(name) >= size) {
			errno = ENAMETOOLONG;
			return false;
		}
		memcpy(path, name, strlen(name) + 1);
		errno = executable(path);
		return errno == 0;
	}
	if (dir == NULL)
		dir = "/bin:/usr/bin";
	for (;;) {
		size_t n = strcspn(dir, ":");
		int length, found;

		/* an empty entry is the current directory */
		length = snprintf(path, size, "%.*s/%s", n == 0 ? 1 : (int)n, n == 0 ? "." : dir,
				  name);
		if (*name != '\0' && length > 0 && (size_t)length < size) {
			found = executable(path);
			if (found == 0)
				return true;
			if (found == EACCES)
				error = EACCES;
		}
		if (dir[n] == '\0')
			break;
		dir += n + 1;
	}
	errno = error;
	return false;
}

/* n bytes at offset, all or false. */
static bool read_at(int fd, void *to, size_t n, off_t offset)
{
	ssize_t got = pread(fd, to, n, offset);

	return got >= 0 && (size_t)got == n;
}

static enum program_kind elf_kind(int fd, const ElfW(Ehdr) * header, const ElfW(Ehdr) * own)
{
	if (memcmp(header->e_ident, own->e_ident, EI_VERSION) != 0 ||
	    header->e_machine != own->e_machine || header->e_phentsize != sizeof(ElfW(Phdr)))
		return PROGRAM_FOREIGN;
	for (unsigned i = 0; i < header->e_phnum; i++) {
		ElfW(Phdr) segment;

		if (!read_at(fd, &segment, sizeof(segment),
			     (off_t)(header->e_phoff + i * sizeof(segment))))
			return PROGRAM_UNKNOWN;
		if (segment.p_type == PT_INTERP)
			return PROGRAM_DYNAMIC;
	}
	return PROGRAM_STATIC;
}

/* The first word after "#!". */
static enum program_kind script_kind(const char *text, char *interpreter, size_t size)
{
	size_t n;

	text += 2 + strspn(text + 2, " \t");
	n = strcspn(text, " \t\r\n");
	if (n == 0 || n >= size)
		return PROGRAM_UNKNOWN;
	memcpy(interpreter, text, n);
	interpreter[n] = '\0';
	return PROGRAM_SCRIPT;
}

static bool other_rights(int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	return ((st.st_mode & S_ISUID) && st.st_uid != geteuid()) ||
	       ((st.st_mode & S_ISGID) && (st.st_mode & S_IXGRP) && st.st_gid != getegid()) ||
	       (geteuid() != 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0);
}

static enum program_kind kind_of(int fd, int own, char *interpreter, size_t size)
{
	union {
		char text[512];
		ElfW(Ehdr) elf;
	} head = { .text = { 0 } };
	ElfW(Ehdr) mine;
	ssize_t n = pread(fd, head.text, sizeof(head.text) - 1, 0);

	if (n < 0)
		return PROGRAM_UNREADABLE;
	if (n >= 2 && memcmp(head.text, "#!", 2) == 0)
		return script_kind(head.text, interpreter, size);
	if (n < SELFMAG || memcmp(head.text, ELFMAG, SELFMAG) != 0)
		return PROGRAM_UNKNOWN;
	if (other_rights(fd))
		return PROGRAM_SETUID;
	if ((size_t)n < sizeof(head.elf) || !read_at(own, &mine, sizeof(mine), 0))
		return PROGRAM_FOREIGN;
	return elf_kind(fd, &head.elf, &mine);
}

enum program_kind program_kind(const char *path, char *interpreter, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), own, saved;
	enum program_kind kind;

	if (fd < 0 && errno == EACCES) {
		struct stat st;

		/* executable but not readable: what cannot be known need not be refused */
		return stat(path, &st) == 0 && (st.st_mode & (S_ISUID | S_ISGID)) ? PROGRAM_SETUID :
										     PROGRAM_DYNAMIC;
	}
	if (fd < 0)
		return PROGRAM_UNREADABLE;
	own = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	kind = kind_of(fd, own, interpreter, size);
	saved = errno;
	if (own >= 0)
		(void)close(own);
	(void)close(fd);
	errno = saved;
	return kind;
}
