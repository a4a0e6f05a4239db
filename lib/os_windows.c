/* SPDX-License-Identifier: MIT */
/*
 * os_windows.c - layer 1: Windows, from version 6 (Vista) on.
 *
 * Owns every system call there.  Knows nothing of chunks or caches.  No lock.
 * "Reference" below is Microsoft's documentation of the function named.  What only
 * newer versions have is looked for at run time.  There is no fork() here.
 */
#include "os.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <ntsecapi.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The two error words of a thread, which the functions here leave as they were. */
struct errors {
	DWORD last;
	int number;
};

static struct errors errors_save(void)
{
	return (struct errors){ GetLastError(), errno };
}

static void errors_restore(struct errors e)
{
	SetLastError(e.last);
	errno = e.number;
}

_Atomic uint32_t mpp_os_page_log;

uint32_t mpp_os_ask_page(void)
{
	SYSTEM_INFO info;
	uint32_t shift = 0;

	GetSystemInfo(&info);
	while (((size_t)1 << shift) < info.dwPageSize)
		shift++;
	/* relaxed: as in mpp_os_page_shift */
	mpp_store_relaxed(&mpp_os_page_log, shift);
	return shift;
}

/* ---- what only newer versions have; of modules that are in every process */

typedef PVOID WINAPI virtual_alloc2(HANDLE process, PVOID at, SIZE_T size, ULONG type,
				    ULONG protection, MEM_EXTENDED_PARAMETER *parameters,
				    ULONG count);
typedef BOOL WINAPI wait_on_address(volatile void *word, void *expected, SIZE_T size, DWORD ms);
typedef void WINAPI wake_by_address(void *word);
typedef BOOLEAN WINAPI shutdown_in_progress(void);

/*
 * Looked up at start-up: that takes the loader's lock, which a thread that ends holds
 * while it waits for one of ours.  Until then, and in older versions, it is done without.
 */
static _Atomic(virtual_alloc2 *) map_function;			/* atomic: set once, or NULL */
static _Atomic(wait_on_address *) wait_function;		/* atomic: as above */
static _Atomic(wake_by_address *) wake_function;		/* atomic: as above */
static _Atomic(shutdown_in_progress *) shutdown_function;	/* atomic: as above */

static uintptr_t find(const char *module, const char *function)
{
	HMODULE m = GetModuleHandleA(module);

	return m != NULL ? (uintptr_t)GetProcAddress(m, function) : 0;
}

static void find_functions(void)
{
	/* relaxed: code that was there before any thread of this process */
	mpp_store_relaxed(&map_function,
			  (virtual_alloc2 *)find("kernelbase.dll", "VirtualAlloc2"));
	/* relaxed: as above */
	mpp_store_relaxed(&shutdown_function,
			  (shutdown_in_progress *)find("ntdll.dll", "RtlDllShutdownInProgress"));
	/* relaxed: as above */
	mpp_store_relaxed(&wake_function,
			  (wake_by_address *)find("kernelbase.dll", "WakeByAddressSingle"));
	/* relaxed: as above */
	mpp_store_relaxed(&wait_function,
			  (wait_on_address *)find("kernelbase.dll", "WaitOnAddress"));
}

/* ---- memory */

/* Where reservations start, and what VirtualAlloc() aligns them to. */
#define GRANULARITY (64 * MPP_KIB)

#define TRIES 64

static void *map_plain(void *at, size_t size)
{
	return VirtualAlloc(at, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

/*
 * A reservation cannot be trimmed.  A larger one shows where an aligned one has room;
 * it is given up for that, and should another thread be quicker, once more.
 */
static void *map_by_trying(size_t size, size_t align)
{
	for (int i = 0; i < TRIES; i++) {
		char *wide = VirtualAlloc(NULL, size + align, MEM_RESERVE, PAGE_NOACCESS), *p;

		if (wide == NULL)
			return NULL;
		VirtualFree(wide, 0, MEM_RELEASE);
		p = map_plain(wide + (-(uintptr_t)wide & (align - 1)), size);
		if (p != NULL || GetLastError() != ERROR_INVALID_ADDRESS)
			return p;
	}
	return NULL;
}

static void *map_aligned(size_t size, size_t align)
{
	/* relaxed: see find_functions */
	virtual_alloc2 *map = mpp_load_relaxed(&map_function);
	MEM_ADDRESS_REQUIREMENTS where = { .Alignment = align };
	MEM_EXTENDED_PARAMETER parameter = { .Pointer = &where };

	parameter.Type = MemExtendedParameterAddressRequirements;
	if (align <= GRANULARITY)
		return map_plain(NULL, size);
	if (size + align < size)
		return NULL;
	if (map != NULL)
		return map(GetCurrentProcess(), NULL, size, MEM_RESERVE | MEM_COMMIT,
			   PAGE_READWRITE, &parameter, 1);
	return map_by_trying(size, align);
}

/*
 * Committed at once: that counts against the system's commit limit, and makes
 * nothing resident.
 */
void *mpp_os_map(size_t size, size_t align)
{
	struct errors e = errors_save();
	char *p = mpp_os_refused() ? NULL : map_aligned(size, align);

	errors_restore(e);
	return p;
}

/* Where the reservation that begins at p ends, whatever was done with its pages; or NULL. */
static const char *end_of(const char *p)
{
	MEMORY_BASIC_INFORMATION info;
	const char *at = p;

	while (VirtualQuery(at, &info, sizeof(info)) != 0 && info.State != MEM_FREE &&
	       info.AllocationBase == p)
		at += info.RegionSize;
	return at != p ? at : NULL;
}

/* Only a whole reservation can be released (reference: VirtualFree); of a part the pages go. */
bool mpp_os_unmap(void *p, size_t size)
{
	struct errors e = errors_save();
	bool done = false;

	if (!mpp_os_refused()) {
		if (end_of(p) == (char *)p + size)
			done = VirtualFree(p, 0, MEM_RELEASE) != 0;
		else
			done = VirtualFree(p, size, MEM_DECOMMIT) != 0;
	}
	errors_restore(e);
	return done;
}

bool mpp_os_protect(void *p, size_t size, bool open)
{
	struct errors e = errors_save();
	DWORD before;
	bool done = !mpp_os_refused() &&
		    VirtualProtect(p, size, open ? PAGE_READWRITE : PAGE_NOACCESS, &before) != 0;

	errors_restore(e);
	return done;
}

#define PURGE_PIECE (64 * MPP_KIB)
#define COMMIT_TRIES 10000

static void *commit(void *p, size_t size)
{
	return VirtualAlloc(p, size, p != NULL ? MEM_COMMIT : MEM_COMMIT | MEM_RESERVE,
			    PAGE_READWRITE);
}

/*
 * What was decommitted is committed again.  Others may have used up the system's limit since:
 * then it has what *spare was, and if they were faster there too, this waits, some
 * seconds.  There is no way back from here.
 */
static void commit_again(void *p, size_t size, void **spare)
{
	static const char text[] = "mempool: no memory to commit pages again that were purged\n";

	for (int i = 0; i < COMMIT_TRIES; i++) {
		if (commit(p, size) != NULL)
			return;
		if (*spare != NULL)
			VirtualFree(*spare, 0, MEM_RELEASE);
		else
			Sleep(1);
		*spare = NULL;
	}
	mpp_os_write(2, text, sizeof(text) - 1);
	mpp_os_abort();
}

/*
 * Decommitted and committed, in pieces, so that little is at stake at a time, and only while
 * one is spare.  MEM_RESET and DiscardVirtualMemory() would not do: the contents are undefined
 * then (reference: VirtualAlloc), not zero.
 */
bool mpp_os_purge(void *p, size_t size)
{
	struct errors e = errors_save();
	void *spare = mpp_os_refused() ? NULL : commit(NULL, PURGE_PIECE);
	size_t at;

	for (at = 0; spare != NULL && at < size; at += PURGE_PIECE) {
		size_t piece = mpp_min(size - at, PURGE_PIECE);

		if (!VirtualFree(mpp_at(p, at), piece, MEM_DECOMMIT))
			break;
		commit_again(mpp_at(p, at), piece, &spare);
	}
	if (spare != NULL)
		VirtualFree(spare, 0, MEM_RELEASE);
	errors_restore(e);
	return at >= size;
}

/* Large pages take a privilege, and cannot be asked for afterwards. */
void mpp_os_want_huge(void *p, size_t size)
{
	(void)p;
	(void)size;
}

bool mpp_os_can_move(void)
{
	return false;
}

bool mpp_os_move(void *from, size_t old_size, void *to, size_t new_size)
{
	(void)from;
	(void)old_size;
	(void)mpp_os_unmap(to, new_size);
	return false;
}

/* ---- what the system knows */

uint64_t mpp_os_entropy(void)
{
	struct errors e = errors_save();
	uint64_t bits = 0;
	LARGE_INTEGER ticks;

	if (!RtlGenRandom(&bits, sizeof(bits))) {
		QueryPerformanceCounter(&ticks);
		bits = (uint64_t)ticks.QuadPart ^ (uint64_t)GetCurrentProcessId() << 32 ^
		       (uint64_t)(uintptr_t)&ticks;
		bits *= UINT64_C(0x9e3779b97f4a7c15);
	}
	errors_restore(e);
	return bits;
}

uint64_t mpp_os_clock_ms(void)
{
	uint64_t held = mpp_os_held_clock();

	return held != 0 ? held : GetTickCount64();
}

#define ENV_KEPT 16u	/* results that stay valid */
#define ENV_SIZE 2048u	/* longer values are cut */

/*
 * A copy, valid for the next ENV_KEPT calls: the system has no way to look at a
 * variable in place.  Called at start-up, under its lock, only.
 */
const char *mpp_os_env(const char *name)
{
	static char whole[32768]; /* the longest there is (reference: GetEnvironmentVariable) */
	static char kept[ENV_KEPT][ENV_SIZE];
	static unsigned next;
	struct errors e = errors_save();
	char *copy = kept[next % ENV_KEPT];
	DWORD n;

	SetLastError(ERROR_SUCCESS);
	n = GetEnvironmentVariableA(name, whole, sizeof(whole));
	if (n >= sizeof(whole) || (n == 0 && GetLastError() == ERROR_ENVVAR_NOT_FOUND)) {
		errors_restore(e);
		return NULL;
	}
	n = (DWORD)mpp_min(n, ENV_SIZE - 1);
	memcpy(copy, whole, n);
	copy[n] = '\0';
	next++;
	errors_restore(e);
	return copy;
}

/* ---- descriptors: 1 and 2 are the standard ones, others are handles */

static HANDLE handle_of(int fd)
{
	if (fd == 1 || fd == 2)
		return GetStdHandle(fd == 1 ? STD_OUTPUT_HANDLE : STD_ERROR_HANDLE);
	/* 32 bits of a handle matter (reference: Interprocess Communication Between 32-bit
	 * and 64-bit Applications), and they are multiples of 4 */
	return (HANDLE)(intptr_t)fd;
}

bool mpp_os_write(int fd, const char *text, size_t size)
{
	struct errors e = errors_save();
	HANDLE h = handle_of(fd);
	DWORD n;
	bool done = h != NULL && h != INVALID_HANDLE_VALUE;

	while (done && size > 0) {
		done = WriteFile(h, text, (DWORD)mpp_min(size, MPP_MIB), &n, NULL) != 0 && n > 0;
		if (done) {
			text += n;
			size -= n;
		}
	}
	errors_restore(e);
	return done;
}

int mpp_os_create(const char *path)
{
	struct errors e = errors_save();
	HANDLE h = CreateFileA(path, GENERIC_WRITE, FILE_SHARE_READ, NULL, CREATE_ALWAYS,
			       FILE_ATTRIBUTE_NORMAL, NULL);

	errors_restore(e);
	return h == INVALID_HANDLE_VALUE ? -1 : (int)(intptr_t)h;
}

void mpp_os_close(int fd)
{
	struct errors e = errors_save();

	CloseHandle(handle_of(fd));
	errors_restore(e);
}

/*
 * As abort() does, with its status, 3, but without its words on standard error and, as
 * elsewhere, without what a DLL registered with atexit(): the system runs that at the end of
 * raise() too.
 */
_Noreturn void mpp_os_abort(void)
{
	void (*handler)(int number) = signal(SIGABRT, SIG_DFL);

	if (handler != SIG_DFL && handler != SIG_IGN && handler != SIG_ERR)
		handler(SIGABRT);
	TerminateProcess(GetCurrentProcess(), 3);
	abort();
}

/* ---- waiting */

/*
 * At the end of the process the system has killed the other threads wherever they were
 * (reference: ExitProcess).  A lock that one of them held is never released, so
 * who waits for it then ends, as with the system's own locks.
 */
static void end_if_shut_down(int status)
{
	/* relaxed: see find_functions */
	shutdown_in_progress *ending = mpp_load_relaxed(&shutdown_function);

	if (ending != NULL && ending())
		TerminateProcess(GetCurrentProcess(), (UINT)status);
}

/* A waker may not have heard of wake_function yet: no wait is for ever. */
#define WAIT_MS 100

void mpp_os_wait(_Atomic uint32_t *word, uint32_t expected)
{
	struct errors e = errors_save();
	/* relaxed: see find_functions */
	wait_on_address *wait = mpp_load_relaxed(&wait_function);

	end_if_shut_down(3);
	if (wait != NULL)
		(void)wait(word, &expected, sizeof(expected), WAIT_MS);
	else if (!SwitchToThread())
		Sleep(1);
	errors_restore(e);
}

void mpp_os_wake(_Atomic uint32_t *word)
{
	struct errors e = errors_save();
	/* relaxed: see find_functions */
	wake_by_address *wake = mpp_load_relaxed(&wake_function);

	if (wake != NULL)
		wake(word);
	errors_restore(e);
}

void mpp_os_yield(void)
{
	end_if_shut_down(3); /* who is waited for may be gone */
	SwitchToThread();
}

void mpp_os_sleep(unsigned ms)
{
	Sleep(ms);
}

struct thread_start {
	void *(*fn)(void *arg);
	void *arg;
};

static DWORD WINAPI run_thread(void *from)
{
	struct thread_start s = *(struct thread_start *)from;

	HeapFree(GetProcessHeap(), 0, from);
	(void)s.fn(s.arg);
	return 0;
}

bool mpp_os_thread_start(void *(*fn)(void *arg), void *arg)
{
	struct thread_start *s;
	HANDLE thread;

	if (mpp_os_refused())
		return false;
	s = HeapAlloc(GetProcessHeap(), 0, sizeof(*s));
	if (s == NULL)
		return false;
	*s = (struct thread_start){ fn, arg };
	thread = CreateThread(NULL, 0, run_thread, s, 0, NULL);
	if (thread == NULL) {
		HeapFree(GetProcessHeap(), 0, s);
		return false;
	}
	CloseHandle(thread);
	return true;
}

/* ---- the end of threads and of the process */

static mpp_thread_local void *armed; /* what the hook is to be told; NULL: nothing */
static void (*exit_hook)(void *value);

/*
 * A callback of the image's TLS directory, not FlsAlloc(): that one runs at the end of a fiber,
 * perhaps in another thread.  The loader's lock is held; no lock is held here where that
 * one is taken.  What later runs in this thread, callbacks of others, finds it gone.
 */
static void NTAPI at_thread_end(void *module, DWORD reason, void *reserved)
{
	void *value = mpp_own(armed);
	struct errors e;

	(void)module;
	(void)reserved;
	if (reason != DLL_THREAD_DETACH || value == NULL)
		return; /* no errno either: it may be gone, and be made anew for nobody */
	e = errors_save();
	mpp_own(armed) = NULL;
	exit_hook(value);
	errors_restore(e);
}

extern const PIMAGE_TLS_CALLBACK mpp_os_tls_callback;
__attribute__((section(".CRT$XLB"), used)) const PIMAGE_TLS_CALLBACK mpp_os_tls_callback =
	at_thread_end;

/* The library stays loaded: threads that end later still come by. */
static void stay_loaded(void)
{
	HMODULE module;

	(void)GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_PIN |
					 GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
				 (const char *)&exit_hook, &module);
}

bool mpp_os_thread_init(void (*at_exit)(void *value))
{
	struct errors e = errors_save();

	find_functions();
	exit_hook = at_exit;
	stay_loaded();
	errors_restore(e);
	return true;
}

bool mpp_os_thread_arm(void *value)
{
	if (mpp_os_refused())
		return false;
	mpp_own(armed) = value;
	return true;
}

void *mpp_os_thread_armed(void)
{
	return NULL; /* what is armed is such a variable */
}

void mpp_os_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void))
{
	(void)prepare;
	(void)parent;
	(void)child;
}

void mpp_os_at_exit(void (*fn)(void))
{
	(void)atexit(fn);
}

static void (*exit_fn)(int status);

static void without_status(void)
{
	exit_fn(-1);
}

void mpp_os_at_exit_status(void (*fn)(int status))
{
	exit_fn = fn;
	(void)atexit(without_status);
}

/* In a DLL it is called while the system ends the process already. */
void mpp_os_exit(int status)
{
	(void)fflush(NULL);
	end_if_shut_down(status);
	_exit(status);
}
