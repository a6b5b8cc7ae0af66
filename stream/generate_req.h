/* The generator's state, and what its parts need of each other: steps (generate.c), requests (generate_req.c), shapes
 * (generate_shape.c). Private to stream/generate*.c. */
#ifndef STREAM_GENERATE_REQ_H
#define STREAM_GENERATE_REQ_H

#include "core/base/prng.h"
#include "stream/generate.h"

struct gen {
	struct prng p;
	struct stream *s;
	uint16_t weight[GEN_FEATURES]; /* of this seed */
	bool exit_thread, exit_process, close_ring; /* still to come */
	bool exits; /* the stream was chosen to exit somewhere */
	bool slow; /* a slow timer is still to come */
	bool over; /* no task or ring is left */
	bool coupled; /* one ring, few objects, and cancels aimed at what is in flight */
	bool task_gone[STREAM_MAX_TASKS], ring_gone[STREAM_MAX_RINGS], end_gone[STREAM_MAX_OBJS][2];
	bool shared[STREAM_MAX_OBJS]; /* pipes: several readers */
	uint8_t readers[STREAM_MAX_OBJS];
	bool tables, table[STREAM_MAX_RINGS]; /* there are registered files: in these rings */
	bool fixed; /* requests of this submit may name slots */
	uint8_t ring; /* of this submit */
	bool aimed[STREAM_MAX_REQS]; /* cancels that have their target */
};

bool gen_chance(struct gen *g, enum gen_feature f);
/* A length on a pipe, a value for an eventfd. */
uint32_t gen_len(struct gen *g);
uint64_t gen_value(struct gen *g);

/* An open ring that some task may use, and the task; false: there is none. */
bool gen_pick_ring(struct gen *g, unsigned int *ring, unsigned int *task);
/* A task that is there. */
unsigned int gen_any_task(struct gen *g);
/* The next step; NULL: there is no room for it. */
struct step *gen_add_step(struct gen *g, enum step_kind kind, unsigned int task);
struct step *gen_add_on_ring(struct gen *g, enum step_kind kind, unsigned int ring, unsigned int task);
/* Sets or reads the limits of io-wq. */
void gen_limit(struct gen *g);
/* generate_files.c: tables of registered files, most of them filled; a step that changes something in one. */
void gen_tables(struct gen *g);
void gen_file_step(struct gen *g);
void gen_tell(struct gen *g);
/* Closes a ring, if one is to be closed and is not yet. */
void gen_close_ring(struct gen *g, unsigned int ring);

/* A shape, which makes at most so many requests; false: none fits, and nothing was made. `holding`: one that holds a worker. */
bool gen_shape(struct gen *g, unsigned int most, bool holding);

/* Fills r, which becomes the next request. `timer`: it is a linked timeout. */
void gen_request(struct gen *g, struct sreq *r, bool timer);
/* Makes r a timeout. */
void gen_timeout(struct gen *g, struct sreq *r);
/* Chooses what cancels and removals are aimed at, once all requests are there. */
void gen_targets(struct gen *g);

#endif
