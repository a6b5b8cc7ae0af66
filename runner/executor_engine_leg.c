#include "runner/engine_backend.h"
#include "runner/executor_test.h"

const char *leg_missing(void)
{
	return NULL;
}

int leg_run(const struct stream *s, uint64_t seed, struct record *rec)
{
	struct sched_config cfg = { .strategy = SCHED_WALK, .seed = seed, .max_points = 1 << 22 };
	struct executor_options opt = { .luck = seed };
	struct sched_result result;

	return engine_execute(&cfg, s, &opt, rec, &result);
}
