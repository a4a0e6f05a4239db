/* SPDX-License-Identifier: MIT */
/* boost_pool.h - boost::pool with the mutex it needs between threads. */
#include "wrapped_pool.h"
