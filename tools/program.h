/* SPDX-License-Identifier: MIT */
/*
 * program.h - find a program and tell what the dynamic loader will do with it.
 */
#ifndef TOOLS_PROGRAM_H
#define TOOLS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>

enum program_kind {
	PROGRAM_DYNAMIC,	/* has an interpreter: LD_PRELOAD works */
	PROGRAM_SCRIPT,		/* #!, and the name of who runs it */
	PROGRAM_STATIC,
	PROGRAM_SETUID,		/* runs with other rights than ours: LD_PRELOAD is ignored */
	PROGRAM_FOREIGN,	/* another class or machine than this program */
	PROGRAM_UNKNOWN,	/* neither ELF nor script */
	PROGRAM_UNREADABLE,	/* errno says why */
};

/*
 * The file that the shell would run for name, into path.  False, with errno set: ENOENT if
 * there is none, EACCES if there are only files that may not be executed.
 */
bool program_find(const char *name, char *path, size_t size);

/* What kind of program a file is; a script's interpreter goes into interpreter. */
enum program_kind program_kind(const char *path, char *interpreter, size_t size);

#endif /* TOOLS_PROGRAM_H */
