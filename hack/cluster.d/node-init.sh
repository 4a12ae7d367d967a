#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Process 1 of a node, in its own mount, process, network, host-name and IPC
# namespaces: makes the place look like a machine of its own, then keeps
# containerd, kubelet and kube-proxy running as an init system would.
set -euo pipefail

NODE=$1 DIR=$2 ADDRESS=$3 KUBELET=$4 KUBE_PROXY=$5

# mask VALUE FILE: shows VALUE in a kernel setting without changing it. The kubelet
# sets these for the whole host where it finds them different.
mask() {
        [ -e "$2" ] || return 0
        local copy=$DIR/run/keelson${2//\//_}
        echo "$1" >"$copy"
        mount --bind "$copy" "$2"
}

# Mounts of containers spread within this node, and no further.
mount --make-rshared /
hostname "$NODE"

# A fresh /run, and in it the two programs, which may live under a path that is hidden below.
mount -t tmpfs -o mode=755 "$NODE" "$DIR/run"
mkdir "$DIR/run/keelson" "$DIR/run/lock"
touch "$DIR/run/keelson/kubelet" "$DIR/run/keelson/kube-proxy"
mount --bind "$KUBELET" "$DIR/run/keelson/kubelet"
mount --bind "$KUBE_PROXY" "$DIR/run/keelson/kube-proxy"
mask 1 /proc/sys/vm/overcommit_memory
mask 0 /proc/sys/vm/panic_on_oom
mask 10 /proc/sys/kernel/panic
mask 1 /proc/sys/kernel/panic_on_oops
mask 1000000 /proc/sys/kernel/keys/root_maxkeys
mask 25000000 /proc/sys/kernel/keys/root_maxbytes
mount --rbind "$DIR/run" /run
mount --bind "$DIR/log" /var/log
mount --bind "$DIR/lib" /var/lib

# keep NAME CMD...: runs CMD for ever, with its output in /var/log.
keep() {
        local name=$1
        shift
        while :; do
                "$@" >>"/var/log/$name.log" 2>&1 || true
                sleep 1
        done &
}

keep containerd containerd --config /var/lib/keelson/containerd.toml
keep kube-proxy /run/keelson/kube-proxy --config /var/lib/keelson/kube-proxy.yaml
until ctr version >/dev/null 2>&1; do sleep 0.1; done
keep kubelet /run/keelson/kubelet --config /var/lib/keelson/kubelet.yaml \
        --kubeconfig "/var/lib/keelson/$NODE.kubeconfig" --hostname-override "$NODE" --node-ip "$ADDRESS"

# As process 1 of the node it also buries the orphans, which bash does while it waits.
while :; do wait; done
