/* SPDX-License-Identifier: MIT */
/*
 * text.c - layer 2: a small printf that cannot allocate.
 */
#include "text.h"

#include <stdarg.h>
#include <string.h>

void mpp_text_init(struct mpp_text *t, char *buf, size_t size)
{
	*t = (struct mpp_text){ .buf = buf, .size = size };
}

static void put(struct mpp_text *t, char c)
{
	if (t->len + 1 >= t->size) {
		if (t->flush == NULL || t->cut || !t->flush(t)) {
			t->cut = true;
			return;
		}
		t->len = 0;
	}
	t->buf[t->len++] = c;
}

static void put_padded(struct mpp_text *t, const char *s, size_t n, int width, char pad)
{
	size_t w = (size_t)(width < 0 ? -width : width);

	for (size_t i = n; width > 0 && i < w; i++)
		put(t, pad);
	for (size_t i = 0; i < n; i++)
		put(t, s[i]);
	for (size_t i = n; width < 0 && i < w; i++)
		put(t, ' ');
}

static void put_number(struct mpp_text *t, uintmax_t n, unsigned base, const char *sign, int width,
		       char pad)
{
	char digits[40];
	char *end = digits + sizeof(digits), *p = end;

	do
		*--p = "0123456789abcdef"[n % base];
	while ((n /= base) != 0);
	for (size_t i = strlen(sign); i > 0; i--)
		*--p = sign[i - 1];
	put_padded(t, p, (size_t)(end - p), width, pad);
}

/* The width behind a '%': flags '-' and '0', digits or '*'. */
static const char *parse_width(const char *f, va_list *args, int *width, char *pad)
{
	bool left = false;

	*width = 0;
	*pad = ' ';
	for (; *f == '-' || *f == '0'; f++) {
		if (*f == '-')
			left = true;
		else
			*pad = '0';
	}
	if (*f == '*') {
		*width = va_arg(*args, int);
		f++;
	}
	for (; *f >= '0' && *f <= '9'; f++)
		*width = *width * 10 + (*f - '0');
	if (left)
		*width = -*width;
	return f;
}

static uintmax_t next_unsigned(va_list *args, char length)
{
	if (length == 'z')
		return va_arg(*args, size_t);
	if (length == 'j')
		return va_arg(*args, uintmax_t);
	return va_arg(*args, unsigned);
}

static void convert(struct mpp_text *t, char what, char length, va_list *args, int width, char pad)
{
	const char *s;
	char c;
	int d;

	switch (what) {
	case 's':
		s = va_arg(*args, const char *);
		put_padded(t, s, strlen(s), width, ' ');
		break;
	case 'c':
		c = (char)va_arg(*args, int);
		put_padded(t, &c, 1, width, ' ');
		break;
	case 'd':
		d = va_arg(*args, int);
		put_number(t, d < 0 ? -(uintmax_t)d : (uintmax_t)d, 10, d < 0 ? "-" : "", width,
			   pad);
		break;
	case 'u':
		put_number(t, next_unsigned(args, length), 10, "", width, pad);
		break;
	case 'x':
		put_number(t, next_unsigned(args, length), 16, "", width, pad);
		break;
	case 'p':
		put_number(t, (uintptr_t)va_arg(*args, void *), 16, "0x", width, pad);
		break;
	default:
		put(t, what);
		break;
	}
}

void mpp_text_add(struct mpp_text *t, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	for (const char *f = format; *f != '\0'; f++) {
		char pad, length = 0;
		int width;

		if (*f != '%') {
			put(t, *f);
			continue;
		}
		f = parse_width(f + 1, &args, &width, &pad);
		if (*f == 'z' || *f == 'j')
			length = *f++;
		convert(t, *f, length, &args, width, pad);
	}
	va_end(args);
}

const char *mpp_text_end(struct mpp_text *t)
{
	t->buf[t->len] = '\0';
	return t->buf;
}

bool mpp_text_flush(struct mpp_text *t)
{
	if (t->flush != NULL && !t->cut && t->len > 0 && !t->flush(t))
		t->cut = true;
	t->len = 0;
	return !t->cut;
}
