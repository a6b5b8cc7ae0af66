#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/command.h"
#include "cli/emit_c.h"
#include "cli/options.h"
#include "cli/subject.h"

static const char help[] =
	"augur emit FILE --c [--out F.c] [--rule ID]\n"
	"\n"
	"Prints a stream as a C program of its own, for a bug report: it sets up the rings, objects and threads, does the steps\n"
	"in order, prints each completion beside what the stream expects and what the rules allow, and ends with status 0\n"
	"(all allowed), 1 (something forbidden) or 77 (it cannot run here). It needs liburing 2.3 or newer and nothing else:\n"
	"\n"
	"    gcc -Wall -Wextra -Werror F.c -luring && ./a.out [ROUNDS [SEED]]\n"
	"\n"
	"A stream whose results are all certain runs once; any other, and one that a finding is about, 1000 times. The program\n"
	"checks the stream's own expectations and, as far as they are about this stream, the rules cqe.twice, cqe.missing,\n"
	"cqe.unknown, result, chain.sever, cancel.zero, cancel.enoent and timeout.count. FILE is a stream or a record.\n"
	"\n"
	"  --c              as C; there is no other language yet\n"
	"  --out F.c        writes it there instead of to stdout\n"
	"  --rule ID        the finding it is about; default: of a record its first, of a stream in the ledger the entry's\n"
	"  --ledger DIR     known divergences; default: corpora/ledger of the workspace\n";

struct emit {
	const char *out, *rule, *ledger_dir;
	bool c;
	struct subject subject;
	struct ledger *ledger;
};

/* The entry of the ledger that shows this stream. */
static const struct ledger_entry *entry_of(const struct ledger *l, const char *name)
{
	for (unsigned int i = 0; l && i < l->nr; i++)
		if (strcmp(l->entry[i].stream, name) == 0)
			return &l->entry[i];
	return NULL;
}

/* What is known of what it is about. */
static void find_matter(struct emit *e, const char *name, struct emission *em)
{
	static struct outcome o;
	static char buf[FINDING_NAME];
	const struct ledger_entry *entry = entry_of(e->ledger, name);

	em->finding = e->rule;
	if (!em->finding && e->subject.is_record) {
		outcome_of(em->s, &e->subject.record, e->ledger, true, &o);
		em->finding = shown_find(&o, em->s, NULL, buf);
		entry = em->finding && o.nr_kept ? o.known[0] : NULL;
	}
	if (!em->finding && entry)
		em->finding = entry->rule[0];
	em->text = entry ? entry->text : NULL;
	if (em->finding && !emit_checks_rule(em->finding))
		fprintf(stderr, "augur emit: the program cannot see %s; only the stream's own expectations tell\n",
			em->finding);
}

static enum exit_status emit(struct emit *e)
{
	struct emission em = { .s = &e->subject.file.stream };
	char path[PATH_MAX];
	FILE *out = stdout;
	bool failed;

	snprintf(path, sizeof(path), "%s", e->subject.file.path);
	em.name = basename(path);
	find_matter(e, em.name, &em);
	if (e->out && !(out = fopen(e->out, "w"))) {
		fprintf(stderr, "augur emit: open %s: %s\n", e->out, strerror(errno));
		return STATUS_ENVIRONMENT;
	}
	emit_c(&em, out);
	if (!e->out)
		return STATUS_OK;
	failed = ferror(out);
	if (fclose(out) != 0 || failed) {
		fprintf(stderr, "augur emit: write %s: %s\n", e->out, strerror(errno));
		return STATUS_ENVIRONMENT;
	}
	return STATUS_OK;
}

static enum exit_status emit_main(int argc, char **argv)
{
	static struct emit e;
	const struct option_row rows[] = {
		{ "c", OPTION_FLAG, &e.c, 0, 0, NULL },
		{ "out", OPTION_STRING, &e.out, 0, 0, NULL },
		{ "rule", OPTION_STRING, &e.rule, 0, 0, NULL },
		{ "ledger", OPTION_STRING, &e.ledger_dir, 0, 0, NULL },
	};
	int nr, go = options_parse(&command_emit, argc, argv, rows, OPTIONS_COUNT(rows), 1, 1, &nr);
	enum exit_status status = STATUS_OK;

	if (go != OPTIONS_GO_ON)
		return go;
	if (!e.c) {
		fprintf(stderr, "augur emit: it must be said as what: --c\n");
		status = STATUS_USAGE;
	}
	status = status_worse(status, subject_load(argv[1], &e.subject));
	status = status_worse(status, files_ledger(e.ledger_dir, &e.ledger));
	if (status == STATUS_OK)
		status = emit(&e);
	subject_free(&e.subject);
	ledger_free(e.ledger);
	return status;
}

const struct command command_emit = { "emit", "prints a stream as a C program, for a bug report", help, emit_main };
