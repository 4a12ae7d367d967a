# shellcheck shell=bash
# shellcheck disable=SC2034 # the other parts use them
# SPDX-License-Identifier: Apache-2.0
#
# Names and addresses. All that a cluster is made of carries its prefix, and all
# its addresses lie in one /16, so that two clusters can stand side by side.

PREFIX=${KEELSON_CLUSTER_PREFIX:-ks}
[[ $PREFIX =~ ^[a-z][a-z0-9]{0,7}$ ]] ||
        usage_error "KEELSON_CLUSTER_PREFIX is at most 8 lower-case letters and digits, not '$PREFIX'"

# The default prefix has the index 0; another one gets an index from its name. Where that
# is taken, `up` looks for another (network_check), unless one was asked for.
if [ "$PREFIX" = ks ]; then
        INDEX=${KEELSON_CLUSTER_INDEX:-0}
else
        INDEX=${KEELSON_CLUSTER_INDEX:-$(($(cksum <<<"$PREFIX" | cut -d' ' -f1) % 31 + 1))}
fi
[[ $INDEX =~ ^[0-9]+$ && $INDEX -le 31 ]] ||
        usage_error "KEELSON_CLUSTER_INDEX is a number from 0 to 31, not '$INDEX'"
INDEX_FIXED=${KEELSON_CLUSTER_INDEX:+yes}

NODE_COUNT=${KEELSON_CLUSTER_NODES:-3}
[[ $NODE_COUNT =~ ^[1-9]$ ]] || usage_error "KEELSON_CLUSTER_NODES is a number from 1 to 9, not '$NODE_COUNT'"

# Addresses of services, under the cluster's /16: 96.0/20 has 4,094 of them,
# 64.0/18 four times as many.
SERVICE_NET=${KEELSON_CLUSTER_SERVICE_NET:-96.0/20}
[[ $SERVICE_NET = 96.0/20 || $SERVICE_NET = 64.0/18 ]] ||
        usage_error "KEELSON_CLUSTER_SERVICE_NET is 96.0/20 or 64.0/18, not '$SERVICE_NET'"

# A cluster that is there keeps the settings it was started with.
STATE=${KEELSON_CLUSTER_DIR:-/var/lib/keelson-cluster}/$PREFIX
# shellcheck source=/dev/null
[ ! -r "$STATE/settings" ] || { . "$STATE/settings" && INDEX_FIXED=yes; }

NODES=()
for ((i = 1; i <= NODE_COUNT; i++)); do NODES+=("node$i"); done
COMPONENTS=(etcd apiserver controller-manager scheduler kube-proxy)

PKI=$STATE/pki
KUBECONFIG_FILE=$STATE/kubeconfig
# What kubectl remembers of a server's kinds, by its address: of this cluster, and of none
# that had the address before it.
KUBECTL_CACHE=$STATE/kubectl-cache

# 10.80.0.0/16 for index 0: machines in .0.x, pods in .1.x to .9.x (one /24 per
# node), services in .96.0/20 or SERVICE_NET.
use_index() {
        INDEX=$1
        NET=10.$((80 + INDEX))
        CONTROL_ADDRESS=$NET.0.1
        HOST_ADDRESS=$NET.0.254
        SERVICE_CIDR=$NET.$SERVICE_NET
        KUBERNETES_ADDRESS=$NET.${SERVICE_NET%%.*}.1
        DNS_ADDRESS=$NET.${SERVICE_NET%%.*}.10
        API_URL=https://$CONTROL_ADDRESS:6443
}
use_index "$INDEX"

node_index() { echo "${1#node}"; }
node_address() { echo "$NET.0.1$(node_index "$1")"; }
node_pod_cidr() { echo "$NET.$(node_index "$1").0/24"; }
is_node() { [[ " ${NODES[*]} " == *" $1 "* ]]; }
is_component() { [[ " ${COMPONENTS[*]} " == *" $1 "* ]]; }

# The network namespace of a machine: control, node1, ... and of the switch between them.
netns() { echo "$PREFIX-$1"; }

kubectl() { KUBECACHEDIR=$KUBECTL_CACHE "$STATE/bin/kubectl" --kubeconfig "$KUBECONFIG_FILE" "$@"; }

# The base of every image here, and the image of the pods' own process.
BASE_IMAGE=docker.io/library/debian:trixie-slim
PAUSE_IMAGE=keelson.example/pause:1
