"""Every rule load and every macro of the project, so that another Bazel is one file away.

  augur_library   C that needs no scheduler
  core_library    C that stands on the seam (core/sched): compiled twice, NAME_sim and NAME_threads
  core_test       a test of such C, on both schedulers
  augur_test      a test of any other C
  augur_binary    a program, static if it says so and the config can
  fuzz_target     a libFuzzer / AFL++ target, and the test that replays its corpus
  stream_test     streams run by `augur run` on one runner

Includes are written from the workspace root ("core/base/list.h"); the one exception is "sched/sched.h", which is found
by include path in the scheduler that is linked.
"""

load("@rules_cc//cc:defs.bzl", "cc_binary", "cc_library", "cc_test")

COPTS = [
    "-std=gnu11",
    "-D_GNU_SOURCE=",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wstrict-prototypes",
    "-Wmissing-prototypes",
    "-Wshadow",
    "-Wpointer-arith",
    "-Wno-unused-parameter",
]

_BASE = "//core/base"
_CHECK = "//core/base:check"
_SCHEDULERS = {
    "_sim": "//core/sched:sim",
    "_threads": "//core/sched:threads",
}

# The simulation is one OS thread: ThreadSanitizer has nothing to see there.
_SCHEDULER_TEST_TAGS = {
    "_sim": ["no-tsan"],
    "_threads": [],
}

def _on(labels, suffix):
    """The labels of core_library targets as built on one scheduler: "//core/wq" is "//core/wq:wq" + suffix."""
    found = []
    for label in labels:
        if label.startswith("//") and ":" not in label:
            label = label + ":" + label.split("/")[-1]
        found.append(label + suffix)
    return found

def _with(labels, label):
    return labels if label in labels else labels + [label]

def augur_library(name, srcs = [], hdrs = [], deps = [], visibility = None, copts = [], **kw):
    """A C library with the project's warnings. `kw`: as for cc_library."""
    cc_library(
        name = name,
        srcs = srcs,
        hdrs = hdrs,
        deps = deps,
        visibility = visibility,
        copts = COPTS + copts,
        linkstatic = True,
        **kw
    )

def core_library(name, srcs = [], hdrs = [], core_deps = [], deps = [], visibility = None, **kw):
    """A C library compiled once for each scheduler: `name`_sim and `name`_threads.

    Args:
      core_deps: other core_library targets, named without suffix ("//core/file", ":ring").
      deps: ordinary targets, the same for both ("//core/base").
    """
    for suffix, scheduler in _SCHEDULERS.items():
        augur_library(
            name = name + suffix,
            srcs = srcs,
            hdrs = hdrs,
            deps = deps + _on(core_deps, suffix) + [scheduler],
            visibility = visibility,
            **kw
        )

def augur_test(name, srcs, deps = [], size = "small", copts = [], **kw):
    """A C test. //core/base:check is there without being named. Exit status 77 means skipped.

    Tags: "no-tsan" and "no-asan" keep it out of that sanitizer's leg; "external" is never cached (it asks the kernel).
    """
    cc_test(
        name = name,
        srcs = srcs,
        deps = _with(deps, _CHECK),
        size = size,
        copts = COPTS + copts,
        linkstatic = True,
        **kw
    )

def core_test(name, srcs, core_deps = [], deps = [], tags = [], **kw):
    """A C test on both schedulers: `name`_sim and `name`_threads. Arguments as for core_library and augur_test."""
    for suffix, scheduler in _SCHEDULERS.items():
        augur_test(
            name = name + suffix,
            srcs = srcs,
            deps = deps + _on(core_deps, suffix) + [scheduler],
            tags = tags + _SCHEDULER_TEST_TAGS[suffix],
            **kw
        )

def augur_binary(name, srcs, deps = [], static = False, copts = [], linkopts = [], **kw):
    """A program.

    Args:
      static: link it statically where that can be done: not in the sanitizer, fuzzer and coverage configs.
    """
    how = select({
        "//bazel:no_static": [],
        "//conditions:default": ["-static"],
    }) if static else []
    cc_binary(
        name = name,
        srcs = srcs,
        deps = deps,
        copts = COPTS + copts,
        linkopts = linkopts + how,
        linkstatic = True,
        **kw
    )

def fuzz_target(name, srcs, deps = [], corpus = [], copts = [], linkopts = [], size = "medium", tags = [], **kw):
    """A fuzz target: `srcs` define LLVMFuzzerTestOneInput.

    `name`, tagged "fuzz-target", links libFuzzer under --config=libfuzzer, AFL++'s persistent driver under
    --config=afl, and a main that replays files in all other configs. `name`_replay is a test: that main over the corpus
    and over a few inputs of its own.

    Args:
      corpus: labels of files or filegroups.
    """
    engine = ["-fsanitize=fuzzer"]
    replay = ["//bazel:replay_main.c"]
    cc_binary(
        name = name,
        srcs = srcs + select({
            "//bazel:libfuzzer": [],
            "//bazel:afl": [],
            "//conditions:default": replay,
        }),
        deps = _with(deps, _BASE),
        copts = COPTS + copts,
        linkopts = linkopts + select({
            "//bazel:libfuzzer": engine,
            "//bazel:afl": engine,
            "//conditions:default": [],
        }),
        linkstatic = True,
        tags = tags + ["fuzz-target"],
        **kw
    )
    cc_test(
        name = name + "_replay",
        srcs = srcs + replay,
        deps = _with(deps, _BASE),
        args = ["$(rootpaths %s)" % label for label in corpus],
        data = corpus,
        copts = COPTS + copts,
        linkopts = linkopts,
        linkstatic = True,
        size = size,
        tags = tags + ["no-tsan"],
        **kw
    )

def stream_test(name, streams, on, args = [], tags = [], data = [], size = "medium", **kw):
    """Runs `augur run --on ON STREAMS`; passes if augur exits 0.

    Args:
      streams: labels of stream files or filegroups of them.
      on: a runner's name: "sim", "engine" or "kernel". A kernel's verdict is never cached.
      args: more arguments of `augur run`, before the streams.
    """
    augur = "//cli:augur"
    hands = {"AUGUR_SIM": "//runner:augur-sim", "AUGUR_EXEC": "//runner:augur-exec"}
    native.sh_test(
        name = name,
        srcs = ["//bazel:stream_test.sh"],
        args = ["%s=$(rootpath %s)" % (var, label) for var, label in hands.items()] +
               ["$(rootpath %s)" % augur, "run", "--on", on] + args +
               ["$(rootpaths %s)" % label for label in streams],
        data = [augur] + hands.values() + streams + data,
        size = size,
        tags = tags + (["external", "local"] if on == "kernel" else []) + ([] if on == "engine" else ["no-tsan"]),
        **kw
    )
