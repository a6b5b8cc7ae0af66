#include "core/base/text.h"

#include <stdio.h>
#include <string.h>

#include "core/base/ensure.h"

void text_init(struct text *t, char *buf, size_t cap)
{
	ENSURE_OP(cap, >, (size_t)0);
	*t = (struct text){ .buf = buf, .cap = cap };
	buf[0] = '\0';
}

void text_putn(struct text *t, const char *s, size_t n)
{
	size_t room = t->cap - 1 - t->len;

	if (n > room) {
		n = room;
		t->cut = true;
	}
	memcpy(t->buf + t->len, s, n);
	t->len += n;
	t->buf[t->len] = '\0';
}

void text_put(struct text *t, const char *s)
{
	text_putn(t, s, strlen(s));
}

void text_putc(struct text *t, char c)
{
	text_putn(t, &c, 1);
}

void text_vprintf(struct text *t, const char *fmt, va_list ap)
{
	size_t room = t->cap - t->len;
	int n = vsnprintf(t->buf + t->len, room, fmt, ap);

	ENSURE_OP(n, >=, 0);
	if ((size_t)n >= room) {
		t->len = t->cap - 1;
		t->cut = true;
	} else {
		t->len += (size_t)n;
	}
}

void text_printf(struct text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	text_vprintf(t, fmt, ap);
	va_end(ap);
}

void text_pad(struct text *t, size_t column)
{
	size_t start = t->len;

	while (start > 0 && t->buf[start - 1] != '\n')
		start--;
	for (size_t at = t->len - start; at < column && !t->cut; at++)
		text_putc(t, ' ');
}
