#!/bin/bash
# augur bank finds bugs that are quick to find, with these seeds, and raises no alarm on a neutral mutant; what it knows
# it does not run again. bank_test.sh AUGUR
set -u
export AUGUR_ROOT=$PWD BANK_ROOT=$PWD
augur=$PWD/$1
out=${TEST_TMPDIR:-$(mktemp -d)}/out
failed=0

# ID, FOUND (of one trial)
expect() {
	local said
	said=$("$augur" bank --only "$1" --trials 1 --streams 1000 --seed 1 --out "$out") || failed=1
	if ! echo "$said" | grep -q "^$1 .* $2/1 "; then
		echo "$1: expected to be found in $2 of 1 trials:"
		echo "$said"
		failed=1
	fi
}

for id in P29 P40 X02 X10 X17; do expect $id 1; done
for id in N01 N02 N04 N05 N06; do expect $id 0; done
lines=$(wc -l < "$out/results.txt")
expect P29 1
[ "$lines" = 10 ] && [ "$(wc -l < "$out/results.txt")" = 10 ] || { echo "results.txt: $lines lines"; failed=1; }
"$augur" bank --only P00 --out "$out" > "$out/said" 2>&1
[ $? = 2 ] || { echo "an unknown id is accepted"; failed=1; }
exit $failed
