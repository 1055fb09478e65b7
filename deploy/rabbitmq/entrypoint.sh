#!/usr/bin/env bash
# Starts RabbitMQ in Compose: writes the definitions from the passwords in the environment, then does what the image would do.
set -euo pipefail
umask 077
/opt/makola/definitions.sh >/var/lib/rabbitmq/definitions.json
# The image's own start gives files in this folder to the account rabbitmq.
exec docker-entrypoint.sh rabbitmq-server
