// SPDX-License-Identifier: MIT
//
// suite.hpp - what the C++ programs share: a main(), a look for leaks after each test,
// faults counted instead of fatal, types of several alignments.
#ifndef TESTS_CXX_SUITE_HPP
#define TESTS_CXX_SUITE_HPP

#include <mempool.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string>

#include "../suite_run.h"

namespace suite
{

typedef std::basic_string<char, std::char_traits<char>, mempool::Allocator<char>> text;

// An over-aligned type with a value in its first and last bytes.
template <std::size_t Align> struct alignas(Align) block {
	explicit block(unsigned char v = 0) noexcept
	{
		bytes[0] = bytes[Align - 1] = v;
	}

	bool holds(unsigned char v) const noexcept
	{
		return reinterpret_cast<std::uintptr_t>(this) % Align == 0 && bytes[0] == v &&
		       bytes[Align - 1] == v;
	}

	bool operator<(const block &other) const noexcept
	{
		return bytes[0] < other.bytes[0];
	}

	unsigned char bytes[Align];
};

// The same value, of which the compiler knows nothing.
template <class T> inline T opaque(T value)
{
	volatile T v = value;

	return v;
}

inline bool is_aligned(const void *p, std::size_t align)
{
	return reinterpret_cast<std::uintptr_t>(p) % align == 0;
}

// Whether p points into a live object of the library.
inline bool is_ours(const void *p)
{
	struct mp_object_info info;

	info.struct_size = sizeof(info);
	return mp_object_info(p, &info) == 0 && info.state == MP_OBJECT_LIVE;
}

inline struct mp_cache_stats stats_of(struct mp_cache *c)
{
	struct mp_cache_stats s;

	s.struct_size = sizeof(s);
	ck_assert_int_eq(mp_cache_get_stats(c, &s), 0);
	return s;
}

inline int add_live(struct mp_cache *c, void *sum)
{
	*static_cast<std::size_t *>(sum) += stats_of(c).live;
	return 0;
}

inline int check_one(struct mp_cache *c, void *)
{
	ck_assert_int_eq(mp_cache_validate(c), 0);
	return 0;
}

// All live objects of all caches, and large blocks.
inline std::size_t live()
{
	struct mp_stats s;
	std::size_t sum = 0;

	s.struct_size = sizeof(s);
	ck_assert_int_eq(mp_get_stats(&s), 0);
	ck_assert_int_eq(mp_cache_for_each(add_live, &sum), 0);
	return sum + s.large_live;
}

// Faults reported while one of these exists; the library carries on.
class tally
{
public:
	tally() : n_(0), kind_(), pointer_(nullptr)
	{
		mp_set_error_handler(count, this);
	}

	tally(const tally &) = delete;
	tally &operator=(const tally &) = delete;

	~tally()
	{
		mp_set_error_handler(nullptr, nullptr);
	}

	unsigned faults() const
	{
		return n_;
	}

	// Exactly one since the last look, of this kind and pointer.
	void expect(enum mp_error_kind kind, const void *pointer)
	{
		ck_assert_uint_eq(n_, 1);
		ck_assert_int_eq(static_cast<int>(kind_), static_cast<int>(kind));
		ck_assert_ptr_eq(pointer_, pointer);
		n_ = 0;
	}

private:
	static enum mp_error_action count(const struct mp_error *e, void *arg)
	{
		tally *t = static_cast<tally *>(arg);

		t->n_++;
		t->kind_ = e->kind;
		t->pointer_ = e->pointer;
		return MP_ERROR_CONTINUE;
	}

	unsigned n_;
	enum mp_error_kind kind_;
	const void *pointer_;
};

// Around each test: what was live before is live after it, and nothing is wrong.
inline std::size_t &live_before()
{
	static std::size_t n;

	return n;
}

inline void before()
{
	live_before() = live();
}

inline void after()
{
	ck_assert_uint_eq(live(), live_before());
	ck_assert_int_eq(mp_cache_for_each(check_one, nullptr), 0);
}

// Run the tests that add() puts into one case; the program's exit status.
inline int run(const char *name, void (*add)(TCase *tc))
{
	suite_before = before;
	suite_after = after;
	return suite_run(name, add);
}

} // namespace suite

// expression throws exactly that type.
#define CHECK_THROWS(type, expression) \
	do { \
		bool as_expected = false; \
\
		try { \
			expression; \
		} catch (const type &e) { \
			as_expected = typeid(e) == typeid(type); \
		} \
		ck_assert_msg(as_expected, "%s: not thrown by %s", #type, #expression); \
	} while (0)

#endif // TESTS_CXX_SUITE_HPP
