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
[ "$lines" = 11 ] && [ "$(wc -l < "$out/results.txt")" = 11 ] || { echo "results.txt: $lines lines"; failed=1; }

# The line below a bug shows its finding again, by what is kept alone; a line of results that is cut off is run again.
replay=$("$augur" bank --only P29 --trials 1 --streams 1000 --seed 1 --out "$out" | sed -n 's/^ *AUGUR_SIM/AUGUR_SIM/p')
eval "${replay/.\/augur/"$augur"}" > "$out/said" 2>&1
if [ $? != 1 ] || ! grep -q 'forbidden: ' "$out/said"; then
	echo "it does not replay: $replay"
	cat "$out/said"
	failed=1
fi
head -c -5 "$out/results.txt" > "$out/cut" && cp "$out/cut" "$out/results.txt"
expect N06 0
[ "$(wc -l < "$out/results.txt")" = 12 ] && [ "$(tail -1 "$out/results.txt" | cut -d' ' -f1-3)" = "N06 trial 0" ] ||
	{ echo "results.txt: a line that is cut off"; cat "$out/results.txt"; failed=1; }

# Results of other limits or another generator are no results.
"$augur" bank --only P29 --trials 1 --streams 1001 --seed 1 --out "$out" > "$out/said" 2>&1
[ $? = 2 ] && grep -q 'results.txt:1:1: error: made with other options' "$out/said" ||
	{ echo "other options are accepted"; cat "$out/said"; failed=1; }

# A named test is red with its bug; one that stays green is told by the exit status, and one that there is not is refused.
said=$("$augur" bank --only P35 --trials 1 --streams 10 --seed 1 --out "$out/named") || failed=1
echo "$said" | grep -q '^P35 .* 0/1 .*; red: test_sequence_runs_backwards$' &&
	echo "$said" | grep -q '^1 bugs: 0 found by the campaign (0 .*), 1 by a named test alone, 0 by neither' ||
	{ echo "a named test: $said"; failed=1; }
grep -q '^P35 test core/ring/timeout_test test_sequence_runs_backwards red 1$' "$out/named/results.txt" ||
	{ echo "a named test is not kept"; failed=1; }
# NAME, EXIT STATUS
other_test() {
	sed "s/test_sequence_runs_backwards/$1/" fuzz/bank/P35-*.patch > "$out/other.patch"
	"$augur" bank --patch "$out/other.patch" --trials 1 --streams 10 --seed 1 --out "$out/$1" > "$out/said" 2>&1
	[ $? = "$2" ] || { echo "P35 with $1: not exit status $2"; cat "$out/said"; failed=1; }
}
other_test test_what_counts 1
other_test test_that_is_not 2

# A patch that does not apply is named with its hunk.
sed 's/^-\(.*\)$/-\1 not there/' fuzz/bank/P29-*.patch > "$out/stale.patch"
"$augur" bank --patch "$out/stale.patch" --trials 1 --streams 1000 --seed 1 --out "$out/stale" > "$out/said" 2>&1
[ $? = 2 ] && grep -q 'stale.patch: does not apply' "$out/said" && grep -q 'Hunk #1 FAILED' "$out/said" ||
	{ echo "a patch that does not apply"; cat "$out/said"; failed=1; }
"$augur" bank --only P00 --out "$out" > "$out/said" 2>&1
[ $? = 2 ] || { echo "an unknown id is accepted"; failed=1; }
exit $failed
