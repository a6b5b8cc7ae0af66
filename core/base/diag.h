/* Diagnostics with a place: `file:line:col: error: ...`. A reader of input collects all of them and reports them at
 * once; what is past the limit is counted. Used by everything that reads text a person wrote. */
#ifndef CORE_BASE_DIAG_H
#define CORE_BASE_DIAG_H

#include <stdio.h>

#define DIAG_MAX 64

struct diag {
	const char *file; /* borrowed; shown as given */
	unsigned int count; /* errors seen, also those past DIAG_MAX */
	struct {
		unsigned int line, col; /* from 1 */
		char text[192];
	} at[DIAG_MAX];
};

void diag_init(struct diag *d, const char *file);
/* Notes one error. `fmt` says what was found and what was expected. */
void diag_error(struct diag *d, unsigned int line, unsigned int col, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/* Prints all of them, in order of place. */
void diag_print(const struct diag *d, FILE *out);

#endif
