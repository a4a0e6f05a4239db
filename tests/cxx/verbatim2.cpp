// SPDX-License-Identifier: MIT
//
// verbatim2.cpp - the second example of the documentation, as it stands there, and
// the vector put to use.
#include "mempool.hpp"

int main()
{
	std::vector<int, mempool::Allocator<int>> my_vec;

	for (int i = 0; i < 1000; i++)
		my_vec.push_back(i);
	return my_vec.size() == 1000 && my_vec[999] == 999 ? 0 : 1;
}
