# Shared by the scripts beside it; sourced, never run.
# Everything they write lies in .local: env (ports, chosen once), secrets, bin, run (process and environment files), log, data.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
state=$root/.local
bin=$state/bin
run=$state/run
log=$state/log

say() { printf '%s\n' "$*"; }
die() { printf 'makola: %s\n' "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }
is_root() { [ "$(id -u)" -eq 0 ]; }

# pg_bin prints the folder with PostgreSQL's programs: MAKOLA_PG_BIN, the one in PATH, or the newest of Debian's layout.
pg_bin() {
  local path
  if [ -n "${MAKOLA_PG_BIN:-}" ]; then printf '%s\n' "$MAKOLA_PG_BIN"; return; fi
  if path=$(command -v initdb); then
    path=$(dirname "$(readlink -f "$path")")
    if [ -x "$path/postgres" ]; then printf '%s\n' "$path"; return; fi
  fi
  for path in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
    if [ -x "$path/initdb" ]; then printf '%s\n' "$path"; return; fi
  done
  return 1
}

# rabbit_server prints the program: MAKOLA_RABBITMQ_SERVER, the one behind Debian's wrapper (which insists on its own account
# and folders), or the one in PATH.
rabbit_server() {
  if [ -n "${MAKOLA_RABBITMQ_SERVER:-}" ]; then printf '%s\n' "$MAKOLA_RABBITMQ_SERVER"; return; fi
  if [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]; then printf '%s\n' /usr/lib/rabbitmq/bin/rabbitmq-server; return; fi
  command -v rabbitmq-server
}

# compose_works tells whether a Docker engine answers and has Compose v2. MAKOLA_UP=private or =compose overrides it.
compose_works() {
  case ${MAKOLA_UP:-} in
    private) return 1 ;;
    compose) return 0 ;;
  esac
  have docker && timeout 5 docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1
}

# services prints the long-running services that the repository holds, in starting order. makola is a command, not a service.
services() {
  local name
  for name in paystack-simulator mail-viewer; do
    if [ -f "$root/deploy/sandbox/$name/main.go" ]; then printf '%s\n' "$name"; fi
  done
  for name in billing-worker inventory-worker reports-worker notifier cron api-gateway; do
    if [ -f "$root/services/$name/main.go" ]; then printf '%s\n' "$name"; fi
  done
}

# wait_until SECONDS COMMAND … runs the command every 0.1 s until it succeeds.
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge "$end" ]; then return 1; fi
    sleep 0.1
  done
}

# listens PORT succeeds when something accepts TCP connections there.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# http_status PORT PATH prints the status code of a GET, without needing curl.
http_status() {
  timeout 5 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$1" && printf "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n" "$2" >&3 &&
    read -r _ code _ <&3 && printf "%s\n" "$code"' - "$1" "$2" 2>/dev/null
}

# http_ok PORT PATH succeeds when the answer is 200.
http_ok() { [ "$(http_status "$1" "$2")" = 200 ]; }

# service_ready NAME: a service says so itself; a sandbox program is ready when it listens.
service_ready() {
  case $1 in
    paystack-simulator | mail-viewer) listens "$(port_of "$1")" ;;
    *) http_ok "$(port_of "$1")" /readyz ;;
  esac
}
