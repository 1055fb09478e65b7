#!/usr/bin/env bash
# Writes everything that is generated: code from proto/, then whatever the modules' go:generate lines make, in workspace order.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root"
./proto/gen.sh
go list -m -f '{{.Dir}}' | while read -r dir; do
  (cd "$dir" && go generate ./... </dev/null)
done
