#!/bin/bash
# Every patch of the bank applies, builds and links; what does not apply is refused with its name and its hunk.
set -u
export BANK_ROOT=$PWD
bank=$PWD/fuzz/bank
tmp=${TEST_TMPDIR:-$(mktemp -d)}
failed=0
for patch in "$bank"/*.patch; do
	"$bank/build.sh" "$patch" "$tmp/sim" || { echo "FAILED $patch"; failed=1; }
done
first=$(ls "$bank"/*.patch | head -1)
sed 's/^-\(.*\)$/-\1 not there/' "$first" > "$tmp/stale.patch"
"$bank/build.sh" "$tmp/stale.patch" "$tmp/sim" 2> "$tmp/said"
status=$?
if [ $status != 2 ] || ! grep -q 'stale.patch' "$tmp/said" || ! grep -q 'Hunk #1 FAILED' "$tmp/said"; then
	echo "a patch that does not apply: status $status"
	cat "$tmp/said"
	failed=1
fi
exit $failed
