// SPDX-License-Identifier: MIT
//
// verbatim1.cpp - the first example of the documentation, as it stands there.
#include "mempool.hpp"

int main()
{
	void* ptr = mempool::allocate(1024);
	mempool::deallocate(ptr);
	return 0;
}
