/* SPDX-License-Identifier: MIT */
/*
 * windows.c - threads that end in each of the ways Windows has, and what runs meanwhile: TLS
 * callbacks under the loader's lock, callbacks of fiber-local storage, fibers.
 */
#include "../suite.h"

#define THREADS 50
#define OBJECTS 40

static struct mp_cache *c;
static DWORD fls;

/* Some of everything, which leaves free objects at hand. */
static void work(void)
{
	void *p[OBJECTS];

	for (unsigned i = 0; i < OBJECTS; i++) {
		p[i] = i % 2 ? mp_cache_alloc(c) : mp_alloc(1 + i * 300);
		ck_assert_ptr_nonnull(p[i]);
		memset(p[i], (int)i, i % 2 ? 64 : 1 + i * 300);
	}
	for (unsigned i = 0; i < OBJECTS; i++) {
		ck_assert_int_eq(*(unsigned char *)p[i], (int)i);
		mp_free(p[i]);
	}
}

/* As DllMain() of a library would: at the start and the end of each thread. */
static volatile LONG starts, ends;

static void NTAPI at_start_and_end(void *module, DWORD reason, void *reserved)
{
	(void)module;
	(void)reserved;
	if (c == NULL || (reason != DLL_THREAD_ATTACH && reason != DLL_THREAD_DETACH))
		return;
	work();
	InterlockedIncrement(reason == DLL_THREAD_ATTACH ? &starts : &ends);
}

/* One before the library's own where it is linked in, one behind it. */
extern const PIMAGE_TLS_CALLBACK first_callback, last_callback;
__attribute__((section(".CRT$XLA1"), used)) const PIMAGE_TLS_CALLBACK first_callback =
	at_start_and_end;
__attribute__((section(".CRT$XLY"), used)) const PIMAGE_TLS_CALLBACK last_callback =
	at_start_and_end;

static volatile LONG released;

/* Of fiber-local storage: at the end of a thread or fiber. */
static void WINAPI release(void *p)
{
	mp_free(p);
	work();
	InterlockedIncrement(&released);
}

static void start(void)
{
	c = mp_cache_create("windows", 64, 0, 0, NULL);
	ck_assert_ptr_nonnull(c);
	fls = FlsAlloc(release);
	ck_assert_uint_ne(fls, FLS_OUT_OF_INDEXES);
}

static int add_cached(struct mp_cache *cache, void *arg)
{
	*(size_t *)arg += stats_of(cache).cached;
	ck_assert_int_eq(mp_cache_validate(cache), 0);
	return 0;
}

/* Only this thread has a state, and nothing is held for those that ended. */
static void check_all_gone(void)
{
	size_t cached = 0;

	mp_thread_flush();
	ck_assert_uint_eq(stats_of_all().threads, 1);
	ck_assert_int_eq(mp_cache_for_each(add_cached, &cached), 0);
	ck_assert_uint_eq(cached, 0);
	ck_assert_uint_eq(stats_of_all().faults, 0);
	check_cache(c, 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}

static void run(LPTHREAD_START_ROUTINE fn)
{
	for (int i = 0; i < THREADS; i++) {
		HANDLE thread = CreateThread(NULL, 0, fn, NULL, 0, NULL);

		ck_assert_ptr_nonnull(thread);
		ck_assert_uint_eq(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
		CloseHandle(thread);
	}
}

static DWORD WINAPI returns(void *arg)
{
	(void)arg;
	ck_assert(FlsSetValue(fls, mp_alloc(100)));
	work();
	return 0;
}

START_TEST(that_return)
{
	start();
	run(returns);
	ck_assert_int_eq(released, THREADS);
	ck_assert_int_eq(starts, 2 * THREADS);
	ck_assert_int_eq(ends, 2 * THREADS);
	check_all_gone();
}
END_TEST

static DWORD WINAPI exits(void *arg)
{
	returns(arg);
	ExitThread(7);
}

START_TEST(that_exit)
{
	start();
	run(exits);
	ck_assert_int_eq(released, THREADS);
	check_all_gone();
}
END_TEST

/* Threads that never called the library before their end. */
static DWORD WINAPI only_ends(void *arg)
{
	(void)arg;
	return 0;
}

START_TEST(that_do_nothing)
{
	start();
	run(only_ends);
	ck_assert_int_eq(ends, 2 * THREADS);
	check_all_gone();
}
END_TEST

/*
 * Ended from outside, without a word to anybody: what they had at hand stays theirs, the rest
 * goes on.
 */
static HANDLE ready;

static DWORD WINAPI stays(void *arg)
{
	(void)arg;
	work();
	SetEvent(ready);
	Sleep(INFINITE);
	return 0;
}

START_TEST(that_are_terminated)
{
	size_t cached = 0;

	start();
	ready = CreateEventA(NULL, FALSE, FALSE, NULL);
	ck_assert_ptr_nonnull(ready);
	for (int i = 0; i < 10; i++) {
		HANDLE thread = CreateThread(NULL, 0, stays, NULL, 0, NULL);

		ck_assert_ptr_nonnull(thread);
		ck_assert_uint_eq(WaitForSingleObject(ready, INFINITE), WAIT_OBJECT_0);
		ck_assert(TerminateThread(thread, 1));
		ck_assert_uint_eq(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
		CloseHandle(thread);
		work();
	}
	run(returns);
	mp_thread_flush();
	ck_assert_uint_eq(stats_of_all().threads, 11);
	ck_assert_int_eq(mp_cache_for_each(add_cached, &cached), 0);
	ck_assert_uint_gt(cached, 0);
	/* no harm: they are emptied with the rest */
	(void)mp_reclaim(0);
	check_cache(c, 0);
	ck_assert_int_eq(mp_cache_destroy(c), 0);
}
END_TEST

/* A fiber ends in another thread than it allocated in: the thread's state is not touched. */
static void *main_fiber;

static void WINAPI in_fiber(void *arg)
{
	for (;;) {
		*(void **)arg = mp_cache_alloc(c);
		ck_assert(FlsSetValue(fls, mp_alloc(200)));
		SwitchToFiber(main_fiber);
	}
}

static DWORD WINAPI delete_it(void *fiber)
{
	work();
	DeleteFiber(fiber);
	work();
	return 0;
}

START_TEST(fibers)
{
	void *object = NULL, *fiber;
	HANDLE thread;

	start();
	main_fiber = ConvertThreadToFiber(NULL);
	ck_assert_ptr_nonnull(main_fiber);
	for (int i = 0; i < THREADS; i++) {
		fiber = CreateFiber(0, in_fiber, &object);
		ck_assert_ptr_nonnull(fiber);
		SwitchToFiber(fiber);
		ck_assert_ptr_nonnull(object);
		thread = CreateThread(NULL, 0, delete_it, fiber, 0, NULL);
		ck_assert_ptr_nonnull(thread);
		ck_assert_uint_eq(WaitForSingleObject(thread, INFINITE), WAIT_OBJECT_0);
		CloseHandle(thread);
		mp_cache_free(c, object);
		work();
	}
	ck_assert_int_eq(released, THREADS);
	check_all_gone();
}
END_TEST

/* Many at a time, all ending under the loader's lock, while others load libraries. */
static DWORD WINAPI loads(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20; i++) {
		HMODULE m = LoadLibraryA("winmm.dll");

		work();
		if (m != NULL)
			FreeLibrary(m);
	}
	return 0;
}

START_TEST(beside_the_loader)
{
	HANDLE threads[16];

	start();
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 16; i++) {
			threads[i] = CreateThread(NULL, 0, i < 2 ? loads : exits, NULL, 0, NULL);
			ck_assert_ptr_nonnull(threads[i]);
		}
		ck_assert_uint_eq(WaitForMultipleObjects(16, threads, TRUE, INFINITE),
				  WAIT_OBJECT_0);
		for (int i = 0; i < 16; i++)
			CloseHandle(threads[i]);
	}
	check_all_gone();
}
END_TEST

static void add(TCase *tc)
{
	tcase_add_test(tc, that_return);
	tcase_add_test(tc, that_exit);
	tcase_add_test(tc, that_do_nothing);
	tcase_add_test(tc, that_are_terminated);
	tcase_add_test(tc, fibers);
	tcase_add_test(tc, beside_the_loader);
}

int main(void)
{
	return suite_run("windows", add);
}
