/* SPDX-License-Identifier: MIT */
/*
 * cxx.cpp - a C++ program of a user: only the installed headers and library.
 */
#include <mempool.hpp>

#include <cstdio>
#include <map>
#include <string>
#include <vector>

struct node {
	explicit node(std::string t) : text(std::move(t)) {}
	std::string text;
};

#define CHECK(condition) \
	do { \
		if (!(condition)) { \
			std::fprintf(stderr, "line %d: failed: %s\n", __LINE__, #condition); \
			return 1; \
		} \
	} while (0)

int main()
{
	std::vector<int, mempool::Allocator<int>> numbers;
	std::map<int, int, std::less<int>, mempool::Allocator<std::pair<const int, int>>> squares;

	for (int i = 0; i < 1000; i++) {
		numbers.push_back(i);
		squares[i] = i * i;
	}
	CHECK(numbers.size() == 1000 && numbers[999] == 999);
	CHECK(squares[31] == 961);

	void *ptr = mempool::allocate(1024);
	CHECK(ptr != nullptr);
	mempool::deallocate(ptr);

	mempool::cache<node> nodes("node");
	node *n = nodes.create("text");
	CHECK(n != nullptr && n->text == "text");
	nodes.destroy(n);
	std::printf("libmempool %s from C++: works\n", mp_version());
	return 0;
}
