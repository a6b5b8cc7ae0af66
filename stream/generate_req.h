/* The generator's state, and the part of it that makes requests. Private to stream/generate*.c. */
#ifndef STREAM_GENERATE_REQ_H
#define STREAM_GENERATE_REQ_H

#include "core/base/prng.h"
#include "stream/generate.h"

struct gen {
	struct prng p;
	struct stream *s;
	uint16_t weight[GEN_FEATURES]; /* of this seed */
	bool exit_thread, exit_process, close_ring; /* still to come */
	bool slow; /* a slow timer is still to come */
	bool over; /* no task or ring is left */
	bool task_gone[STREAM_MAX_TASKS], ring_gone[STREAM_MAX_RINGS], end_gone[STREAM_MAX_OBJS][2];
	bool shared[STREAM_MAX_OBJS]; /* pipes: several readers */
	uint8_t readers[STREAM_MAX_OBJS];
};

bool gen_chance(struct gen *g, enum gen_feature f);
/* A length on a pipe, a value for an eventfd. */
uint32_t gen_len(struct gen *g);
uint64_t gen_value(struct gen *g);

/* Fills r, which becomes the next request. `timer`: it is a linked timeout. */
void gen_request(struct gen *g, struct sreq *r, bool timer);
/* Chooses what cancels and removals are aimed at, once all requests are there. */
void gen_targets(struct gen *g);

#endif
