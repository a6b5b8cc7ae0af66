#include "cli/files.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/record_text.h"
#include "stream/optable.h"
#include "stream/parse.h"

enum { FILE_LIMIT = 1 << 24 }; /* bytes of a stream or a record; the largest record has some 1 MiB of text */

char *files_read(const char *path, size_t *len)
{
	bool std = strcmp(path, "-") == 0;
	FILE *f = std ? stdin : fopen(path, "rb");
	char *text = NULL;
	size_t cap = 0, n = 0, got;

	if (!f) {
		fprintf(stderr, "augur: open %s: %s\n", path, strerror(errno));
		return NULL;
	}
	errno = 0;
	do {
		if (n + 1 >= cap) {
			char *more = cap < FILE_LIMIT ? realloc(text, cap ? 2 * cap : 8192) : NULL;

			if (!more) {
				errno = cap < FILE_LIMIT ? ENOMEM : EFBIG;
				goto failed;
			}
			text = more;
			cap = cap ? 2 * cap : 8192;
		}
		got = fread(text + n, 1, cap - n - 1, f);
		n += got;
	} while (got > 0);
	if (ferror(f))
		goto failed;
	text[n] = '\0';
	*len = n;
	if (!std)
		fclose(f);
	return text;

failed:
	fprintf(stderr, "augur: read %s: %s\n", path, strerror(errno));
	free(text);
	if (!std)
		fclose(f);
	return NULL;
}

enum exit_status files_load(char *const *paths, int nr, struct stream_files *out)
{
	enum exit_status status = STATUS_OK;

	out->nr = 0;
	out->file = calloc((size_t)nr + 1, sizeof(*out->file));
	if (!out->file) {
		fprintf(stderr, "augur: malloc %d streams: %s\n", nr, strerror(ENOMEM));
		return STATUS_ENVIRONMENT;
	}
	for (int i = 0; i < nr; i++) {
		struct stream_file *f = &out->file[out->nr++];
		struct diag d;

		f->path = paths[i];
		f->text = files_read(f->path, &f->len);
		if (!f->text) {
			status = status_worse(status, STATUS_ENVIRONMENT);
			continue;
		}
		diag_init(&d, f->path);
		if (record_marked(f->text))
			diag_error(&d, 1, 1, "this is a record, not a stream; augur judge and augur explain read it");
		else
			stream_parse(f->text, f->len, &f->stream, &d);
		diag_print(&d, stderr);
		if (d.count)
			status = STATUS_USAGE;
	}
	if (status != STATUS_OK)
		files_free(out);
	return status;
}

void files_free(struct stream_files *fs)
{
	for (unsigned int i = 0; i < fs->nr; i++)
		free(fs->file[i].text);
	free(fs->file);
	fs->file = NULL;
	fs->nr = 0;
}

/* ---- positions ---- */

enum line_kind { LINE_NOTHING, LINE_REQUEST, LINE_STEP };

/* What a line of a stream that parses is, by its first word. */
static enum line_kind classify(const char *line, const char **word, size_t *len)
{
	static const char *const declares[] = { "augur", "task", "ring", "schedule" };

	line += strspn(line, " \t");
	*word = line;
	*len = strcspn(line, " \t\r\n:#");
	if (*len == 0)
		return LINE_NOTHING;
	if (line[*len] == ':')
		return LINE_REQUEST;
	for (size_t i = 0; i < sizeof(declares) / sizeof(declares[0]); i++)
		if (strlen(declares[i]) == *len && memcmp(declares[i], line, *len) == 0)
			return LINE_NOTHING;
	return stream_word_find(stream_obj_kinds, line, *len) ? LINE_NOTHING : LINE_STEP;
}

unsigned int files_line_of_request(const struct stream_file *f, unsigned int req)
{
	const char *name = f->stream.reqs[req].name, *word;
	unsigned int nr = 1;
	size_t len;

	for (const char *at = f->text; *at; nr++) {
		if (classify(at, &word, &len) == LINE_REQUEST && strlen(name) == len && memcmp(name, word, len) == 0)
			return nr;
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	return 0;
}

unsigned int files_line_of_step(const struct stream_file *f, unsigned int step)
{
	unsigned int nr = 1, seen = 0;
	const char *word;
	size_t len;

	for (const char *at = f->text; *at; nr++) {
		if (classify(at, &word, &len) == LINE_STEP && seen++ == step)
			return nr;
		at += strcspn(at, "\n");
		at += *at == '\n';
	}
	return 0;
}

/* ---- results ---- */

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

int files_write(const char *dir, const char *name, const char *text, size_t len)
{
	char temp[PATH_MAX], path[PATH_MAX];
	int fd, ret;

	if (snprintf(temp, sizeof(temp), "%s/.%s.tmp", dir, name) >= (int)sizeof(temp))
		return -ENAMETOOLONG;
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0)
		return -errno;
	ret = write_all(fd, text, len);
	if (close(fd) < 0 && ret == 0)
		ret = -errno;
	if (ret == 0 && rename(temp, path) < 0)
		ret = -errno;
	if (ret < 0)
		unlink(temp);
	return ret;
}

int files_mkdir(const char *dir)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s", dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	for (char *slash = path + 1; *slash; slash++) {
		if (*slash != '/')
			continue;
		*slash = '\0';
		if (mkdir(path, 0755) < 0 && errno != EEXIST)
			return -errno;
		*slash = '/';
	}
	return mkdir(path, 0755) < 0 && errno != EEXIST ? -errno : 0;
}

enum exit_status files_ledger(const char *dir, struct ledger **out)
{
	const char *root = getenv("AUGUR_ROOT");
	const char *what;
	char path[PATH_MAX];
	int ret;

	*out = NULL;
	if (!root || !*root)
		root = ".";
	if (dir)
		snprintf(path, sizeof(path), "%s", dir);
	else
		snprintf(path, sizeof(path), "%s/corpora/ledger", root);
	ret = ledger_load(out, path, stderr, &what);
	if (ret == -ENOENT && !dir)
		return STATUS_OK;
	if (ret == -EINVAL)
		return STATUS_USAGE;
	if (ret < 0)
		fprintf(stderr, "augur: %s: %s\n", what, strerror(-ret));
	return ret < 0 ? STATUS_ENVIRONMENT : STATUS_OK;
}
