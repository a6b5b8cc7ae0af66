#!/bin/bash
# Builds a program with a planted bug: build.sh PATCH OUT [PROGRAM]. Applies PATCH to copies of the files it names, compiles
# these and the program's own, and links them with the libraries of the engine as it was built. PATCH `none`: without a
# bug. PROGRAM: one of those in fuzz/bank/BUILD (default: runner/augur-sim). Where everything lies: $BANK_ROOT, a tree with
# the sources, the libraries and fuzz/bank/parts (default: the workspace of this script and its bazel-bin).
#
# Exit status: 0 built; 2 the patch does not apply, or is none: it is named with the hunk; 3 it does not compile.
set -u
patch=$1 out=$(realpath -m "$2") program=${3:-runner/augur-sim}
[ "$patch" = none ] || patch=$(realpath "$patch")
root=${BANK_ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
bin=$root
[ -d "$root/fuzz/bank/parts" ] || bin=$root/bazel-bin
link=$bin/fuzz/bank/parts/$program.link
[ -e "$link" ] || { echo "$patch: the bank builds no program $program: $link" >&2; exit 2; }
cc=${CC:-gcc}
copts=(-O2 -g1 -std=gnu11 -D_GNU_SOURCE= -Wall -Wextra -Werror -Wno-unused-parameter)
work=$(mktemp -d "${TMPDIR:-/tmp}/bank.XXXXXX") || exit 3
trap 'rm -rf "$work"' EXIT

# apply: takes what the patch names into $work and patches it there. Sets files.
apply() {
	local f key said

	for key in id what fixed trigger oracle neutral; do
		grep -q "^$key: ." "$patch" || { echo "$patch: the header has no line '$key:'" >&2; exit 2; }
	done
	mapfile -t files < <(sed -n 's,^+++ b/\([^[:space:]]*\).*,\1,p' "$patch")
	[ ${#files[@]} -gt 0 ] || { echo "$patch: no file is patched" >&2; exit 2; }
	for f in "${files[@]}"; do
		case $f in
		*..* | /*) echo "$patch: $f: not a file of core/" >&2; exit 2 ;;
		core/*.c) ;;
		*) echo "$patch: $f: only .c files of core/ may be patched" >&2; exit 2 ;;
		esac
		[ -e "$root/$f" ] || { echo "$patch: $f: no such file" >&2; exit 2; }
		mkdir -p "$work/$(dirname "$f")"
		cat "$root/$f" > "$work/$f"
	done
	if ! said=$(cd "$work" && patch --batch --forward --fuzz=0 --no-backup-if-mismatch --reject-file=- -p1 < "$patch" 2>&1); then
		echo "$patch: does not apply:" >&2
		echo "$said" | sed 's/^/  /' >&2
		exit 2
	fi
}

files=()
[ "$patch" = none ] || apply

objects=()
for f in "${files[@]}" fuzz/bank/canary.c; do
	from=$work/$f with=(-DBANK -include fuzz/bank/canary.h)
	[ -e "$from" ] || from=$root/$f with=()
	o=$work/$(echo "$f" | tr / _).o
	"$cc" "${copts[@]}" "${with[@]}" -I"$work" -I"$root" -I"$root/core/sched/sim" -c "$from" -o "$o" || exit 3
	objects+=("$o")
done
libs=() flags=()
while read -r kind what; do
	case $kind in
	src)
		o=$work/$(echo "own/$what" | tr / _).o
		"$cc" "${copts[@]}" -I"$root" -I"$root/core/sched/sim" -c "$root/$what" -o "$o" || exit 3
		objects+=("$o")
		;;
	whole) libs+=(-Wl,--whole-archive "$bin/$what" -Wl,--no-whole-archive) ;;
	lib) libs+=("$bin/$what") ;;
	flag) flags+=("$what") ;;
	esac
done < "$link"
mkdir -p "$(dirname "$out")"
"$cc" -o "$out" "${objects[@]}" -Wl,--start-group "${libs[@]}" -Wl,--end-group "${flags[@]}" || exit 3
