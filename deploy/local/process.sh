# Starting, finding and stopping background processes; sourced, never run.
# A process is known by its number, its start time (so that a reused number is never mistaken for it) and a fingerprint of what
# it was started from (so that a changed program or setting restarts it). All three are in .local/run/NAME.pid.
# shellcheck shell=bash

# started_at PID prints the kernel's start time of a process: field 22 of its stat line, counted after the name in parentheses.
started_at() {
  local line
  line=$(cat "/proc/$1/stat" 2>/dev/null) || return 1
  # shellcheck disable=SC2086 # the fields are meant to be split
  set -- ${line##*) }
  if [ "$1" = Z ]; then return 1; fi
  printf '%s\n' "${20}"
}

# pid_of NAME prints the number of a running process that we started, or fails.
pid_of() {
  local pid born now
  if ! read -r pid born _ 2>/dev/null <"$run/$1.pid"; then return 1; fi
  now=$(started_at "$pid") || return 1
  if [ "$now" != "$born" ]; then return 1; fi
  printf '%s\n' "$pid"
}

# fingerprint NAME PROGRAM hashes the program and its environment file.
fingerprint() {
  { sha256sum <"$2"; if [ -f "$run/$1.env" ]; then sha256sum <"$run/$1.env"; fi; } | sha256sum | cut -c1-16
}

# ensure NAME PROGRAM [ARGUMENT …] has the process running from the program and .local/run/NAME.env as they are now.
ensure() {
  local name=$1 program=$2 print pid old
  print=$(fingerprint "$name" "$program")
  if pid=$(pid_of "$name"); then
    read -r _ _ old <"$run/$name.pid"
    if [ "$old" = "$print" ]; then return 0; fi
    say "  $name has changed: restarting"
    stop "$name"
  fi
  shift
  (
    if [ -f "$run/$name.env" ]; then
      set -a
      # shellcheck disable=SC1090
      . "$run/$name.env"
    fi
    # Inherited descriptors (make's job server, say) are none of the service's business.
    exec setsid "$@" </dev/null >>"$log/$name.log" 2>&1 3>&- 4>&- 5>&-
  ) &
  pid=$!
  printf '%s %s %s\n' "$pid" "$(started_at "$pid")" "$print" >"$run/$name.pid"
}

# stop NAME [SIGNAL [SECONDS]] ends a process we started: by the signal (TERM), by KILL when that takes longer (35 s).
stop() {
  local name=$1 signal=${2:-TERM} seconds=${3:-35} pid
  if pid=$(pid_of "$name"); then
    kill -s "$signal" "$pid" 2>/dev/null || true
    if ! wait_until "$seconds" gone "$name"; then
      say "  $name does not end within $seconds s: killed"
      kill -s KILL "$pid" 2>/dev/null || true
      wait_until 5 gone "$name" || true
    fi
  fi
  rm -f "$run/$name.pid"
}

gone() { ! pid_of "$1" >/dev/null; }
