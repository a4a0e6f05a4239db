/* SPDX-License-Identifier: MIT */
/*
 * faults_windows.h - a part of faults.c: what becomes of the exception.
 */

/* ---- whoever handles it besides */

static LONG WINAPI leave(EXCEPTION_POINTERS *info)
{
	const EXCEPTION_RECORD *r = info->ExceptionRecord;

	_exit(r->ExceptionCode == EXCEPTION_ACCESS_VIOLATION && r->ExceptionInformation[1] != 0 ? 7 :
												  8);
}

static void handle_first(void)
{
	SetUnhandledExceptionFilter(leave);
}

static void filtered(size_t size)
{
	handle_first();
	overflow(size);
}

static void elsewhere_filtered(size_t size)
{
	handle_first();
	elsewhere(size);
}

static void leave_by_signal(int number)
{
	_exit(number == SIGSEGV ? 7 : 8);
}

/* The C library makes a signal of it. */
static void signalled(size_t size)
{
	signal(SIGSEGV, leave_by_signal);
	read_freed(size);
}

/* A handler of the program that lets the access happen: it does, and was reported. */
static LONG CALLBACK mend(EXCEPTION_POINTERS *info)
{
	void *at = address(info->ExceptionRecord->ExceptionInformation[1]);
	DWORD before;

	if (info->ExceptionRecord->ExceptionCode != EXCEPTION_ACCESS_VIOLATION ||
	    !VirtualProtect(at, 1, PAGE_READWRITE, &before))
		return EXCEPTION_CONTINUE_SEARCH;
	return EXCEPTION_CONTINUE_EXECUTION;
}

static void mended(size_t size)
{
	char *p = object(size);

	if (AddVectoredExceptionHandler(0, mend) == NULL)
		give_up("no handler");
	mp_cache_free(orders, p);
	expect("use-after-free", "orders", p, p);
	touched = launder(p);
	touched[0] = 1;
	_exit(touched[0] == 1 ? 7 : 8);
}

/* One that says of no address what it was. */
static void raised(size_t size)
{
	(void)object(size);
	RaiseException(EXCEPTION_ACCESS_VIOLATION, 0, 0, NULL);
}

#define FAULTS_OF_SYSTEM \
	{ "filtered", filtered, EXITS_7, "allocated by thread", "", NULL }, \
	{ "elsewhere-filtered", elsewhere_filtered, EXITS_7, "", "", NULL }, \
	{ "signalled", signalled, EXITS_7, "freed by thread", "", NULL }, \
	{ "mended", mended, EXITS_7, "freed by thread", "", NULL }, \
	{ "raised", raised, FAULTS, "", "", NULL },
