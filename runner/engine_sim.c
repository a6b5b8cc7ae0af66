/* The engine on the simulated scheduler. Time is virtual: bounds cost nothing; when one is hit, nothing could run. */
#include "core/engine.h"
#include "runner/engine_backend.h"

_Static_assert((int)TRACE_SUBMIT == (int)ENGINE_TRACE_SUBMIT && (int)TRACE_QUEUED == (int)ENGINE_TRACE_QUEUED &&
		       (int)TRACE_WORKER == (int)ENGINE_TRACE_WORKER && (int)TRACE_ARMED == (int)ENGINE_TRACE_ARMED &&
		       (int)TRACE_ENDED == (int)ENGINE_TRACE_ENDED && (int)TRACE_CREATE == (int)ENGINE_TRACE_CREATE,
	       "a record names tracepoints as the engine does");
_Static_assert((int)CREATE_BY_SUBMITTER == (int)ENGINE_CREATE_BY_SUBMITTER &&
		       (int)CREATE_BY_WORKER == (int)ENGINE_CREATE_BY_WORKER &&
		       (int)CREATE_BY_TASK_WORK == (int)ENGINE_CREATE_BY_TASK_WORK &&
		       (int)CREATE_BY_RETRY == (int)ENGINE_CREATE_BY_RETRY &&
		       (int)CREATE_UNBOUND == (int)ENGINE_CREATE_UNBOUND && (int)CREATE_ERR == (int)ENGINE_CREATE_ERR,
	       "a record says who made a worker as the engine does");

const struct backend backend_engine = {
	.runner = RUNNER_SIM,
	.record_flags = RECF_FRESH | RECF_STAMPS | RECF_EXACT,
	ENGINE_BACKEND_CALLS,
	.trace = engine_trace, /* one task runs at a time, and none is preempted in a tracepoint */
	.dump = engine_dump,
	.wait_bound_ns = 10000000000ull,
	.probe_bound_ns = 2000000000ull,
};
