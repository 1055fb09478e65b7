#!/usr/bin/env bash
# Runs the demonstration against what `make up` started.
set -euo pipefail
here=$(dirname "$0")
for part in lib process settings servers; do
  # shellcheck disable=SC1090
  . "$here/$part.sh"
done
cd "$root"

if [ "$(cat "$state/mode" 2>/dev/null)" = compose ]; then exec docker compose run --rm demo; fi
load_settings || die "nothing was started here; make up does"
export GATEWAY_URL=http://127.0.0.1:$GATEWAY_PORT MAIL_URL=http://127.0.0.1:$MAIL_PORT SIMULATOR_URL=http://127.0.0.1:$SIMULATOR_PORT
operator demo
