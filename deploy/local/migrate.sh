#!/usr/bin/env bash
# Brings the database of `make up` to the newest schema.
set -euo pipefail
here=$(dirname "$0")
for part in lib process settings servers; do
  # shellcheck disable=SC1090
  . "$here/$part.sh"
done
cd "$root"

if [ "$(cat "$state/mode" 2>/dev/null)" = compose ]; then exec docker compose run --rm --build migrate; fi
if ! load_settings || ! pid_of postgres >/dev/null; then die "the database does not run; make up starts it"; fi
go build -buildvcs=false -o "$bin/" ./services/makola
operator migrate
