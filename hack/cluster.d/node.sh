# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Nodes. A node is a set of namespaces whose process 1 is node-init.sh, and a
# folder for its /var/lib and /var/log. To kill process 1 is to pull its plug: the
# kernel then kills all that ran there, and its mounts go with it.

node_start() {
        local node=$1 dir=$STATE/$1
        ! running "$node" || return 0
        plug "$node" "$(node_address "$node")"
        cgroup_create "$node"
        mkdir -p "$dir/run" "$dir/log" "$dir/lib/keelson"
        node_config "$node" "$dir/lib/keelson"
        launch "$node" nsenter --net="/run/netns/$(netns "$node")" \
                unshare --mount --propagation private --pid --fork --kill-child --mount-proc --uts --ipc \
                "$KEELSON_ROOT/hack/cluster.d/node-init.sh" "$node" "$dir" "$(node_address "$node")" \
                "$(readlink -f "$STATE/bin/kubelet")" "$(readlink -f "$STATE/bin/kube-proxy")"
}

# node_init_id NODE: the host's id of its process 1.
node_init_id() {
        local pid init
        pid=$(process_id "$1") || return 1
        read -r init _ <"/proc/$pid/task/$pid/children" || [ -n "$init" ] || return 1
        echo "$init"
}

# node_stop NODE: loss of power. Its launcher ends only after all in the node is dead.
node_stop() {
        local init
        cgroup_thaw "$1"
        if init=$(node_init_id "$1"); then
                kill -KILL "$init"
                wait_for 30 "$1 to die" not running "$1"
        fi
        slay "$1"
        unplug "$1"
}

# in_node NODE CMD...: runs CMD inside the node, as if logged in there.
in_node() {
        local init node=$1
        shift
        init=$(node_init_id "$node") || die "$node is off; start it: hack/cluster start $node"
        nsenter --target "$init" --mount --net --pid --uts --ipc -- "$@"
}

# node_config NODE FOLDER: what its daemons read, which is all that differs between nodes.
node_config() {
        local node=$1 dir=$2
        install -m 600 -t "$dir" "$PKI/ca.crt" "$PKI/$node".{crt,key,kubeconfig} "$PKI/kube-proxy.kubeconfig"
        echo "nameserver $CONTROL_ADDRESS" >"$dir/resolv.conf"
        mkdir -p "$dir/cni"
        cni_config "$node" >"$dir/cni/10-pods.conflist"
        containerd_config >"$dir/containerd.toml"
        kubelet_config "$node" >"$dir/kubelet.yaml"
        kube_proxy_config "$node" /var/lib/keelson/kube-proxy.kubeconfig >"$dir/kube-proxy.yaml"
}

cni_config() {
        cat <<END
{"cniVersion": "1.0.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipMasq": false,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "$(node_pod_cidr "$1")"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
END
}

# restrict_oom_score_adj: without CAP_SYS_RESOURCE, as in many containers, every
# sandbox would fail. disable_apparmor: its profile would stay behind in the kernel.
containerd_config() {
        cat <<END
version = 2
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$PAUSE_IMAGE"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/var/lib/keelson/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
END
}

# No eviction and no image collection: all nodes share the host's one disk, and
# an image that was collected could not be pulled again.
kubelet_config() {
        cat <<END
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
failSwapOn: false
cgroupDriver: cgroupfs
cgroupRoot: /$PREFIX/$1
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
authentication: {x509: {clientCAFile: /var/lib/keelson/ca.crt}, anonymous: {enabled: false}, webhook: {enabled: true}}
authorization: {mode: Webhook}
tlsCertFile: /var/lib/keelson/$1.crt
tlsPrivateKeyFile: /var/lib/keelson/$1.key
clusterDNS: [$DNS_ADDRESS]
clusterDomain: cluster.local
resolvConf: /var/lib/keelson/resolv.conf
volumePluginDir: /var/lib/kubelet/volume-plugins
evictionHard: {}
imageGCHighThresholdPercent: 100
END
}

# kube_proxy_config NODE KUBECONFIG: whatever does not come from a pod of this very node is
# masqueraded on its way to a service, so that the reply finds its way back through here.
kube_proxy_config() {
        cat <<END
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $2}
hostnameOverride: $1
mode: iptables
detectLocalMode: BridgeInterface
detectLocal: {bridgeInterface: cni0}
conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
END
}

nodes_ready() {
        [ "$(kubectl get nodes --no-headers | awk '$2 == "Ready"' | wc -l)" -ge "${#NODES[@]}" ]
}
