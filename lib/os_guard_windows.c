/* SPDX-License-Identifier: MIT */
/*
 * os_guard_windows.c - layer 1: told of memory faults, on Windows.
 *
 * A vectored handler comes before those of the program's frames and lets them have the
 * exception: it only looks.  No lock.
 */
#include "os.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

static void (*told)(const void *address, enum mpp_os_access access);

/* Parameters of an access violation: 0 read, 1 write, 8 execute; the address. */
static LONG CALLBACK handle(EXCEPTION_POINTERS *info)
{
	const EXCEPTION_RECORD *r = info->ExceptionRecord;

	if (r->ExceptionCode == EXCEPTION_ACCESS_VIOLATION && r->NumberParameters >= 2) {
		DWORD last = GetLastError();

		told((void *)r->ExceptionInformation[1],
		     r->ExceptionInformation[0] == 0   ? MPP_OS_READ :
		     r->ExceptionInformation[0] == 1 ? MPP_OS_WRITE :
						       MPP_OS_ACCESS);
		SetLastError(last);
	}
	return EXCEPTION_CONTINUE_SEARCH;
}

void mpp_os_on_fault(void (*fn)(const void *address, enum mpp_os_access access))
{
	told = fn;
	(void)AddVectoredExceptionHandler(1, handle);
}
