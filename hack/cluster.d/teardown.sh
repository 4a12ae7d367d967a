# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The way down. Kills what is recorded, then what is left in our control groups (a
# run that broke off may not have recorded all), then removes what was made.

cluster_down() {
        local record
        step "cluster '$PREFIX': down"
        # Nodes first: a node's process 1 takes along all that runs there.
        for record in "$STATE"/run/node*; do
                [ ! -e "$record" ] || node_stop "$(basename "$record")"
        done
        for record in "$STATE"/run/*; do
                [ ! -e "$record" ] || slay "$(basename "$record")"
        done
        wait_for 30 "the last processes of '$PREFIX' to die" sweep
        wait_for 30 "the control groups of '$PREFIX' to go" cgroup_remove_all
        network_down
        rm -rf --one-file-system "$STATE"
        host_restore
        rm -f "$STATE.lock"
        rmdir "${STATE%/*}" 2>/dev/null || true
}

# sweep: kills whatever is in our groups; succeeds once there is nothing.
sweep() {
        local pids
        cgroup_thaw
        pids=$(cgroup_processes)
        [ -z "$pids" ] || { xargs kill -KILL <<<"$pids" || true; return 1; }
}
