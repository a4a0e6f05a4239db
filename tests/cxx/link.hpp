// SPDX-License-Identifier: MIT
//
// link.hpp - what link.cpp and link_other.cpp both have.
#ifndef TESTS_CXX_LINK_HPP
#define TESTS_CXX_LINK_HPP

#include <mempool.hpp>

#include <string>

typedef std::basic_string<char, std::char_traits<char>, mempool::Allocator<char>> link_text;

// In link_other.cpp.
mempool::cache<link_text>::unique_ptr other_create(mempool::cache<link_text> &c);
void other_destroy(mempool::cache<link_text> &c, link_text *t);
std::vector<int, mempool::Allocator<int>> other_vector();
void other_deallocate(void *p);
void *other_resource();

#endif // TESTS_CXX_LINK_HPP
