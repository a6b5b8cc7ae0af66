/* augur-sim: streams on the engine, on the simulated scheduler. */
#include <stdio.h>
#include <string.h>

#include "runner/engine_backend.h"
#include "runner/hand_main.h"

enum { MAX_POINTS = 4 << 20 };

static int prepare(const struct hand_args *args, const char **why)
{
	hand_confine();
	return 0;
}

_Static_assert((int)SCHEDULE_WALK == 1 + SCHED_WALK && (int)SCHEDULE_REPLAY == 1 + SCHED_REPLAY,
	       "a stream names strategies as the seam does, from 1");

/* The stream's own schedule line comes first. */
static void configure(const struct job *job, struct sched_config *cfg)
{
	const struct schedule *own = &job->stream.schedule;
	bool replay = own->kind ? own->kind == SCHEDULE_REPLAY : job->options.replay;

	cfg->strategy = replay ? SCHED_REPLAY : SCHED_WALK;
	cfg->seed = own->kind ? own->seed : job->options.seed;
	if (replay) {
		cfg->decisions = job->stream.decisions;
		cfg->nr_decisions = own->nr_decisions;
	}
}

static int run(struct job *job)
{
	struct sched_config cfg = { .log = job->log, .log_cap = HAND_LOG, .max_points = MAX_POINTS };
	struct executor_options opt = { .trace = job->options.trace, .dump = job->options.dump };
	struct sched_result result;
	uint32_t n = job->options.repeat;
	int ret;

	configure(job, &cfg);
	do {
		ret = engine_execute(&cfg, &job->stream, &opt, &job->record, &result);
	} while (ret == 0 && result.end == SCHED_DONE && n-- > 1);
	engine_note_sim(&job->record, &result);
	job->nr_decisions = (uint32_t)result.decisions;
	if (result.end != SCHED_DONE)
		snprintf(job->why, sizeof(job->why), "%s", result.stuck);
	else if (ret < 0)
		snprintf(job->why, sizeof(job->why), "%s", executor_failed());
	return ret;
}

int main(int argc, char **argv)
{
	return hand_main(argc, argv, 1u << RUNNER_SIM, prepare, run);
}
