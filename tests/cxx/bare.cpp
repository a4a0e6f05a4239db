// SPDX-License-Identifier: MIT
//
// bare.cpp - the header with exceptions and run-time type information switched off: all
// works, and what would throw aborts.
#include "suite.hpp"

#include <csignal>
#include <list>
#include <map>

#if defined(__cpp_exceptions) || defined(__EXCEPTIONS)
#error "exceptions are on"
#endif
#if defined(__cpp_rtti) || defined(__GXX_RTTI)
#error "run-time type information is on"
#endif

using mempool::Allocator;

START_TEST(works)
{
	mempool::cache<suite::text> texts;
	mempool::cache<suite::text>::unique_ptr t = texts.make_unique(100u, 'x');
	std::shared_ptr<suite::text> s = texts.make_shared("shared");
	std::map<int, int, std::less<int>, Allocator<std::pair<const int, int>>> m;
	void *p = mempool::allocate(100, 64);

	for (int i = 0; i < 1000; i++)
		m[i] = i;
	ck_assert(suite::is_ours(&m[500]));
	ck_assert_uint_eq(t->size() + s->size(), 106);
	ck_assert_ptr_ne(std::strstr(mp_cache_name(texts.get()), "basic_string"), nullptr);
	mempool::deallocate(p, 100, 64);
#if defined(MEMPOOL_HAS_MEMORY_RESOURCE)
	mempool::memory_resource *r = mempool::default_resource();
	std::pmr::vector<int> v(1000, 1, r);
	ck_assert(suite::is_ours(v.data()));
	ck_assert(r->is_equal(*r) && !r->is_equal(*std::pmr::new_delete_resource()));
#endif
}
END_TEST

START_TEST(handler)
{
	mp_set_limit(1);
	std::set_new_handler([] { mp_set_limit(0); });
	mempool::deallocate(mempool::allocate(1 << 20));
	std::set_new_handler(nullptr);
}
END_TEST

START_TEST(no_memory)
{
	mp_set_limit(1);
	mempool::deallocate(mempool::allocate(1 << 20));
}
END_TEST

START_TEST(too_long)
{
	Allocator<int> a;

	a.deallocate(a.allocate(suite::opaque(SIZE_MAX)), 1);
}
END_TEST

START_TEST(bad_alignment)
{
	mempool::deallocate(mempool::allocate(8, 3));
}
END_TEST

START_TEST(at_limit)
{
	mempool::cache<int> c;

	mp_cache_set_max(c.get(), 1);
	c.destroy(c.create(1));
	int *first = c.create(2);
	int *second = c.create(3);
	c.destroy(first);
	c.destroy(second);
}
END_TEST

START_TEST(no_cache)
{
	mempool::cache<int> c("");
}
END_TEST

int main()
{
	return suite::run("cxx-bare", [](TCase *tc) {
		tcase_add_test(tc, works);
		tcase_add_test(tc, handler);
		tcase_add_test_raise_signal(tc, no_memory, SIGABRT);
		tcase_add_test_raise_signal(tc, too_long, SIGABRT);
		tcase_add_test_raise_signal(tc, bad_alignment, SIGABRT);
		tcase_add_test_raise_signal(tc, at_limit, SIGABRT);
		tcase_add_test_raise_signal(tc, no_cache, SIGABRT);
	});
}
