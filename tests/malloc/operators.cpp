/* SPDX-License-Identifier: MIT */
/*
 * operators.cpp - operator new and delete in all forms, on the drop-in library.
 */
#include <mempool.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <new>
#include <string>

#define CHECK(x)                                                                       \
	do {                                                                           \
		if (!(x)) {                                                            \
			std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);   \
			std::exit(1);                                                  \
		}                                                                      \
	} while (0)

static std::size_t hide(std::size_t n)
{
	volatile std::size_t v = n;

	return v;
}

static bool is_ours(const void *p)
{
	struct mp_object_info info = {};

	info.struct_size = sizeof(info);
	return mp_object_info(p, &info) == 0 && info.state == MP_OBJECT_LIVE;
}

static int handled;

static void give_up()
{
	if (++handled == 3)
		std::set_new_handler(nullptr);
}

static void without_memory()
{
	const std::size_t huge = hide(std::size_t(PTRDIFF_MAX));
	bool thrown = false;

	handled = 0;
	std::set_new_handler(give_up);
	try {
		void *p = ::operator new(huge);
		CHECK(p == nullptr);
	} catch (const std::bad_alloc &) {
		thrown = true;
	}
	CHECK(thrown && handled == 3);
	thrown = false;
	try {
		void *p = ::operator new[](huge);
		CHECK(p == nullptr);
	} catch (const std::bad_alloc &) {
		thrown = true;
	}
	CHECK(thrown);
	handled = 0;
	std::set_new_handler(give_up);
	CHECK(::operator new(huge, std::nothrow) == nullptr && handled == 3);
	CHECK(::operator new[](huge, std::nothrow) == nullptr);
}

#ifdef __cpp_aligned_new
static void aligned()
{
	for (std::size_t align = 32; align <= 8192; align *= 2) {
		const std::align_val_t a{align};
		void *p = ::operator new(hide(100), a);

		CHECK(is_ours(p) && reinterpret_cast<std::uintptr_t>(p) % align == 0);
		::operator delete(p, a);
		p = ::operator new[](hide(100), a);
		CHECK(is_ours(p) && reinterpret_cast<std::uintptr_t>(p) % align == 0);
		::operator delete[](p, a);
		p = ::operator new(hide(100), a, std::nothrow);
		CHECK(is_ours(p) && reinterpret_cast<std::uintptr_t>(p) % align == 0);
		::operator delete(p, a, std::nothrow);
	}
}
#endif

int main()
{
	std::map<int, std::string> m;
	void *p = ::operator new(hide(100));

	CHECK(is_ours(p));
	::operator delete(p);
	p = ::operator new[](hide(100));
	CHECK(is_ours(p));
	::operator delete[](p);
	p = ::operator new(hide(100), std::nothrow);
	CHECK(is_ours(p));
	::operator delete(p, std::nothrow);
	p = ::operator new[](hide(0), std::nothrow);
	CHECK(is_ours(p));
	::operator delete[](p, std::nothrow);
	for (int i = 0; i < 1000; i++)
		m[i] = std::string(std::size_t(i), 'x');
	CHECK(is_ours(m[999].data()));
	without_memory();
#ifdef __cpp_aligned_new
	aligned();
#endif
	return 0;
}
