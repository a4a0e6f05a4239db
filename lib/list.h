/* SPDX-License-Identifier: MIT */
/*
 * list.h - layer 0: doubly linked lists, circular through their head.
 *
 * A node on no list points to itself or is zero.  The caller holds the lock.
 */
#ifndef MPP_LIST_H
#define MPP_LIST_H

#include "base.h"

struct mpp_link {
	struct mpp_link *next;
	struct mpp_link *prev;
};

#define mpp_container(ptr, type, field) ((type *)((uintptr_t)(ptr) - offsetof(type, field)))

#define mpp_list_each(pos, head) for ((pos) = (head)->next; (pos) != (head); (pos) = (pos)->next)

/* The same when the body may unlink or free pos. */
#define mpp_list_each_safe(pos, after, head) \
	for ((pos) = (head)->next; (pos) != (head) && ((after) = (pos)->next, 1); (pos) = (after))

mpp_inline void mpp_list_init(struct mpp_link *head)
{
	head->next = head;
	head->prev = head;
}

mpp_inline bool mpp_list_empty(const struct mpp_link *head)
{
	return head->next == head;
}

mpp_inline void mpp_list_insert(struct mpp_link *node, struct mpp_link *prev,
				struct mpp_link *next)
{
	node->prev = prev;
	node->next = next;
	prev->next = node;
	next->prev = node;
}

mpp_inline void mpp_list_append(struct mpp_link *head, struct mpp_link *node)
{
	mpp_list_insert(node, head->prev, head);
}

mpp_inline void mpp_list_push(struct mpp_link *head, struct mpp_link *node)
{
	mpp_list_insert(node, head, head->next);
}

mpp_inline void mpp_list_remove(struct mpp_link *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	mpp_list_init(node);
}

/* False if a neighbour does not point back: the list is damaged at node. */
mpp_inline bool mpp_list_sound(const struct mpp_link *node)
{
	return node->next->prev == node && node->prev->next == node;
}

#endif /* MPP_LIST_H */
