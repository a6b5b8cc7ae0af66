#!/bin/bash
# Runs a test and turns exit status 77 ("cannot run here") into a skipped test, which Bazel does not know: status 0 and
# a test.xml that says so. The last line of the output is the reason.
#
# AUGUR_PROFILE_DIR, if set, is where a --config=coverage build leaves its profiles.
set -u

if [ -n "${AUGUR_PROFILE_DIR:-}" ]; then
	export LLVM_PROFILE_FILE="$AUGUR_PROFILE_DIR/%p-%m.profraw"
fi

# Not under Bazel's test runner (bazel run): nothing to translate.
[ -n "${XML_OUTPUT_FILE:-}" ] || exec "$@"

log=$(mktemp "${TEST_TMPDIR:-/tmp}/wrapper.XXXXXX") || exit 1
"$@" > >(tee "$log") 2>&1
status=$?
if [ "$status" = 77 ]; then
	wait
	reason=$(tail -n 1 "$log" | tr -d '\000-\010\013-\037' | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g; s/"/\&quot;/g')
	name=${TEST_TARGET:-test}
	cat >"$XML_OUTPUT_FILE" <<-END
		<?xml version="1.0" encoding="UTF-8"?>
		<testsuites><testsuite name="$name" tests="1" failures="0" errors="0" skipped="1">
		<testcase name="$name" time="0"><skipped message="$reason"/></testcase>
		</testsuite></testsuites>
	END
	status=0
fi
rm -f "$log"
exit "$status"
