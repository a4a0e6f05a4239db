// SPDX-License-Identifier: MIT
//
// threads.cpp - threads that free what others allocated: objects of a typed cache, containers,
// shared pointers.
#include "suite.hpp"

#include <condition_variable>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <queue>
#include <thread>
#include <vector>

using mempool::Allocator;
using mempool::cache;
using suite::stats_of;
using suite::text;

namespace
{

constexpr int n_threads = 4;
constexpr int n_rounds = 3000;

struct message {
	message(int from, int number)
		: sender(from), serial(number), body(static_cast<std::size_t>(number % 200), 'm')
	{
	}

	bool is_sound() const
	{
		return body.size() == static_cast<std::size_t>(serial % 200) &&
		       body.find_first_not_of('m') == text::npos;
	}

	int sender;
	int serial;
	text body;
};

typedef cache<message>::unique_ptr message_ptr;

// A queue between threads; its own memory is the library's too.
template <class T> class channel
{
public:
	void send(T item)
	{
		std::lock_guard<std::mutex> hold(mutex_);

		items_.push(std::move(item));
		filled_.notify_one();
	}

	T receive()
	{
		std::unique_lock<std::mutex> hold(mutex_);

		filled_.wait(hold, [this] { return !items_.empty(); });
		T item = std::move(items_.front());
		items_.pop();
		return item;
	}

private:
	std::mutex mutex_;
	std::condition_variable filled_;
	std::queue<T, std::list<T, Allocator<T>>> items_;
};

// Run f(0) to f(n_threads - 1), each in a thread of its own.
template <class F> void in_threads(F f)
{
	std::vector<std::thread> threads;

	for (int i = 0; i < n_threads; i++)
		threads.emplace_back(f, i);
	for (std::thread &t : threads)
		t.join();
}

} // namespace

// Each sends to the next, and destroys what comes from the one before.
START_TEST(ring)
{
	cache<message> messages("messages");
	channel<message_ptr> channels[n_threads];
	unsigned wrong[n_threads] = {};

	in_threads([&](int me) {
		int before = (me + n_threads - 1) % n_threads;

		for (int i = 0; i < n_rounds; i++) {
			channels[(me + 1) % n_threads].send(messages.make_unique(me, i));
			message_ptr m = channels[me].receive();
			wrong[me] += m->sender != before || m->serial != i || !m->is_sound();
		}
	});
	for (unsigned n : wrong)
		ck_assert_uint_eq(n, 0);
	ck_assert_uint_eq(stats_of(messages.get()).live, 0);
	ck_assert_int_eq(mp_cache_validate(messages.get()), 0);
}
END_TEST

// Containers built in one thread and torn down in another.
START_TEST(containers)
{
	typedef std::map<text, std::vector<text, Allocator<text>>, std::less<text>,
			 Allocator<std::pair<const text, std::vector<text, Allocator<text>>>>>
		table;
	channel<table> channels[n_threads];
	unsigned wrong[n_threads] = {};

	in_threads([&](int me) {
		for (int i = 0; i < n_rounds / 30; i++) {
			table t;

			for (std::size_t k = 0; k < 50; k++)
				t[text(k + 10, 'k')].assign(k % 5, text(k * 10, 'v'));
			channels[(me + 1) % n_threads].send(std::move(t));
			table other = channels[me].receive();
			wrong[me] += other.size() != 50 || other[text(59, 'k')].size() != 4;
		}
	});
	for (unsigned n : wrong)
		ck_assert_uint_eq(n, 0);
}
END_TEST

// The last of several owners, in whatever thread, destroys.
START_TEST(shared)
{
	cache<message> messages("messages");
	std::vector<std::shared_ptr<message>> all;

	for (int i = 0; i < n_rounds; i++)
		all.push_back(messages.make_shared(0, i));
	std::vector<std::vector<std::shared_ptr<message>>> copies(n_threads, all);
	all.clear();
	ck_assert_uint_eq(stats_of(messages.get()).live, n_rounds);
	in_threads([&](int me) {
		std::vector<std::shared_ptr<message>> &mine = copies[static_cast<std::size_t>(me)];

		while (!mine.empty())
			mine.pop_back();
	});
	ck_assert_uint_eq(stats_of(messages.get()).live, 0);
}
END_TEST

// Threads come and go with objects left live; the cache is destroyed by yet another.
START_TEST(short_threads)
{
	cache<message> messages("messages");
	std::vector<message_ptr> all(200);

	for (std::size_t i = 0; i < all.size(); i++)
		std::thread([&, i] {
			all[i] = messages.make_unique(0, static_cast<int>(i));
			messages.make_unique(1, 1).reset();
		}).join();
	for (const message_ptr &m : all)
		ck_assert(m->is_sound());
	ck_assert_uint_eq(stats_of(messages.get()).live, all.size());
	std::thread([&] {
		all.clear();
		ck_assert_uint_eq(stats_of(messages.get()).live, 0);
		cache<message> gone(std::move(messages));
	}).join();
	ck_assert_ptr_eq(mp_cache_find("messages"), nullptr);
}
END_TEST

// Constructors that throw, in all threads at once, on a cache with a limit.
START_TEST(throwing)
{
	struct picky {
		explicit picky(int i)
		{
			if (i % 2)
				throw i;
		}
	};
	cache<picky> objects("picky");
	unsigned caught[n_threads] = {};

	ck_assert_int_eq(mp_cache_set_max(objects.get(), n_threads), 0);
	in_threads([&](int me) {
		for (int i = 0; i < n_rounds; i++)
			try {
				objects.destroy(objects.create(i));
			} catch (int) {
				caught[me]++;
			}
	});
	for (unsigned n : caught)
		ck_assert_uint_eq(n, n_rounds / 2);
	ck_assert_uint_eq(stats_of(objects.get()).live, 0);
	ck_assert_uint_eq(stats_of(objects.get()).failed, 0);
}
END_TEST

int main()
{
	return suite::run("cxx-threads", [](TCase *tc) {
		tcase_add_test(tc, ring);
		tcase_add_test(tc, containers);
		tcase_add_test(tc, shared);
		tcase_add_test(tc, short_threads);
		tcase_add_test(tc, throwing);
	});
}
