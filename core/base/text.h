/* Bounded text buffer: append until full, remember that something was cut. Always NUL-terminated. The memory is the
 * caller's; no allocation. */
#ifndef CORE_BASE_TEXT_H
#define CORE_BASE_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct text {
	char *buf;
	size_t len; /* without the NUL */
	size_t cap; /* with the NUL; at least 1 */
	bool cut; /* something did not fit */
};

/* Starts an empty text in `cap` bytes at `buf`. */
void text_init(struct text *t, char *buf, size_t cap);
void text_put(struct text *t, const char *s);
void text_putn(struct text *t, const char *s, size_t n);
void text_putc(struct text *t, char c);
void text_printf(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text *t, const char *fmt, va_list ap);
/* Appends blanks until the current line is `column` characters long. */
void text_pad(struct text *t, size_t column);

#endif
