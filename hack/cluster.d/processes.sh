# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Daemons by name: start, look, kill. A record holds the process id and the
# process's start time, so a recycled id is never taken for ours. All of them live
# in control groups below one named after the prefix, whatever group the caller is
# in: the caller's limits do not bind them, and nothing of ours can hide.

# cgroup_roots: the root of every hierarchy; one under v2, one per controller under v1.
cgroup_roots() { findmnt -rn -t cgroup,cgroup2 -o TARGET | grep '^/sys/fs/cgroup' | sort -u; }

# cgroup_create NAME: makes the group PREFIX/NAME in every hierarchy, with all controllers.
cgroup_create() {
        local root group
        for root in $(cgroup_roots); do
                mkdir -p "$root/$PREFIX/$1"
                for group in "$root/$PREFIX" "$root/$PREFIX/$1"; do
                        cgroup_open "$group"
                done
        done
}

# cgroup_open GROUP: hands the parent's controllers down (v2), or its processors and memory (v1).
cgroup_open() {
        local parent=${1%/*} controller file
        if [ -e "$parent/cgroup.subtree_control" ]; then
                for controller in $(<"$parent/cgroup.controllers"); do
                        echo "+$controller" >"$parent/cgroup.subtree_control" 2>/dev/null || true
                done
        fi
        for file in cpuset.cpus cpuset.mems; do
                if [ -e "$parent/tasks" ] && [ -e "$1/$file" ] && [ -z "$(cat "$1/$file")" ]; then
                        cat "$parent/$file" >"$1/$file"
                fi
        done
}

# cgroup_restore_root FILE: takes back from the root's children the controllers that FILE does not list.
cgroup_restore_root() {
        local controller
        for controller in $(</sys/fs/cgroup/cgroup.subtree_control); do
                grep -qw "$controller" "$1" || echo "-$controller" >/sys/fs/cgroup/cgroup.subtree_control || true
        done
}

# cgroup_join NAME: moves the calling (sub)shell into PREFIX/NAME.
cgroup_join() {
        local root
        for root in $(cgroup_roots); do
                echo "$BASHPID" >"$root/$PREFIX/$1/cgroup.procs"
        done
}

# cgroup_processes: every process in any of our groups.
cgroup_processes() {
        local root
        for root in $(cgroup_roots); do
                [ ! -d "$root/$PREFIX" ] || find "$root/$PREFIX" -name cgroup.procs -exec cat {} +
        done | sort -un
}

# cgroup_thaw [NAME]: a frozen process could not even be killed.
cgroup_thaw() {
        local root file
        for root in $(cgroup_roots); do
                [ -d "$root/$PREFIX/${1:-}" ] || continue
                while read -r file; do
                        case $file in
                        */freezer.state) echo THAWED >"$file" ;;
                        *) echo 0 >"$file" ;;
                        esac
                done < <(find "$root/$PREFIX/${1:-}" -name freezer.state -o -name cgroup.freeze)
        done
}

cgroup_remove_all() {
        local root
        for root in $(cgroup_roots); do
                [ ! -d "$root/$PREFIX" ] || find "$root/$PREFIX" -depth -type d -exec rmdir {} + || return 1
        done
}

# start_time PID: in clock ticks since boot; the 20th field after the program's name.
start_time() {
        sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20
}

# launch NAME CMD...: runs CMD as a daemon of that name, unless it runs already.
launch() {
        local name=$1
        shift
        ! running "$name" || return 0
        (
                cgroup_join daemons
                exec setsid "$@" >>"$STATE/log/$name.log" 2>&1 </dev/null {LOCK}>&-
        ) &
        echo "$! $(start_time $!)" >"$STATE/run/$name"
}

# process_id NAME: the id of the running daemon of that name, or failure.
process_id() {
        local pid started
        [ -e "$STATE/run/$1" ] && read -r pid started <"$STATE/run/$1" || return 1
        [ -n "$started" ] && [ "$(start_time "$pid")" = "$started" ] && ! gone "$pid" && echo "$pid"
}

# gone PID: a killed program shows as a zombie as soon as its first thread has ended, and
# keeps its ports and locks until the last one has, on a busy machine 100 ms later.
gone() {
        local threads=(/proc/"$1"/task/*)
        [ ${#threads[@]} -le 1 ] && [[ $(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) =~ ^Z?$ ]]
}

running() { process_id "$1" >/dev/null; }

# slay NAME: kills the daemon at once, as a crash does, and waits until it is gone.
slay() {
        local pid
        if pid=$(process_id "$1"); then
                kill -KILL "$pid" 2>/dev/null || true
                wait_for 20 "$1 to die" not running "$1"
        fi
        rm -f "$STATE/run/$1"
}

not() { ! "$@"; }
