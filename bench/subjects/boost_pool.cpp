// SPDX-License-Identifier: MIT
// boost_pool.cpp - boost::pool and a mutex behind calls.
#include "wrapped.h"

#include <boost/pool/pool.hpp>

#include <mutex>
#include <new>

namespace
{

struct locked_pool {
	explicit locked_pool(std::size_t size) : pool(size)
	{
	}
	std::mutex lock;
	boost::pool<> pool;
};

} // namespace

void *wrapped_open(size_t size, size_t)
{
	return new (std::nothrow) locked_pool(size);
}

void *wrapped_alloc(void *pool)
{
	locked_pool *p = static_cast<locked_pool *>(pool);
	std::lock_guard<std::mutex> guard(p->lock);

	return p->pool.malloc();
}

void wrapped_free(void *pool, void *obj)
{
	locked_pool *p = static_cast<locked_pool *>(pool);
	std::lock_guard<std::mutex> guard(p->lock);

	p->pool.free(obj);
}
