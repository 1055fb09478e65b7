#!/usr/bin/env bash
# Stops exactly what `make up` started: each process is known by its number and start time. The data stays.
set -euo pipefail
here=$(dirname "$0")
for part in lib process settings servers; do
  # shellcheck disable=SC1090
  . "$here/$part.sh"
done
cd "$root"

if [ ! -f "$state/mode" ]; then
  say "nothing was started here"
  exit 0
fi
exec 3>"$state/lock"
flock 3
if [ "$(cat "$state/mode")" = compose ]; then
  docker compose down
  exit 0
fi

# The services first, side by side, then what they need.
for file in "$run"/*.pid; do
  name=$(basename "$file" .pid)
  case $name in
    '*' | postgres | rabbitmq | epmd) ;;
    *) stop "$name" & ;;
  esac
done
wait
stop rabbitmq TERM 60 &
stop postgres INT 60 &
wait
stop epmd
say "Makola is down; its data stays in .local"
