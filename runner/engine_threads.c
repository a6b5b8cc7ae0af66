/* The engine on real threads. */
#include "core/engine.h"
#include "runner/engine_backend.h"

const struct backend backend_engine = {
	.runner = RUNNER_ENGINE,
	.record_flags = RECF_FRESH | RECF_STAMPS,
	ENGINE_BACKEND_CALLS,
	.wait_bound_ns = 3000000000ull,
	.probe_bound_ns = 2000000000ull,
};
