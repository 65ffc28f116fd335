# shellcheck shell=bash
# Sourced by the other scripts: how they speak, keep logs and install what is missing.
# Results go to stdout, everything for people to stderr.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

me=${0##*/}
# What does not belong to one checkout: tools, in folders that carry their version.
cache=${PROCGATE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/procgate}
# shellcheck disable=SC2034 # the builds use it
target=${CARGO_TARGET_DIR:-target}
# Where scripts/cross-cargo builds.
# shellcheck disable=SC2034
cross=${PROCGATE_CROSS_TARGET_DIR:-$target/cross}
# No folder of this machine stands in what is released: the same sources give the same bytes anywhere.
# shellcheck disable=SC2034
remap="--remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo --remap-path-prefix=$PWD=/procgate"

say() { printf '%s: %s\n' "$me" "$*" >&2; }
fail() { say "error: $*"; exit 1; }

# quietly SECONDS COMMAND…: its output is shown only if it fails; it ends after that many seconds.
quietly() {
  local limit=$1 log status=0
  shift
  mkdir -p "$cache/log"
  log=$(mktemp "$cache/log/$me.XXXXXX")
  timeout --kill-after=5 "$limit" "$@" >"$log" 2>&1 </dev/null || status=$?
  if [ "$status" = 0 ]; then rm -f "$log"; return; fi
  [ "$status" != 124 ] || echo "ended after $limit s" >>"$log"
  say "failed: $*"
  tail -n 25 "$log" | sed 's/^/    /' >&2
  say "the whole log: $log"
  return "$status"
}

# may_apt: whether packages can be installed without asking anybody.
may_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# apt PACKAGE…: installs them. Never removes another: Debian's rustc-web conflicts with its rustc.
apt() {
  # RUNLEVEL: a server that is installed is not started, where no systemd decides.
  local install=(env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -o DPkg::Lock::Timeout=300
    install -qy --no-remove --no-install-recommends "$@")
  say "installing Debian packages: $*"
  # The first attempt fails on a machine that has no package lists yet, or old ones.
  timeout 600 "${install[@]}" >/dev/null 2>&1 </dev/null && return
  quietly 300 apt-get -o DPkg::Lock::Timeout=300 update -q && quietly 900 "${install[@]}"
}

# get_go: whether there is a Go now that is new enough: from 1.21 on, it fetches the version that a module asks for.
get_go() {
  export GOTOOLCHAIN=auto
  local new='go1\.(2[1-9]|[3-9][0-9])'
  go version 2>/dev/null | grep -qE "$new" || { may_apt && apt golang-go && go version | grep -qE "$new"; }
}

# skip WHAT REMEDY: something is not there and cannot be installed here; in CI that is a failure.
skip() {
  [ -z "${CI:-}" ] || fail "$1 is missing, and CI skips nothing. $2"
  say "skipped: $1 is missing. $2"
}

# bounded FILE [BYTES]: prints its size, fails above the bound.
bounded() {
  local size
  size=$(stat -c %s "$1")
  [ "$size" -le "${2:-$size}" ] || fail "$1 has $size bytes, more than the $2 that it may have"
  say "$1, $size bytes"
}

# lock PLACE: waits until no other script installs there.
lock() {
  mkdir -p "${1%/*}"
  exec 9>"$1.lock"
  flock 9
}
