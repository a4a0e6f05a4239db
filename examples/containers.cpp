// SPDX-License-Identifier: MIT
//
// containers.cpp - standard containers on libmempool, and a cache of typed objects.
// Counts the words of its standard input.
//
//   c++ -o containers containers.cpp $(pkg-config --cflags --libs mempool)
//   ./containers </etc/services
//
#include <mempool.hpp>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

// A string whose text, when it is long enough to be allocated, is of mp_alloc().
typedef std::basic_string<char, std::char_traits<char>, mempool::Allocator<char>> text;

typedef std::map<text, unsigned, std::less<text>,
		 mempool::Allocator<std::pair<const text, unsigned>>>
	counts;

// What is printed; lives in a cache of its own.
struct entry {
	entry(const text &w, unsigned n) : word(w), count(n)
	{
	}

	text word;
	unsigned count;
};

static bool more_frequent(const entry *a, const entry *b)
{
	return a->count != b->count ? a->count > b->count : a->word < b->word;
}

int main()
{
	counts words;
	text word;

	while (std::cin >> word)
		words[word]++;

	mempool::cache<entry> entries("entry");
	std::vector<entry *, mempool::Allocator<entry *>> sorted;

	for (const counts::value_type &w : words)
		sorted.push_back(entries.create(w.first, w.second));
	std::sort(sorted.begin(), sorted.end(), more_frequent);
	for (std::size_t i = 0; i < sorted.size() && i < 10; i++)
		std::printf("%8u  %s\n", sorted[i]->count, sorted[i]->word.c_str());

	// The nodes of the map are in a power-of-two cache, the entries in theirs.
	if (mp_slabinfo_print(stdout) != 0)
		return 1;
	for (entry *e : sorted)
		entries.destroy(e);

	// The same with an owner: freed at the end of the scope, before the cache.
	auto last = entries.make_unique("the end", 1u);
	std::printf("%s\n", last->word.c_str());
	return 0;
}
