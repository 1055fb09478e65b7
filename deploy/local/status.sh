#!/usr/bin/env bash
# Lists what `make up` started: process number, age, memory, address, and whether it is ready.
set -euo pipefail
here=$(dirname "$0")
for part in lib process settings servers; do
  # shellcheck disable=SC1090
  . "$here/$part.sh"
done
cd "$root"

if [ "$(cat "$state/mode" 2>/dev/null)" = compose ]; then exec docker compose ps; fi
if ! load_settings; then
  say "nothing was started here; make up does"
  exit 0
fi

address() {
  case $1 in
    postgres) echo "127.0.0.1:$PG_PORT" ;;
    rabbitmq) echo "127.0.0.1:$AMQP_PORT" ;;
    api-gateway) echo "http://127.0.0.1:$GATEWAY_PORT" ;;
    mail-viewer) echo "http://127.0.0.1:$MAIL_PORT" ;;
    paystack-simulator) echo "http://127.0.0.1:$SIMULATOR_PORT" ;;
    *) echo "http://127.0.0.1:$(port_of "$1")/readyz" ;;
  esac
}

is_ready() {
  case $1 in
    postgres) psql_ready ;;
    rabbitmq) rabbit_ready ;;
    *) service_ready "$1" ;;
  esac
}

printf '%-20s %-8s %-12s %8s  %-8s %s\n' NAME PID AGE MEMORY STATE ADDRESS
down=0
for name in postgres rabbitmq $(services); do
  if pid=$(pid_of "$name"); then
    if is_ready "$name"; then state_word=ready; else state_word=unready down=1; fi
    age=$(ps -o etime= -p "$pid" | tr -d ' ')
    memory=$(ps -o rss= -s "$pid" --ppid "$pid" | awk '{ sum += $1 } END { print sum }')
    printf '%-20s %-8s %-12s %4s MiB  %-8s %s\n' "$name" "$pid" "$age" $((memory / 1024)) "$state_word" "$(address "$name")"
  else
    down=1
    printf '%-20s %-8s %-12s %8s  %-8s %s\n' "$name" - - - down "$(address "$name")"
  fi
done
exit $down
