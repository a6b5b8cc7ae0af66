/* Tracepoints: where a request is, told to whoever asked by engine_trace(). Costs a load and a branch where nobody did. */
#ifndef CORE_RING_TRACE_H
#define CORE_RING_TRACE_H

#include <stdint.h>

enum io_trace_point {
	IO_TRACE_SUBMIT, /* has passed preparation, is about to be linked or issued: io_submit_sqe */
	IO_TRACE_QUEUED, /* given to io-wq: io_queue_iowq */
	IO_TRACE_WORKER, /* a worker begins with it: io_wq_submit_work */
	IO_TRACE_ARMED, /* poll or timer armed: io_poll_req_insert, io_timeout_start */
	IO_TRACE_ENDED, /* its result is there, not yet posted: io_req_set_res */
	IO_TRACE_CREATE, /* of no request (user_data 0): a worker is made, or could not be: create_io_worker */
};

/* CREATE: enum io_wq_origin in the low bits of the result, UNBOUND, and the errno above. */
enum { IO_TRACE_CREATE_UNBOUND = 1 << 4, IO_TRACE_CREATE_ERR = 8 };

enum { IO_TRACE_WORK_FLAGS = 0xff }; /* QUEUED: IO_WQ_WORK_* without the bucket go as the result */

/* Set before a run and cleared after it, by nobody in between: no lock, no atomic. */
extern void (*io_trace_fn)(void *ctx, unsigned int point, uint64_t user_data, int32_t res);
extern void *io_trace_ctx;

static inline void io_trace(enum io_trace_point point, uint64_t user_data, int32_t res)
{
	if (io_trace_fn)
		io_trace_fn(io_trace_ctx, point, user_data, res);
}

#endif
