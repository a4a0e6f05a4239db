// SPDX-License-Identifier: MIT
//
// link.cpp - a program of two files that both include the header.
#include "link.hpp"
#include "suite.hpp"

#include <mempool.hpp> // once more: nothing happens

START_TEST(two_files)
{
	mempool::cache<link_text> texts;
	mempool::cache<link_text>::unique_ptr p = other_create(texts);
	std::vector<int, mempool::Allocator<int>> v = other_vector();

	ck_assert_uint_eq(p->size(), 100);
	ck_assert_uint_eq(v.size(), 1000);
	other_destroy(texts, texts.create("text"));
	other_deallocate(mempool::allocate(100));
#if defined(MEMPOOL_HAS_MEMORY_RESOURCE)
	ck_assert_ptr_eq(other_resource(), mempool::default_resource());
#else
	ck_assert_ptr_eq(other_resource(), nullptr);
#endif
}
END_TEST

int main()
{
	return suite::run("cxx-link", [](TCase *tc) { tcase_add_test(tc, two_files); });
}
