/* SPDX-License-Identifier: MIT */
/*
 * index.h - what the files of the example "index" share.
 *
 * An inverted index maps each word to the documents it occurs in.  A term is one
 * such word, with a list of postings: a document, and how often the word is in
 * it.  Terms are spread over shards by their hash; a shard has a lock, a hash
 * table to find a term and a tree to walk its terms in order.
 */
#ifndef INDEX_H
#define INDEX_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ------------------------------------------------------------------------
 * index_corpus.c: the texts, copied one behind the other into a temporary file
 * so that every run reads the same bytes in the same way.
 */

struct text {
	char *name;
	long long offset;		/* in the temporary file */
	size_t size;
	bool roff;			/* the source of a manual page */
};

struct corpus {
	FILE *store;
	struct text *texts;
	size_t count;
	size_t room;			/* for so many texts there is memory */
	size_t bytes;			/* of all texts */
};

/* From the files and directories named, or else from what the system has, up to
 * limit bytes of it. */
void corpus_gather(struct corpus *corpus, char **names, size_t limit);
void corpus_free(struct corpus *corpus);

/* ------------------------------------------------------------------------
 * index_store.c: building the index and taking it down.
 */

#define SHARDS 64u

/* A word of the document that a thread is reading. */
struct word {
	struct word *next;		/* in the same bucket */
	struct word *all;		/* all words of the document */
	char *text;
	uint32_t hash;
	uint32_t length;
	uint32_t count;
};

struct posting {
	struct posting *next;		/* the document before this one */
	uint32_t doc;
	uint32_t count;
};

struct term {
	struct term *next;		/* in the same bucket */
	char *text;
	struct posting *postings;	/* by document, the last one first */
	uint32_t hash;
	uint32_t docs;			/* number of postings */
};

/* A node of a treap: ordered by text, and a heap by priority. */
struct node {
	struct node *left;
	struct node *right;
	struct term *term;
	uint32_t priority;
};

struct shard {
	pthread_mutex_t lock;		/* for all below */
	struct term **buckets;
	size_t nbuckets;		/* a power of two */
	size_t terms;
	struct node *root;
};

struct doc {
	char *name;
	uint32_t words;
};

/* Text number i is document i, and i + texts, i + 2 * texts..., if the corpus is
 * taken several times. */
struct index {
	const struct corpus *corpus;
	unsigned threads;
	size_t texts;
	size_t ndocs;
	struct doc **docs;
	struct shard shards[SHARDS];
};

void index_build(struct index *index, const struct corpus *corpus, unsigned threads,
		 unsigned repeat);
void index_teardown(struct index *index);
const struct term *index_find(const struct index *index, const char *text);
uint64_t index_count_terms(const struct index *index);
uint64_t index_count_postings(const struct index *index);

/* ------------------------------------------------------------------------
 * index_query.c
 */

/* Words with AND, OR or nothing (which is AND) between them, taken from left to
 * right; a star at the end of a word stands for any continuation.  Prints the result
 * if show is true.  Returns a checksum of it. */
uint64_t query_run(const struct index *index, const char *query, bool show);

/* The n longer words that are in the most documents. */
uint64_t query_top(const struct index *index, unsigned n, bool show);

/* ------------------------------------------------------------------------
 * index_progress.c: on standard error, from any thread
 */

enum progress_mode {
	PROGRESS_OFF,
	PROGRESS_LINE,			/* one line, written over: a terminal */
	PROGRESS_LINES,			/* a line for each quarter */
};

extern enum progress_mode progress_mode;

void progress_start(const char *what);
void progress(size_t done, size_t total);
void progress_end(void);

#endif /* INDEX_H */
