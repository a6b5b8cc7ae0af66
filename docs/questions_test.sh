#!/bin/bash
# What a page shows of the engine's runs is what the engine prints: each block that begins with `$ augur run FILE --on sim
# --trace`, up to an empty line, against the run, from its third line to the epilogue and without its times.
# questions_test.sh PAGE AUGUR AUGUR_SIM
set -u
page=$1 augur=$2
export AUGUR_SIM=$PWD/$3
failed=0 blocks=0
while read -r file; do
	blocks=$((blocks + 1))
	shown=$(awk -v want="    \$ augur run $file --on sim --trace" '
		$0 == want { on = 1; next }
		on && /^$/ { exit }
		on { print }' "$page")
	is=$("$augur" run "$file" --on sim --trace | sed -e 1,2d -e '/epilogue/,$d' -e '/^$/,$d' -e '/^verdict: /,$d' |
		cut -c15- | sed -e 's/^/    /' -e 's/ *$//')
	if [ "$shown" != "$is" ]; then
		echo "$page: not what augur run $file --on sim --trace prints:"
		diff <(echo "$shown") <(echo "$is")
		failed=1
	fi
done < <(sed -n 's/^    \$ augur run \(.*\) --on sim --trace$/\1/p' "$page")
[ $blocks -gt 0 ] || { echo "$page: shows nothing"; failed=1; }
exit $failed
