#!/usr/bin/env bash
# Generates everything that follows from the contracts: *.pb.go, *_task.pb.go, catalogue/descriptions.pb.go and docs/tasks.md.
#
#   proto/gen.sh           write the generated files, remove those that no contract asks for any more
#   proto/gen.sh --check   write nothing; fail when they are not up to date, when a contract breaks a rule of style (buf lint),
#                          or when it is incompatible with the branch main (buf breaking)
#
# Tools are built from pinned module versions into .local/bin and kept there; delete that folder to build them anew.
# Building buf takes about two minutes on two cores, once; everything after that takes seconds and needs no network.
set -euo pipefail

# The version of protoc-gen-go is that of google.golang.org/protobuf in go.mod.
buf_version=v1.75.0

cd "$(dirname "$0")"
root=$(cd .. && pwd)
bin=$root/.local/bin
export PATH="$bin:$PATH" GOFLAGS="${GOFLAGS:-} -mod=readonly"

check=
case "${1:-}" in
"") ;;
--check) check=yes ;;
*)
	echo "usage: proto/gen.sh [--check]" >&2
	exit 2
	;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$bin" "$work/proto"

if [ "$("$bin/buf" --version 2>/dev/null)" != "${buf_version#v}" ]; then
	echo "building buf $buf_version into .local/bin (about two minutes, once)" >&2
	(cd "$work" && GOFLAGS='' GOWORK=off GOBIN="$bin" go install "github.com/bufbuild/buf/cmd/buf@$buf_version")
fi
GOWORK=off go build -o "$bin/protoc-gen-go" google.golang.org/protobuf/cmd/protoc-gen-go

buf lint

# The generator is compiled against the generated Go of options.proto, so that comes first.
options=makola/task/v1/options.pb.go
buf generate --path makola/task --output "$work/proto" \
	--template '{"version":"v2","plugins":[{"local":"protoc-gen-go","out":".","opt":"paths=source_relative"}]}'
if ! cmp -s "$work/proto/$options" "$options"; then
	if [ -n "$check" ]; then
		echo "proto/$options is not up to date: run proto/gen.sh" >&2
		exit 1
	fi
	cp "$work/proto/$options" "$options"
fi
GOWORK=off go build -o "$bin/protoc-gen-go-task" ./cmd/protoc-gen-go-task

buf generate --output "$work/proto"

# stale lists generated files in the tree that this run did not write.
stale() {
	find makola -name '*.pb.go' | while read -r file; do
		[ -e "$work/proto/$file" ] || echo "$file"
	done
}

if [ -z "$check" ]; then
	stale | while read -r file; do rm "$file"; done
	(cd "$work/proto" && find . -name '*.pb.go') | while read -r file; do
		cmp -s "$work/proto/$file" "$file" || cp "$work/proto/$file" "$file"
	done
	mkdir -p "$root/docs"
	cmp -s "$work/docs/tasks.md" "$root/docs/tasks.md" || cp "$work/docs/tasks.md" "$root/docs/tasks.md"
	exit 0
fi

differs=$(
	stale
	(cd "$work/proto" && find . -name '*.pb.go') | while read -r file; do
		diff -u "$file" "$work/proto/$file" || true
	done
	diff -u "$root/docs/tasks.md" "$work/docs/tasks.md" || true
)
if [ -n "$differs" ]; then
	printf '%s\n' "$differs"
	echo "generated files are not up to date: run proto/gen.sh" >&2
	exit 1
fi

# GEN_AGAINST names another branch, tag or commit to compare with; without it that is main, or origin/main in a clone that has no main.
if [ -n "${GEN_AGAINST:-}" ]; then
	against=$GEN_AGAINST
	git -C "$root" rev-parse --quiet --verify "$against^{commit}" >/dev/null || {
		echo "GEN_AGAINST=$against is no commit" >&2
		exit 1
	}
elif git -C "$root" rev-parse --quiet --verify 'main^{commit}' >/dev/null; then
	against=main
else
	against=origin/main
fi
if git -C "$root" cat-file -e "$against:proto/buf.yaml" 2>/dev/null; then
	mkdir "$work/against"
	git -C "$root" archive "$against:proto" | tar -x -C "$work/against"
	buf breaking --against "$work/against"
else
	echo "no contracts on $against yet: the check against incompatible changes is skipped" >&2
fi
