#!/usr/bin/env bash
# Looks at everything and only then says no, so that one run shows all there is to mend.
#
# golangci-lint is built from source once, into .local/bin (about two minutes on two cores); later runs start at once.
set -uo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"
cd "$root" || exit 1
lint_version=v2.15.0
lint=$bin/golangci-lint-$lint_version
bad=0
mkdir -p "$bin"

# check NAME COMMAND … runs one check, quietly when it is content.
check() {
  local name=$1 out code=0 begin=$SECONDS
  shift
  out=$("$@" 2>&1) || code=$?
  if [ $code -eq 0 ]; then
    printf 'ok    %-22s %3d s\n' "$name" $((SECONDS - begin))
  else
    bad=1
    printf 'FAIL  %-22s %3d s\n%s\n' "$name" $((SECONDS - begin)) "$out"
  fi
}

# each_module COMMAND … runs the command in each module's folder and fails when any of them does.
each_module() {
  local dir code=0
  for dir in $(go list -m -f '{{.Dir}}'); do
    (cd "$dir" && "$@" </dev/null) || code=1
  done
  return "$code"
}

sources() { git -c safe.directory="$root" ls-files -co --exclude-standard "$@"; }

formatted() {
  local list
  list=$(sources '*.go' | while read -r f; do if [ -f "$f" ]; then printf '%s\0' "$f"; fi; done | xargs -0 -r gofmt -l)
  if [ -n "$list" ]; then printf 'not gofmt-ed:\n%s\n' "$list"; return 1; fi
}

# generated compares the tree before and after `make gen`. What changed stays for you to look at.
generated() {
  local before after
  if [ -x proto/gen.sh ]; then ./proto/gen.sh --check || return 1; fi
  before=$(tree)
  each_module go generate ./... || return 1
  after=$(tree)
  if [ "$before" != "$after" ]; then
    say 'generated files differ from what the sources make (the tree now holds the new ones):'
    diff <(printf '%s\n' "$before") <(printf '%s\n' "$after") | awk '/^[<>]/ { print $3 }' | sort -u
    return 1
  fi
}
tree() { sources | while read -r f; do if [ -f "$f" ]; then sha256sum "$f"; fi; done; }

build_lint() {
  local dir
  if [ -x "$lint" ]; then return; fi
  dir=$(mktemp -d)
  GOWORK=off GOFLAGS='' GOBIN=$dir go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$lint_version" &&
    mv "$dir/golangci-lint" "$lint"
  rm -rf "$dir"
  [ -x "$lint" ]
}

# lint_module runs in a module's folder. A module without packages yet is no fault.
lint_module() {
  if [ -z "$(go list ./... 2>/dev/null)" ]; then return; fi
  "$lint" run --config "$root/.golangci.yml" --timeout 15m ./...
}

lint() {
  build_lint || return 1
  each_module lint_module
}

scripts() { sources '*.sh' '.ci/run' | xargs -r -n 1 bash -n; }

check 'scripts parse' scripts
check gofmt formatted
check 'go vet' each_module go vet ./...
check 'go mod tidy' each_module env GOWORK=off go mod tidy -diff
check 'generated code' generated
check golangci-lint lint
exit $bad
