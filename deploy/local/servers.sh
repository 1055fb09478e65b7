# The private PostgreSQL and RabbitMQ of `make up`; sourced, never run.
# shellcheck shell=bash

# as_postgres COMMAND … runs a command as an account that PostgreSQL accepts: root steps down, everybody else stays.
as_postgres() {
  if is_root; then
    setpriv --reuid="$(pg_account)" --regid="$(id -g "$(pg_account)")" --clear-groups -- "$@"
  else
    "$@"
  fi
}

pg_account() { if id -u postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi; }

# psql_ready asks the server itself, not only its port: while it recovers, it accepts connections and turns them away.
psql_ready() { "$(pg_bin)/pg_isready" -q -h 127.0.0.1 -p "$PG_PORT"; }

start_postgres() {
  local programs
  programs=$(pg_bin)
  if [ ! -s "$PG_DATA/PG_VERSION" ]; then create_cluster "$programs"; fi
  local server=("$programs/postgres" -D "$PG_DATA" -p "$PG_PORT" -c listen_addresses=127.0.0.1 -c unix_socket_directories=
    -c max_connections=200 -c shared_buffers=256MB)
  if is_root; then
    server=("$(command -v setpriv)" "--reuid=$(pg_account)" "--regid=$(id -g "$(pg_account)")" --clear-groups -- "${server[@]}")
  fi
  (cd / && ensure postgres "${server[@]}")
  if ! wait_until 60 psql_ready; then
    tail -n 20 "$log/postgres.log" >&2
    die "PostgreSQL does not answer, see .local/log/postgres.log"
  fi
  PGHOST=127.0.0.1 PGPORT=$PG_PORT PGUSER=postgres PGPASSWORD=$PG_PASSWORD_SUPERUSER PATH=$programs:$PATH \
    "$root/deploy/postgres/setup.sh"
}

# create_cluster makes the cluster beside its place and then moves it there, so that an interrupted run leaves no half of one.
create_cluster() {
  local programs=$1 new=$PG_DATA.new
  say "  creating a database cluster"
  rm -rf "$new"
  mkdir -p "$new"
  printf '%s\n' "$PG_PASSWORD_SUPERUSER" >"$new.password" # the server's account may not read .local/secrets
  if is_root; then
    chown "$(pg_account)" "$new" "$new.password"
    chmod go+x "$(dirname "$PG_DATA")"
  fi
  if ! (cd / && as_postgres "$programs/initdb" -D "$new" -U postgres -A scram-sha-256 -E UTF8 --locale=C --pwfile="$new.password") \
    >"$log/initdb.log" 2>&1; then
    cat "$log/initdb.log" >&2
    die "initdb failed"
  fi
  rm "$new.password"
  mv "$new" "$PG_DATA"
}

start_rabbit() {
  local home=$state/rabbit epmd
  mkdir -p "$home"
  "$root/deploy/rabbitmq/definitions.sh" >"$home/definitions.json"
  cat >"$home/rabbitmq.conf" <<EOF
listeners.tcp.1 = 127.0.0.1:$AMQP_PORT
management.tcp.ip = 127.0.0.1
management.tcp.port = $AMQP_API_PORT
load_definitions = $home/definitions.json
disk_free_limit.absolute = 200MB
EOF
  printf '[rabbitmq_management].\n' >"$home/enabled_plugins"
  printf '[].\n' >"$home/advanced.config"
  : >"$home/env.conf"
  if [ ! -f "$home/.erlang.cookie" ]; then
    secret >"$home/.erlang.cookie"
    chmod 400 "$home/.erlang.cookie"
  fi
  # Erlang's port mapper, which the node would otherwise start as a daemon that stays behind, and share with other nodes.
  epmd=$(command -v epmd || printf '%s\n' /usr/lib*/erlang/erts-*/bin/epmd | tail -n 1)
  : >"$run/epmd.env"
  ensure epmd "$epmd" -address 127.0.0.1 -port "$EPMD_PORT"
  rabbit_environment "$home" >"$run/rabbitmq.env"
  sha256sum "$home/definitions.json" "$home/rabbitmq.conf" | sed 's/^/# /' >>"$run/rabbitmq.env" # a change restarts the node
  ensure rabbitmq "$(rabbit_server)"
  if ! wait_until 120 rabbit_ready; then
    tail -n 20 "$log/rabbitmq.log" >&2
    die "RabbitMQ does not answer, see .local/log/rabbitmq.log"
  fi
}

# rabbit_ready: AMQP is the last listener that a node opens; 401 is the management API asking for a password.
rabbit_ready() { listens "$AMQP_PORT" && [ "$(http_status "$AMQP_API_PORT" /api/overview)" = 401 ]; }

# rabbit_environment names each folder and port that the node would otherwise share with the distribution's own.
rabbit_environment() {
  put HOME "$1"
  put RABBITMQ_NODENAME makola@localhost # no clash with a namesake: the port mapper is our own
  put RABBITMQ_NODE_IP_ADDRESS 127.0.0.1
  put RABBITMQ_NODE_PORT "$AMQP_PORT"
  put RABBITMQ_DIST_PORT "$DIST_PORT"
  put ERL_EPMD_PORT "$EPMD_PORT"
  put ERL_EPMD_ADDRESS 127.0.0.1
  put RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS '-kernel inet_dist_use_interface {127,0,0,1}'
  put RABBITMQ_CONF_ENV_FILE "$1/env.conf"
  put RABBITMQ_CONFIG_FILE "$1/rabbitmq.conf"
  put RABBITMQ_ADVANCED_CONFIG_FILE "$1/advanced.config"
  put RABBITMQ_ENABLED_PLUGINS_FILE "$1/enabled_plugins"
  put RABBITMQ_MNESIA_BASE "$1/data"
  put RABBITMQ_LOG_BASE "$1/log"
  put RABBITMQ_PID_FILE "$1/pid"
}
