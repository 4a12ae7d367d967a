# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The wires. A namespace with nothing but a bridge is the switch; the control
# plane, each node and the host have one cable to it:
#
#   host ──┐                        no machine but the host has a default route,
#   control ─┤ switch ├─ node1..3   so no packet of the cluster leaves this host
#
# The host does not forward for anyone; it only gets an address on the switch and
# routes to the pods and services, with an `unreachable` route behind them.

in_netns() {
        local ns
        ns=$(netns "$1")
        shift
        nsenter --net="/run/netns/$ns" "$@"
}

# netns_create MACHINE: a network namespace without IPv6, which nobody here speaks.
netns_create() {
        [ ! -e "/run/netns/$(netns "$1")" ] || return 0
        ip netns add "$(netns "$1")"
        ip -n "$(netns "$1")" link set lo up
        in_netns "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
}

# plug MACHINE ADDRESS: a cable from MACHINE's eth0 to the switch.
plug() {
        local ns
        ns=$(netns "$1")
        netns_create "$1"
        if ! ip -n "$ns" link show eth0 >/dev/null 2>&1; then
                ip link add eth0 netns "$ns" type veth peer name "$1" netns "$(netns switch)"
                ip -n "$(netns switch)" link set "$1" master br0 up
        fi
        ip -n "$ns" addr replace "$2/24" dev eth0
        ip -n "$ns" link set eth0 up
        in_netns "$1" sysctl -qw net.ipv4.ip_forward=1 net.bridge.bridge-nf-call-iptables=1
        pod_routes "$1" -n "$ns"
        # Routing is looked up before kube-proxy's NAT, so services need a route, to anywhere.
        ip -n "$ns" route replace "$SERVICE_CIDR" dev eth0
}

# pod_routes MACHINE [IP-OPTION...]: towards the pods of every node but MACHINE itself.
pod_routes() {
        local self=$1 node
        shift
        for node in "${NODES[@]}"; do
                [ "$node" = "$self" ] || ip "$@" route replace "$(node_pod_cidr "$node")" via "$(node_address "$node")"
        done
}

# network_check: before anything is made, whether our addresses are free. If they are not,
# and nobody has chosen them, the next that are: index 0 is left to the default prefix.
network_check() {
        local tries
        ! ip link show "${PREFIX}0" >/dev/null 2>&1 || return 0
        if [ -n "$INDEX_FIXED" ]; then
                ! network_is_used ||
                        die "this machine already uses addresses in $NET.0.0/16; choose another KEELSON_CLUSTER_INDEX (0 to 31)"
                return 0
        fi
        for ((tries = 0; tries <= 31; tries++)); do
                network_is_used || index_is_recorded || return 0
                use_index $((INDEX % 31 + 1))
        done
        die "this machine uses addresses in each of 10.81.0.0/16 to 10.111.0.0/16; take another cluster down"
}

network_is_used() { [ -n "$(ip route show root "$NET.0.0/16")" ]; }

# index_is_recorded: has a cluster that is just coming up, or is stopped, our index?
index_is_recorded() { grep -qsw "INDEX=$INDEX" "${STATE%/*}"/*/settings; }

network_up() {
        host_prepare
        netns_create switch
        ip -n "$(netns switch)" link show br0 >/dev/null 2>&1 || ip -n "$(netns switch)" link add br0 type bridge
        ip -n "$(netns switch)" link set br0 up
        plug control "$CONTROL_ADDRESS"
        plug_host
}

# plug_host: the host reaches services through the control plane's kube-proxy.
plug_host() {
        local cable=${PREFIX}0
        ip link show "$cable" >/dev/null 2>&1 ||
                ip link add "$cable" type veth peer name host netns "$(netns switch)"
        sysctl -qw "net.ipv6.conf.$cable.disable_ipv6=1"
        ip -n "$(netns switch)" link set host master br0 up
        ip route replace unreachable "$NET.0.0/16"
        ip addr replace "$HOST_ADDRESS/24" dev "$cable"
        ip link set "$cable" up
        pod_routes host
        ip route replace "$SERVICE_CIDR" via "$CONTROL_ADDRESS"
}

# host_prepare: what may have to be made on the host, with a mark to undo them by.
host_prepare() {
        local marks=${STATE%/*}
        if ! mountpoint -q /run/netns; then
                touch "$marks/.made-run-netns"
        fi
        # Under v2 we hand all controllers down from the root.
        if [ -e /sys/fs/cgroup/cgroup.subtree_control ] && [ ! -e "$marks/.subtree-control" ]; then
                cp /sys/fs/cgroup/cgroup.subtree_control "$marks/.subtree-control"
        fi
        # Replies within one node's bridge must pass kube-proxy's rules; the host's own bridges keep out of it.
        if [ ! -e /proc/sys/net/bridge ] && modprobe br_netfilter 2>/dev/null; then
                touch "$marks/.loaded-br-netfilter"
                sysctl -qw net.bridge.bridge-nf-call-iptables=0
        fi
}

# host_restore: when the last cluster is gone.
host_restore() {
        local marks=${STATE%/*}
        ! compgen -G "$marks/*/run" >/dev/null || return 0
        if [ -e "$marks/.made-run-netns" ] && [ -z "$(ls /run/netns 2>/dev/null)" ]; then
                umount /run/netns 2>/dev/null || true
                rmdir /run/netns 2>/dev/null || true
        fi
        [ ! -e "$marks/.loaded-br-netfilter" ] || modprobe -r br_netfilter 2>/dev/null || true
        [ ! -e "$marks/.subtree-control" ] || cgroup_restore_root "$marks/.subtree-control"
        rm -f "$marks"/.made-run-netns "$marks"/.loaded-br-netfilter "$marks"/.subtree-control
}

# unplug MACHINE: its cable and all that it knew of the network.
unplug() {
        ip -n "$(netns switch)" link delete "$1" 2>/dev/null || true
        ip netns delete "$(netns "$1")" 2>/dev/null || true
}

network_down() {
        local ns
        # Without our cable the route is another cluster's.
        if ip link show "${PREFIX}0" >/dev/null 2>&1; then
                ip route delete unreachable "$NET.0.0/16" 2>/dev/null || true
                ip link delete "${PREFIX}0"
        fi
        for ns in /run/netns/"$PREFIX"-*; do
                [ ! -e "$ns" ] || ip netns delete "$(basename "$ns")"
        done
}

# cut_node NODE [--blackhole [PEER]]: pulls the node's cable at the switch, which others
# notice within seconds because ARP fails; or makes it swallow all packets (or those from
# and to PEER, a node or control), which they do not notice.
cut_node() {
        local node=$1 how=${2:-} peer=${3:-} from=() to=()
        case $how in
        '') ip -n "$(netns switch)" link set "$node" down ;;
        --blackhole)
                if [ -n "$peer" ]; then
                        from=(-s "$(addresses_of "$peer")")
                        to=(-d "$(addresses_of "$peer")")
                fi
                in_netns "$node" iptables -w -t raw -A PREROUTING -i eth0 "${from[@]}" -j DROP
                in_netns "$node" iptables -w -t mangle -A POSTROUTING -o eth0 "${to[@]}" -j DROP
                ;;
        *) usage_error "cut NODE takes --blackhole or nothing, not '$how'" ;;
        esac
}

# addresses_of PEER: its own and its pods'.
addresses_of() {
        if [ "$1" = control ]; then
                echo "$CONTROL_ADDRESS"
        elif is_node "$1"; then
                echo "$(node_address "$1"),$(node_pod_cidr "$1")"
        else
                usage_error "'$1' is neither control nor one of: ${NODES[*]}"
        fi
}

# heal_node NODE: nobody else uses these two chains.
heal_node() {
        ip -n "$(netns switch)" link set "$1" up
        in_netns "$1" iptables -w -t raw -F PREROUTING
        in_netns "$1" iptables -w -t mangle -F POSTROUTING
}

cable_state() {
        if ! ip -n "$(netns switch)" link show "$1" 2>/dev/null | grep -q '[<,]UP[,>]'; then
                echo out
        elif in_netns "$1" iptables -w -t raw -S PREROUTING | grep -q DROP; then
                echo "swallowing packets"
        else
                echo in
        fi
}
