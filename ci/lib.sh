# Sourced by the scripts here and by ./augur: where things are, and how Bazel is called.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Bazel keeps its output below $HOME and refuses to start without one.
[ -n "${HOME:-}" ] || HOME=$(getent passwd "$(id -u)" | cut -d: -f6)
export HOME

# The project's own .bazelrc and no one else's.
bz() {
	(cd "$root" && exec bazel --nohome_rc "$@")
}

# bin CONFIG: where that config's programs are ("" is the default config). bazel-bin points to the last config built.
bin() {
	echo "$root/bazel-out/k8-opt${1:+-$1}/bin"
}

say() {
	printf '%s\n' "$*" >&2
}
