// SPDX-License-Identifier: MIT
//
// mempool.hpp - libmempool for C++11 and later: throwing allocation, an allocator for
// the containers, typed object caches and, from C++17, a memory resource.  All of it is
// inline over the C interface of mempool.h.
//
// Everywhere below:
//  - sizes and alignments are in bytes, counts in objects;
//  - what is said in mempool.h of threads, fork and misuse holds here too: every
//    function may be called from any thread at any time unless it says otherwise,
//    memory may be freed by another thread than allocated it, and a pointer that is not
//    a live object of this library is reported and never followed;
//  - running out of memory calls the new-handler (std::set_new_handler) and tries
//    again, as operator new does, until the handler throws or is null; then
//    std::bad_alloc is thrown.  Arguments that no amount of memory can satisfy throw at
//    once;
//  - with exceptions switched off (-fno-exceptions) std::abort() is called where an
//    exception would be thrown.  Run-time type information is not needed.  All parts of
//    a program should be compiled with the same choice.
#ifndef MEMPOOL_HPP
#define MEMPOOL_HPP

// -Wshadow: a struct and a function of one name, as in mempool.h, are no mistake, nor are
// parameters of the functions here that have the name of something of the program.
#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#endif

#include <mempool.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>
#include <vector> // the container that Allocator is mostly used with

// MEMPOOL_HAS_MEMORY_RESOURCE is defined where mempool::memory_resource exists.
#if __cplusplus >= 201703L && defined(__has_include)
#if __has_include(<memory_resource>)
#include <memory_resource>
#if defined(__cpp_lib_memory_resource)
#define MEMPOOL_HAS_MEMORY_RESOURCE 1
#endif
#endif
#endif

namespace mempool
{

// The constants of mempool.h, what the library was configured with: powers of two.
constexpr std::size_t min_block_size = MP_MIN_BLOCK_SIZE; // smallest slot of any cache
constexpr std::size_t max_fixed_size = MP_MAX_FIXED_SIZE; // largest power-of-two cache
constexpr std::size_t chunk_size = MP_CHUNK_SIZE; // size and alignment of a chunk
constexpr std::size_t align_size = MP_ALIGN_SIZE; // alignment when none is asked for

// Not for use outside this header.
namespace detail
{

// mp_alloc() aligns n objects of a type to that type, as long as this is not exceeded:
// up to max_fixed_size a block lies on a multiple of the power of two it is rounded up
// to, which is no less than the alignment, as that divides the size; larger blocks lie
// on a page, and no system has smaller pages.
constexpr std::size_t natural_align = 4096;

// Objects of T in the largest block; more cannot be asked for.
template <class T> constexpr std::size_t most() noexcept
{
	return static_cast<std::size_t>(PTRDIFF_MAX) / sizeof(T);
}

[[noreturn]] MP_ATTR(cold) inline void fail_memory()
{
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS)
	throw std::bad_alloc();
#else
	std::abort();
#endif
}

[[noreturn]] MP_ATTR(cold) inline void fail_length()
{
#if defined(__cpp_exceptions) || defined(__EXCEPTIONS)
	throw std::bad_array_new_length();
#else
	std::abort();
#endif
}

// Whether there can be an object of so many bytes.
constexpr bool is_size(std::size_t size) noexcept
{
	return size <= static_cast<std::size_t>(PTRDIFF_MAX);
}

// One way each to ask the library for memory; operator() gives NULL on failure, and
// can_be() says whether it may ever give something else.

struct from_general {
	std::size_t size;
	bool can_be() const
	{
		return is_size(size);
	}
	void *operator()() const
	{
		return mp_alloc(size);
	}
};

struct from_aligned {
	std::size_t align;
	std::size_t size;
	bool can_be() const
	{
		return is_size(size);
	}
	void *operator()() const
	{
		return mp_aligned_alloc(align, size);
	}
};

struct from_cache {
	struct mp_cache *c;
	bool can_be() const
	{
		return true;
	}
	void *operator()() const
	{
		return mp_cache_alloc(c);
	}
};

struct new_cache {
	const char *name;
	std::size_t size;
	std::size_t align;
	unsigned flags;
	bool can_be() const
	{
		return true;
	}
	struct mp_cache *operator()() const
	{
		return mp_cache_create(name, size, align, flags, nullptr);
	}
};

// After ask() gave NULL: the new-handler loop.  Returns what ask() gives in the end,
// never NULL.
template <class Ask> MP_ATTR(noinline, cold) auto retry(Ask ask) -> decltype(ask())
{
	while (errno == ENOMEM && ask.can_be()) {
		std::new_handler handler = std::get_new_handler();

		if (!handler)
			break;
		handler();
		if (auto p = ask())
			return p;
	}
	fail_memory();
}

// The result of ask(), never NULL.
template <class Ask> inline auto must(Ask ask) -> decltype(ask())
{
	auto p = ask();

	return p ? p : retry(ask);
}

// Room for the name of a cache, its terminating null byte included.
constexpr std::size_t name_size = 64;

// The name of T as the compiler writes it, cut to fit, with '_' for each blank, as a name
// is one column of a table, and for each comma, which separates names in MEMPOOL_DEBUG.
template <class T> inline void name_of(char (&text)[name_size]) noexcept
{
#if defined(__GNUC__) || defined(__clang__)
	const char *from = std::strstr(__PRETTY_FUNCTION__, "T = "); // "... [with T = NAME]"
	std::size_t n = 0;

	for (from = from ? from + 4 : "?]"; from[0] && from[1] && n < name_size - 1; from++)
		text[n++] = *from == ' ' || *from == ',' ? '_' : *from;
	text[n] = '\0';
#else
	std::strcpy(text, "object");
#endif
}

} // namespace detail

// Allocate size bytes, aligned as mp_alloc() says: to the power of two they are rounded
// up to, over max_fixed_size to a page.  Size 0 gives a pointer of its own.  Never null.
// Throws std::bad_alloc after the new-handler loop.
MP_NODISCARD inline void *allocate(std::size_t size)
{
	return detail::must(detail::from_general{size});
}

// Allocate size bytes aligned to align, a power of two up to 1 GiB (256 MiB where pointers
// have 32 bits).  Throws std::bad_alloc after the new-handler loop, and at once for another
// alignment.
MP_NODISCARD inline void *allocate(std::size_t size, std::size_t align)
{
	return detail::must(detail::from_aligned{align, size});
}

// Free what allocate() or any function of mempool.h gave; null is ignored.
inline void deallocate(void *p) noexcept
{
	mp_free(p);
}

// The same, and the size asked for is compared with what the memory holds: one of
// another class is reported as a mismatch and the memory is not freed.  Only for memory
// of allocate(size).
inline void deallocate(void *p, std::size_t size) noexcept
{
	mp_free_sized(p, size);
}

// The same for memory of allocate(size, align).
inline void deallocate(void *p, std::size_t size, std::size_t align) noexcept
{
	mp_free_aligned_sized(p, align, size);
}

// An allocator for the containers and for std::allocate_shared.  It has no state: all
// allocators, of whatever type, are equal and free each other's memory.  A container
// that is copied, moved or swapped takes the allocator along.  T may be incomplete
// until memory is asked for, and void.
template <class T> class Allocator
{
public:
	typedef T value_type;
	typedef T *pointer;
	typedef const T *const_pointer;
	typedef typename std::add_lvalue_reference<T>::type reference;
	typedef typename std::add_lvalue_reference<const T>::type const_reference;
	typedef std::size_t size_type;
	typedef std::ptrdiff_t difference_type;
	typedef std::true_type propagate_on_container_copy_assignment;
	typedef std::true_type propagate_on_container_move_assignment;
	typedef std::true_type propagate_on_container_swap;
	typedef std::true_type is_always_equal;
	template <class U> struct rebind {
		typedef Allocator<U> other;
	};

	constexpr Allocator() noexcept
	{
	}

	constexpr Allocator(const Allocator &) noexcept = default;

	template <class U> constexpr Allocator(const Allocator<U> &) noexcept
	{
	}

	Allocator &operator=(const Allocator &) noexcept = default;

	// Memory for n objects, aligned to T; for 0 a pointer of its own, to nothing.
	// Never null.  Throws std::bad_array_new_length if n is over max_size(),
	// std::bad_alloc after the new-handler loop.
	//
	// Where n is known to be 1, as in the nodes of a list or a map, all of it folds
	// into mp_alloc() of a constant.
	MP_NODISCARD T *allocate(std::size_t n)
	{
		if (n > detail::most<T>())
			detail::fail_length();
		return static_cast<T *>(get(n * sizeof(T)));
	}

	// Free the memory of allocate(n); null is ignored.  n is not compared with what
	// the memory holds: containers keep count, and this way is the fastest.
	void deallocate(T *p, std::size_t n) noexcept
	{
		(void)n;
		mp_free(p);
	}

	// The largest n that allocate() takes.
	constexpr size_type max_size() const noexcept
	{
		return detail::most<T>();
	}

#if defined(__cpp_lib_allocate_at_least)
	// Memory for n objects and as many more as it has room for anyway; deallocate()
	// takes any number from n to that.  Throws as allocate().
	MP_NODISCARD std::allocation_result<T *> allocate_at_least(std::size_t n)
	{
		std::size_t count = n, room = 0;

		// All of it is asked for: what was not is behind a red zone where there are
		// some.
		if (alignof(T) <= detail::natural_align && n <= detail::most<T>())
			room = mp_good_size(n * sizeof(T)) / sizeof(T);
		if (room > n && room <= detail::most<T>())
			count = room;
		return {allocate(count), count};
	}
#endif

private:
	static void *get(std::size_t size)
	{
		return alignof(T) <= detail::natural_align ?
			       mempool::allocate(size) :
			       mempool::allocate(size, alignof(T));
	}
};

// All are equal.
template <class T, class U>
constexpr bool operator==(const Allocator<T> &, const Allocator<U> &) noexcept
{
	return true;
}

template <class T, class U>
constexpr bool operator!=(const Allocator<T> &, const Allocator<U> &) noexcept
{
	return false;
}

// A cache of objects of type T, aligned to T, and the owner of it.  Memory comes from
// the cache raw: T's constructor runs in create(), its destructor in destroy().
//
// It can be moved, not copied.  One that was moved from owns nothing: get() is null,
// and it may only be destroyed, assigned to, swapped and asked for get().  Objects stay
// where they are when their cache is moved, and so do the deleters of smart pointers to
// them.
//
// create(), destroy() and the like may run in any threads at the same time.  Moving,
// swapping and destroying the owner needs what it needs for any other object: that
// nobody else uses it meanwhile.
template <class T> class cache
{
	static_assert(std::is_object<T>::value && !std::is_array<T>::value &&
			      !std::is_const<T>::value && !std::is_volatile<T>::value,
		      "a cache holds objects of a plain type");

public:
	typedef T value_type;

	// Gives an object back to the cache it came from.  It remembers the cache
	// itself, not the owner, and so stays good when the owner is moved.
	class deleter
	{
	public:
		// Of no cache: to be called for null only.
		constexpr deleter() noexcept : cache_(nullptr)
		{
		}

		// Of a cache, get() of its owner.
		explicit constexpr deleter(struct mp_cache *c) noexcept : cache_(c)
		{
		}

		// What cache::destroy() does.
		void operator()(T *p) const noexcept
		{
			give_back(cache_, p);
		}

		// The cache; null for a deleter of no cache.
		struct mp_cache *get() const noexcept
		{
			return cache_;
		}

	private:
		struct mp_cache *cache_;
	};

	typedef std::unique_ptr<T, deleter> unique_ptr;

	// Create a cache of that name, of which 63 bytes are kept; null names it after
	// T.  Flags are those of mp_cache_create().  Throws std::bad_alloc: after the
	// new-handler loop when there is no memory; at once when there can be no such
	// cache, and errno says why: E2BIG (T is too large, or aligned to too much),
	// EINVAL (flags, or an empty name), ENOSPC (too many caches).
	explicit cache(const char *name = nullptr, unsigned flags = 0) : cache_(open(name, flags))
	{
	}

	cache(const cache &) = delete;
	cache &operator=(const cache &) = delete;

	cache(cache &&other) noexcept : cache_(other.cache_)
	{
		other.cache_ = nullptr;
	}

	// Destroys the cache that this one owned, as the destructor does.
	cache &operator=(cache &&other) noexcept
	{
		cache(std::move(other)).swap(*this);
		return *this;
	}

	// Destroy the cache; all its memory goes back.  Objects that are still live are
	// reported as mp_cache_destroy() does, which aborts unless the program or its
	// user chose otherwise.  If it goes on, their destructors are not run and the
	// cache stays, without an owner: the objects, and smart pointers to them,
	// remain good, the cache is found with mp_cache_find(), and mp_cache_destroy()
	// can be called again once they are gone.
	~cache()
	{
		(void)mp_cache_destroy(cache_);
	}

	// Exchange what the two own; deleters stay with their objects.
	void swap(cache &other) noexcept
	{
		std::swap(cache_, other.cache_);
	}

	// Create an object from args.  Never null.  Throws std::bad_alloc after the
	// new-handler loop, also at the limit of mp_cache_set_max(); and what T's
	// constructor throws, the memory being back in the cache by then.
	template <class... Args> MP_NODISCARD T *create(Args &&...args)
	{
		slot s(cache_);

		return s.keep(::new (s.memory()) T(std::forward<Args>(args)...));
	}

	// Destroy an object of this cache: run its destructor, give its memory back.
	// Null is ignored.  The destructor must not throw.  p points to a T, not to the
	// T in an object of a derived class.  An object of another cache is reported,
	// but its destructor has run by then.
	void destroy(T *p) noexcept
	{
		give_back(cache_, p);
	}

	// create(), owned by a smart pointer.  Throws as create().
	template <class... Args> unique_ptr make_unique(Args &&...args)
	{
		return unique_ptr(create(std::forward<Args>(args)...), deleter(cache_));
	}

	// The same with shared ownership: the object is of this cache, the count of its
	// owners of Allocator.  Throws as create().
	template <class... Args> std::shared_ptr<T> make_shared(Args &&...args)
	{
		return std::shared_ptr<T>(create(std::forward<Args>(args)...), deleter(cache_),
					  Allocator<T>());
	}

	// The cache, for the functions of mempool.h; null if this one was moved from.
	// It must not be destroyed, and whoever calls mp_cache_alloc() constructs the
	// object before destroy() gets it.
	struct mp_cache *get() const noexcept
	{
		return cache_;
	}

private:
	// Memory that goes back to its cache unless an object is kept in it.
	class slot
	{
	public:
		explicit slot(struct mp_cache *c)
			: cache_(c), p_(detail::must(detail::from_cache{c}))
		{
		}

		slot(const slot &) = delete;
		slot &operator=(const slot &) = delete;

		~slot()
		{
			if (p_)
				mp_cache_free(cache_, p_);
		}

		void *memory() const noexcept
		{
			return p_;
		}

		T *keep(T *object) noexcept
		{
			p_ = nullptr;
			return object;
		}

	private:
		struct mp_cache *cache_;
		void *p_;
	};

	static struct mp_cache *open(const char *name, unsigned flags)
	{
		char text[detail::name_size];

		if (!name) {
			detail::name_of<T>(text);
			name = text;
		}
		return detail::must(detail::new_cache{name, sizeof(T), alignof(T), flags});
	}

	static void give_back(struct mp_cache *c, T *p) noexcept
	{
		if (!p)
			return;
		p->~T();
		mp_cache_free(c, p);
	}

	struct mp_cache *cache_;
};

// a.swap(b).
template <class T> inline void swap(cache<T> &a, cache<T> &b) noexcept
{
	a.swap(b);
}

#if defined(MEMPOOL_HAS_MEMORY_RESOURCE)
// Memory of allocate() for the containers of std::pmr.  It has no state: all are equal,
// and free each other's memory.  (Without run-time type information one is known to be
// equal only to itself.)
class memory_resource final : public std::pmr::memory_resource
{
protected:
	// size bytes aligned to align, a power of two.  Throws as mempool::allocate().
	void *do_allocate(std::size_t size, std::size_t align) override
	{
		return mempool::allocate(size, align);
	}

	// Size and alignment are compared with what the memory holds; a mismatch is
	// reported.
	void do_deallocate(void *p, std::size_t size, std::size_t align) override
	{
		mempool::deallocate(p, size, align);
	}

	bool do_is_equal(const std::pmr::memory_resource &other) const noexcept override
	{
#if defined(__cpp_rtti) || defined(__GXX_RTTI)
		return this == &other || dynamic_cast<const memory_resource *>(&other) != nullptr;
#else
		return this == &other;
#endif
	}
};

// One memory resource for the whole program, good until its very end: it is never
// destroyed.  Not null; std::pmr::set_default_resource() takes it.
inline memory_resource *default_resource() noexcept
{
	alignas(memory_resource) static unsigned char storage[sizeof(memory_resource)];
	static memory_resource *const resource =
		::new (static_cast<void *>(storage)) memory_resource;

	return resource;
}
#endif

} // namespace mempool

#if defined(__GNUC__) || defined(__clang__)
#pragma GCC diagnostic pop
#endif

#endif // MEMPOOL_HPP
