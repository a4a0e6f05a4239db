/* SPDX-License-Identifier: MIT */
/*
 * index_query.c - searches in the example "index".
 *
 * A result is a list of postings like those of a term, and comes from the same
 * cache: the last document first, with the occurrences of all words summed up.
 */
#define _POSIX_C_SOURCE 200809L

#include "index.h"
#include "index_alloc.h"

#include <string.h>

#define BEST 3				/* documents shown for a query */
#define TOP_MAX 50u
#define TOP_LENGTH 8			/* shorter words are in every text */

/* ------------------------------------------------------------------------
 * Lists of postings
 */

static void drop(struct posting **at)
{
	struct posting *p = *at;

	*at = p->next;
	obj_free(KIND_POSTING, p);
}

/* Leave in the list only documents that the other one has, too. */
static void intersect(struct posting **at, const struct posting *with)
{
	while (*at != NULL) {
		while (with != NULL && with->doc > (*at)->doc)
			with = with->next;
		if (with != NULL && with->doc == (*at)->doc) {
			(*at)->count += with->count;
			at = &(*at)->next;
		} else {
			drop(at);
		}
	}
}

/* Add the documents of the other list. */
static void unite(struct posting **at, const struct posting *with)
{
	for (; with != NULL; with = with->next) {
		while (*at != NULL && (*at)->doc > with->doc)
			at = &(*at)->next;
		if (*at != NULL && (*at)->doc == with->doc) {
			(*at)->count += with->count;
		} else {
			struct posting *p = obj_alloc(KIND_POSTING, sizeof(*p));

			*p = (struct posting){ *at, with->doc, with->count };
			*at = p;
		}
	}
}

/* ------------------------------------------------------------------------
 * Queries
 */

static void unite_prefix(struct posting **result, const struct node *node,
			 const char *prefix, size_t length)
{
	int order;

	if (node == NULL)
		return;
	order = strncmp(node->term->text, prefix, length);
	if (order >= 0)
		unite_prefix(result, node->left, prefix, length);
	if (order == 0)
		unite(result, node->term->postings);
	if (order <= 0)
		unite_prefix(result, node->right, prefix, length);
}

/* The documents with one word of a query. */
static struct posting *look_up(const struct index *index, char *word)
{
	struct posting *result = NULL;
	size_t length = strlen(word);
	const struct term *term;

	for (char *c = word; *c != '\0'; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c = (char)(*c - 'A' + 'a');
	}
	if (length > 0 && word[length - 1] == '*') {
		for (unsigned i = 0; i < SHARDS; i++)
			unite_prefix(&result, index->shards[i].root, word, length - 1);
		return result;
	}
	term = index_find(index, word);
	if (term != NULL)
		unite(&result, term->postings);
	return result;
}

static struct posting *evaluate(const struct index *index, const char *query)
{
	struct posting *result = NULL, *operand;
	size_t size = strlen(query) + 1;
	char *copy = mem_alloc(size), *rest, *word;
	bool first = true, either = false;

	memcpy(copy, query, size);
	for (word = strtok_r(copy, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
		if (strcmp(word, "AND") == 0 || strcmp(word, "OR") == 0) {
			either = word[0] == 'O';
			continue;
		}
		operand = look_up(index, word);
		if (first || either)
			unite(&result, operand);
		else
			intersect(&result, operand);
		while (operand != NULL)
			drop(&operand);
		first = either = false;
	}
	mem_free(copy);
	return result;
}

/* A corpus taken several times counts as one. */
static void show_result(const struct index *index, const char *query,
			const struct posting *result)
{
	const struct posting *best[BEST] = { NULL };
	size_t docs = 0;

	for (; result != NULL; result = result->next) {
		const struct posting *p = result, *other;

		if (p->doc >= index->texts)
			continue;
		docs++;
		for (int i = 0; i < BEST; i++) {
			if (best[i] == NULL || p->count >= best[i]->count) {
				other = best[i];
				best[i] = p;
				p = other;
			}
			if (p == NULL)
				break;
		}
	}
	printf("  %-34s %6zu document%s", query, docs, docs == 1 ? "" : "s");
	for (int i = 0; i < BEST && best[i] != NULL; i++)
		printf("%s%s (%u)", i == 0 ? ": " : ", ", index->docs[best[i]->doc]->name,
		       best[i]->count);
	printf("\n");
}

static uint64_t mix(uint64_t sum, uint64_t value)
{
	return (sum ^ value) * 1099511628211u;
}

uint64_t query_run(const struct index *index, const char *query, bool show)
{
	struct posting *result = evaluate(index, query);
	uint64_t sum = 14695981039346656037u;

	if (show)
		show_result(index, query, result);
	while (result != NULL) {
		sum = mix(mix(sum, result->doc), result->count);
		drop(&result);
	}
	return sum;
}

/* ------------------------------------------------------------------------
 * The most frequent words
 */

static bool goes_before(const struct term *a, const struct term *b)
{
	if (a->docs != b->docs)
		return a->docs > b->docs;
	return strcmp(a->text, b->text) < 0;
}

static void consider(const struct term **top, unsigned n, const struct term *term)
{
	if (strlen(term->text) < TOP_LENGTH)
		return;
	for (unsigned i = 0; i < n && term != NULL; i++) {
		if (top[i] == NULL || goes_before(term, top[i])) {
			const struct term *other = top[i];

			top[i] = term;
			term = other;
		}
	}
}

static void walk(const struct term **top, unsigned n, const struct node *node)
{
	if (node == NULL)
		return;
	walk(top, n, node->left);
	consider(top, n, node->term);
	walk(top, n, node->right);
}

uint64_t query_top(const struct index *index, unsigned n, bool show)
{
	const struct term *top[TOP_MAX] = { NULL };
	uint64_t sum = 14695981039346656037u;
	size_t repeat = index->ndocs / index->texts;

	if (n > TOP_MAX)
		n = TOP_MAX;
	for (unsigned i = 0; i < SHARDS; i++)
		walk(top, n, index->shards[i].root);
	if (show && n > 0)
		printf("\nwords of %d letters or more, by the number of documents they are in:\n",
		       TOP_LENGTH);
	for (unsigned i = 0; i < n && top[i] != NULL; i++) {
		sum = mix(mix(sum, top[i]->hash), top[i]->docs);
		if (show)
			printf("  %-34s %6zu\n", top[i]->text, top[i]->docs / repeat);
	}
	return sum;
}
