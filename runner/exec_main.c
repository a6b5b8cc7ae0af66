/* augur-exec: streams on the running kernel, or on the engine on real threads. */
#include <stdio.h>

#include "runner/engine_backend.h"
#include "runner/hand_main.h"

static enum rec_runner runner;

static int prepare(const struct hand_args *args, const char **why)
{
	int dir;

	runner = args->runner;
	hand_confine();
	executor_cpus(&args->cpus);
	if (runner != RUNNER_KERNEL)
		return 0;
	dir = backend_kernel_probe(why);
	if (dir == 0)
		dir = hand_scratch(args->scratch, why);
	if (dir >= 0)
		backend_kernel_scratch(dir);
	return dir < 0 ? dir : 0;
}

static int run_engine(struct job *job, const struct executor_options *opt)
{
	struct sched_config cfg = { .strategy = SCHED_WALK, .seed = job->options.seed };
	struct sched_result result;

	return engine_execute(&cfg, &job->stream, opt, &job->record, &result);
}

static int run(struct job *job)
{
	struct executor_options opt = { .luck = job->options.seed, .reuse = job->options.reuse };
	uint32_t n = job->options.repeat;
	int ret;

	do {
		ret = runner == RUNNER_KERNEL ? executor_run(&backend_kernel, &job->stream, &opt, &job->record) :
						run_engine(job, &opt);
	} while (ret == 0 && n-- > 1);
	if (ret < 0)
		snprintf(job->why, sizeof(job->why), "%s", executor_failed());
	return ret;
}

int main(int argc, char **argv)
{
	return hand_main(argc, argv, 1u << RUNNER_KERNEL | 1u << RUNNER_ENGINE, prepare, run);
}
