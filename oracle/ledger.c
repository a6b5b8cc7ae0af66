#include "oracle/ledger.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char *const kind_names[LEDGER_KINDS] = {
	[LEDGER_KERNEL_BUG] = "kernel bug",
	[LEDGER_CHANGE] = "change between releases",
	[LEDGER_ENGINE_LIMIT] = "limit of the engine",
};

static const char *const runner_names[RUNNERS] = {
	[RUNNER_SIM] = "sim",
	[RUNNER_ENGINE] = "engine",
	[RUNNER_KERNEL] = "kernel",
};

const char *ledger_kind_name(enum ledger_kind kind)
{
	return kind_names[kind];
}

bool ledger_match(const char *pattern, const char *text)
{
	const char *star = NULL, *again = NULL;

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			again = text;
		} else if (*pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++again;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}

/* ---- one entry ---- */

/* The line being read: its key has been taken, `value` is what follows the colon. */
struct line {
	unsigned int nr, col; /* of the value */
	const char *value;
	size_t len;
};

static bool copy_word(char *to, const struct line *l, struct diag *d, const char *what)
{
	if (l->len == 0)
		diag_error(d, l->nr, l->col, "expected %s", what);
	else if (l->len >= LEDGER_NAME)
		diag_error(d, l->nr, l->col, "%s is longer than %d characters", what, LEDGER_NAME - 1);
	if (l->len == 0 || l->len >= LEDGER_NAME)
		return false;
	memcpy(to, l->value, l->len);
	to[l->len] = '\0';
	return true;
}

static void take_id(struct ledger_entry *e, const struct line *l, struct diag *d)
{
	copy_word(e->id, l, d, "the entry's id");
}

static void take_stream(struct ledger_entry *e, const struct line *l, struct diag *d)
{
	if (copy_word(e->stream, l, d, "the name of a stream file") && strchr(e->stream, '/'))
		diag_error(d, l->nr, l->col, "expected a file beside the entry, not a path");
}

static void take_rule(struct ledger_entry *e, const struct line *l, struct diag *d)
{
	if (e->nr_rules == LEDGER_MAX_PATTERNS)
		diag_error(d, l->nr, l->col, "more than %d rules", LEDGER_MAX_PATTERNS);
	else if (copy_word(e->rule[e->nr_rules], l, d, "a pattern for finding ids"))
		e->nr_rules++;
}

static bool known_runner(const char *pattern)
{
	for (unsigned int i = 0; i < RUNNERS; i++)
		if (ledger_match(pattern, runner_names[i]))
			return true;
	return false;
}

static void take_seen(struct ledger_entry *e, const struct line *l, struct diag *d)
{
	char both[LEDGER_NAME];
	char *blank;

	if (e->nr_seen == LEDGER_MAX_PATTERNS) {
		diag_error(d, l->nr, l->col, "more than %d runners", LEDGER_MAX_PATTERNS);
		return;
	}
	if (!copy_word(both, l, d, "a runner and its release, as in `kernel 6.18.*`"))
		return;
	blank = strchr(both, ' ');
	if (!blank || !blank[1]) {
		diag_error(d, l->nr, l->col, "expected a runner and its release, as in `kernel 6.18.*`");
		return;
	}
	*blank = '\0';
	if (!known_runner(both)) {
		diag_error(d, l->nr, l->col, "expected sim, engine, kernel or a pattern, not \"%s\"", both);
		return;
	}
	strcpy(e->seen[e->nr_seen].runner, both);
	strcpy(e->seen[e->nr_seen].release, blank + 1 + strspn(blank + 1, " "));
	e->nr_seen++;
}

static void take_kind(struct ledger_entry *e, const struct line *l, struct diag *d)
{
	for (unsigned int i = 0; i < LEDGER_KINDS; i++) {
		if (strlen(kind_names[i]) == l->len && memcmp(kind_names[i], l->value, l->len) == 0) {
			e->kind = i;
			return;
		}
	}
	diag_error(d, l->nr, l->col, "expected `kernel bug`, `change between releases` or `limit of the engine`");
}

static const struct key {
	const char *name;
	bool often, must;
	void (*take)(struct ledger_entry *e, const struct line *l, struct diag *d);
} keys[] = {
	{ "id", false, true, take_id },	    { "rule", true, true, take_rule },	     { "seen", true, true, take_seen },
	{ "kind", false, true, take_kind }, { "stream", false, false, take_stream },
};

enum { NR_KEYS = sizeof(keys) / sizeof(keys[0]) };

static void take_line(struct ledger_entry *e, struct line *l, size_t len, unsigned int *seen, struct diag *d)
{
	const char *start = l->value;
	const char *colon = memchr(start, ':', len);

	if (!colon) {
		diag_error(d, l->nr, 1, "expected `key: value`, or a blank line before the text");
		return;
	}
	l->value = colon + 1;
	while (l->value < start + len && *l->value == ' ')
		l->value++;
	l->len = (size_t)(start + len - l->value);
	while (l->len > 0 && isspace((unsigned char)l->value[l->len - 1]))
		l->len--;
	l->col = (unsigned int)(l->value - start) + 1;
	for (unsigned int i = 0; i < NR_KEYS; i++) {
		if (strlen(keys[i].name) != (size_t)(colon - start) ||
		    memcmp(keys[i].name, start, (size_t)(colon - start)))
			continue;
		if (*seen & 1u << i && !keys[i].often)
			diag_error(d, l->nr, 1, "%s is given twice", keys[i].name);
		*seen |= 1u << i;
		keys[i].take(e, l, d);
		return;
	}
	diag_error(d, l->nr, 1, "expected id, rule, seen, kind or stream, not \"%.*s\"", (int)(colon - start), start);
}

/* What follows the blank line, without the blanks around it. */
static void take_text(struct ledger_entry *e, const char *text, unsigned int line, struct diag *d)
{
	size_t len;

	while (isspace((unsigned char)*text))
		text++;
	len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	if (len == 0)
		diag_error(d, line, 1, "expected a paragraph that explains the entry");
	if (len >= LEDGER_TEXT)
		diag_error(d, line, 1, "the text is longer than %d characters", LEDGER_TEXT - 1);
	if (len >= LEDGER_TEXT)
		len = LEDGER_TEXT - 1;
	memcpy(e->text, text, len);
	e->text[len] = '\0';
}

static void check_name(const struct ledger_entry *e, const char *path, struct diag *d)
{
	const char *base = strrchr(path, '/');
	size_t len = strlen(e->id);

	base = base ? base + 1 : path;
	if (*e->id && (strncmp(base, e->id, len) != 0 || strcmp(base + len, ".txt") != 0))
		diag_error(d, 1, 1, "the id is %s, so the file's name must be %s.txt", e->id, e->id);
}

unsigned int ledger_parse(struct ledger_entry *e, const char *path, const char *text, struct diag *d)
{
	unsigned int nr = 1, seen = 0;

	memset(e, 0, sizeof(*e));
	for (; *text && *text != '\n'; nr++) {
		size_t len = strcspn(text, "\n");
		struct line l = { .nr = nr, .value = text };

		if (*text != '#')
			take_line(e, &l, len, &seen, d);
		text += len;
		if (*text)
			text++;
	}
	for (unsigned int i = 0; i < NR_KEYS; i++)
		if (keys[i].must && !(seen & 1u << i))
			diag_error(d, nr, 1, "expected a line `%s:` above", keys[i].name);
	take_text(e, text, nr, d);
	check_name(e, path, d);
	return d->count;
}

/* ---- all of them ---- */

static char what_failed[4352];

static int fail(const char *call, const char *path, int err, const char **what)
{
	snprintf(what_failed, sizeof(what_failed), "%s %s", call, path);
	*what = what_failed;
	return -err;
}

static int read_whole(const char *path, char **text, const char **what)
{
	enum { LIMIT = 1 << 16 };
	FILE *f = fopen(path, "r");
	size_t len;

	if (!f)
		return fail("open", path, errno, what);
	*text = malloc(LIMIT + 1);
	len = *text ? fread(*text, 1, LIMIT, f) : 0;
	if (!*text || ferror(f)) {
		int err = *text ? errno : ENOMEM;

		free(*text);
		fclose(f);
		return fail("read", path, err, what);
	}
	(*text)[len] = '\0';
	fclose(f);
	return 0;
}

/* 1: there were mistakes, and they are said. */
static int load_one(struct ledger *l, const char *dir, const char *name, FILE *errors, const char **what)
{
	struct ledger_entry *e = &l->entry[l->nr];
	struct diag d;
	struct stat st;
	char path[4200];
	char *text = NULL;
	int ret;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	ret = read_whole(path, &text, what);
	if (ret < 0)
		return ret;
	diag_init(&d, path);
	ledger_parse(e, path, text, &d);
	free(text);
	if (*e->stream) {
		char beside[4300];

		snprintf(beside, sizeof(beside), "%s/%s", dir, e->stream);
		if (stat(beside, &st) < 0)
			diag_error(&d, 1, 1, "the stream %s is not there", beside);
	}
	diag_print(&d, errors);
	if (d.count == 0)
		l->nr++;
	return d.count > 0;
}

static int is_entry(const struct dirent *de)
{
	size_t len = strlen(de->d_name);

	return de->d_name[0] != '.' && len > 4 && strcmp(de->d_name + len - 4, ".txt") == 0;
}

int ledger_load(struct ledger **out, const char *dir, FILE *errors, const char **what)
{
	struct ledger *l = calloc(1, sizeof(*l));
	struct dirent **names;
	bool wrong = false;
	int nr, ret = 0;

	nr = scandir(dir, &names, is_entry, alphasort);
	if (nr < 0) {
		ret = errno;
		free(l);
		return fail("open", dir, ret, what);
	}
	if (l && nr <= LEDGER_MAX_ENTRIES)
		l->entry = calloc((size_t)nr + 1, sizeof(*l->entry));
	if (!l || !l->entry)
		ret = fail("make room for the entries of", dir, l && nr > LEDGER_MAX_ENTRIES ? E2BIG : ENOMEM, what);
	for (int i = 0; i < nr; i++) {
		if (ret == 0)
			ret = load_one(l, dir, names[i]->d_name, errors, what);
		if (ret > 0) { /* go on, for the mistakes of the others */
			wrong = true;
			ret = 0;
		}
		free(names[i]);
	}
	free(names);
	if (ret == 0 && wrong)
		ret = -EINVAL;
	if (ret < 0) {
		ledger_free(l);
		return ret;
	}
	*out = l;
	return 0;
}

void ledger_free(struct ledger *l)
{
	if (l)
		free(l->entry);
	free(l);
}

static bool covers(const struct ledger_entry *e, const struct record *rec, const struct finding *f)
{
	bool rule = false, seen = false;

	for (unsigned int i = 0; i < e->nr_rules && !rule; i++)
		rule = ledger_match(e->rule[i], f->id);
	for (unsigned int i = 0; i < e->nr_seen && rule && !seen; i++)
		seen = ledger_match(e->seen[i].runner, runner_names[rec->runner]) &&
		       ledger_match(e->seen[i].release, rec->release);
	return seen;
}

const struct ledger_entry *ledger_find(const struct ledger *l, const struct record *rec, const struct finding *f)
{
	for (unsigned int i = 0; l && rec->runner < RUNNERS && i < l->nr; i++)
		if (covers(&l->entry[i], rec, f))
			return &l->entry[i];
	return NULL;
}
