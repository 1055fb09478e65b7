#!/usr/bin/env bash
# Makes the demo shops in the database of `make up`, or with a scale many more, to measure with. What is there stays as it is.
set -euo pipefail
here=$(dirname "$0")
for part in lib process settings servers; do
  # shellcheck disable=SC1090
  . "$here/$part.sh"
done
cd "$root"

scale=${1:-1}
if [[ ! $scale =~ ^[0-9]{1,4}$ ]]; then die "SCALE is a number, 1 for the three demo shops, 100 for a load set"; fi
if [ "$(cat "$state/mode" 2>/dev/null)" = compose ]; then exec docker compose run --rm --build seed seed --scale "$scale"; fi
if ! load_settings || ! pid_of postgres >/dev/null; then die "the database does not run; make up starts it"; fi
go build -buildvcs=false -o "$bin/" ./services/makola
operator seed --scale "$scale"
