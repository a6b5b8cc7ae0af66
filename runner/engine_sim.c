/* The engine on the simulated scheduler. Time is virtual: bounds cost nothing; when one is hit, nothing could run. */
#include "core/engine.h"
#include "runner/engine_backend.h"

const struct backend backend_engine = {
	.runner = RUNNER_SIM,
	.record_flags = RECF_FRESH | RECF_STAMPS | RECF_EXACT,
	ENGINE_BACKEND_CALLS,
	.wait_bound_ns = 10000000000ull,
	.probe_bound_ns = 2000000000ull,
};
