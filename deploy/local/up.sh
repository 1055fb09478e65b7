#!/usr/bin/env bash
# Starts Makola on this machine and prints where it is. Run it as often as you like: what runs and has not changed stays as it is.
#
# Where a Docker engine answers, Compose does it. Elsewhere the distribution's PostgreSQL and RabbitMQ are installed if missing
# and started privately, on own ports, with own data, beside whatever else this machine runs. MAKOLA_UP=private or =compose
# decides by hand. Everything is kept below .local.
set -euo pipefail
here=$(dirname "$0")
for part in lib process settings servers; do
  # shellcheck disable=SC1090
  . "$here/$part.sh"
done
cd "$root"

build() {
  local dirs=() dir
  for dir in services/*/ deploy/sandbox/*/; do
    if [ -f "$dir/main.go" ]; then dirs+=("./$dir"); fi
  done
  if [ ${#dirs[@]} -gt 0 ]; then CGO_ENABLED=0 go build -buildvcs=false -tags nomsgpack -ldflags='-s -w' -o "$bin/" "${dirs[@]}"; fi
}

start_servers() {
  start_postgres &
  local database=$!
  start_rabbit
  wait "$database"
}

# start_services starts all first and then waits for each, so that the slowest alone decides how long it takes.
start_services() {
  local name missing=0
  for name in $(services); do
    write_env "$name"
    ensure "$name" "$bin/$name"
  done
  for name in $(services); do
    if ! wait_until 60 ready_or_gone "$name" || ! pid_of "$name" >/dev/null; then
      missing=1
      printf '  %s is not ready; the end of .local/log/%s.log:\n' "$name" "$name" >&2
      tail -n 15 "$log/$name.log" >&2
    fi
  done
  if [ $missing -ne 0 ]; then die "not everything is ready; mend it and run make up again"; fi
}

ready_or_gone() { gone "$1" || service_ready "$1"; }

private() {
  "$here/install.sh" servers
  decide
  say "starting PostgreSQL and RabbitMQ, building the services"
  build &
  local building=$!
  start_servers
  wait "$building"
  if [ -x "$bin/makola" ]; then
    say "migrating"
    operator migrate
    operator topology
    operator seed >"$state/demo"
  fi
  say "starting the services"
  start_services
  summary
}

summary() {
  cat <<EOF

Makola runs.
  gateway        http://127.0.0.1:$GATEWAY_PORT
  documentation  http://127.0.0.1:$GATEWAY_PORT/docs
  mails          http://127.0.0.1:$MAIL_PORT
  payments       http://127.0.0.1:$SIMULATOR_PORT  (simulator of Paystack, Flutterwave and Stripe)
  RabbitMQ       http://127.0.0.1:$AMQP_API_PORT  (makola_admin, password in .local/secrets)
EOF
  if [ -s "$state/demo" ]; then sed 's/^/  /' "$state/demo"; fi
  say
  say "make status shows it, make logs follows it, make demo buys something, make down stops it."
}

compose() {
  printf 'compose\n' >"$state/mode" # before anything starts: what a failed start leaves behind is for make down, too
  if ! docker compose up -d --build --wait; then
    # Compose names the container that failed; what it said is in its log.
    docker compose ps -a --format '{{.Service}} {{.State}} {{.ExitCode}}' | awk '$2 == "restarting" || $3 != 0 { print $1 }' | sort -u |
      xargs -r docker compose logs --tail 5 >&2
    die "not everything is ready; mend it and run make up again"
  fi
  cat <<EOF

Makola runs in Compose.
  gateway        $(published api-gateway 8080)
  documentation  $(published api-gateway 8080)/docs
  mails          $(published mail-viewer 8025)
  payments       $(published paystack-simulator 8095)  (simulator of Paystack, Flutterwave and Stripe)
  RabbitMQ       $(published rabbitmq 15672)  (makola_admin, password in docker-compose.yml)
$(docker logs --tail 4 "$(docker compose ps -aq seed)" | sed 's/^/  /')

make status shows it, make logs follows it, make demo buys something, make down stops it.
EOF
}

# published SERVICE PORT prints the address under which a container's port is reached; .env may move it.
published() { printf 'http://%s\n' "$(docker compose port "$1" "$2")"; }

# private_runs tells whether processes of an earlier, private start are alive: an engine that answers only now must not start a second Makola.
private_runs() {
  local file
  if [ "$(cat "$state/mode" 2>/dev/null)" != private ]; then return 1; fi
  for file in "$run"/*.pid; do
    if pid_of "$(basename "$file" .pid)" >/dev/null; then return 0; fi
  done
  return 1
}

# One run at a time: a second one waits for the first, and then finds everything running.
mkdir -p "$state"
exec 3>"$state/lock"
flock 3
if compose_works && ! private_runs; then
  compose
else
  printf 'private\n' >"$state/mode"
  private
fi
