/* SPDX-License-Identifier: MIT */
/*
 * index_store.c - builds the index from several threads and takes it down
 * again.
 *
 * A thread reads one document at a time.  Its words are first counted in a table
 * of the thread, then merged into the shared shards: a word that the index
 * has not seen hands its text over to a new term, any other is freed.
 */
#define _POSIX_C_SOURCE 200809L

#include "index.h"
#include "index_alloc.h"
#include "index_system.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#define WORD_BUCKETS 4096u
#define WORD_MIN 3u			/* shorter words are not indexed */
#define WORD_MAX 63u			/* nor longer ones */

/* One thread building. */
struct builder {
	struct index *index;
	char *text;			/* the document */
	size_t room;			/* bytes there are at text */
	struct word **buckets;
	struct word *words;		/* of the document */
	uint32_t total;			/* how many words it has */
};

/* What all threads of a build or a tear-down take their work from. */
static atomic_size_t next_work;

/* ------------------------------------------------------------------------
 * Words of a document
 */

static uint32_t hash_text(const char *text, size_t length)
{
	uint32_t hash = 2166136261u;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619u;
	return hash;
}

static void add_word(struct builder *b, const char *text, size_t length)
{
	uint32_t hash = hash_text(text, length);
	struct word **bucket = &b->buckets[hash % WORD_BUCKETS];
	struct word *w;

	b->total++;
	for (w = *bucket; w != NULL; w = w->next) {
		if (w->hash == hash && w->length == length &&
		    memcmp(w->text, text, length) == 0) {
			w->count++;
			return;
		}
	}
	w = obj_alloc(KIND_WORD, sizeof(*w));
	w->text = mem_alloc(length + 1);
	memcpy(w->text, text, length);
	w->text[length] = '\0';
	w->hash = hash;
	w->length = (uint32_t)length;
	w->count = 1;
	w->next = *bucket;
	*bucket = w;
	w->all = b->words;
	b->words = w;
}

/* Other bytes than ASCII belong to words, so that UTF-8 does. */
static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
	       (unsigned char)c >= 0x80;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Take the word at p, in small letters; returns its end. */
static const char *take_word(struct builder *b, const char *p, const char *end)
{
	char word[WORD_MAX];
	size_t length = 0;

	for (; p < end && (is_letter(*p) || (*p >= '0' && *p <= '9')); p++) {
		if (length < WORD_MAX)
			word[length] = lower(*p);
		length++;
	}
	if (length >= WORD_MIN && length <= WORD_MAX)
		add_word(b, word, length);
	return p;
}

/* p is behind a backslash of roff; returns where text goes on. */
static const char *skip_escape(const char *p, const char *end)
{
	const char *close;

	if (p < end && *p == '"') {
		close = memchr(p, '\n', (size_t)(end - p));
		return close != NULL ? close : end;
	}
	if (p < end && strchr("fFgkmMnsVY*", *p) != NULL)
		p++;
	if (p < end && *p == '[') {
		close = memchr(p, ']', (size_t)(end - p));
		return close != NULL ? close + 1 : end;
	}
	if (p < end && *p == '(')
		return end - p > 3 ? p + 3 : end;
	return end - p > 1 ? p + 1 : end;
}

/* p is at a dot or apostrophe that starts a line of roff; skips the request's
 * name, or all of a comment. */
static const char *skip_request(const char *p, const char *end)
{
	if (end - p > 2 && p[1] == '\\' && p[2] == '"')
		return skip_escape(p + 2, end);
	while (p < end && *p != ' ' && *p != '\n')
		p++;
	return p;
}

static void take_words(struct builder *b, const char *p, const char *end, bool roff)
{
	bool line_start = true;

	while (p < end) {
		if (roff && line_start && (*p == '.' || *p == '\'')) {
			line_start = false;
			p = skip_request(p, end);
		} else if (roff && *p == '\\') {
			line_start = false;
			p = skip_escape(p + 1, end);
		} else if (is_letter(*p)) {
			line_start = false;
			p = take_word(b, p, end);
		} else {
			line_start = *p++ == '\n';
		}
	}
}

/* ------------------------------------------------------------------------
 * Shards
 */

static struct term *find_term(const struct shard *shard, uint32_t hash, const char *text)
{
	struct term *t;

	if (shard->buckets == NULL)
		return NULL;
	t = shard->buckets[(hash / SHARDS) & (shard->nbuckets - 1)];
	while (t != NULL && (t->hash != hash || strcmp(t->text, text) != 0))
		t = t->next;
	return t;
}

static void grow_buckets_locked(struct shard *shard)
{
	size_t n = shard->nbuckets != 0 ? shard->nbuckets * 2 : 64;
	struct term **buckets = mem_zalloc(n, sizeof(*buckets));

	for (size_t i = 0; i < shard->nbuckets; i++) {
		for (struct term *t = shard->buckets[i], *next; t != NULL; t = next) {
			struct term **to = &buckets[(t->hash / SHARDS) & (n - 1)];

			next = t->next;
			t->next = *to;
			*to = t;
		}
	}
	mem_free(shard->buckets);
	shard->buckets = buckets;
	shard->nbuckets = n;
}

/* Put a node into a treap; returns the new root. */
static struct node *insert_node(struct node *root, struct node *node)
{
	struct node *child;

	if (root == NULL)
		return node;
	if (strcmp(node->term->text, root->term->text) < 0) {
		child = insert_node(root->left, node);
		root->left = child;
		if (child->priority <= root->priority)
			return root;
		root->left = child->right;
		child->right = root;
	} else {
		child = insert_node(root->right, node);
		root->right = child;
		if (child->priority <= root->priority)
			return root;
		root->right = child->left;
		child->left = root;
	}
	return child;
}

/* A new term; text is its own from now on. */
static struct term *add_term_locked(struct shard *shard, uint32_t hash, char *text)
{
	struct term *term = obj_alloc(KIND_TERM, sizeof(*term)), **bucket;
	struct node *node = obj_alloc(KIND_NODE, sizeof(*node));

	if (shard->terms >= shard->nbuckets)
		grow_buckets_locked(shard);
	bucket = &shard->buckets[(hash / SHARDS) & (shard->nbuckets - 1)];
	*term = (struct term){ .next = *bucket, .text = text, .hash = hash };
	*bucket = term;
	shard->terms++;

	*node = (struct node){ .term = term, .priority = hash * 2654435761u };
	shard->root = insert_node(shard->root, node);
	return term;
}

/* Documents end nearly in order, so the place is near the front. */
static void add_posting_locked(struct term *term, uint32_t doc, uint32_t count)
{
	struct posting *posting = obj_alloc(KIND_POSTING, sizeof(*posting));
	struct posting **at = &term->postings;

	while (*at != NULL && (*at)->doc > doc)
		at = &(*at)->next;
	*posting = (struct posting){ .next = *at, .doc = doc, .count = count };
	*at = posting;
	term->docs++;
}

/* ------------------------------------------------------------------------
 * Building
 */

static void merge_words(struct builder *b, uint32_t doc)
{
	for (struct word *w = b->words, *next; w != NULL; w = next) {
		struct shard *shard = &b->index->shards[w->hash % SHARDS];
		struct term *term;

		next = w->all;
		b->buckets[w->hash % WORD_BUCKETS] = NULL;
		pthread_mutex_lock(&shard->lock);
		term = find_term(shard, w->hash, w->text);
		if (term == NULL) {
			term = add_term_locked(shard, w->hash, w->text);
			w->text = NULL;
		}
		add_posting_locked(term, doc, w->count);
		pthread_mutex_unlock(&shard->lock);
		mem_free(w->text);
		obj_free(KIND_WORD, w);
	}
	b->words = NULL;
}

static void read_text(struct builder *b, const struct text *text)
{
	size_t done = 0;

	if (b->room < text->size) {
		mem_free(b->text);
		b->text = mem_alloc(text->size);
		b->room = text->size;
	}
	while (done < text->size) {
		long n = system_read_at(b->index->corpus->store, b->text + done,
					text->size - done, text->offset + (long long)done);

		if (n <= 0)
			die("cannot read the temporary file: %s",
			    n < 0 ? strerror(errno) : "it has become shorter");
		done += (size_t)n;
	}
}

static void build_doc(struct builder *b, uint32_t number)
{
	const struct text *text = &b->index->corpus->texts[number % b->index->texts];
	struct doc *doc = obj_alloc(KIND_DOC, sizeof(*doc));
	size_t size = strlen(text->name) + 1;

	read_text(b, text);
	b->total = 0;
	take_words(b, b->text, b->text + text->size, text->roff);
	merge_words(b, number);
	doc->name = mem_alloc(size);
	memcpy(doc->name, text->name, size);
	doc->words = b->total;
	b->index->docs[number] = doc;
}

static void *build_thread(void *arg)
{
	struct builder b = { .index = arg };
	size_t number;

	b.buckets = mem_zalloc(WORD_BUCKETS, sizeof(*b.buckets));
	while ((number = atomic_fetch_add(&next_work, 1)) < b.index->ndocs) {
		build_doc(&b, (uint32_t)number);
		progress(number + 1, b.index->ndocs);
	}
	mem_free(b.buckets);
	mem_free(b.text);
	return NULL;
}

static void run_threads(struct index *index, void *(*run)(void *))
{
	pthread_t *threads = mem_zalloc(index->threads, sizeof(*threads));
	int error;

	atomic_store(&next_work, 0);
	for (unsigned i = 0; i < index->threads; i++) {
		error = pthread_create(&threads[i], NULL, run, index);
		if (error != 0)
			die("cannot start a thread: %s", strerror(error));
	}
	for (unsigned i = 0; i < index->threads; i++)
		pthread_join(threads[i], NULL);
	mem_free(threads);
}

void index_build(struct index *index, const struct corpus *corpus, unsigned threads,
		 unsigned repeat)
{
	*index = (struct index){ .corpus = corpus, .threads = threads };
	index->texts = corpus->count;
	index->ndocs = corpus->count * repeat;
	index->docs = mem_zalloc(index->ndocs, sizeof(*index->docs));
	for (unsigned i = 0; i < SHARDS; i++) {
		if (pthread_mutex_init(&index->shards[i].lock, NULL) != 0)
			die("cannot make a lock");
	}
	run_threads(index, build_thread);
}

/* ------------------------------------------------------------------------
 * Taking down
 */

static void free_nodes(struct node *node)
{
	if (node == NULL)
		return;
	free_nodes(node->left);
	free_nodes(node->right);
	for (struct posting *p = node->term->postings, *next; p != NULL; p = next) {
		next = p->next;
		obj_free(KIND_POSTING, p);
	}
	mem_free(node->term->text);
	obj_free(KIND_TERM, node->term);
	obj_free(KIND_NODE, node);
}

static void *teardown_thread(void *arg)
{
	struct index *index = arg;
	size_t number;

	while ((number = atomic_fetch_add(&next_work, 1)) < SHARDS) {
		struct shard *shard = &index->shards[number];

		free_nodes(shard->root);
		mem_free(shard->buckets);
		pthread_mutex_destroy(&shard->lock);
	}
	return NULL;
}

void index_teardown(struct index *index)
{
	run_threads(index, teardown_thread);
	for (size_t i = 0; i < index->ndocs; i++) {
		mem_free(index->docs[i]->name);
		obj_free(KIND_DOC, index->docs[i]);
	}
	mem_free(index->docs);
}

/* ------------------------------------------------------------------------
 * Looking things up.  No thread builds any more, so no lock is needed.
 */

const struct term *index_find(const struct index *index, const char *text)
{
	uint32_t hash = hash_text(text, strlen(text));

	return find_term(&index->shards[hash % SHARDS], hash, text);
}

uint64_t index_count_terms(const struct index *index)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < SHARDS; i++)
		count += index->shards[i].terms;
	return count;
}

uint64_t index_count_postings(const struct index *index)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < SHARDS; i++) {
		for (size_t j = 0; j < index->shards[i].nbuckets; j++) {
			for (struct term *t = index->shards[i].buckets[j]; t != NULL; t = t->next)
				count += t->docs;
		}
	}
	return count;
}
