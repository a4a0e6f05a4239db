/* SPDX-License-Identifier: MIT */
/*
 * list.c - doubly linked lists.
 */
#include "../suite.h"

#include "list.h"

struct item {
	int number;
	struct mpp_link link;
};

static struct mpp_link head;
static struct item items[8];

static void setup(void)
{
	mpp_list_init(&head);
	for (int i = 0; i < 8; i++)
		items[i].number = i;
}

/* The numbers on the list, as decimal digits. */
static int contents(void)
{
	struct mpp_link *l;
	int n = 0;

	mpp_list_each(l, &head) {
		ck_assert(mpp_list_sound(l));
		n = n * 10 + mpp_container(l, struct item, link)->number;
	}
	return n;
}

START_TEST(both_ends)
{
	setup();
	ck_assert(mpp_list_empty(&head));
	mpp_list_append(&head, &items[1].link);
	mpp_list_append(&head, &items[2].link);
	mpp_list_push(&head, &items[3].link);
	ck_assert(!mpp_list_empty(&head));
	ck_assert_int_eq(contents(), 312);
}
END_TEST

START_TEST(removal)
{
	setup();
	for (int i = 1; i < 6; i++)
		mpp_list_append(&head, &items[i].link);
	mpp_list_remove(&items[3].link);
	ck_assert_int_eq(contents(), 1245);
	ck_assert(mpp_list_empty(&items[3].link));
	mpp_list_remove(&items[1].link);
	mpp_list_remove(&items[5].link);
	ck_assert_int_eq(contents(), 24);
	mpp_list_remove(&items[2].link);
	mpp_list_remove(&items[4].link);
	ck_assert(mpp_list_empty(&head));
	mpp_list_remove(&items[4].link); /* on no list: nothing happens */
	ck_assert(mpp_list_empty(&head));
}
END_TEST

START_TEST(removal_in_a_walk)
{
	struct mpp_link *l, *after;
	int seen = 0;

	setup();
	for (int i = 0; i < 8; i++)
		mpp_list_append(&head, &items[i].link);
	mpp_list_each_safe(l, after, &head) {
		if (mpp_container(l, struct item, link)->number % 2 != 0)
			mpp_list_remove(l);
		seen++;
	}
	ck_assert_int_eq(seen, 8);
	ck_assert_int_eq(contents(), 246); /* 0246 */
}
END_TEST

START_TEST(damage)
{
	setup();
	for (int i = 0; i < 4; i++)
		mpp_list_append(&head, &items[i].link);
	items[2].link.prev = &items[0].link;
	ck_assert(!mpp_list_sound(&items[1].link));
	ck_assert(mpp_list_sound(&items[3].link));
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, both_ends);
	tcase_add_test(tc, removal);
	tcase_add_test(tc, removal_in_a_walk);
	tcase_add_test(tc, damage);
}

int main(void)
{
	return suite_run("list", add);
}
