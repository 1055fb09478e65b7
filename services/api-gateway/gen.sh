#!/usr/bin/env bash
# Generates internal/api/gen from api/openapi.yaml.
#
#   services/api-gateway/gen.sh           write the generated file
#   services/api-gateway/gen.sh --check   write nothing; fail when it is not up to date
#
# The generator is built from a pinned version into .local/bin and kept there.
set -euo pipefail

version=v2.8.2

cd "$(dirname "$0")"
bin=$(cd ../.. && pwd)/.local/bin
tool=$bin/oapi-codegen-$version
target=internal/api/gen/api.go

check=
case "${1:-}" in
"") ;;
--check) check=yes ;;
*)
	echo "usage: services/api-gateway/gen.sh [--check]" >&2
	exit 2
	;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ ! -x "$tool" ]; then
	mkdir -p "$bin"
	(cd "$work" && GOFLAGS='' GOWORK=off GOBIN="$work" go install "github.com/oapi-codegen/oapi-codegen/v2/cmd/oapi-codegen@$version")
	mv "$work/oapi-codegen" "$tool"
fi

"$tool" -config api/oapi-codegen.yaml -o "$work/api.go" api/openapi.yaml
# The generator hands gin's own context to the handlers. gin uses it again for the next request while database/sql may still look at it, which is a race;
# the request's context lives as long as it must.
sed -i 's/return sh\.ssi\.\([A-Za-z]*\)(ctx, /return sh.ssi.\1(ctx.Request.Context(), /' "$work/api.go"
if grep -q 'sh\.ssi\.[A-Za-z]*(ctx,' "$work/api.go" || ! grep -q 'ctx.Request.Context()' "$work/api.go"; then
	echo "gen.sh: the generated handlers do not look as expected" >&2
	exit 1
fi
if [ -n "$check" ]; then
	cmp -s "$work/api.go" "$target" || {
		echo "$target is not up to date: run services/api-gateway/gen.sh" >&2
		exit 1
	}
	exit 0
fi
mkdir -p "$(dirname "$target")"
cmp -s "$work/api.go" "$target" || cp "$work/api.go" "$target"
