#include "cli/emit_c.h"

#include <inttypes.h>
#include <limits.h>
#include <linux/fs.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/text.h"
#include "core/base/uapi.h"
#include "stream/certain.h"
#include "stream/optable.h"
#include "stream/print.h"

#define NR(table) (sizeof(table) / sizeof((table)[0]))
#define LINKS (IOSQE_IO_LINK | IOSQE_IO_HARDLINK)

#define NAME(constant)                                                                                                 \
	{                                                                                                              \
		constant, #constant                                                                                    \
	}

static const struct emit_name sqe_flags[] = { NAME(IOSQE_IO_DRAIN),	    NAME(IOSQE_IO_LINK),
					      NAME(IOSQE_IO_HARDLINK),	    NAME(IOSQE_ASYNC),
					      NAME(IOSQE_CQE_SKIP_SUCCESS), NAME(IOSQE_BUFFER_SELECT),
					      NAME(IOSQE_FIXED_FILE),	    { 0, NULL } };
static const struct emit_name ring_flags[] = {
	NAME(IORING_SETUP_SINGLE_ISSUER), NAME(IORING_SETUP_DEFER_TASKRUN), NAME(IORING_SETUP_COOP_TASKRUN),
	NAME(IORING_SETUP_TASKRUN_FLAG),  NAME(IORING_SETUP_SUBMIT_ALL),    NAME(IORING_SETUP_CLAMP),
	NAME(IORING_SETUP_R_DISABLED),	  NAME(IORING_SETUP_CQSIZE),	    { 0, NULL }
};
static const struct emit_name eventfd_flags[] = { { OBJ_NONBLOCK, "O_NONBLOCK" },
						  { OBJ_SEMAPHORE, "EFD_SEMAPHORE" },
						  { 0, NULL } };

/* ---- descriptors and buffers ---- */

static void put_objects(const struct stream *s, FILE *out)
{
	for (unsigned int i = 0; i < s->nr_objs; i++)
		fprintf(out, stream_has_ends(s->objs[i].kind) ? "static int fd_%s[2];\n" : "static int fd_%s;\n",
			s->objs[i].name);
	for (unsigned int i = 0; i < s->nr_objs; i++)
		if (s->objs[i].kind == OBJ_FIFO)
			fprintf(out, "static char path_%s[64];\n", s->objs[i].name);
	for (unsigned int i = 0; i < s->nr_reqs; i++) {
		const struct sreq *q = &s->reqs[i];

		if (stream_op_is(q->op, OP_TRANSFERS))
			fprintf(out, "static char buf_%s[%u];\n", q->name, q->len > 8 ? q->len : 8);
		if (q->op == SOP_STATX)
			fprintf(out, "static struct statx stx_%s;\n", q->name);
		if (q->op == SOP_MADVISE)
			fprintf(out, "static _Alignas(4096) char page_%s[4096];\n", q->name);
		if (q->iovs)
			fprintf(out, "static struct iovec iov_%s[%u];\n", q->name, q->iovs);
		if (q->op == SOP_TIMEOUT || q->op == SOP_LINK_TIMEOUT)
			fprintf(out, "static struct __kernel_timespec ts_%s;\n", q->name);
	}
}

static void put_make_objects(const struct stream *s, FILE *out)
{
	fputs("\nstatic void make_objects(void)\n{\n", out);
	for (unsigned int i = 0; i < s->nr_objs; i++) {
		const struct obj *o = &s->objs[i];

		if (o->kind == OBJ_FIFO) {
			fprintf(out, "\tmake_fifo(fd_%s, path_%s, %u);\n", o->name, o->name, i);
			continue;
		}
		if (o->kind == OBJ_FILE) {
			fprintf(out, "\tmake_file(&fd_%s, %" PRIu64 ");\n", o->name, o->init);
			continue;
		}
		fprintf(out,
			o->kind == OBJ_PIPE ? "\tmake_pipe(fd_%s, %" PRIu64 ", " :
					      "\tmake_eventfd(&fd_%s, %" PRIu64 "ull, ",
			o->name, o->init);
		emit_flags(o->flags, eventfd_flags, out);
		fputs(");\n", out);
	}
	fputs("}\n", out);
}

static bool closes(const struct stream *s, unsigned int obj, unsigned int end)
{
	for (unsigned int i = 0; i < s->nr_steps; i++) {
		const struct step *t = &s->steps[i];

		if (t->kind == STEP_CLOSE && t->fd.kind == FD_OBJ && t->fd.obj == obj && t->fd.end == end)
			return true;
	}
	return false;
}

static void put_close_objects(const struct stream *s, FILE *out)
{
	fputs("\nstatic void close_objects(void)\n{\n", out);
	for (unsigned int i = 0; i < s->nr_objs; i++)
		for (unsigned int end = 0; end < (stream_has_ends(s->objs[i].kind) ? 2u : 1u); end++) {
			struct fdref fd = { FD_OBJ, (uint8_t)i, (uint8_t)end };

			if (closes(s, i, end) && s->objs[i].kind != OBJ_FIFO)
				continue;
			fputs("\tclose(", out);
			emit_fd(s, &fd, out);
			fputs(");\n", out);
		}
	for (unsigned int i = 0; i < s->nr_objs; i++)
		if (s->objs[i].kind == OBJ_FIFO)
			fprintf(out, "\tunlink(path_%s);\n", s->objs[i].name);
	for (unsigned int i = 0; i < s->nr_reqs; i++)
		if (s->reqs[i].op == SOP_OPENAT)
			fprintf(out,
				"\tif (seen->req[REQ_%s].cqes && seen->req[REQ_%s].res > 2)\n\t\tclose(seen->req[REQ_%s].res);\n",
				s->reqs[i].name, s->reqs[i].name, s->reqs[i].name);
	fputs("}\n", out);
}

/* ---- requests ---- */

static void put_expected(const struct expect *e, FILE *out)
{
	if (!e->nr)
		return;
	fprintf(out, "\t\t.nr_expected = %u,\n\t\t.expected = {", e->nr);
	for (unsigned int i = 0; i < e->nr; i++) {
		bool none = e->alt[i].kind == ALT_NOCQE;

		fputs(i ? ", { " : " { ", out);
		if (none)
			fputs("NO_CQE, NO_CQE", out);
		else {
			emit_result(e->alt[i].lo, out);
			fputs(", ", out);
			emit_result(e->alt[i].hi, out);
		}
		fputs(" }", out);
	}
	fputs(" },\n", out);
}

static void put_string(void (*print)(const struct stream *, unsigned int, struct text *), const struct stream *s,
		       unsigned int i, FILE *out)
{
	char buf[512];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	print(s, i, &t);
	fprintf(out, "\t\t.text = \"%s\",\n", buf); /* words of the language: nothing to be quoted */
}

/* What is to be fed or drained so that it ends. */
static void put_peers(const struct stream *s, const struct sreq *q, FILE *out)
{
	struct fdref in = stream_op_is(q->op, OP_MOVES) ? q->in : q->fd, from = q->fd;
	bool reads = stream_op_is(q->op, OP_READS | OP_MOVES) || q->op == SOP_POLL_ADD;
	bool writes = stream_op_is(q->op, OP_WRITES | OP_MOVES) || q->op == SOP_POLL_ADD;

	if (q->fd.kind != FD_OBJ || in.kind != FD_OBJ || s->objs[q->fd.obj].kind >= OBJ_FILE ||
	    s->objs[in.obj].kind == OBJ_FILE)
		return;
	in.end = s->objs[in.obj].kind == OBJ_PIPE ? END_IN : 0;
	from.end = END_OUT;
	if (reads && !closes(s, in.obj, in.end)) {
		fputs("\t\t.feed = &", out);
		emit_fd(s, &in, out);
		fputs(",\n", out);
	}
	if (writes && !closes(s, from.obj, from.end)) {
		fputs("\t\t.drain = &", out);
		emit_fd(s, &from, out);
		fputs(",\n", out);
	}
}

static void put_request(const struct stream *s, unsigned int i, FILE *out)
{
	const struct sreq *q = &s->reqs[i];
	bool transfer = stream_op_is(q->op, OP_TRANSFERS | OP_MOVES);

	fprintf(out, "\t[REQ_%s] = {\n", q->name);
	put_string(stream_print_req, s, i, out);
	fprintf(out, "\t\t.ring = %u,\n\t\t.full = %d,\n", s->steps[stream_step_of(s, i)].ring,
		transfer ? (int)q->len : -1);
	if (q->sqe_flags & IOSQE_IO_HARDLINK)
		fputs("\t\t.hard = true,\n", out);
	if (q->op == SOP_LINK_TIMEOUT)
		fputs("\t\t.timer = true,\n", out);
	if (q->op == SOP_TIMEOUT && (q->op_flags & IORING_TIMEOUT_ETIME_SUCCESS))
		fputs("\t\t.etime_ok = true,\n", out);
	if (stream_op_is(q->op, OP_KEEPS))
		fprintf(out, "\t\t.keeps = %d,\n", stream_op_is(q->op, OP_HOLDS) ? 1 : 2);
	if (q->op == SOP_TIMEOUT_REMOVE)
		fputs("\t\t.removes = true,\n", out);
	if (emit_is_silent(s, i))
		fputs("\t\t.silent = true,\n", out);
	put_peers(s, q, out);
	put_expected(&q->expect, out);
	emit_allowed(s, i, out);
	fputs("\t},\n", out);
}

static void put_requests(const struct stream *s, FILE *out)
{
	fputs("\nenum {", out);
	for (unsigned int i = 0; i < s->nr_reqs; i++)
		fprintf(out, " REQ_%s,", s->reqs[i].name);
	fprintf(out, " NR_REQUESTS };\nenum { NR_STEPS = %u, NR_RINGS = %u, NR_TASKS = %u };\n\n", s->nr_steps,
		s->nr_rings, s->nr_tasks);
	put_objects(s, out);
	fputs("\nstatic struct ring rings[NR_RINGS + 1] = {\n", out);
	for (unsigned int i = 0; i < s->nr_rings; i++)
		fprintf(out, "\t[%u] = { .task = %u }, /* %s */\n", i, s->rings[i].task, s->rings[i].name);
	fputs("};\n\nstatic const struct request requests[NR_REQUESTS + 1] = {\n", out);
	for (unsigned int i = 0; i < s->nr_reqs; i++)
		put_request(s, i, out);
	fputs("};\n\n", out);
}

/* ---- steps ---- */

static void do_submit(const struct stream *s, unsigned int step, FILE *out)
{
	const struct step *t = &s->steps[step];

	for (unsigned int r = t->first_req; r < (unsigned int)t->first_req + t->nr_reqs; r++) {
		fprintf(out, "\tsqe = next_sqe(&rings[%u]);\n", t->ring);
		emit_prep(s, r, out);
		fprintf(out, "\tset(sqe, REQ_%s, ", s->reqs[r].name);
		emit_flags(s->reqs[r].op == SOP_CLOSE ? s->reqs[r].sqe_flags & ~(unsigned int)IOSQE_FIXED_FILE :
							s->reqs[r].sqe_flags,
			   sqe_flags, out);
		fputs(");\n", out);
	}
	fprintf(out, "\treturn submit(&rings[%u], %u, %u, %s);\n", t->ring, t->first_req, t->wait_nr,
		t->wait ? "true" : "false");
}

static void do_wait(const struct stream *s, unsigned int step, FILE *out)
{
	fprintf(out, "\treturn wait_for(&rings[%u], %u);\n", s->steps[step].ring, s->steps[step].wait_nr);
}

static void do_reap(const struct stream *s, unsigned int step, FILE *out)
{
	fprintf(out, "\treturn enter_and_reap(&rings[%u]);\n", s->steps[step].ring);
}

static void do_peek(const struct stream *s, unsigned int step, FILE *out)
{
	fprintf(out, "\treap(&rings[%u]);\n\treturn 0;\n", s->steps[step].ring);
}

static void do_max_workers(const struct stream *s, unsigned int step, FILE *out)
{
	const struct step *t = &s->steps[step];

	fprintf(out, "\tunsigned int limits[2] = { %u, %u };\n\n", t->limit[0], t->limit[1]);
	fprintf(out, "\treturn io_uring_register_iowq_max_workers(&rings[%u].uring, limits);\n", t->ring);
}

static void do_iowq_aff(const struct stream *s, unsigned int step, FILE *out)
{
	const struct step *t = &s->steps[step];

	fprintf(out, "\tunsigned long long cpus = 0x%" PRIx64 ";\n\n", t->value);
	fprintf(out, "\treturn io_uring_register_iowq_aff(&rings[%u].uring, sizeof(cpus), (const cpu_set_t *)&cpus);\n",
		t->ring);
}

static void do_iowq_unaff(const struct stream *s, unsigned int step, FILE *out)
{
	fprintf(out, "\treturn io_uring_unregister_iowq_aff(&rings[%u].uring);\n", s->steps[step].ring);
}

/* What goes into the slots of a filled table: what no step before has closed. */
static void put_slots(const struct stream *s, unsigned int step, FILE *out)
{
	for (unsigned int i = 0; i < s->steps[step].len; i++) {
		struct fdref fd;
		bool open = stream_slot_fd(s, i, &fd);

		for (unsigned int k = 0; k < step && open; k++)
			open = s->steps[k].kind != STEP_CLOSE || !stream_same_fd(&s->steps[k].fd, &fd);
		fputs(i ? ", " : " ", out);
		if (open)
			emit_fd(s, &fd, out);
		else
			fputs("-1", out);
	}
}

static void do_files(const struct stream *s, unsigned int step, FILE *out)
{
	const struct step *t = &s->steps[step];

	if (!t->value) {
		fprintf(out, "\treturn io_uring_register_files_sparse(&rings[%u].uring, %u);\n", t->ring, t->len);
		return;
	}
	fprintf(out, "\tint fds[%u] = {", t->len ? t->len : 1);
	if (t->len)
		put_slots(s, step, out);
	else
		fputs(" -1", out);
	fprintf(out, " };\n\n\treturn io_uring_register_files(&rings[%u].uring, fds, %u);\n", t->ring, t->len);
}

static void do_slot(const struct stream *s, unsigned int step, FILE *out)
{
	const struct step *t = &s->steps[step];

	fputs("\tint fd = ", out);
	if (t->value)
		fputs("-1", out);
	else
		emit_fd(s, &t->fd, out);
	fprintf(out, ";\n\n\treturn io_uring_register_files_update(&rings[%u].uring, %u, &fd, 1);\n", t->ring,
		stream_slot(&t->fd));
}

static void do_unfiles(const struct stream *s, unsigned int step, FILE *out)
{
	fprintf(out, "\treturn io_uring_unregister_files(&rings[%u].uring);\n", s->steps[step].ring);
}

static void do_probe(const struct stream *s, unsigned int step, FILE *out)
{
	fprintf(out,
		"\tstatic _Alignas(8) char probe[16 + 8 * %u];\n\n\tmemset(probe, 0, sizeof(probe));\n"
		"\treturn io_uring_register_probe(&rings[%u].uring, (struct io_uring_probe *)(void *)probe, %u);\n",
		AU_OP_LAST_6_18, s->steps[step].ring, AU_OP_LAST_6_18);
}

/* Newer than many a liburing. */
static void do_tell(const struct stream *s, unsigned int step, FILE *out)
{
	fprintf(out,
		"\tstruct io_uring_sqe msg = { .opcode = IORING_OP_MSG_RING, .fd = rings[%u].uring.ring_fd,\n"
		"\t\t.off = 1ull << 63, .len = %u };\n\n"
		"\treturn syscall(__NR_io_uring_register, -1, %u /* SEND_MSG_RING */, &msg, 1) < 0 ? -errno : 0;\n",
		s->steps[step].ring, s->steps[step].len, AU_REGISTER_SEND_MSG_RING);
}

static void do_write(const struct stream *s, unsigned int step, FILE *out)
{
	const struct step *t = &s->steps[step];

	if (emit_is_eventfd(s, &t->fd)) {
		fputs("\treturn eventfd_add(", out);
		emit_fd(s, &t->fd, out);
		fprintf(out, ", %" PRIu64 "ull);\n", t->value);
		return;
	}
	fprintf(out, "\tstatic char buf[%u];\n\n\tmemset(buf, %u, sizeof(buf));\n\treturn direct_write(",
		t->len ? t->len : 1, TOKEN_STEP + step);
	emit_fd(s, &t->fd, out);
	fprintf(out, ", buf, %u);\n", t->len);
}

static void do_read(const struct stream *s, unsigned int step, FILE *out)
{
	const struct step *t = &s->steps[step];

	fprintf(out, "\tstatic char buf[%u];\n\n\treturn direct_read(", t->len ? t->len : 1);
	emit_fd(s, &t->fd, out);
	fprintf(out, ", buf, %u);\n", t->len);
}

static void do_open(const struct stream *s, unsigned int step, FILE *out)
{
	const struct fdref *fd = &s->steps[step].fd;

	fputs("\t", out);
	emit_fd(s, fd, out);
	fprintf(out, " = open(path_%s, %s | O_NONBLOCK);\n\treturn ", s->objs[fd->obj].name,
		fd->end == END_IN ? "O_WRONLY" : "O_RDONLY");
	emit_fd(s, fd, out);
	fputs(" < 0 ? -errno : 0;\n", out);
}

static void do_close(const struct stream *s, unsigned int step, FILE *out)
{
	fputs("\treturn close(", out);
	emit_fd(s, &s->steps[step].fd, out);
	fputs(") < 0 ? -errno : 0;\n", out);
}

static void do_close_ring(const struct stream *s, unsigned int step, FILE *out)
{
	fprintf(out, "\tclose_ring(&rings[%u]);\n\treturn 0;\n", s->steps[step].ring);
}

static void do_exit_thread(const struct stream *s, unsigned int step, FILE *out)
{
	(void)s;
	(void)step;
	fputs("\treturn 0;\n", out);
}

static void do_exit_process(const struct stream *s, unsigned int step, FILE *out)
{
	(void)s;
	(void)step;
	fputs("\t_exit(0);\n", out);
}

static void (*const doings[STEP_KINDS])(const struct stream *, unsigned int, FILE *) = {
	[STEP_SUBMIT] = do_submit,
	[STEP_WAIT] = do_wait,
	[STEP_REAP] = do_reap,
	[STEP_PEEK] = do_peek,
	[STEP_MAX_WORKERS] = do_max_workers,
	[STEP_IOWQ_AFF] = do_iowq_aff,
	[STEP_IOWQ_UNAFF] = do_iowq_unaff,
	[STEP_FILES] = do_files,
	[STEP_SLOT] = do_slot,
	[STEP_UNFILES] = do_unfiles,
	[STEP_PROBE] = do_probe,
	[STEP_TELL] = do_tell,
	[STEP_WRITE] = do_write,
	[STEP_READ] = do_read,
	[STEP_OPEN] = do_open,
	[STEP_CLOSE] = do_close,
	[STEP_CLOSE_RING] = do_close_ring,
	[STEP_EXIT_THREAD] = do_exit_thread,
	[STEP_EXIT_PROCESS] = do_exit_process,
};

static void put_step(const struct stream *s, unsigned int i, FILE *out)
{
	const struct step *t = &s->steps[i];
	char buf[128];
	struct text text;

	text_init(&text, buf, sizeof(buf));
	stream_print_step(s, i, &text);
	fprintf(out, "\n/* %s */\nstatic int step_%u(void)\n{\n", buf, i + 1);
	if (t->kind == STEP_SUBMIT && t->nr_reqs)
		fputs("\tstruct io_uring_sqe *sqe;\n\n", out);
	if (stream_step_on_ring(t->kind))
		fprintf(out, "\tif (!rings[%u].there)\n\t\treturn -EBADFD;\n", t->ring);
	doings[t->kind](s, i, out);
	fputs("}\n", out);
}

static void put_steps(const struct stream *s, FILE *out)
{
	for (unsigned int i = 0; i < s->nr_steps; i++)
		put_step(s, i, out);
	fputs("\nstatic const struct step steps[NR_STEPS + 1] = {\n", out);
	for (unsigned int i = 0; i < s->nr_steps; i++) {
		fputs("\t{\n", out);
		put_string(stream_print_step, s, i, out);
		fprintf(out, "\t\t.run = step_%u,\n\t\t.task = %u,\n", i + 1, s->steps[i].task);
		if (s->steps[i].kind == STEP_EXIT_THREAD)
			fputs("\t\t.exits = true,\n", out);
		put_expected(&s->steps[i].expect, out);
		fputs("\t},\n", out);
	}
	fputs("};\n\nstatic void set_up(int ring)\n{\n", out);
	for (unsigned int i = 0; i < s->nr_rings; i++) {
		const struct ring *r = &s->rings[i];

		fprintf(out, "\tif (ring == %u)\n\t\tmake_ring(&rings[%u], %u, %u, ", i, i, r->entries, r->cq_entries);
		emit_flags(r->flags | (r->cq_entries ? IORING_SETUP_CQSIZE : 0), ring_flags, out);
		fputs(");\n", out);
	}
	fputs(s->nr_rings ? "}\n" : "\t(void)ring;\n}\n", out);
}

/* ---- the whole ---- */

static unsigned int needs_of(const struct stream *s)
{
	static const unsigned int by_step[STEP_KINDS] = {
		[STEP_SUBMIT] = NEED_SUBMIT,	[STEP_WAIT] = NEED_WAIT,	 [STEP_REAP] = NEED_REAP,
		[STEP_EXIT_THREAD] = NEED_CREW, [STEP_EXIT_PROCESS] = NEED_FORK,
	};
	static const unsigned int by_obj[OBJ_KINDS] = {
		[OBJ_PIPE] = NEED_PIPE,
		[OBJ_EVENTFD] = NEED_EVENTFD,
		[OBJ_FILE] = NEED_FILE,
		[OBJ_FIFO] = NEED_FIFO,
	};
	unsigned int needs = emit_law_needs(s);

	for (unsigned int i = 0; i < s->nr_steps; i++)
		needs |= by_step[s->steps[i].kind];
	for (unsigned int i = 0; i < s->nr_objs; i++)
		needs |= by_obj[s->objs[i].kind];
	if (s->nr_reqs)
		needs |= NEED_SET;
	/* A thread of its own has an io-wq of its own: the next round finds no limits of this one. */
	if (s->nr_tasks > 1 || stream_registers_iowq(s))
		needs |= NEED_CREW;
	return needs & NEED_CREW ? needs : needs | NEED_SOLO;
}

static void put_pieces(const struct emit_piece *p, unsigned int needs, FILE *out)
{
	for (; p->text; p++)
		if ((p->need & needs) == p->need)
			fprintf(out, "%s\n", p->text);
}

/* Text within a comment: it must not end it, nor seem to begin one. */
static void put_commented(const char *text, FILE *out)
{
	fputs(" *\t", out);
	for (; *text; text++) {
		if (*text == '\n' && text[1])
			fputs(text[1] == '\n' ? "\n *" : "\n *\t", out);
		else if ((*text == '*' && text[1] == '/') || (*text == '/' && text[1] == '*'))
			fprintf(out, "%c ", *text);
		else if (*text != '\n')
			fputc(*text, out);
	}
	fputc('\n', out);
}

static void put_head(const struct emission *e, FILE *out)
{
	char *buf = malloc(STREAM_PRINT_CAP);
	struct text t;

	fprintf(out, "/* %s: this stream of auguring as a program.\n *\n", e->name);
	if (buf) {
		text_init(&t, buf, STREAM_PRINT_CAP);
		stream_print(e->s, &t);
		put_commented(buf, out);
		free(buf);
	}
	if (e->finding) {
		fputs(" *\n * It is about\n *\n", out);
		put_commented(e->finding, out);
	}
	if (e->text) {
		fputs(" *\n", out);
		put_commented(e->text, out);
	}
	fputs(" *\n * Build: gcc -Wall -Wextra -Werror x.c -luring\n"
	      " * Run: ./a.out [ROUNDS [SEED]]; every other round has small delays between the steps, drawn from the seed.\n"
	      " * Exit status: 0 all that was seen is allowed; 1 something is not; 77 it cannot run here. */\n",
	      out);
}

bool emit_is_certain(const struct emission *e)
{
	return stream_certain(e->s) && !e->finding;
}

static const char main_text[] =
	"static void put_alts(const char *what, const struct alt *alt, int nr)\n"
	"{\n"
	"\tprintf(\"  %s\", what);\n"
	"\tfor (int i = 0; i < nr; i++) {\n"
	"\t\tprintf(\"%s%s\", i ? \" | \" : \" \", name_of(alt[i].lo));\n"
	"\t\tif (alt[i].hi != alt[i].lo)\n"
	"\t\t\tprintf(\"..%s\", name_of(alt[i].hi));\n"
	"\t}\n"
	"\tif (!nr)\n"
	"\t\tprintf(\" any\");\n"
	"}\n"
	"\n"
	"static void show(unsigned long round)\n"
	"{\n"
	"\tprintf(\"round %lu\\n\", round);\n"
	"\tfor (int i = 0; i < NR_REQUESTS; i++) {\n"
	"\t\tprintf(\"  %-40s %-12s\", requests[i].text,\n"
	"\t\t       !seen->req[i].submitted && !seen->req[i].cqes ? \"not taken\" : name_of(result_of(i)));\n"
	"\t\tput_alts(\"expected\", requests[i].expected, requests[i].nr_expected);\n"
	"\t\tput_alts(\"allowed\", requests[i].allowed, requests[i].nr_allowed);\n"
	"\t\tprintf(\"\\n\");\n"
	"\t}\n"
	"\tfputs(complaints, stdout);\n"
	"}\n"
	"\n"
	"static void can_run(void)\n"
	"{\n"
	"\tstruct io_uring ring;\n"
	"\tint ret = io_uring_queue_init(1, &ring, 0);\n"
	"\n"
	"\tif (ret < 0)\n"
	"\t\tcannot_run(\"io_uring_setup\", -ret);\n"
	"\tio_uring_queue_exit(&ring);\n"
	"}\n"
	"\n"
	"int main(int argc, char **argv)\n"
	"{\n"
	"\tunsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 0) : DEFAULT_ROUNDS, forbidden = 0;\n"
	"\n"
	"\tsignal(SIGPIPE, SIG_IGN);\n"
	"\tcan_run();\n"
	"\tseed = argc > 2 ? strtoull(argv[2], NULL, 0) | 1 : 88172645463325252ull;\n"
	"\tseen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);\n"
	"\tif (seen == MAP_FAILED)\n"
	"\t\tcannot_run(\"mmap\", errno);\n"
	"\tfor (unsigned long round = 1; round <= rounds; round++) {\n"
	"\t\tspins = round % 2 == 0;\n"
	"\t\tspin();\n"
	"\t\trun_round();\n"
	"\t\tcheck();\n"
	"\t\tforbidden += *complaints != 0;\n"
	"\t\tif (round == 1 || (*complaints && forbidden <= 3))\n"
	"\t\t\tshow(round);\n"
	"\t}\n"
	"\tprintf(\"%lu of %lu rounds show what is forbidden\\n\", forbidden, rounds);\n"
	"\treturn forbidden != 0;\n"
	"}\n";

void emit_c(const struct emission *e, FILE *out)
{
	const struct stream *s = e->s;
	unsigned int needs = needs_of(s);
	bool must_end = !(needs & (NEED_FORK | NEED_CREW));

	for (unsigned int i = 0; i < s->nr_steps; i++)
		must_end &= s->steps[i].kind != STEP_CLOSE_RING;
	put_head(e, out);
	put_pieces(emit_first, needs, out);
	fprintf(out, "#define DEFAULT_ROUNDS %d\n#define MUST_END %d /* each request that is taken gets its CQE */\n",
		emit_is_certain(e) ? 1 : 1000, must_end);
	put_requests(s, out);
	put_pieces(emit_then, needs, out);
	fputs("/* ---- the stream ---- */\n", out);
	put_make_objects(s, out);
	if (!(needs & NEED_FORK))
		put_close_objects(s, out);
	put_steps(s, out);
	fputc('\n', out);
	put_pieces(emit_last, needs, out);
	if (!(needs & NEED_FORK))
		fputs("static void run_round(void)\n{\n\tmemset(seen, 0, sizeof(*seen));\n\tmake_objects();\n\trun_steps();\n"
		      "\tclose_objects();\n}\n\n",
		      out);
	fputs("static void check(void)\n{\n\t*complaints = 0;\n"
	      "\tif (seen->unknown)\n\t\tforbid(\"cqe.unknown\", \"%d CQEs of nobody\", seen->unknown);\n"
	      "\tfor (int i = 0; i < NR_REQUESTS; i++)\n\t\tcheck_request(i);\n"
	      "\tfor (int i = 0; i < NR_STEPS; i++)\n\t\tcheck_step(i);\n",
	      out);
	emit_checks(s, out);
	fputs("}\n\n", out);
	fputs(main_text, out);
}
