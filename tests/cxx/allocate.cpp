// SPDX-License-Identifier: MIT
//
// allocate.cpp - mempool::allocate() and deallocate(), the new-handler loop, and what
// Allocator does on its own.
#include <memory>

// Where the library has none yet, what the standard says of it: the header is tried all
// the same.
#if !defined(__cpp_lib_allocate_at_least)
#define __cpp_lib_allocate_at_least 202302L
namespace std
{
template <class Pointer, class Size = size_t> struct allocation_result {
	Pointer ptr;
	Size count;
};
}
#endif

#include "suite.hpp"

#include <cerrno>
#include <limits>
#include <type_traits>
#include <typeinfo>

using mempool::Allocator;

static_assert(mempool::min_block_size == MP_MIN_BLOCK_SIZE, "");
static_assert(mempool::max_fixed_size == MP_MAX_FIXED_SIZE, "");
static_assert(mempool::chunk_size == MP_CHUNK_SIZE, "");
static_assert(mempool::align_size == MP_ALIGN_SIZE, "");
static_assert(noexcept(mempool::deallocate(nullptr)), "");
static_assert(noexcept(mempool::deallocate(nullptr, 1)), "");
static_assert(noexcept(mempool::deallocate(nullptr, 1, 1)), "");

typedef std::allocator_traits<Allocator<int>> traits;
static_assert(std::is_same<traits::value_type, int>::value, "");
static_assert(std::is_same<traits::pointer, int *>::value, "");
static_assert(std::is_same<traits::size_type, std::size_t>::value, "");
static_assert(std::is_same<traits::difference_type, std::ptrdiff_t>::value, "");
static_assert(std::is_same<traits::rebind_alloc<double>, Allocator<double>>::value, "");
static_assert(std::is_same<traits::rebind_alloc<void>, Allocator<void>>::value, "");
static_assert(traits::propagate_on_container_copy_assignment::value, "");
static_assert(traits::propagate_on_container_move_assignment::value, "");
static_assert(traits::propagate_on_container_swap::value, "");
static_assert(Allocator<int>::is_always_equal::value, "");
#if __cplusplus >= 201703L
static_assert(traits::is_always_equal::value, "");
#endif
static_assert(std::is_empty<Allocator<int>>::value, "");
static_assert(std::is_nothrow_default_constructible<Allocator<int>>::value, "");
static_assert(std::is_nothrow_copy_constructible<Allocator<int>>::value, "");
static_assert(std::is_nothrow_copy_assignable<Allocator<int>>::value, "");
static_assert(std::is_convertible<Allocator<int>, Allocator<char>>::value, "");
static_assert(Allocator<int>() == Allocator<int>(), "");
static_assert(Allocator<int>() == Allocator<char>(), "");
static_assert(!(Allocator<int>() != Allocator<char>()), "");

namespace
{

// ---- a new-handler that lifts the limit at the nth call

unsigned calls;
unsigned lift_at;

void lift()
{
	if (++calls == lift_at)
		ck_assert_int_eq(mp_set_limit(0), 0);
}

struct refused {
};

void refuse()
{
	calls++;
	throw refused();
}

void give_up()
{
	if (++calls == 2)
		std::set_new_handler(nullptr);
}

// While one of these exists the library gets no new memory, and has that handler.
class out_of_memory
{
public:
	explicit out_of_memory(std::new_handler handler, unsigned at = 0)
	{
		calls = 0;
		lift_at = at;
		std::set_new_handler(handler);
		ck_assert_int_eq(mp_set_limit(1), 0);
	}

	out_of_memory(const out_of_memory &) = delete;
	out_of_memory &operator=(const out_of_memory &) = delete;

	~out_of_memory()
	{
		std::set_new_handler(nullptr);
		mp_set_limit(0);
	}
};

constexpr std::size_t large = 1 << 20;

} // namespace

START_TEST(sizes)
{
	for (std::size_t size = 0; size < 70000; size += size < 5000 ? 1 : 997) {
		void *p = mempool::allocate(size);
		std::size_t align = mempool::align_size;

		while (align < size && align < mempool::max_fixed_size)
			align *= 2;
		ck_assert(suite::is_ours(p));
		ck_assert_msg(suite::is_aligned(p, size > mempool::max_fixed_size ? 4096 : align),
			      "%zu bytes at %p", size, p);
		ck_assert_uint_ge(mp_usable_size(p), size);
		std::memset(p, 0x5a, size);
		if (size % 2)
			mempool::deallocate(p);
		else
			mempool::deallocate(p, size);
	}
}
END_TEST

START_TEST(alignments)
{
	static const std::size_t some[] = { 0, 1, 8, 100, 1000, 5000, 100000 };

	for (std::size_t align = 1; align <= (2 << 20); align *= 2)
		for (std::size_t size : some) {
			void *p = mempool::allocate(size, align);

			ck_assert(suite::is_ours(p));
			ck_assert_msg(suite::is_aligned(p, align), "%zu, %zu: %p", size, align, p);
			std::memset(p, 0x5a, size);
			mempool::deallocate(p, size, align);
			p = mempool::allocate(size, align);
			mempool::deallocate(p);
		}
}
END_TEST

// No handler is asked for what memory does not cure.
START_TEST(bad_alignments)
{
	static const std::size_t aligns[] = { 0, 3, 24, 4097, ~(SIZE_MAX >> 1) };

	calls = 0;
	std::set_new_handler(refuse);
	for (std::size_t align : aligns)
		CHECK_THROWS(std::bad_alloc, mempool::deallocate(mempool::allocate(8, align)));
	std::set_new_handler(nullptr);
	ck_assert_uint_eq(calls, 0);
}
END_TEST

START_TEST(null)
{
	suite::tally tally;

	errno = 77;
	mempool::deallocate(nullptr);
	mempool::deallocate(nullptr, 0);
	mempool::deallocate(nullptr, 8);
	mempool::deallocate(nullptr, 8, 8);
	Allocator<int>().deallocate(nullptr, 1);
	ck_assert_uint_eq(tally.faults(), 0);
	ck_assert_int_eq(errno, 77);
}
END_TEST

START_TEST(sized_mismatch)
{
	suite::tally tally;
	void *p = mempool::allocate(100);

	mempool::deallocate(p, suite::opaque<std::size_t>(1000));
	tally.expect(MP_ERROR_SIZE_MISMATCH, p);
	mempool::deallocate(p, suite::opaque<std::size_t>(100), 1024);
	tally.expect(MP_ERROR_SIZE_MISMATCH, p);
	mempool::deallocate(p, 100);
	p = mempool::allocate(100, 1024);
	mempool::deallocate(p, suite::opaque<std::size_t>(100));
	tally.expect(MP_ERROR_SIZE_MISMATCH, p);
	errno = 77;
	mempool::deallocate(p, 100, 1024);
	ck_assert_int_eq(errno, 77);
	ck_assert_uint_eq(tally.faults(), 0);
}
END_TEST

START_TEST(no_handler)
{
	out_of_memory oom(nullptr);

	CHECK_THROWS(std::bad_alloc, mempool::deallocate(mempool::allocate(large)));
	CHECK_THROWS(std::bad_alloc, mempool::deallocate(mempool::allocate(large, 64)));
	CHECK_THROWS(std::bad_alloc, Allocator<char>().deallocate(Allocator<char>().allocate(large),
								  large));
}
END_TEST

START_TEST(handler_lifts)
{
	for (unsigned at = 1; at <= 3; at++) {
		{
			out_of_memory oom(lift, at);

			mempool::deallocate(mempool::allocate(large), large);
			ck_assert_uint_eq(calls, at);
		}
		{
			out_of_memory oom(lift, at);

			mempool::deallocate(mempool::allocate(large, 1 << 16), large, 1 << 16);
			ck_assert_uint_eq(calls, at);
		}
		{
			out_of_memory oom(lift, at);
			std::vector<char, Allocator<char>> v(large, 'x');

			ck_assert_uint_eq(calls, at);
			ck_assert_int_eq(v[large - 1], 'x');
		}
	}
}
END_TEST

START_TEST(handler_throws)
{
	out_of_memory oom(refuse);

	CHECK_THROWS(refused, mempool::deallocate(mempool::allocate(large)));
	CHECK_THROWS(refused, mempool::deallocate(mempool::allocate(large, 64)));
	ck_assert_uint_eq(calls, 2);
}
END_TEST

// The handler in place is asked for anew each time round.
START_TEST(handler_leaves)
{
	out_of_memory oom(give_up);

	CHECK_THROWS(std::bad_alloc, mempool::deallocate(mempool::allocate(large)));
	ck_assert_uint_eq(calls, 2);
}
END_TEST

START_TEST(overflow)
{
	Allocator<int> ints;
	Allocator<suite::block<8192>> blocks;
	Allocator<char> chars;

	ck_assert_uint_eq(ints.max_size(), std::size_t(PTRDIFF_MAX) / sizeof(int));
	ck_assert_uint_eq(traits::max_size(ints), ints.max_size());
	calls = 0;
	std::set_new_handler(refuse);
	CHECK_THROWS(std::bad_array_new_length,
		     ints.deallocate(ints.allocate(suite::opaque(ints.max_size()) + 1), 1));
	CHECK_THROWS(std::bad_array_new_length,
		     ints.deallocate(ints.allocate(suite::opaque(SIZE_MAX / 4 + 2)), 1));
	CHECK_THROWS(std::bad_array_new_length,
		     ints.deallocate(ints.allocate(suite::opaque(SIZE_MAX)), 1));
	CHECK_THROWS(std::bad_array_new_length,
		     chars.deallocate(chars.allocate(suite::opaque(SIZE_MAX)), 1));
	CHECK_THROWS(std::bad_array_new_length,
		     blocks.deallocate(blocks.allocate(suite::opaque(SIZE_MAX / 8192 + 2)), 1));
	CHECK_THROWS(std::bad_alloc,
		     mempool::deallocate(mempool::allocate(suite::opaque(SIZE_MAX))));
	CHECK_THROWS(std::bad_alloc,
		     mempool::deallocate(mempool::allocate(suite::opaque(SIZE_MAX), 64)));
	ck_assert_uint_eq(calls, 0);
	std::set_new_handler(nullptr);
	CHECK_THROWS(std::bad_alloc,
		     ints.deallocate(ints.allocate(suite::opaque(ints.max_size())), 1));
	CHECK_THROWS(std::bad_alloc,
		     blocks.deallocate(blocks.allocate(suite::opaque(blocks.max_size())), 1));
	CHECK_THROWS(std::bad_alloc,
		     mempool::deallocate(mempool::allocate(suite::opaque(SIZE_MAX))));
}
END_TEST

namespace
{

// 0 to 100 objects: there is room for them, they are aligned and do not overlap.
template <std::size_t Align> void check_aligned()
{
	typedef suite::block<Align> block;
	Allocator<block> a;

	static_assert(alignof(block) == Align, "");
	for (std::size_t n = 0; n <= 100; n += n < 9 ? 1 : 13) {
		block *p = a.allocate(n);

		ck_assert_msg(n == 0 || suite::is_aligned(p, Align), "%zu of %zu: %p", n, Align,
			      static_cast<void *>(p));
		ck_assert(suite::is_ours(p));
		ck_assert_uint_ge(mp_usable_size(p), n * sizeof(block));
		for (std::size_t i = 0; i < n; i++)
			traits::rebind_traits<block>::construct(a, p + i,
								static_cast<unsigned char>(i));
		for (std::size_t i = 0; i < n; i++) {
			ck_assert(p[i].holds(static_cast<unsigned char>(i)));
			traits::rebind_traits<block>::destroy(a, p + i);
		}
		a.deallocate(p, n);
	}
}

// Sizes that are no power of two.
template <std::size_t Align> void check_odd_sizes()
{
	struct alignas(Align) odd {
		unsigned char bytes[3 * Align];
	};
	Allocator<odd> a;

	for (std::size_t n = 1; n < 40; n++) {
		odd *p = a.allocate(n);

		ck_assert(suite::is_aligned(p, Align));
		a.deallocate(p, n);
	}
}

} // namespace

START_TEST(over_aligned)
{
	check_aligned<8>();
	check_aligned<16>();
	check_aligned<32>();
	check_aligned<64>();
	check_aligned<128>();
	check_aligned<1024>();
	check_aligned<2048>();
	check_aligned<4096>();
	check_aligned<8192>();
	check_aligned<65536>();
	check_odd_sizes<1>();
	check_odd_sizes<4>();
	check_odd_sizes<32>();
	check_odd_sizes<64>();
	check_odd_sizes<512>();
	check_odd_sizes<4096>();
	check_odd_sizes<8192>();
}
END_TEST

// What one allocator gave another of another type takes back.
START_TEST(interchangeable)
{
	Allocator<long> a;
	long *p = a.allocate(5);
	Allocator<long> b(Allocator<char>{});

	b.deallocate(p, 5);
	mempool::deallocate(a.allocate(5), 5 * sizeof(long));
	a.deallocate(static_cast<long *>(mempool::allocate(5 * sizeof(long))), 5);
	mp_free(a.allocate(5));
	Allocator<void> nothing;
	Allocator<long> c(nothing);
	c.deallocate(c.allocate(0), 0);
	ck_assert(nothing == c);
}
END_TEST

START_TEST(at_least)
{
	suite::tally tally;

	for (std::size_t n = 0; n < 3000; n++) {
		Allocator<long> a;
		auto r = a.allocate_at_least(n);

		ck_assert_uint_ge(r.count, n);
		ck_assert_uint_ge(mp_usable_size(r.ptr), r.count * sizeof(long));
		if (n > 0)
			ck_assert_uint_eq(r.count, mp_usable_size(r.ptr) / sizeof(long));
		// all of it was asked for: no red zone begins before
		ck_assert_uint_eq(mp_good_size(r.count * sizeof(long)), mp_good_size(n * sizeof(long)));
		for (std::size_t i = 0; i < r.count; i++)
			r.ptr[i] = 1;
		// any number from n to count is good
		mempool::deallocate(r.ptr, (n % 2 ? n : r.count) * sizeof(long));
	}
	Allocator<suite::block<8192>> a;
	auto r = a.allocate_at_least(3);
	ck_assert_uint_eq(r.count, 3);
	ck_assert(suite::is_aligned(r.ptr, 8192));
	a.deallocate(r.ptr, 3);
	CHECK_THROWS(std::bad_array_new_length,
		     a.deallocate(a.allocate_at_least(suite::opaque(SIZE_MAX)).ptr, 1));
	ck_assert_uint_eq(tally.faults(), 0);
}
END_TEST

int main()
{
	return suite::run("cxx-allocate", [](TCase *tc) {
		tcase_add_test(tc, sizes);
		tcase_add_test(tc, alignments);
		tcase_add_test(tc, bad_alignments);
		tcase_add_test(tc, null);
		tcase_add_test(tc, sized_mismatch);
		tcase_add_test(tc, no_handler);
		tcase_add_test(tc, handler_lifts);
		tcase_add_test(tc, handler_throws);
		tcase_add_test(tc, handler_leaves);
		tcase_add_test(tc, overflow);
		tcase_add_test(tc, over_aligned);
		tcase_add_test(tc, interchangeable);
		tcase_add_test(tc, at_least);
	});
}
