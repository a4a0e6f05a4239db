// SPDX-License-Identifier: MIT
//
// cache.cpp - mempool::cache<T>: objects made and destroyed, constructors that throw, limits,
// smart pointers, moved owners, objects that outlive them.
#include "suite.hpp"

#include <cerrno>
#include <csignal>
#include <memory>
#include <set>
#include <stdexcept>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

using mempool::cache;
using suite::block;
using suite::stats_of;
using suite::text;

namespace
{

// Counts its objects; throws when told to, with one member already made.
struct node {
	explicit node(int v, const char *t = "") : value(v), name(t)
	{
		if (v < 0)
			throw std::range_error("negative");
		alive++;
	}

	node(const node &) = delete;
	node &operator=(const node &) = delete;

	~node()
	{
		alive--;
	}

	int value;
	text name;
	static int alive;
};

int node::alive;

// Neither its operators new and delete nor its address are for others.
class reserved
{
public:
	explicit reserved(std::unique_ptr<int> p) noexcept : p_(std::move(p))
	{
	}

	int value() const
	{
		return *p_;
	}

	static void *operator new(std::size_t) = delete;
	static void operator delete(void *) = delete;
	reserved *operator&() = delete;

private:
	std::unique_ptr<int> p_;
};

unsigned calls;

} // namespace

typedef cache<node>::unique_ptr node_ptr;
static_assert(!std::is_copy_constructible<cache<node>>::value, "");
static_assert(!std::is_copy_assignable<cache<node>>::value, "");
static_assert(std::is_nothrow_move_constructible<cache<node>>::value, "");
static_assert(std::is_nothrow_move_assignable<cache<node>>::value, "");
static_assert(!std::is_convertible<const char *, cache<node>>::value, "");
static_assert(std::is_same<node_ptr, std::unique_ptr<node, cache<node>::deleter>>::value, "");
static_assert(noexcept(std::declval<cache<node> &>().destroy(nullptr)), "");
static_assert(sizeof(cache<node>) == sizeof(void *), "");

START_TEST(objects)
{
	cache<node> nodes("nodes");
	std::set<node *> all;

	for (int i = 0; i < 5000; i++) {
		node *n = nodes.create(i, "a text that is too long to lie in the string itself");

		ck_assert(suite::is_aligned(n, alignof(node)));
		ck_assert(all.insert(n).second);
		ck_assert_int_eq(n->value, i);
	}
	ck_assert_int_eq(node::alive, 5000);
	ck_assert_uint_eq(stats_of(nodes.get()).live, 5000);
	ck_assert_uint_eq(stats_of(nodes.get()).object_size, sizeof(node));
	for (node *n : all)
		nodes.destroy(n);
	nodes.destroy(nullptr);
	ck_assert_int_eq(node::alive, 0);
	ck_assert_uint_eq(stats_of(nodes.get()).live, 0);
	ck_assert_int_eq(mp_cache_validate(nodes.get()), 0);
}
END_TEST

START_TEST(names)
{
	cache<node> given("given");
	cache<int> integer;
	cache<unsigned long> number;
	cache<std::vector<std::pair<int, std::string>>> lengthy;
	cache<char> cut(std::string(100, 'x').c_str());

	ck_assert_str_eq(mp_cache_name(given.get()), "given");
	ck_assert_str_eq(mp_cache_name(integer.get()), "int");
	ck_assert_ptr_eq(mp_cache_find("int"), integer.get());
	ck_assert_ptr_eq(std::strchr(mp_cache_name(number.get()), ' '), nullptr);
	ck_assert_ptr_ne(std::strstr(mp_cache_name(number.get()), "unsigned"), nullptr);
	ck_assert_ptr_eq(std::strstr(mp_cache_name(lengthy.get()), "std::"),
			 mp_cache_name(lengthy.get()));
	ck_assert_uint_eq(std::strlen(mp_cache_name(cut.get())), 63);
	cache<node> named_by_type;
	ck_assert_ptr_ne(std::strstr(mp_cache_name(named_by_type.get()), "node"), nullptr);
	ck_assert_ptr_eq(std::strchr(mp_cache_name(named_by_type.get()), ']'), nullptr);
}
END_TEST

// Errors of mp_cache_create() are bad_alloc; no handler is asked for what memory does not cure.
START_TEST(refused_creation)
{
	struct huge {
		char bytes[17 << 20];
	};

	calls = 0;
	std::set_new_handler([] { calls++; });
	CHECK_THROWS(std::bad_alloc, cache<node>(""));
	ck_assert_int_eq(errno, EINVAL);
	CHECK_THROWS(std::bad_alloc, cache<node>("flags", 0x80000000u));
	ck_assert_int_eq(errno, EINVAL);
	CHECK_THROWS(std::bad_alloc, cache<huge>("huge"));
	ck_assert_int_eq(errno, E2BIG);
	CHECK_THROWS(std::bad_alloc, cache<block<1 << 20>>("aligned"));
	ck_assert_int_eq(errno, E2BIG);
	std::set_new_handler(nullptr);
	ck_assert_uint_eq(calls, 0);
}
END_TEST

START_TEST(throwing_constructor)
{
	cache<node> nodes("nodes");
	node *first = nodes.create(1);
	std::size_t capacity = stats_of(nodes.get()).capacity;

	for (int i = 0; i < 100000; i++)
		CHECK_THROWS(std::range_error, nodes.destroy(nodes.create(-1, "some text")));
	CHECK_THROWS(std::range_error, nodes.make_unique(-1));
	CHECK_THROWS(std::range_error, nodes.make_shared(-1));
	ck_assert_int_eq(node::alive, 1);
	ck_assert_uint_eq(stats_of(nodes.get()).live, 1);
	ck_assert_uint_eq(stats_of(nodes.get()).capacity, capacity);
	nodes.destroy(first);
}
END_TEST

// The same at a limit: a failed construction does not use it up.
START_TEST(throwing_at_limit)
{
	cache<node> nodes("nodes");

	ck_assert_int_eq(mp_cache_set_max(nodes.get(), 1), 0);
	for (int i = 0; i < 10; i++)
		CHECK_THROWS(std::range_error, nodes.destroy(nodes.create(-1)));
	ck_assert_uint_eq(stats_of(nodes.get()).live, 0);
	node_ptr n = nodes.make_unique(1);
	CHECK_THROWS(std::bad_alloc, nodes.destroy(nodes.create(2)));
	n.reset();
	n = nodes.make_unique(3);
	ck_assert_int_eq(n->value, 3);
}
END_TEST

namespace
{

cache<node> *handled_cache;
std::vector<node *> *handled_nodes;

void free_one()
{
	calls++;
	if (handled_nodes->empty())
		throw std::length_error("nothing to free");
	handled_cache->destroy(handled_nodes->back());
	handled_nodes->pop_back();
}

} // namespace

START_TEST(new_handler)
{
	cache<node> nodes("nodes");
	std::vector<node *> some;

	calls = 0;
	handled_cache = &nodes;
	handled_nodes = &some;
	ck_assert_int_eq(mp_cache_set_max(nodes.get(), 3), 0);
	for (int i = 0; i < 3; i++)
		some.push_back(nodes.create(i));
	std::set_new_handler(free_one);
	node *last[3];
	for (int i = 0; i < 3; i++)
		last[i] = nodes.create(10 + i);
	ck_assert_uint_eq(calls, 3);
	CHECK_THROWS(std::length_error, nodes.destroy(nodes.create(20)));
	std::set_new_handler(nullptr);
	CHECK_THROWS(std::bad_alloc, nodes.destroy(nodes.create(20)));
	ck_assert_uint_eq(calls, 4);
	for (node *n : last)
		nodes.destroy(n);
}
END_TEST

START_TEST(limit_of_library)
{
	cache<block<4096>> blocks("blocks");
	std::vector<cache<block<4096>>::unique_ptr> all;

	calls = 0;
	all.reserve(100000);
	ck_assert_int_eq(mp_set_limit(1), 0);
	CHECK_THROWS(std::bad_alloc, for (;;) all.push_back(blocks.make_unique()));
	std::set_new_handler([] {
		if (++calls == 2)
			mp_set_limit(0);
	});
	for (std::size_t i = all.size(); i < 100; i++)
		all.push_back(blocks.make_unique());
	std::set_new_handler(nullptr);
	ck_assert_uint_eq(calls, 2);
	ck_assert_uint_eq(stats_of(blocks.get()).live, 100);
}
END_TEST

START_TEST(unique)
{
	cache<node> nodes("nodes");
	node_ptr a = nodes.make_unique(1, "one"), b, c(nullptr);

	ck_assert_ptr_eq(a.get_deleter().get(), nodes.get());
	ck_assert_ptr_eq(b.get_deleter().get(), nullptr);
	ck_assert(!b && !c);
	b = std::move(a);
	ck_assert(!a && b->name == "one");
	c.swap(b);
	b = nodes.make_unique(2);
	std::vector<node_ptr> v;
	for (int i = 0; i < 100; i++)
		v.push_back(nodes.make_unique(i));
	v.erase(v.begin() + 10, v.begin() + 20);
	ck_assert_uint_eq(stats_of(nodes.get()).live, 92);
	ck_assert_int_eq(node::alive, 92);
	nodes.destroy(c.release());
	node_ptr adopted(nodes.create(5), cache<node>::deleter(nodes.get()));
	ck_assert_int_eq(node::alive, 92);
}
END_TEST

START_TEST(shared)
{
	cache<node> nodes("nodes");
	std::shared_ptr<node> a = nodes.make_shared(1), b = a;
	std::weak_ptr<node> weak = a;
	std::shared_ptr<node> from_unique = nodes.make_unique(2);
	std::shared_ptr<text> alias(a, &a->name);

	ck_assert_ptr_ne(std::get_deleter<cache<node>::deleter>(a), nullptr);
	ck_assert_uint_eq(stats_of(nodes.get()).live, 2);
	a.reset();
	b.reset();
	ck_assert(!weak.expired());
	alias.reset();
	ck_assert(weak.expired());
	ck_assert_uint_eq(stats_of(nodes.get()).live, 1);
}
END_TEST

// No memory for the count of owners: the object is destroyed again.
START_TEST(shared_without_memory)
{
	cache<node> nodes("nodes");
	node_ptr keeper = nodes.make_unique(0); // keeps its slab
	std::vector<void *> hog;

	hog.reserve(1000000);
	ck_assert_int_eq(mp_set_limit(1), 0);
	for (std::size_t size = mempool::min_block_size; size <= 256; size *= 2)
		while (void *p = mp_alloc(size))
			hog.push_back(p);
	struct mp_cache_stats before = stats_of(nodes.get());
	ck_assert_uint_gt(before.cached + before.free, 0);
	for (int i = 0; i < 10; i++) {
		CHECK_THROWS(std::bad_alloc, nodes.make_shared(1));
		node_ptr n = nodes.make_unique(2); // there was an object for it
		ck_assert_int_eq(n->value, 2);
	}
	ck_assert_int_eq(node::alive, 1);
	ck_assert_uint_eq(stats_of(nodes.get()).live, 1);
	ck_assert_int_eq(mp_set_limit(0), 0);
	for (void *p : hog)
		mempool::deallocate(p);
}
END_TEST

START_TEST(moved)
{
	cache<node> a("a");
	struct mp_cache *handle = a.get();
	node *n = a.create(1);
	node_ptr u = a.make_unique(2);
	std::shared_ptr<node> s = a.make_shared(3);
	cache<node> b(std::move(a));

	ck_assert_ptr_eq(a.get(), nullptr); // NOLINT: it is what is looked at
	ck_assert_ptr_eq(b.get(), handle);
	b.destroy(n);
	u.reset();
	a = cache<node>("another");
	ck_assert_str_eq(mp_cache_name(a.get()), "another");
	a = std::move(b);
	ck_assert_ptr_eq(a.get(), handle);
	ck_assert_ptr_eq(mp_cache_find("another"), nullptr);
	s.reset();
	ck_assert_uint_eq(stats_of(handle).live, 0);
	cache<node> &self = a;
	a = std::move(self);
	ck_assert_ptr_eq(a.get(), handle);
	std::vector<cache<node>> v;
	for (int i = 0; i < 10; i++)
		v.emplace_back(std::to_string(i).c_str());
	ck_assert_str_eq(mp_cache_name(v[3].get()), "3");
	swap(v[3], v[4]);
	std::swap(v[4], v[5]);
	v[6].swap(b);
	ck_assert_str_eq(mp_cache_name(v[3].get()), "4");
	ck_assert_str_eq(mp_cache_name(v[5].get()), "3");
	ck_assert_str_eq(mp_cache_name(b.get()), "6");
	ck_assert_ptr_eq(v[6].get(), nullptr);
}
END_TEST

// The owner goes, an object stays: reported, and both can still be got rid of.
START_TEST(live_at_destroy)
{
	suite::tally tally;
	node_ptr u;
	node *n;

	{
		cache<node> nodes("outlived");

		u = nodes.make_unique(1, "alive");
		n = nodes.create(2);
	}
	tally.expect(MP_ERROR_LIVE_AT_DESTROY, nullptr);
	struct mp_cache *c = mp_cache_find("outlived");
	ck_assert_ptr_ne(c, nullptr);
	ck_assert_ptr_eq(u.get_deleter().get(), c);
	ck_assert_int_eq(node::alive, 2);
	ck_assert(u->name == "alive");
	u.reset();
	cache<node>::deleter give_back(c);
	give_back(n);
	ck_assert_int_eq(node::alive, 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
	ck_assert_ptr_eq(mp_cache_find("outlived"), nullptr);
	ck_assert_uint_eq(tally.faults(), 0);
}
END_TEST

START_TEST(live_at_destroy_aborts)
{
	cache<int> c("outlived");

	(void)!c.create(1);
}
END_TEST

START_TEST(wrong_cache)
{
	suite::tally tally;
	cache<int> a("a"), b("b");
	int *p = a.create(1);

	b.destroy(p);
	tally.expect(MP_ERROR_WRONG_CACHE, p);
	ck_assert_int_eq(*p, 1);
	a.destroy(p);
	ck_assert_uint_eq(tally.faults(), 0);
}
END_TEST

namespace
{

template <class T> void check_alignment()
{
	cache<T> c;
	std::vector<typename cache<T>::unique_ptr> all;

	for (unsigned char i = 0; i < 100; i++)
		all.push_back(c.make_unique(i));
	for (unsigned char i = 0; i < 100; i++)
		ck_assert(all[i]->holds(i));
}

} // namespace

START_TEST(over_aligned)
{
	check_alignment<block<8>>();
	check_alignment<block<32>>();
	check_alignment<block<64>>();
	check_alignment<block<1024>>();
	check_alignment<block<4096>>();
}
END_TEST

START_TEST(reserved_operators)
{
	cache<reserved> c;
	reserved *r = c.create(std::unique_ptr<int>(new int(5)));

	ck_assert_int_eq(r->value(), 5);
	c.destroy(r);
	cache<reserved>::unique_ptr u = c.make_unique(std::unique_ptr<int>(new int(6)));
	ck_assert_int_eq(u->value(), 6);
}
END_TEST

START_TEST(flags)
{
	cache<node> poisoned("poisoned", MP_POISON);
	cache<node> stable(nullptr, MP_TYPE_STABLE);
	node *n = poisoned.create(1, "text");

	poisoned.destroy(n);
	n = poisoned.create(2, "text");
	ck_assert_int_eq(n->value, 2);
	poisoned.destroy(n);
	ck_assert_uint_eq(stats_of(poisoned.get()).flags & MP_POISON, MP_POISON);
	ck_assert_uint_eq(stats_of(stable.get()).flags & MP_TYPE_STABLE, MP_TYPE_STABLE);
	ck_assert_int_eq(mp_cache_validate(poisoned.get()), 0);
	stable.destroy(stable.create(1));
}
END_TEST

int main()
{
	return suite::run("cxx-cache", [](TCase *tc) {
		tcase_add_test(tc, objects);
		tcase_add_test(tc, names);
		tcase_add_test(tc, refused_creation);
		tcase_add_test(tc, throwing_constructor);
		tcase_add_test(tc, throwing_at_limit);
		tcase_add_test(tc, new_handler);
		tcase_add_test(tc, limit_of_library);
		tcase_add_test(tc, unique);
		tcase_add_test(tc, shared);
		tcase_add_test(tc, shared_without_memory);
		tcase_add_test(tc, moved);
		tcase_add_test(tc, live_at_destroy);
		tcase_add_test_raise_signal(tc, live_at_destroy_aborts, SIGABRT);
		tcase_add_test(tc, wrong_cache);
		tcase_add_test(tc, over_aligned);
		tcase_add_test(tc, reserved_operators);
		tcase_add_test(tc, flags);
	});
}
