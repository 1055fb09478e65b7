#!/usr/bin/env bash
# Installs the distribution packages that are missing, and nothing else.
#
#   deploy/local/install.sh servers           # PostgreSQL and RabbitMQ, for `make up`
#   deploy/local/install.sh servers tests     # also what the tests need: a C compiler (race detector) and a Celery to talk to
#
# The programs are wanted, not the services: nothing newly installed is started, now or at boot, no database cluster is made,
# and servers that are installed already are not touched.
set -euo pipefail
# shellcheck source=lib.sh
. "$(dirname "$0")/lib.sh"

missing=()
want() { if ! "$2"; then missing+=("$1"); fi; }
has_postgres() { pg_bin >/dev/null; }
has_rabbit() { rabbit_server >/dev/null; }
has_gcc() { have gcc || have cc || have clang; }
has_libc() { ! have dpkg-query || dpkg-query -W -f '${Status}' libc6-dev 2>/dev/null | grep -q 'ok installed'; }
has_celery() { /usr/bin/python3 -c 'import celery' 2>/dev/null; }
has_make() { have make; }

for group in "${@:-servers}"; do
  case $group in
    make) want make has_make ;;
    servers)
      want postgresql has_postgres
      want rabbitmq-server has_rabbit
      ;;
    tests)
      want gcc has_gcc
      want libc6-dev has_libc
      want python3-celery has_celery
      ;;
    *) die "install.sh knows the groups make, servers and tests, not $group" ;;
  esac
done
if [ ${#missing[@]} -eq 0 ]; then exit 0; fi

as_root=()
if ! have apt-get; then
  die "please install, with the tools of your system: ${missing[*]} (these are Debian's package names)"
elif ! is_root; then
  # sudo may ask for a password when there is somebody to ask.
  if ! have sudo || { ! sudo -n true 2>/dev/null && ! [ -t 0 ]; }; then
    die "please install as root: apt-get install --no-install-recommends ${missing[*]}"
  fi
  as_root=(sudo)
fi

say "installing ${missing[*]}"
# Whatever stands below runs as root, in one go, so that one password is enough and the traps clean up.
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive bash -s -- "${missing[@]}" <<'ROOT'
set -euo pipefail
undo=()
clean() { for file in "${undo[@]}"; do rm -f "$file"; done; }
trap clean EXIT
trap 'exit 130' INT TERM HUP

# Debian starts what it installs, unless this program says no.
if [ ! -e /usr/sbin/policy-rc.d ]; then
  printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
  undo+=(/usr/sbin/policy-rc.d)
  chmod 755 /usr/sbin/policy-rc.d
fi
# PostgreSQL's package makes a cluster named main on first installation, unless this file says no.
mkdir -p /etc/postgresql-common/createcluster.d
undo+=(/etc/postgresql-common/createcluster.d/makola.conf)
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/makola.conf

# Its long report is of interest only when something went wrong.
report=$(mktemp)
undo+=("$report")
apt() {
  if ! apt-get -q -o DPkg::Lock::Timeout=300 "$@" </dev/null >"$report" 2>&1; then
    cat "$report" >&2
    printf 'makola: apt-get %s failed, see above\n' "$1" >&2
    exit 1
  fi
}
apt update
apt install -y --no-install-recommends "$@"

case " $* " in
  *' rabbitmq-server '*)
    if command -v deb-systemd-helper >/dev/null; then deb-systemd-helper disable rabbitmq-server.service >/dev/null 2>&1 || true; fi
    if command -v update-rc.d >/dev/null; then update-rc.d rabbitmq-server disable >/dev/null 2>&1 || true; fi
    ;;
esac
ROOT
