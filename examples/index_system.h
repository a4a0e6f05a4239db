/* SPDX-License-Identifier: MIT */
/*
 * index_system.h - what the example "index" asks of the operating system beyond standard C
 * and POSIX threads.
 */
#ifndef INDEX_SYSTEM_H
#define INDEX_SYSTEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* The most memory this process ever had resident, in bytes. */
double system_peak_memory(void);

/* Processors that are there for us. */
unsigned system_processors(void);

/* A file for reading and writing, gone when it is closed. */
FILE *system_temporary_file(void);

/* Read up to size bytes at an offset, from any thread; 0 at the end, negative if it failed. */
long system_read_at(FILE *f, void *to, size_t size, long long offset);

/* For open(): bytes as they are. */
extern const int system_open_flags;

/* What a path is; symbolic links are not followed. */
enum system_kind {
	SYSTEM_NOTHING,
	SYSTEM_FILE,
	SYSTEM_DIRECTORY,
	SYSTEM_OTHER,
};

enum system_kind system_kind_of(const char *path);

/* Have gzip write the text of from to the file to: 0, or 1 if it cannot, or -1 if there is
 * no gzip. */
int system_gunzip(int from, int to);

/*
 * Have work(job, result) done in a process of its own, which writes size bytes at result; it
 * is to end with status 0.  Where there is no fork() the program is started again with
 * its arguments, and has to call system_continue() when it has understood them.
 */
typedef void system_work(int job, void *result);
void system_run(char **argv, system_work *work, int job, void *result, size_t size);

/* In such a program: does the work and ends.  In others it returns at once. */
void system_continue(system_work *work, void *result, size_t size);

/* Whether system_continue() will not return. */
bool system_is_again(void);

#endif /* INDEX_SYSTEM_H */
