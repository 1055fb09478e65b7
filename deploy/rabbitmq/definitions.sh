#!/usr/bin/env bash
# Prints RabbitMQ definitions: Makola's vhost, one user per service, and what each user may do. The broker loads them at every
# start (load_definitions), so a changed password or permission only needs a restart. Exchanges and queues are not here: they
# are declared by `makola topology`.
#
# Passwords come from AMQP_PASSWORD_<SERVICE> (letters, digits, - and _), one for each line of the table below.
#
# Nobody but the administrator may declare anything; the gateway may make its own transient queues, gateway.<instance>.
# A worker takes part in Celery's monitoring: it declares that protocol's three exchanges, two of which vanish with the broker, and its own queue,
# <service>.<instance>.celery.pidbox; it sends events (celeryev), commands of its own (hello) and answers.
# AMQP_PASSWORD_MONITOR, when set, makes one user more, for `celery inspect`, `celery events` and Flower: it may send commands to every worker, see
# events and list the virtual host's queues in the management API (Flower's page of the broker), and can reach no task.
#
# Every service enqueues, so every service writes the task exchange and the event exchange; amq.default is the exchange that
# results take to a Celery client. A worker reads its own queues, which are also the names of its tasks, and their dead queues.
set -euo pipefail

separator=
# user NAME CONFIGURE WRITE READ, three regular expressions; an empty one matches nothing.
users=() permissions=()
user() {
  local password=AMQP_PASSWORD_${1^^} tags=${5:-}
  if [[ ! ${!password:-} =~ ^[A-Za-z0-9_-]+$ ]]; then
    printf '%s must be set, to letters, digits, - and _\n' "$password" >&2
    exit 1
  fi
  users+=("$separator{\"name\":\"makola_$1\",\"password\":\"${!password}\",\"tags\":\"$tags\"}")
  permissions+=("$separator{\"user\":\"makola_$1\",\"vhost\":\"makola\",\"configure\":\"$2\",\"write\":\"$3\",\"read\":\"$4\"}")
  separator=,
}

enqueue='tasks|task\\.events|amq\\.default'
pidbox='(reply\\.)?celery\\.pidbox'

# worker NAME SERVICE QUEUES
worker() {
  local own="$2\\\\..*\\\\.celery\\\\.pidbox"
  user "$1" "^(celeryev|$pidbox|$own)\$" "^($enqueue|celeryev|$pidbox|$own)\$" "^(($3)(\\\\.dead)?|$pidbox|$own)\$"
}

user admin     '.*' '.*' '.*' administrator
user gateway   '^gateway\\..*$' '^(tasks|task\\.events|amq\\.default|gateway\\..*)$' '^(gateway\\..*|task\\.events)$'
worker billing   billing-worker   'ai_features|subscriptions'
worker inventory inventory-worker 'inventory|sales'
worker reports   reports-worker   'reports'
worker notifier  notifier         'accounts|notifications|webhooks'
user cron      '' "^($enqueue)\$" ''
user operator  '' "^($enqueue)\$" '^.*\\.dead$'
if [ -n "${AMQP_PASSWORD_MONITOR:-}" ]; then
  answers='[^.]*\\.reply\\.celery\\.pidbox'
  user monitor "^(celeryev(\\\\..*)?|$pidbox|$answers)\$" "^(celery\\\\.pidbox|celeryev\\\\..*|$answers)\$" \
    "^(celeryev(\\\\..*)?|reply\\\\.celery\\\\.pidbox|$answers)\$" management
fi

printf '{"vhosts":[{"name":"makola"}],\n"users":[\n%s\n],\n"permissions":[\n%s\n]}\n' \
  "$(printf '%s\n' "${users[@]}")" "$(printf '%s\n' "${permissions[@]}")"
