#include <string.h>

#include "runner/run.h"

enum { SPARE = 8 }; /* events kept free for those who watch the hand */

uint64_t run_now(const struct run *x)
{
	return x->be->now() - x->start;
}

static void fill(struct run *x, struct rec_event *e, enum rec_kind kind)
{
	*e = (struct rec_event){
		.kind = (uint8_t)kind,
		.task = x->actor,
		.ring = STREAM_NONE,
		.obj = STREAM_NONE,
		.step = x->step,
		.req = REC_NO_REQ,
		.stamp = run_now(x),
	};
}

struct rec_event *note(struct run *x, enum rec_kind kind)
{
	struct record *rec = x->rec;
	struct rec_event *e;

	if (rec->nr + SPARE > RECORD_MAX_EVENTS)
		return &x->lost;
	e = &rec->ev[rec->nr];
	if (rec->nr + SPARE == RECORD_MAX_EVENTS) {
		fill(x, e, REC_HAND);
		e->flags = HAND_FULL;
		e->a = RECORD_MAX_EVENTS;
		note_commit(x, e);
		return &x->lost;
	}
	fill(x, e, kind);
	return e;
}

void note_commit(struct run *x, struct rec_event *e)
{
	if (e != &x->lost)
		__atomic_store_n(&x->rec->nr, x->rec->nr + 1, __ATOMIC_RELEASE);
}

size_t note_run_length(const char *buf, size_t n)
{
	const uint64_t word = 0x0101010101010101ull * (uint8_t)buf[0];
	size_t i = 1;

	while (i + sizeof(word) <= n && memcmp(buf + i, &word, sizeof(word)) == 0)
		i += sizeof(word);
	while (i < n && buf[i] == buf[0])
		i++;
	return i;
}

static void note_datum(struct run *x, uint16_t req, uint8_t obj, uint64_t a, uint32_t flags)
{
	struct rec_event *e = note(x, REC_DATA);

	e->req = req;
	e->obj = obj;
	e->a = a;
	e->flags = flags;
	note_commit(x, e);
}

void note_data(struct run *x, uint16_t req, uint8_t obj, const char *buf, size_t n)
{
	if (obj != STREAM_NONE && x->s->objs[obj].kind == OBJ_EVENTFD) {
		uint64_t count;

		if (n != sizeof(count))
			return;
		memcpy(&count, buf, sizeof(count));
		note_datum(x, req, obj, count, sizeof(count));
		return;
	}
	while (n > 0) {
		size_t run = note_run_length(buf, n);

		note_datum(x, req, obj, run, (uint8_t)buf[0]);
		buf += run;
		n -= run;
	}
}

void note_phase(struct run *x, enum rec_phase phase, uint8_t ring)
{
	struct rec_event *e = note(x, REC_EPILOGUE);

	e->a = phase;
	e->ring = ring;
	note_commit(x, e);
}
