#!/usr/bin/env bash
# Builds the image makola/NAME:TAG of every service and sandbox program. TAG is dev unless given in the environment.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! docker info >/dev/null 2>&1; then
  printf 'makola: images need a Docker engine, and none answers\n' >&2
  exit 1
fi
for main in services/*/main.go deploy/sandbox/*/main.go; do
  if [ ! -f "$main" ]; then continue; fi
  name=$(basename "$(dirname "$main")")
  docker build -f deploy/docker/Dockerfile --build-arg "SERVICE=$name" -t "makola/$name:${TAG:-dev}" .
done
