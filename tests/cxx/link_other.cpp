// SPDX-License-Identifier: MIT
//
// link_other.cpp - the second file of link.  What it has at global scope has the names
// of parameters and members in the header.
extern int name, flags, size, align, other, n, p, c, cache, text, memory, object;
int name, flags, size, align, other, n, p, c, cache, text, memory, object;

#include "link.hpp"

mempool::cache<link_text>::unique_ptr other_create(mempool::cache<link_text> &from)
{
	return from.make_unique(100u, 'x');
}

void other_destroy(mempool::cache<link_text> &from, link_text *t)
{
	from.destroy(t);
}

std::vector<int, mempool::Allocator<int>> other_vector()
{
	return std::vector<int, mempool::Allocator<int>>(1000);
}

void other_deallocate(void *memory_of_first)
{
	mempool::deallocate(memory_of_first, 100);
}

void *other_resource()
{
#if defined(MEMPOOL_HAS_MEMORY_RESOURCE)
	return mempool::default_resource();
#else
	return nullptr;
#endif
}
