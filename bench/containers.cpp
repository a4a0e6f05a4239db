// SPDX-License-Identifier: MIT
// containers.cpp - std::map, std::list and std::unordered_map that come and go.
//
// Compiled once for each allocator: CONTAINERS_MEMPOOL takes mempool::Allocator,
// CONTAINERS_LIMIT the reference, else std::allocator over whatever malloc the
// program is linked with.
#include "measure.h"

#if defined(CONTAINERS_MEMPOOL)
#include <mempool.hpp>
template <class T> using allocator = mempool::Allocator<T>;
static void reclaim()
{
	(void)mp_reclaim(0);
}
#elif defined(CONTAINERS_LIMIT)
#include "limit_allocator.hpp"
template <class T> using allocator = limit_allocator<T>;
static void reclaim()
{
}
#else
#include <memory>
template <class T> using allocator = std::allocator<T>;
static void reclaim()
{
}
#endif

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <list>
#include <map>
#include <new>
#include <unordered_map>
#include <utility>

namespace
{

typedef std::uint64_t key;
typedef std::pair<const key, key> entry;
typedef std::map<key, key, std::less<key>, allocator<entry>> map_type;
typedef std::unordered_map<key, key, std::hash<key>, std::equal_to<key>, allocator<entry>>
	umap_type;
typedef std::list<key, allocator<key>> list_type;

const unsigned batch = 2000;

void add(map_type &m, key k)
{
	m.emplace(k, k);
}

void add(umap_type &m, key k)
{
	m.emplace(k, k);
}

// A table of n keys; one after the other is erased and a new one inserted.
template <class Map> class table_churn
{
      public:
	table_churn(std::size_t n, std::uint64_t seed, report *r)
	    : state_(seed | 1), n_(n), keys_(static_cast<key *>(harness_array(n * sizeof(key))))
	{
		memory_start(r);
		for (std::size_t i = 0; i < n; i++)
			add(map_, keys_[i] = random_next(&state_));
	}

	std::uint64_t work()
	{
		for (unsigned i = 0; i < batch; i++) {
			std::size_t at = random_below(&state_, static_cast<std::uint32_t>(n_));

			if (map_.erase(keys_[at]) != 1)
				harness_die("a key of the table was lost");
			add(map_, keys_[at] = random_next(&state_));
		}
		return batch;
	}

	std::size_t bytes() const
	{
		return n_ * sizeof(entry);
	}

	void clear()
	{
		map_.clear();
	}

      private:
	Map map_;
	std::uint64_t state_;
	std::size_t n_;
	key *keys_;
};

// A list of n numbers; one at random is erased, a new one put in its place.
class list_churn
{
      public:
	list_churn(std::size_t n, std::uint64_t seed, report *r)
	    : state_(seed | 1), n_(n), at_(static_cast<list_type::iterator *>(
					       harness_array(n * sizeof(list_type::iterator))))
	{
		memory_start(r);
		for (std::size_t i = 0; i < n; i++)
			new (&at_[i]) list_type::iterator(list_.insert(list_.end(), i));
	}

	std::uint64_t work()
	{
		for (unsigned i = 0; i < batch; i++) {
			std::size_t at = random_below(&state_, static_cast<std::uint32_t>(n_));

			if (*at_[at] != at)
				harness_die("a number of the list was changed");
			at_[at] = list_.insert(list_.erase(at_[at]), at);
		}
		return batch;
	}

	std::size_t bytes() const
	{
		return n_ * sizeof(key);
	}

	void clear()
	{
		list_.clear();
	}

      private:
	list_type list_;
	std::uint64_t state_;
	std::size_t n_;
	list_type::iterator *at_;
};

template <class Churn> void run(const request &q, report &r)
{
	Churn churn(q.n, q.seed, &r);
	std::uint64_t start, elapsed;

	for (std::size_t i = 0; i < q.n; i += batch)
		churn.work();
	r.ops = 0;
	start = clock_ns();
	do {
		r.ops += churn.work();
		elapsed = clock_ns() - start;
	} while (elapsed < q.target_ns);
	r.ns = static_cast<double>(elapsed) / static_cast<double>(r.ops);
	memory_live(&r, churn.bytes());
	churn.clear();
	memory_after(&r);
	reclaim();
	memory_reclaimed(&r);
	memory_peak(&r);
}

} // namespace

int main(int argc, char **argv)
{
	request q = request_parse(argc, argv);
	report r = report();

	if (!std::strcmp(q.workload, "map"))
		run<table_churn<map_type>>(q, r);
	else if (!std::strcmp(q.workload, "umap"))
		run<table_churn<umap_type>>(q, r);
	else if (!std::strcmp(q.workload, "list"))
		run<list_churn>(q, r);
	else
		harness_die("%s: no such workload", q.workload);
	return report_print(&r);
}
