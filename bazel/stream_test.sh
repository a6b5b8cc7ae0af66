#!/bin/sh
# stream_test.sh VAR=PATH... AUGUR ARGS...: sets the variables that tell augur where its hands are, and becomes augur.
set -eu
while :; do
	case $1 in
	AUGUR_*=*) export "${1%%=*}=$PWD/${1#*=}" ;;
	*) break ;;
	esac
	shift
done
exec "$@"
