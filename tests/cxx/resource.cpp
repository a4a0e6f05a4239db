// SPDX-License-Identifier: MIT
//
// resource.cpp - mempool::memory_resource under the containers and resources of std::pmr.
#include "suite.hpp"

#include <cstdio>

#if defined(MEMPOOL_HAS_MEMORY_RESOURCE)

#include <cstddef>
#include <iterator>
#include <list>
#include <map>
#include <memory_resource>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <unordered_map>
#include <vector>

using mempool::default_resource;
using suite::block;

static_assert(std::is_base_of_v<std::pmr::memory_resource, mempool::memory_resource>);
static_assert(noexcept(default_resource()));

START_TEST(blocks)
{
	static const std::size_t some[] = { 0, 1, 8, 24, 100, 1000, 4096, 5000, 100000 };
	std::pmr::memory_resource *r = default_resource();
	suite::tally tally;

	for (std::size_t align = 1; align <= 65536; align *= 2)
		for (std::size_t size : some) {
			void *p = r->allocate(size, align);

			ck_assert(suite::is_ours(p));
			ck_assert_msg(suite::is_aligned(p, align), "%zu, %zu: %p", size, align, p);
			std::memset(p, 0x5a, size);
			r->deallocate(p, size, align);
		}
	ck_assert_uint_eq(tally.faults(), 0);
}
END_TEST

START_TEST(mismatch)
{
	std::pmr::memory_resource *r = default_resource();
	suite::tally tally;
	void *p = r->allocate(100, 8);

	r->deallocate(p, suite::opaque<std::size_t>(1000), 8);
	tally.expect(MP_ERROR_SIZE_MISMATCH, p);
	r->deallocate(p, 100, 8);
	ck_assert_uint_eq(tally.faults(), 0);
}
END_TEST

START_TEST(equal)
{
	mempool::memory_resource a, b;
	std::pmr::memory_resource *r = default_resource();

	ck_assert_ptr_eq(default_resource(), default_resource());
	ck_assert(a.is_equal(b) && a == b && b == *r);
	ck_assert(!a.is_equal(*std::pmr::new_delete_resource()));
	ck_assert(!std::pmr::new_delete_resource()->is_equal(a));
	ck_assert(!r->is_equal(*std::pmr::null_memory_resource()));
	b.deallocate(a.allocate(100, 8), 100, 8);
}
END_TEST

START_TEST(no_memory)
{
	std::pmr::memory_resource *r = default_resource();

	CHECK_THROWS(std::bad_alloc, r->deallocate(r->allocate(suite::opaque(SIZE_MAX / 2)), 1));
	mp_set_limit(1);
	CHECK_THROWS(std::bad_alloc, r->deallocate(r->allocate(1 << 20), 1));
	std::set_new_handler([] { mp_set_limit(0); });
	r->deallocate(r->allocate(1 << 20), 1 << 20);
	std::set_new_handler(nullptr);
}
END_TEST

START_TEST(containers)
{
	std::pmr::memory_resource *r = default_resource();
	std::pmr::vector<int> v(r);
	std::pmr::list<block<8192>> l(r);
	std::pmr::map<std::pmr::string, std::pmr::vector<std::pmr::string>> m(r);
	std::pmr::unordered_map<int, int> u(r);

	for (int i = 0; i < 2000; i++) {
		v.push_back(i);
		u[i] = i;
	}
	for (unsigned char i = 0; i < 20; i++)
		l.emplace_back(i);
	for (unsigned char i = 0; i < 20; i++)
		ck_assert(std::next(l.begin(), i)->holds(i));
	for (std::size_t i = 0; i < 200; i++)
		m[std::pmr::string(i % 10 + 40, 'k')].emplace_back(100, 'v');
	ck_assert_uint_eq(m.size(), 10);
	ck_assert(suite::is_ours(v.data()) && suite::is_ours(m.begin()->first.data()));
	ck_assert(suite::is_ours(m.begin()->second.back().data()));
	std::pmr::vector<int> copy(v, r), moved(std::move(v), r);
	ck_assert(copy == moved && v.empty());
	// an equal resource: taken over, not copied
	mempool::memory_resource another;
	const int *data = moved.data();
	std::pmr::vector<int> last(&another);
	last = std::move(moved);
	ck_assert_ptr_eq(last.data(), data);
}
END_TEST

START_TEST(pools)
{
	std::pmr::unsynchronized_pool_resource pool(default_resource());
	std::pmr::monotonic_buffer_resource buffer(default_resource());
	std::pmr::map<int, std::pmr::string> a(&pool), b(&buffer);

	for (int i = 0; i < 2000; i++) {
		a[i].assign(static_cast<std::size_t>(i % 300), 'a');
		b[i] = a[i];
	}
	ck_assert(suite::is_ours(b[1999].data()));
	ck_assert_uint_eq(b[299].size(), 299);
}
END_TEST

START_TEST(polymorphic)
{
	std::pmr::polymorphic_allocator<block<64>> a(default_resource());
	block<64> *p = a.allocate(7);

	a.construct(p, static_cast<unsigned char>(3));
	ck_assert(p->holds(3));
	a.deallocate(p, 7);
#if defined(__cpp_lib_polymorphic_allocator)
	std::pmr::polymorphic_allocator<> any(default_resource());
	auto *q = any.new_object<block<4096>>(static_cast<unsigned char>(5));
	ck_assert(q->holds(5));
	any.delete_object(q);
#endif
}
END_TEST

START_TEST(process_default)
{
	std::pmr::memory_resource *old = std::pmr::set_default_resource(default_resource());
	std::pmr::vector<int> v(100, 1);

	ck_assert(suite::is_ours(v.data()));
	ck_assert_ptr_eq(std::pmr::set_default_resource(old), default_resource());
}
END_TEST

int main()
{
	return suite::run("cxx-resource", [](TCase *tc) {
		tcase_add_test(tc, blocks);
		tcase_add_test(tc, mismatch);
		tcase_add_test(tc, equal);
		tcase_add_test(tc, no_memory);
		tcase_add_test(tc, containers);
		tcase_add_test(tc, pools);
		tcase_add_test(tc, polymorphic);
		tcase_add_test(tc, process_default);
	});
}

#else

// 77: automake shows the test as skipped.
int main()
{
	std::fprintf(stderr, "skipped: this C++ library has no <memory_resource>\n");
	return 77;
}

#endif
