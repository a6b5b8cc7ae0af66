#include "core/ring/trace.h"

void (*io_trace_fn)(void *ctx, unsigned int point, uint64_t user_data, int32_t res);
void *io_trace_ctx;
