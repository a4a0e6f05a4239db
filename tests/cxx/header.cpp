// SPDX-License-Identifier: MIT
//
// header.cpp - the header alone, first and without help, and every member of its templates
// compiled.  Made to be compiled only; see compile-matrix.sh.
#include <mempool.hpp>

struct incomplete;

struct alignas(8192) over_aligned {
	char bytes[8192];
};

template class mempool::Allocator<char>;
template class mempool::Allocator<over_aligned>;
template class mempool::cache<long>;
template class mempool::cache<over_aligned>;

// Names that can be said of types not known yet.
mempool::Allocator<incomplete> declared(mempool::Allocator<void> a);
mempool::Allocator<incomplete> declared(mempool::Allocator<void> a)
{
	return a;
}

incomplete *held(const mempool::cache<incomplete>::unique_ptr &p);
incomplete *held(const mempool::cache<incomplete>::unique_ptr &p)
{
	return p.get();
}

#if defined(MEMPOOL_HAS_MEMORY_RESOURCE)
std::pmr::memory_resource *upstream();
std::pmr::memory_resource *upstream()
{
	return mempool::default_resource();
}
#endif
