# shellcheck shell=bash
# What every script in tools/ shares: places, messages, steps with progress, root, locks.
# Progress and messages go to stderr; stdout is for results.

ladon_root=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/../.." && pwd)
ladon_build=$ladon_root/build
ladon_logs=$ladon_build/logs
if [[ -z ${XDG_CACHE_HOME:-} && -z ${HOME:-} ]]; then
  echo "error: neither XDG_CACHE_HOME nor HOME is set; set one of them, the cache goes there" >&2
  exit 1
fi
ladon_cache=${XDG_CACHE_HOME:-$HOME/.cache}/ladon

say() { printf '%s\n' "$*" >&2; }

# die WHAT [MEND]
die() {
  say "error: $1"
  if [[ -n ${2:-} ]]; then say "  mend: $2"; fi
  exit 1
}

# usage_error WHAT: a wrong command line, exit 2
usage_error() {
  say "error: $1"
  say "  try: tools/$(basename -- "$0") --help"
  exit 2
}

# help_from_header: prints the comment block at the head of the running script
help_from_header() { sed -n '2,/^[^#]/{s/^# \{0,1\}//p}' "$0"; }

# seconds_since START, with one decimal; START is an earlier value of EPOCHREALTIME
seconds_since() {
  local now=${EPOCHREALTIME/[.,]/} start=${1/[.,]/}
  local tenths=$(((now - start) / 100000))
  printf '%d.%d' $((tenths / 10)) $((tenths % 10))
}

spinner_pid=
stop_spinner() {
  if [[ -z $spinner_pid ]]; then return 0; fi
  kill "$spinner_pid" 2>/dev/null || true
  wait "$spinner_pid" 2>/dev/null || true
  spinner_pid=
}

# spin TITLE LOG START: redraws one line with the time and the log's last words until it is stopped
spin() {
  local title=$1 log=$2 start=$3 owner=$$ frames='.oOo' frame=0 last
  while kill -0 "$owner" 2>/dev/null; do
    last=$(tail -c 400 -- "$log" 2>/dev/null | tr '\r' '\n' | sed '/^[[:space:]]*$/d' | tail -n 1 | tr -cd '[:print:]')
    printf '\r\033[K  %s %-44s %6s s  %.60s' "${frames:frame++%4:1}" "$title" "$(seconds_since "$start")" "$last" >&2
    sleep 0.2
  done
}

step_hide_below=0 # seconds: a step that succeeds sooner leaves no line
step_tail=15       # lines of the log that a failure shows

# step TITLE COMMAND...: one line of progress; the output goes to a log that a failure names.
# Must not be called where bash ignores errexit (after if, ||, &&).
step() {
  local title=$1 start=$EPOCHREALTIME status log elapsed
  shift
  mkdir -p -- "$ladon_logs"
  log=$ladon_logs/$(tr -cs '[:alnum:].' '-' <<<"$title" | sed 's/-*$//').log
  : >"$log"
  if [[ -t 2 ]]; then
    spin "$title" "$log" "$start" &
    spinner_pid=$!
    trap stop_spinner EXIT
  elif ((step_hide_below == 0)); then
    printf '    %-44s' "$title ..." >&2
  fi
  set +e
  (set -euo pipefail; "$@") >"$log" 2>&1 </dev/null
  status=$?
  set -e
  stop_spinner
  elapsed=$(seconds_since "$start")
  if [[ -t 2 ]]; then printf '\r\033[K' >&2; fi
  if ((status == 0 && ${elapsed%.*} < step_hide_below)); then return 0; fi
  if [[ -t 2 ]] || ((step_hide_below > 0)); then printf '    %-44s' "$title" >&2; fi
  if ((status == 0)); then
    printf ' %7s s\n' "$elapsed" >&2
    return 0
  fi
  printf ' FAILED after %s s\n' "$elapsed" >&2
  tail -n "$step_tail" -- "$log" | sed 's/^/    | /' >&2
  die "'$title' failed with exit status $status" "the whole log is $log"
}

# as_root COMMAND...
as_root() {
  if ((EUID == 0)); then
    "$@"
  else
    sudo -n -- "$@"
  fi
}

# need_root WHY: asks for the password, if one is needed, before a step hides the terminal
need_root() {
  if ((EUID == 0)); then return 0; fi
  command -v sudo >/dev/null || die "$1 needs root and there is no sudo" "run this as root, or install sudo"
  sudo -v || die "$1 needs root and sudo refused" "run this as root, or allow $(id -un) to use sudo"
}

# lock_cache: one run at a time changes the cache; held until the process ends or unlock_cache
lock_cache() {
  mkdir -p -- "$ladon_cache"
  exec 9>"$ladon_cache/lock"
  if ! flock -n 9; then
    say "    waiting for another run that holds $ladon_cache/lock"
    flock 9
  fi
}
unlock_cache() { exec 9>&-; }

# build_jobs: as many as there are processors, but no more than memory allows (1.5 GB each)
build_jobs() {
  local jobs by_memory
  jobs=$(nproc)
  by_memory=$(awk '/^MemAvailable:/ { print int($2 / 1500000) }' /proc/meminfo)
  if ((by_memory < jobs)); then jobs=$by_memory; fi
  echo $((jobs > 0 ? jobs : 1))
}
