#include "core/base/diag.h"

#include <stdarg.h>
#include <string.h>

void diag_init(struct diag *d, const char *file)
{
	d->file = file;
	d->count = 0;
}

void diag_error(struct diag *d, unsigned int line, unsigned int col, const char *fmt, ...)
{
	unsigned int n = d->count++;
	va_list ap;

	if (n >= DIAG_MAX)
		return;
	/* Kept sorted: readers check some things only at the end of the file. */
	while (n > 0 && (d->at[n - 1].line > line || (d->at[n - 1].line == line && d->at[n - 1].col > col))) {
		d->at[n] = d->at[n - 1];
		n--;
	}
	d->at[n].line = line;
	d->at[n].col = col;
	va_start(ap, fmt);
	vsnprintf(d->at[n].text, sizeof(d->at[n].text), fmt, ap);
	va_end(ap);
}

void diag_print(const struct diag *d, FILE *out)
{
	for (unsigned int i = 0; i < d->count && i < DIAG_MAX; i++)
		fprintf(out, "%s:%u:%u: error: %s\n", d->file, d->at[i].line, d->at[i].col, d->at[i].text);
	if (d->count > DIAG_MAX)
		fprintf(out, "%s: %u more errors\n", d->file, d->count - DIAG_MAX);
}
