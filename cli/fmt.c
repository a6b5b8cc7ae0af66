#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/files.h"
#include "cli/options.h"
#include "core/base/text.h"
#include "stream/print.h"

static const char help[] =
	"augur fmt FILE... [--check | --write]\n"
	"\n"
	"Prints streams in canonical form: comments are kept, blanks and the order of fields are not. \"-\" is stdin.\n"
	"\n"
	"  --check          prints nothing but the names of files that are not in canonical form; then the status is 1\n"
	"  --write          rewrites files that are not, each in one step\n";

enum fmt_mode { FMT_PRINT, FMT_CHECK, FMT_WRITE };

static enum exit_status rewrite(const struct stream_file *f, const struct text *t)
{
	char dir[4096], base[4096];
	int ret;

	snprintf(dir, sizeof(dir), "%s", f->path);
	snprintf(base, sizeof(base), "%s", f->path);
	ret = files_write(dirname(dir), basename(base), t->buf, t->len);
	if (ret == 0)
		return STATUS_OK;
	fprintf(stderr, "augur fmt: write %s: %s\n", f->path, strerror(-ret));
	return STATUS_ENVIRONMENT;
}

static enum exit_status format_one(const struct stream_file *f, char *buf, enum fmt_mode mode)
{
	struct text t;
	bool canonical;

	text_init(&t, buf, STREAM_PRINT_CAP);
	stream_print(&f->stream, &t);
	canonical = t.len == f->len && memcmp(t.buf, f->text, f->len) == 0;
	if (mode == FMT_PRINT) {
		fwrite(t.buf, 1, t.len, stdout);
		return STATUS_OK;
	}
	if (canonical)
		return STATUS_OK;
	puts(f->path);
	return mode == FMT_CHECK ? STATUS_FORBIDDEN : rewrite(f, &t);
}

static enum exit_status format_all(char **paths, int nr, enum fmt_mode mode)
{
	enum exit_status status;
	struct stream_files files;
	char *buf;

	status = files_load(paths, nr, &files);
	if (status != STATUS_OK)
		return status;
	buf = malloc(STREAM_PRINT_CAP);
	if (!buf)
		status = STATUS_ENVIRONMENT;
	for (unsigned int i = 0; buf && i < files.nr; i++)
		status = status_worse(status, format_one(&files.file[i], buf, mode));
	if (mode == FMT_CHECK && status == STATUS_FORBIDDEN) {
		printf("%s fmt --write", command_self());
		for (unsigned int i = 0; i < files.nr; i++)
			printf(" %s", files.file[i].path);
		putchar('\n');
	}
	free(buf);
	files_free(&files);
	return status;
}

static enum exit_status fmt_main(int argc, char **argv)
{
	bool check = false, in_place = false;
	const struct option_row rows[] = {
		{ "check", OPTION_FLAG, &check, 0, 0, NULL },
		{ "write", OPTION_FLAG, &in_place, 0, 0, NULL },
	};
	int nr, go = options_parse(&command_fmt, argc, argv, rows, OPTIONS_COUNT(rows), 1, argc, &nr);

	if (go != OPTIONS_GO_ON)
		return go;
	for (int i = 1; i <= nr; i++)
		in_place = in_place && strcmp(argv[i], "-") != 0;
	if (check && in_place) {
		fprintf(stderr, "augur fmt: --check and --write exclude each other\n");
		return STATUS_USAGE;
	}
	return format_all(argv + 1, nr, check ? FMT_CHECK : in_place ? FMT_WRITE : FMT_PRINT);
}

const struct command command_fmt = { "fmt", "prints streams in canonical form", help, fmt_main };
