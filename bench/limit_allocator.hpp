// SPDX-License-Identifier: MIT
// limit_allocator.hpp - the reference as an allocator of the C++ library.
#ifndef BENCH_LIMIT_ALLOCATOR_HPP
#define BENCH_LIMIT_ALLOCATOR_HPP

#include "limit.h"

#include <cstddef>
#include <new>

// One object at a time comes from the limit, arrays from operator new.
template <class T> class limit_allocator
{
      public:
	typedef T value_type;

	limit_allocator() noexcept
	{
	}

	template <class U> limit_allocator(const limit_allocator<U> &) noexcept
	{
	}

	T *allocate(std::size_t n)
	{
		void *p = n == 1 ? limit_alloc(id) : ::operator new(n * sizeof(T));

		if (!p)
			throw std::bad_alloc();
		return static_cast<T *>(p);
	}

	void deallocate(T *p, std::size_t n) noexcept
	{
		if (n == 1)
			limit_free(id, p);
		else
			::operator delete(p);
	}

      private:
	static unsigned open()
	{
		unsigned pool;

		if (limit_open(sizeof(T), &pool))
			throw std::bad_alloc();
		return pool;
	}

	static const unsigned id;
};

template <class T> const unsigned limit_allocator<T>::id = limit_allocator<T>::open();

template <class T, class U>
bool operator==(const limit_allocator<T> &, const limit_allocator<U> &) noexcept
{
	return true;
}

template <class T, class U>
bool operator!=(const limit_allocator<T> &, const limit_allocator<U> &) noexcept
{
	return false;
}

#endif
