/* Files in and out: streams and records that people name, results that must be whole or not there. */
#ifndef CLI_FILES_H
#define CLI_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "cli/exit.h"
#include "core/base/diag.h"
#include "oracle/ledger.h"
#include "stream/model.h"

struct stream_file {
	const char *path; /* as given */
	char *text; /* all of it, NUL-terminated */
	size_t len;
	struct stream stream;
};

struct stream_files {
	unsigned int nr;
	struct stream_file *file;
};

/* Reads and parses all files named; the errors of all of them go to stderr before anything else happens. STATUS_OK,
 * STATUS_USAGE (a text is wrong) or STATUS_ENVIRONMENT (a file cannot be read). "-" is stdin. */
enum exit_status files_load(char *const *paths, int nr, struct stream_files *out);
void files_free(struct stream_files *fs);

/* Line (from 1) at which a request or a step stands in the text; 0: not found there. */
unsigned int files_line_of_request(const struct stream_file *f, unsigned int req);
unsigned int files_line_of_step(const struct stream_file *f, unsigned int step);

/* The whole of a file, NUL-terminated, to be freed; NULL after a message on stderr. */
char *files_read(const char *path, size_t *len);

/* Writes dir/name so that it is whole or not there. 0 or -errno. */
int files_write(const char *dir, const char *name, const char *text, size_t len);

/* Makes dir and what is missing above it. 0 or -errno. */
int files_mkdir(const char *dir);

/* The ledger that judges what is known: `dir`; or, when dir is NULL, corpora/ledger of the workspace ($AUGUR_ROOT, else
 * where we stand), and *out stays NULL when there is none. STATUS_OK or what the message on stderr amounts to. */
enum exit_status files_ledger(const char *dir, struct ledger **out);

#endif
