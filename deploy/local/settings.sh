# What `make up` decides once and keeps: ports, secrets, and each process's environment file; sourced, never run.
# shellcheck shell=bash

roles=(owner gateway webhook billing inventory reports reader notifier cron operator)

# remember FILE NAME VALUE adds NAME=VALUE to a file unless the name is there already.
remember() {
  if ! grep -q "^$2=" "$1" 2>/dev/null; then printf '%s=%q\n' "$2" "$3" >>"$1"; fi
}

secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

# free_port prints a port that nothing listens on, below the range from which the kernel takes ports for outgoing connections,
# and not yet in .local/env.
free_port() {
  local port
  while :; do
    port=$((20000 + RANDOM % 12000))
    if ! listens "$port" && ! grep -qs "=$port$" "$state/env"; then printf '%s\n' "$port"; return; fi
  done
}

# owner_of PORT-NAME prints the process that listens there.
owner_of() {
  case $1 in
    PG) echo postgres ;;
    AMQP | AMQP_API | DIST) echo rabbitmq ;;
    EPMD) echo epmd ;;
    GATEWAY | ADMIN_GATEWAY) echo api-gateway ;;
    SMTP | MAIL) echo mail-viewer ;;
    SIMULATOR) echo paystack-simulator ;;
    ADMIN_NOTIFIER) echo notifier ;;
    ADMIN_CRON) echo cron ;;
    *) set -- "${1#ADMIN_}" && echo "${1,,}-worker" ;;
  esac
}

# forget_taken drops a port which somebody else has taken while its owner did not run, so that decide chooses another.
forget_taken() {
  local name port
  [ -f "$state/env" ] || return 0
  while IFS='=' read -r name port; do
    case $name in *_PORT) ;; *) continue ;; esac
    if listens "$port" && gone "$(owner_of "${name%_PORT}")"; then
      say "  port $port is taken by another program; choosing another"
      sed -i "/^$name=/d" "$state/env"
    fi
  done < <(cat "$state/env")
}

# decide makes .local/env and .local/secrets on the first run, completes them on later ones, and loads both.
decide() {
  local name role
  umask 077
  mkdir -p "$state" "$bin" "$run" "$log"
  forget_taken
  # The gateway keeps a number that is easy to remember as long as it is free.
  if ! grep -qs '^GATEWAY_PORT=' "$state/env" && ! listens 8080; then remember "$state/env" GATEWAY_PORT 8080; fi
  for name in PG AMQP AMQP_API DIST EPMD GATEWAY SMTP MAIL SIMULATOR \
    ADMIN_GATEWAY ADMIN_BILLING ADMIN_INVENTORY ADMIN_REPORTS ADMIN_NOTIFIER ADMIN_CRON; do
    remember "$state/env" "${name}_PORT" "$(free_port)"
  done
  remember "$state/env" PG_DATA "$(choose_pg_data)"
  remember "$state/secrets" PG_PASSWORD_SUPERUSER "$(secret)"
  remember "$state/secrets" AMQP_PASSWORD_ADMIN "$(secret)"
  remember "$state/secrets" AMQP_PASSWORD_MONITOR "$(secret)"
  for role in "${roles[@]}"; do
    remember "$state/secrets" "PG_PASSWORD_${role^^}" "$(secret)"
    if [ "$role" != owner ] && [ "$role" != webhook ] && [ "$role" != reader ]; then remember "$state/secrets" "AMQP_PASSWORD_${role^^}" "$(secret)"; fi
  done
  remember "$state/secrets" JWT_SECRET "$(secret)"
  remember "$state/secrets" LINK_SECRET "$(secret)"
  remember "$state/secrets" DOWNLOAD_SECRET "$(secret)"
  remember "$state/secrets" HOOK_SECRET "$(secret)"
  remember "$state/secrets" PAYSTACK_SECRET_KEY "sk_test_$(secret)"
  load_settings
}

# load_settings exports what decide decided.
load_settings() {
  if [ ! -f "$state/env" ] || [ ! -f "$state/secrets" ]; then return 1; fi
  set -a
  # shellcheck disable=SC1091
  . "$state/env"
  # shellcheck disable=SC1091
  . "$state/secrets"
  set +a
}

# choose_pg_data prints where the database lies: in .local, or, when root starts it as an account that cannot reach this
# folder, in a folder of /var/tmp named for it.
choose_pg_data() {
  if is_root && ! as_postgres test -x "$root"; then
    printf '/var/tmp/makola-%s/pg\n' "$(printf '%s' "$root" | cksum | cut -d' ' -f1)"
  else
    printf '%s\n' "$state/pg"
  fi
}

database_url() { # ROLE
  local password=PG_PASSWORD_${1^^}
  printf 'postgres://makola_%s:%s@127.0.0.1:%s/makola?sslmode=disable\n' "$1" "${!password}" "$PG_PORT"
}

amqp_url() { # USER
  local password=AMQP_PASSWORD_${1^^}
  printf 'amqp://makola_%s:%s@127.0.0.1:%s/makola\n' "$1" "${!password}" "$AMQP_PORT"
}

# role_of SERVICE prints the short name that its database role and broker user go by.
role_of() {
  case $1 in
    api-gateway) echo gateway ;;
    *) echo "${1%-worker}" ;;
  esac
}

# port_of SERVICE prints the port that tells whether it is ready: a service's health port, a sandbox program's only one.
port_of() {
  local name
  case $1 in
    paystack-simulator) name=SIMULATOR ;;
    mail-viewer) name=MAIL ;;
    *) name=$(role_of "$1") name=ADMIN_${name^^} ;;
  esac
  name=${name}_PORT
  printf '%s\n' "${!name}"
}

# write_env SERVICE writes .local/run/SERVICE.env: the whole configuration of that process, and nothing of another's.
write_env() {
  local service=$1 role
  role=$(role_of "$service")
  {
    put MAKOLA_ENV development
    case $service in
      paystack-simulator | mail-viewer) ;;
      *)
        put ADMIN_ADDR "127.0.0.1:$(port_of "$service")"
        put DATABASE_URL "$(database_url "$role")"
        put AMQP_URL "$(amqp_url "$role")"
        put AMQP_DECLARE false # `makola topology` declares; the services' broker users may not
        ;;
    esac
    case $service in
      api-gateway | inventory-worker | reports-worker | notifier) put STORAGE_URL "file://$state/files" ;;
    esac
    case $service in
      api-gateway)
        put LISTEN_ADDR "127.0.0.1:$GATEWAY_PORT"
        put WEBHOOK_DATABASE_URL "$(database_url webhook)"
        put PUBLIC_URL "http://127.0.0.1:$GATEWAY_PORT"
        put JWT_KEYS "dev:$JWT_SECRET"
        put UNSUBSCRIBE_KEYS "$LINK_SECRET"
        put AI_ENABLED true
        put DOWNLOAD_KEYS "$DOWNLOAD_SECRET"
        put WEBHOOK_SECRET_KEYS "$HOOK_SECRET"
        put_providers
        ;;
      reports-worker)
        put READ_DATABASE_URL "$(database_url reader)"
        ;;
      billing-worker)
        put_providers
        put_model
        ;;
      notifier)
        put SMTP_URL "smtp://127.0.0.1:$SMTP_PORT"
        put MAIL_FROM "Makola <no-reply@makola.example>"
        put PUBLIC_URL "http://127.0.0.1:$GATEWAY_PORT"
        put UNSUBSCRIBE_KEYS "$LINK_SECRET"
        put DOWNLOAD_KEYS "$DOWNLOAD_SECRET"
        put WEBHOOK_SECRET_KEYS "$HOOK_SECRET"
        put OUTBOUND_ALLOW_NETWORKS 127.0.0.0/8 # a webhook endpoint on this machine
        put OUTBOUND_ALLOW_PLAIN_HTTP true
        ;;
      paystack-simulator)
        put LISTEN_ADDR "127.0.0.1:$SIMULATOR_PORT"
        put PUBLIC_URL "http://127.0.0.1:$SIMULATOR_PORT"
        put PAYSTACK_SECRET_KEY "$PAYSTACK_SECRET_KEY"
        put WEBHOOK_URL "http://127.0.0.1:$GATEWAY_PORT/api/webhooks/paystack"
        put FLUTTERWAVE_WEBHOOK_URL "http://127.0.0.1:$GATEWAY_PORT/api/webhooks/flutterwave"
        put STRIPE_WEBHOOK_URL "http://127.0.0.1:$GATEWAY_PORT/api/webhooks/stripe"
        ;;
      mail-viewer)
        put LISTEN_ADDR "127.0.0.1:$MAIL_PORT"
        put SMTP_ADDR "127.0.0.1:$SMTP_PORT"
        put MAIL_DIR "$state/mail"
        ;;
    esac
  } >"$run/$service.env"
}

# put_providers lets a service reach the simulator as all three payment providers: on this machine, without TLS. Flutterwave's and Stripe's secrets are the
# published ones that the simulator has when it is told none.
put_providers() {
  put PAYSTACK_BASE_URL "http://127.0.0.1:$SIMULATOR_PORT"
  put PAYSTACK_SECRET_KEYS "$PAYSTACK_SECRET_KEY"
  put FLUTTERWAVE_BASE_URL "http://127.0.0.1:$SIMULATOR_PORT/flutterwave/v3"
  put FLUTTERWAVE_SECRET_KEY FLWSECK_TEST-makola-simulator
  put FLUTTERWAVE_WEBHOOK_SECRETS makola-simulator-flutterwave
  put STRIPE_BASE_URL "http://127.0.0.1:$SIMULATOR_PORT/stripe"
  put STRIPE_SECRET_KEY sk_test_makola_simulator
  put STRIPE_WEBHOOK_SECRETS whsec_makola_simulator
  put OUTBOUND_ALLOW_NETWORKS 127.0.0.0/8
  put OUTBOUND_ALLOW_PLAIN_HTTP true
}

# put_model has the simulator stand in for a language model, with its published key.
put_model() {
  put AI_URL "http://127.0.0.1:$SIMULATOR_PORT/ai/v1"
  put AI_KEY sk-makola-simulator
  put AI_MODEL simulator
  put AI_ALLOW_NETWORKS 127.0.0.0/8
}

put() { printf '%s=%q\n' "$1" "$2"; }

# operator COMMAND … runs the operator's command; migrate, seed and topology need other rights than the rest.
operator() {
  local db=operator user=operator
  case $1 in
    migrate | seed) db=owner ;;
    topology) user=admin ;;
  esac
  MAKOLA_ENV=development DATABASE_URL=$(database_url "$db") AMQP_URL=$(amqp_url "$user") AMQP_DECLARE=true "$bin/makola" "$@"
}
