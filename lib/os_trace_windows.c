/* SPDX-License-Identifier: MIT */
/*
 * os_trace_windows.c - layer 1: who calls, on Windows: stacks, modules, threads.
 *
 * Stacks are unwound by the system from its own tables.  No lock.
 */
#include "os.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <string.h>

#define INNER 8 /* frames of the library itself at most */

uint32_t mpp_os_thread_id(void)
{
	return (uint32_t)GetCurrentThreadId();
}

/* The module that an address is in, and where its image ends; NULL if in none. */
static char *module_of(uintptr_t address, uintptr_t *end)
{
	MEMORY_BASIC_INFORMATION info;
	const IMAGE_DOS_HEADER *dos;
	const IMAGE_NT_HEADERS *nt;

	if (VirtualQuery((void *)address, &info, sizeof(info)) == 0 || info.Type != MEM_IMAGE)
		return NULL;
	dos = info.AllocationBase;
	nt = mpp_at(dos, (size_t)dos->e_lfanew);
	*end = (uintptr_t)dos + nt->OptionalHeader.SizeOfImage;
	return info.AllocationBase;
}

void mpp_os_stack_ready(void)
{
}

mpp_noinline unsigned mpp_os_stack(uintptr_t *frames, unsigned max)
{
	void *all[INNER + 32];
	DWORD last = GetLastError();
	uintptr_t end = 0;
	char *own = module_of((uintptr_t)mpp_os_stack_ready, &end);
	unsigned have, i = 0, n = 0;

	if (own == (char *)GetModuleHandleA(NULL))
		end = 0; /* linked into the program: whose frames are whose is not known */
	have = CaptureStackBackTrace(
		1, (DWORD)mpp_min(INNER + max, sizeof(all) / sizeof(all[0])), all, NULL);
	while (i + 1 < have && (uintptr_t)all[i] >= (uintptr_t)own && (uintptr_t)all[i] < end)
		i++;
	for (; i < have && n < max; i++)
		frames[n++] = (uintptr_t)all[i] - 1; /* in the call, not behind it */
	SetLastError(last);
	return n;
}

void mpp_os_symbol(uintptr_t address, struct mpp_os_symbol *out)
{
	static mpp_thread_local char own_path[MAX_PATH];
	char *path = mpp_own(own_path);
	DWORD last = GetLastError();
	uintptr_t end;
	char *module = module_of(address, &end);
	const char *slash;

	memset(out, 0, sizeof(*out));
	if (module != NULL && GetModuleFileNameA((HMODULE)module, path, MAX_PATH) != 0) {
		slash = strrchr(path, '\\');
		out->file = slash != NULL ? slash + 1 : path;
		out->file_offset = address - (uintptr_t)module;
	}
	SetLastError(last);
}
