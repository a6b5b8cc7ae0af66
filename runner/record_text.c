#include "runner/record_text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/ensure.h"
#include "runner/record_names.h"
#include "stream/optable.h"
#include "stream/print.h"

/* ---- names ---- */

static const char *const kind_names[REC_KINDS] = {
	[REC_RING] = "ring",   [REC_OBJ] = "obj",     [REC_BEGIN] = "begin", [REC_END] = "end",
	[REC_CQE] = "cqe",     [REC_DATA] = "data",   [REC_BOUND] = "bound", [REC_EPILOGUE] = "epilogue",
	[REC_FINAL] = "final", [REC_RUN] = "run",     [REC_EXIT] = "exit",   [REC_HAND] = "hand",
	[REC_SIM] = "sim",     [REC_TRACE] = "trace", [REC_HOST] = "host",
};

static const char *const phase_names[] = {
	[PHASE_RELEASE] = "release", [PHASE_CANCEL] = "cancel", [PHASE_DRAIN] = "drain",   [PHASE_FENCE] = "fence",
	[PHASE_CLOSE] = "close",     [PHASE_PROBE] = "probe",	[PHASE_SETTLE] = "settle",
};

static const char *const runner_words[RUNNERS] = {
	[RUNNER_SIM] = "sim",
	[RUNNER_ENGINE] = "engine",
	[RUNNER_KERNEL] = "kernel",
};

const char *const record_flag_words[4] = { "fresh", "stamps", "exact", "complete" };

#define NR(table) (sizeof(table) / sizeof((table)[0]))
#define FIELD(name, member, sign, none)                                                                                \
	{                                                                                                              \
		name, offsetof(struct rec_event, member), sizeof(((struct rec_event *)0)->member), sign, none          \
	}

const struct record_field record_fields[RECORD_FIELDS] = {
	FIELD("task", task, false, true),	  FIELD("ring", ring, false, true),
	FIELD("obj", obj, false, true),		  FIELD("step", step, false, true),
	FIELD("req", req, false, true),		  FIELD("a", a, false, false),
	FIELD("res", res, true, false),		  FIELD("flags", flags, false, false),
	FIELD("head", head, false, false),	  FIELD("before", tail_before, false, false),
	FIELD("after", tail_after, false, false),
};

const char *record_runner_name(unsigned int runner)
{
	return runner < RUNNERS ? runner_words[runner] : "?";
}

const char *record_kind_name(unsigned int kind)
{
	return kind < REC_KINDS ? kind_names[kind] : NULL;
}

const char *record_phase_name(uint64_t phase)
{
	return phase < NR(phase_names) ? phase_names[phase] : "?";
}

uint64_t record_field_get(const struct record_field *f, const struct rec_event *e)
{
	uint64_t v = 0;

	memcpy(&v, (const char *)e + f->offset, f->size); /* little-endian, as the rings are */
	return v;
}

void record_field_set(const struct record_field *f, struct rec_event *e, uint64_t v)
{
	memcpy((char *)e + f->offset, &v, f->size);
}

uint64_t record_field_default(const struct record_field *f)
{
	return f->has_none ? (1ull << (8 * f->size)) - 1 : 0;
}

/* ---- for people ---- */

enum { COL_TASK = 14, COL_WHAT = 24, COL_WHO = 48, COL_RESULT = 62, COL_MORE = 78 };

static void put_task(const struct stream *s, unsigned int task, struct text *out)
{
	text_put(out, task < s->nr_tasks ? s->tasks[task].name : "-");
}

static const char *ring_name(const struct stream *s, unsigned int ring)
{
	return ring < s->nr_rings ? s->rings[ring].name : "?";
}

static const char *obj_name(const struct stream *s, unsigned int obj)
{
	return obj < s->nr_objs ? s->objs[obj].name : "?";
}

/* Who a token came from: "a", "step 3", ... */
static void put_byte(const struct stream *s, unsigned int byte, struct text *out)
{
	if (byte >= TOKEN_REQ && byte - TOKEN_REQ < s->nr_reqs)
		text_printf(out, "of %s", s->reqs[byte - TOKEN_REQ].name);
	else if (byte >= TOKEN_STEP && byte - TOKEN_STEP < s->nr_steps)
		text_printf(out, "of step %u", byte - TOKEN_STEP + 1);
	else if (byte == TOKEN_INIT)
		text_put(out, "of the file as it was");
	else if (byte == TOKEN_HOLE)
		text_put(out, "of a hole");
	else if (byte == REC_BYTE_RELEASE)
		text_put(out, "of the epilogue");
	else if (byte == REC_MARKER)
		text_put(out, "never written");
	else
		text_printf(out, "of value %u", byte);
}

static void put_result(const struct rec_event *e, struct text *out)
{
	text_pad(out, COL_RESULT);
	stream_print_result(e->res, out);
}

static void put_tails(const struct rec_event *e, struct text *out)
{
	if (e->tail_before == 0 && e->tail_after == 0)
		return;
	text_pad(out, COL_MORE);
	text_printf(out, "tail %" PRIu32 "..%" PRIu32, e->tail_before, e->tail_after);
}

static void show_ring(const struct rec_event *e, const struct stream *s, struct text *out)
{
	text_printf(out, "ring %s", ring_name(s, e->ring));
	put_result(e, out);
	text_pad(out, COL_MORE);
	text_printf(out, "sq %" PRIu64 " cq %" PRIu64, e->a >> 32, e->a & 0xffffffff);
}

static void show_obj(const struct rec_event *e, const struct stream *s, struct text *out)
{
	text_printf(out, "object %s", obj_name(s, e->obj));
	put_result(e, out);
}

/* What the epilogue calls. */
static void put_call(const struct rec_event *e, const struct stream *s, struct text *out)
{
	if (e->obj != STREAM_NONE)
		text_printf(out, "  %s %s",
			    e->flags == REC_CALL_WRITE ? "feed" :
			    e->flags == REC_CALL_OPEN  ? "meet" :
							 "empty",
			    obj_name(s, e->obj));
	else
		text_printf(out, "  %s %s", e->flags == REC_CALL_SYNC ? "sync_cancel" : "enter", ring_name(s, e->ring));
}

static void show_begin(const struct rec_event *e, const struct stream *s, struct text *out)
{
	if (e->step < s->nr_steps)
		stream_print_step(s, e->step, out);
	else
		put_call(e, s, out);
}

static void show_end(const struct rec_event *e, const struct stream *s, struct text *out)
{
	if (e->step < s->nr_steps)
		text_printf(out, "  step %u returns", e->step + 1u);
	else
		text_put(out, "    returns");
	put_result(e, out);
	put_tails(e, out);
	if (e->res == 0 && e->step < s->nr_steps && s->steps[e->step].kind == STEP_MAX_WORKERS) {
		text_pad(out, COL_MORE);
		text_printf(out, "bounded %" PRIu64 " unbounded %" PRIu64, e->a >> 32, e->a & 0xffffffff);
	}
}

static void show_cqe(const struct rec_event *e, const struct stream *s, struct text *out)
{
	text_printf(out, "  cqe %s[%" PRIu32 "]", ring_name(s, e->ring), e->head);
	text_pad(out, COL_WHO);
	if (e->req < s->nr_reqs)
		text_put(out, s->reqs[e->req].name);
	else if ((e->a & ~0xffffffffull) == REC_UD_CANCEL)
		text_printf(out, "(cancel %u)", (unsigned int)e->a);
	else if ((e->a & ~0xffffffffull) == REC_UD_FENCE)
		text_put(out, "(fence)");
	else if ((e->a & ~0xffffffffull) == REC_UD_MSG && (uint32_t)e->a < s->nr_reqs)
		text_printf(out, "(from %s)", s->reqs[(uint32_t)e->a].name);
	else if ((e->a & ~0xffffffffull) == REC_UD_MSG && (uint32_t)e->a >= STREAM_MAX_REQS)
		text_printf(out, "(from step %u)", (uint32_t)e->a - STREAM_MAX_REQS + 1);
	else
		text_printf(out, "0x%" PRIx64, e->a);
	put_result(e, out);
	if (e->flags) {
		text_pad(out, COL_MORE);
		text_printf(out, "flags 0x%" PRIx32, e->flags);
	}
}

static void show_data(const struct rec_event *e, const struct stream *s, struct text *out)
{
	if (e->obj < s->nr_objs && s->objs[e->obj].kind == OBJ_EVENTFD) {
		text_printf(out, "    count %" PRIu64, e->a);
		return;
	}
	text_printf(out, "    %" PRIu64 " bytes ", e->a);
	put_byte(s, e->flags, out);
}

static void show_bound(const struct rec_event *e, const struct stream *s, struct text *out)
{
	if (e->step < s->nr_steps)
		text_printf(out, "  step %u gives up on %s", e->step + 1u, ring_name(s, e->ring));
	else
		text_printf(out, "  %s gives up on %s", record_phase_name(e->flags), ring_name(s, e->ring));
	text_pad(out, COL_RESULT);
	text_printf(out, "%" PRIu64 " missing", e->a);
}

static void show_epilogue(const struct rec_event *e, const struct stream *s, struct text *out)
{
	text_printf(out, "epilogue: %s", record_phase_name(e->a));
	if (e->ring < s->nr_rings)
		text_printf(out, " %s", ring_name(s, e->ring));
}

static void show_final(const struct rec_event *e, const struct stream *s, struct text *out)
{
	unsigned int kind = e->obj < s->nr_objs ? s->objs[e->obj].kind : OBJ_KINDS;

	text_printf(out, "  %s has", obj_name(s, e->obj));
	text_pad(out, COL_RESULT);
	text_printf(out, "%" PRIu64 "%s", e->a, kind == OBJ_EVENTFD ? "" : " bytes");
	text_pad(out, COL_MORE);
	text_printf(out, "%s%s%s%s", e->flags & FINAL_READERS ? "readers left " : "",
		    e->flags & FINAL_WRITERS ? "writers left " : "", e->flags & FINAL_HELD ? "still held " : "",
		    e->flags & FINAL_UNSEEN ? "unseen" : "");
}

static void show_run(const struct rec_event *e, const struct stream *s, struct text *out)
{
	text_printf(out, "    %" PRIu64 " bytes ", e->a);
	put_byte(s, e->flags, out);
}

static void show_exit(const struct rec_event *e, const struct stream *s, struct text *out)
{
	text_put(out, "  has exited");
	put_result(e, out);
}

static void show_hand(const struct rec_event *e, const struct stream *s, struct text *out)
{
	static const char *const ends[] = {
		[HAND_KILLED] = "the hand died of signal",
		[HAND_HUNG] = "the hand hung, nanoseconds:",
		[HAND_FULL] = "the record is full, events:",
		[HAND_EXITED] = "the hand left with status",
	};

	text_printf(out, "%s %" PRIu64, e->flags < NR(ends) ? ends[e->flags] : "?", e->a);
}

static void show_sim(const struct rec_event *e, const struct stream *s, struct text *out)
{
	static const char *const ends[] = {
		[SIM_DONE] = "done",
		[SIM_QUIESCENT] = "quiescent: nothing can ever run again",
		[SIM_RUNAWAY] = "runaway: a livelock",
	};

	text_printf(out, "schedule %016" PRIx64 ", %" PRId64 " choices: %s", e->a, e->res,
		    e->flags < NR(ends) ? ends[e->flags] : "?");
}

static void show_creation(int64_t res, struct text *out)
{
	static const char *const by[CREATE_BY + 1] = {
		[CREATE_BY_SUBMITTER] = "by the submitter",
		[CREATE_BY_WORKER] = "by a worker",
		[CREATE_BY_TASK_WORK] = "by task work of the owner",
		[CREATE_BY_RETRY] = "by a retry",
	};

	text_printf(out, "%s, %s", res & CREATE_UNBOUND ? "unbound" : "bound", by[res & CREATE_BY]);
	if (res >> CREATE_ERR) {
		text_put(out, ": ");
		stream_print_result(-(res >> CREATE_ERR), out);
	}
}

static void show_trace(const struct rec_event *e, const struct stream *s, struct text *out)
{
	static const char *const points[] = {
		[TRACE_SUBMIT] = "submit_req", [TRACE_QUEUED] = "queue_async_work",
		[TRACE_WORKER] = "worker",     [TRACE_ARMED] = "armed",
		[TRACE_ENDED] = "ended",       [TRACE_CREATE] = "worker_create",
	};

	text_printf(out, "    %s", e->flags < NR(points) ? points[e->flags] : "?");
	text_pad(out, COL_WHO);
	if (e->req < s->nr_reqs)
		text_put(out, s->reqs[e->req].name);
	if (e->flags == TRACE_QUEUED) {
		text_pad(out, COL_RESULT);
		text_printf(out, "%s%s%s", e->res & 2 ? "hashed " : "", e->res & 4 ? "unbound " : "",
			    e->res & 16 ? "concurrent" : "");
	}
	if (e->flags == TRACE_CREATE) {
		text_pad(out, COL_RESULT);
		show_creation(e->res, out);
	}
	if (e->flags == TRACE_ENDED) {
		text_pad(out, COL_RESULT);
		stream_print_result(e->res, out);
	}
}

static void show_host(const struct rec_event *e, const struct stream *s, struct text *out)
{
	if (e->flags == HOST_LIMITS)
		text_printf(out, "host: %" PRId64 " CPUs, RLIMIT_NPROC %" PRIu64, e->res, e->a);
	else
		text_printf(out, "host: workers on CPUs 0x%" PRIx64 " of %" PRId64, e->a, e->res);
}

static void (*const shows[REC_KINDS])(const struct rec_event *e, const struct stream *s, struct text *out) = {
	[REC_RING] = show_ring,	  [REC_OBJ] = show_obj,	    [REC_BEGIN] = show_begin, [REC_END] = show_end,
	[REC_CQE] = show_cqe,	  [REC_DATA] = show_data,   [REC_BOUND] = show_bound, [REC_EPILOGUE] = show_epilogue,
	[REC_FINAL] = show_final, [REC_RUN] = show_run,	    [REC_EXIT] = show_exit,   [REC_HAND] = show_hand,
	[REC_SIM] = show_sim,	  [REC_TRACE] = show_trace, [REC_HOST] = show_host,
};

void record_line(const struct record *rec, unsigned int event, const struct stream *s, struct text *out)
{
	const struct rec_event *e = &rec->ev[event];

	text_printf(out, "%12.3f", (double)e->stamp / 1000);
	text_pad(out, COL_TASK);
	put_task(s, e->task, out);
	text_pad(out, COL_WHAT);
	if (e->kind < REC_KINDS)
		shows[e->kind](e, s, out);
	else
		text_printf(out, "event of kind %u", e->kind);
	while (out->len > 0 && out->buf[out->len - 1] == ' ')
		out->buf[--out->len] = '\0';
}

void record_table(const struct record *rec, const struct stream *s, struct text *out)
{
	text_printf(out, "%s %s%s%s", record_runner_name(rec->runner), rec->release, rec->fs[0] ? ", files on " : "",
		    rec->fs);
	for (unsigned int i = 0; i < NR(record_flag_words); i++)
		if (rec->flags & (1u << i))
			text_printf(out, ", %s", record_flag_words[i]);
	text_putc(out, '\n');
	for (unsigned int i = 0; i < rec->nr && i < RECORD_MAX_EVENTS; i++) {
		record_line(rec, i, s, out);
		text_putc(out, '\n');
	}
}

/* ---- for files ---- */

static void print_event(const struct rec_event *e, struct text *out)
{
	text_printf(out, "%s %" PRIu64, record_kind_name(e->kind), e->stamp);
	for (unsigned int i = 0; i < RECORD_FIELDS; i++) {
		const struct record_field *f = &record_fields[i];
		uint64_t v = record_field_get(f, e);

		if (v == record_field_default(f))
			continue;
		if (f->is_signed)
			text_printf(out, " %s=%" PRId64, f->name, (int64_t)v);
		else
			text_printf(out, " %s=%" PRIu64, f->name, v);
	}
	text_putc(out, '\n');
}

static void print_stream(const struct stream *s, struct text *out)
{
	char *buf = malloc(STREAM_PRINT_CAP);
	struct text t;
	unsigned int lines = 0;

	ENSURE(buf);
	text_init(&t, buf, STREAM_PRINT_CAP);
	stream_print(s, &t);
	ENSURE(!t.cut && t.len > 0 && t.buf[t.len - 1] == '\n');
	for (size_t i = 0; i < t.len; i++)
		lines += t.buf[i] == '\n';
	text_printf(out, "stream %u\n", lines);
	text_putn(out, t.buf, t.len);
	free(buf);
}

void record_print(const struct record *rec, const struct stream *s, struct text *out)
{
	text_printf(out, "augur-record %d\nrunner %s\nrelease %s\n", RECORD_VERSION, record_runner_name(rec->runner),
		    rec->release);
	text_printf(out, "fs%s%s\nflags", rec->fs[0] ? " " : "", rec->fs);
	for (unsigned int i = 0; i < NR(record_flag_words); i++)
		if (rec->flags & (1u << i))
			text_printf(out, " %s", record_flag_words[i]);
	text_putc(out, '\n');
	print_stream(s, out);
	text_printf(out, "events %" PRIu32 "\n", rec->nr);
	for (unsigned int i = 0; i < rec->nr; i++)
		print_event(&rec->ev[i], out);
	text_put(out, "end\n");
}

/* ---- for machines ---- */

static void json_string(const char *key, const char *value, struct text *out)
{
	text_printf(out, "\"%s\":\"", key);
	for (; *value; value++) {
		if (*value == '"' || *value == '\\')
			text_putc(out, '\\');
		text_putc(out, (unsigned char)*value < ' ' ? '?' : *value);
	}
	text_putc(out, '"');
}

static void json_event(const struct rec_event *e, const struct stream *s, struct text *out)
{
	text_printf(out, "{\"kind\":\"%s\",\"ns\":%" PRIu64, record_kind_name(e->kind), e->stamp);
	for (unsigned int i = 0; i < RECORD_FIELDS; i++) {
		const struct record_field *f = &record_fields[i];
		uint64_t v = record_field_get(f, e);

		if (v == record_field_default(f) && (f->has_none || e->kind != REC_CQE))
			continue;
		if (f->is_signed)
			text_printf(out, ",\"%s\":%" PRId64, f->name, (int64_t)v);
		else
			text_printf(out, ",\"%s\":%" PRIu64, f->name, v);
	}
	if (e->req < s->nr_reqs) {
		text_putc(out, ',');
		json_string("name", s->reqs[e->req].name, out);
	}
	text_putc(out, '}');
}

void record_print_json(const struct record *rec, const struct stream *s, struct text *out)
{
	const char *comma = "";

	text_printf(out, "{\"version\":%" PRIu32 ",", rec->version);
	json_string("runner", record_runner_name(rec->runner), out);
	text_putc(out, ',');
	json_string("release", rec->release, out);
	text_putc(out, ',');
	json_string("fs", rec->fs, out);
	for (unsigned int i = 0; i < NR(record_flag_words); i++)
		text_printf(out, ",\"%s\":%s", record_flag_words[i], rec->flags & (1u << i) ? "true" : "false");
	text_put(out, ",\"events\":[");
	for (unsigned int i = 0; i < rec->nr && i < RECORD_MAX_EVENTS; i++, comma = ",") {
		text_put(out, comma);
		json_event(&rec->ev[i], s, out);
	}
	text_put(out, "]}");
}

/* ---- equal ---- */

static bool same_event(const struct rec_event *a, const struct rec_event *b)
{
	for (unsigned int i = 0; i < RECORD_FIELDS; i++)
		if (record_field_get(&record_fields[i], a) != record_field_get(&record_fields[i], b))
			return false;
	return a->kind == b->kind && a->stamp == b->stamp;
}

bool record_same(const struct record *a, const struct record *b)
{
	if (a->version != b->version || a->runner != b->runner || strcmp(a->release, b->release) != 0 ||
	    strcmp(a->fs, b->fs) != 0 || a->flags != b->flags || a->nr != b->nr)
		return false;
	for (unsigned int i = 0; i < a->nr; i++)
		if (!same_event(&a->ev[i], &b->ev[i]))
			return false;
	return true;
}
