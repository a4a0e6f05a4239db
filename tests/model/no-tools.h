/* SPDX-License-Identifier: MIT */
/*
 * no-tools.h - no memory checker runs that would be told of objects.
 */
#ifndef NO_TOOLS_H
#define NO_TOOLS_H

#include "annotate.h"

unsigned mpp_annotate_tools;

void mpp_annotate_hide_slow(void *p, size_t size)
{
	(void)p;
	(void)size;
}

void mpp_annotate_show_slow(void *p, size_t size)
{
	(void)p;
	(void)size;
}

bool mpp_annotate_root_slow(void *p, size_t size)
{
	(void)p;
	(void)size;
	return false;
}

void mpp_annotate_unroot(void *p, size_t size)
{
	(void)p;
	(void)size;
}

#endif /* NO_TOOLS_H */
