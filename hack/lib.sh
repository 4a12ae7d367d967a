# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What every script under hack/ shares: messages, the cache folder, packages,
# long commands with progress. Source it; it runs nothing by itself.

set -euo pipefail

KEELSON_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# Everything that is costly to make and safe to delete lives here, never in the tree.
KEELSON_CACHE=${KEELSON_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/keelson}
export KEELSON_ROOT KEELSON_CACHE
mkdir -p "$KEELSON_CACHE/log"

# A headline for a stage, a plain line, a warning, and the one clear line of a failure.
step() { printf '==> %s\n' "$*" >&2; }
say() { printf '    %s\n' "$*" >&2; }
warn() { printf 'warning: %s\n' "$*" >&2; }
die() {
        printf 'error: %s\n' "$*" >&2
        exit 1
}
usage_error() {
        printf 'error: %s\n' "$*" >&2
        exit 2
}

# as_root CMD...: runs CMD as root, by sudo where we are not root already.
as_root() {
        if [ "$(id -u)" = 0 ]; then
                "$@"
        elif command -v sudo >/dev/null; then
                sudo "$@"
        else
                die "this needs root: run it as root, or install sudo"
        fi
}

# become_root ARG...: runs this script again as root with ARG, unless it is root already,
# and with the caller's settings and cache.
become_root() {
        [ "$(id -u)" != 0 ] || return 0
        local name settings=()
        for name in KUBEBUILDER_ASSETS GOPROXY GOSUMDB GONOSUMDB {http,https,no}_proxy {HTTP,HTTPS,NO}_PROXY "${!KEELSON_@}"; do
                [ -z "${!name:-}" ] || settings+=("$name=${!name}")
        done
        # A user's path may hold a Go of its own, but on Debian not root's programs.
        as_root env "PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin" "${settings[@]}" "$0" "$@"
        exit
}

# need_packages PKG...: installs what is missing of these Debian packages, after saying so.
need_packages() {
        local missing=() p
        for p in "$@"; do
                dpkg-query -W -f='${Status}' "$p" 2>/dev/null | grep -q 'ok installed' || missing+=("$p")
        done
        [ ${#missing[@]} -gt 0 ] || return 0
        command -v apt-get >/dev/null ||
                die "missing packages and no apt-get here; install by hand: ${missing[*]}"
        say "installing packages: ${missing[*]}"
        # If sudo wants a password, it asks here, where no counter runs over the question.
        as_root true
        run_logged "package lists" as_root apt-get -o DPkg::Lock::Timeout=600 update -q
        run_logged "packages" as_root env DEBIAN_FRONTEND=noninteractive \
                apt-get -o DPkg::Lock::Timeout=600 install -q -y --no-remove --no-install-recommends "${missing[@]}"
}

# run_logged LABEL CMD...: runs a long command with its output in a log, shows that
# it is alive (a counter on a terminal, a line every 20 s elsewhere), and on failure
# prints the end of the log and stops.
run_logged() {
        local label=$1 log start pid rc=0 now next=20
        shift
        log="$KEELSON_CACHE/log/${label//[^A-Za-z0-9._-]/_}.log"
        start=$(date +%s)
        # One that root left here is not ours to write to, but ours to remove.
        rm -f "$log"
        "$@" >"$log" 2>&1 </dev/null &
        pid=$!
        while kill -0 "$pid" 2>/dev/null; do
                sleep 0.2
                now=$(($(date +%s) - start))
                if [ -t 2 ]; then
                        printf '\r    %s … %ds ' "$label" "$now" >&2
                elif [ "$now" -ge "$next" ]; then
                        say "$label … ${now}s"
                        next=$((next + 20))
                fi
        done
        wait "$pid" || rc=$?
        [ ! -t 2 ] || printf '\r\033[K' >&2
        if [ "$rc" != 0 ]; then
                tail -n 25 "$log" >&2
                die "$label failed (exit $rc); the whole log: $log"
        fi
        say "$label: $(($(date +%s) - start))s"
}

# wait_for SECONDS WHAT CMD...: polls CMD until it succeeds; one clear line if it never does.
wait_for() {
        local limit=$1 what=$2 deadline
        shift 2
        deadline=$(($(date +%s) + limit))
        until "$@" >/dev/null 2>&1; do
                [ "$(date +%s)" -lt "$deadline" ] || die "gave up after ${limit}s waiting for $what"
                sleep 0.2
        done
}
