#!/usr/bin/env bash
# Follows the logs of everything, or of the one service that is named.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"

if [ "$(cat "$state/mode" 2>/dev/null)" = compose ]; then exec docker compose logs -f --tail 100 "$@"; fi
if [ $# -gt 0 ]; then
  if [ ! -f "$log/$1.log" ]; then die "no log of $1; there are: $(cd "$log" 2>/dev/null && printf '%s ' *.log)"; fi
  exec tail -n 100 -F "$log/$1.log"
fi
cd "$log" 2>/dev/null || die "nothing was started here; make up does"
exec tail -n 20 -F ./*.log
