#!/usr/bin/env bash
# Creates the database makola, its roles and their passwords. As often as you like: what exists is brought up to date.
# Migrations come later, by `makola migrate` as makola_owner.
#
# The connection (a superuser's) comes from libpq's own variables: PGHOST, PGPORT, PGUSER, PGPASSWORD.
# Passwords come from PG_PASSWORD_<ROLE>, for OWNER, GATEWAY, WEBHOOK, BILLING, INVENTORY, REPORTS, NOTIFIER, CRON and OPERATOR;
# and for READER where reports-worker has a READ_DATABASE_URL: without a password that role cannot log in.
# `make up` and Compose run this file at every start.
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
psql=(psql -X -q -v ON_ERROR_STOP=1)
export PGDATABASE=postgres
roles=(owner gateway webhook billing inventory reports notifier cron operator)
if [ -n "${PG_PASSWORD_READER:-}" ]; then roles+=(reader); fi

bad=0
for role in "${roles[@]}"; do
  password=PG_PASSWORD_${role^^}
  if [[ ! ${!password:-} =~ ^[A-Za-z0-9_-]+$ ]]; then
    bad=1
    printf '%s must be set, to letters, digits, - and _\n' "$password" >&2
  fi
done
if [ $bad -ne 0 ]; then exit 1; fi

"${psql[@]}" -f "$here/roles.sql"
if [ "$("${psql[@]}" -At -c "SELECT count(*) FROM pg_database WHERE datname = 'makola'")" = 0 ]; then
  "${psql[@]}" -c 'CREATE DATABASE makola OWNER makola_owner'
fi

# Sent as statements on standard input, so that no password is in a process list, and kept out of the server's log.
{
  for role in "${roles[@]}"; do
    password=PG_PASSWORD_${role^^}
    printf "ALTER ROLE makola_%s PASSWORD '%s';\n" "$role" "${!password}"
  done
} | "${psql[@]}" -c "SET log_statement = 'none'; SET log_min_error_statement = 'panic'" -f -

export PGDATABASE=makola
"${psql[@]}" <<'SQL'
-- Nobody but the owner and the services has business here.
REVOKE ALL ON DATABASE makola FROM PUBLIC;
GRANT CONNECT ON DATABASE makola TO
    makola_gateway, makola_webhook, makola_billing, makola_inventory, makola_reports, makola_reader, makola_notifier, makola_cron, makola_operator;
-- The owner makes the schemas, and keeps the table of migrations in public.
GRANT CREATE, USAGE ON SCHEMA public TO makola_owner;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
SQL
