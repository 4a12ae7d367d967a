# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The way up. Each stage makes only what is missing, so a second run is quick and a
# run that broke off is completed by the next.

PACKAGES=(iproute2 iptables openssl procps kmod util-linux)

cluster_up() {
        local whole=1
        case ${1:-} in
        '') ;;
        --control-plane-only) whole='' ;;
        *) usage_error "up takes --control-plane-only or nothing, not '$1'" ;;
        esac
        step "cluster '$PREFIX': programs and images"
        watches_check "$whole"
        prepare "$whole"
        network_check
        step "control plane"
        mkdir -p "$STATE"/{bin,log,run}
        printf 'INDEX=%s NODE_COUNT=%s SERVICE_NET=%s\n' "$INDEX" "$NODE_COUNT" "$SERVICE_NET" >"$STATE/settings"
        pki_up
        network_up
        cgroup_create daemons
        control_plane_up
        [ -z "$whole" ] || nodes_up
        step "ready: eval \"\$(hack/cluster env)\""
}

# prepare WHOLE: what is made once and kept in the cache; one run at a time.
prepare() (
        exec {CACHE_LOCK}>"$KEELSON_CACHE/lock"
        flock "$CACHE_LOCK"
        need_packages "${PACKAGES[@]}"
        unshare --mount --pid --net --fork true 2>/dev/null ||
                die "root may not make namespaces here; use a machine, a virtual machine or a privileged container"
        need_programs "${CONTROL_PLANE_PROGRAMS[@]}"
        if [ -n "$1" ]; then
                need_packages containernetworking-plugins
                # Another vendor's will do, and must not be replaced.
                command -v containerd >/dev/null || need_packages containerd
                command -v runc >/dev/null || need_packages runc
                need_programs "${NODE_PROGRAMS[@]}"
                need_pause_image
                need_base_image
        fi
)

# watches_check WHOLE: whether the kernel lets root have as many inotify instances as a new
# cluster takes. Without them containerd and the kubelet start, but never become ready.
watches_check() {
        local call wanted=13
        [ ! -e "$KUBECONFIG_FILE" ] || return 0
        [ -z "$1" ] || wanted=$((wanted + 8 * NODE_COUNT))
        case $(uname -m) in # the number of inotify_init1
        x86_64) call=294 ;;
        aarch64) call=26 ;;
        *) return 0 ;;
        esac
        LC_ALL=C perl -e 'for (1 .. $ARGV[1]) { exit 1 if syscall($ARGV[0] + 0, 0) < 0 }' "$call" "$wanted" ||
                die "a cluster takes $wanted inotify instances, and root has fewer left; take another cluster down, or: sysctl fs.inotify.max_user_instances=512"
}

# unready_node: the first node that is not ready, and what its kubelet complained of last.
unready_node() {
        local node log complaint
        for node in "${NODES[@]}"; do
                kubectl get node "$node" --no-headers 2>/dev/null | awk '$2 == "Ready" { exit 1 }' || continue
                log=$STATE/$node/log/kubelet.log
                complaint=$(grep '^[EF][0-9]' "$log" 2>/dev/null | tail -n 1 | cut -d ']' -f 2- | cut -c 1-300)
                echo "$node; its kubelet says:${complaint:- nothing}; more in $log"
                return
        done
}

nodes_up() {
        local node
        step "nodes: ${NODES[*]}"
        for node in "${NODES[@]}"; do
                node_start "$node"
                heal_node "$node"
        done
        addons_up
        import_images "$PAUSE_IMAGE" "$BASE_IMAGE"
        (wait_for 90 "the nodes to be ready" nodes_ready 2>/dev/null) || die "not ready after 90 s: $(unready_node)"
        control_proxy_start
}
