# shellcheck shell=bash
# shellcheck disable=SC2034 # up.sh uses the lists
# SPDX-License-Identifier: Apache-2.0
#
# The programs of the cluster, built from Go modules pinned in go/*/go.sum, each
# once, into the cache. $STATE/bin gets links to them, so one PATH has them all.

KUBERNETES_VERSION=1.34.4

# program | module folder under go/ | package
PROGRAMS="
etcd                    kubernetes              go.etcd.io/etcd/server/v3
kube-apiserver          kubernetes              k8s.io/kubernetes/cmd/kube-apiserver
kubectl                 kubernetes              k8s.io/kubernetes/cmd/kubectl
kube-controller-manager kubernetes              k8s.io/kubernetes/cmd/kube-controller-manager
kube-scheduler          kubernetes              k8s.io/kubernetes/cmd/kube-scheduler
kubelet                 kubernetes              k8s.io/kubernetes/cmd/kubelet
kube-proxy              kubernetes              k8s.io/kubernetes/cmd/kube-proxy
coredns                 coredns                 keelson.example/cluster/coredns
local-path-provisioner  local-path-provisioner  github.com/rancher/local-path-provisioner
metrics-server          metrics-server          sigs.k8s.io/metrics-server/cmd/metrics-server
"
CONTROL_PLANE_PROGRAMS=(etcd kube-apiserver kubectl kube-controller-manager kube-scheduler)
NODE_PROGRAMS=(kubelet kube-proxy coredns local-path-provisioner metrics-server)

# need_programs NAME...: links each into $STATE/bin, building it first where needed.
need_programs() {
        local name path
        mkdir -p "$STATE/bin"
        for name in "$@"; do
                path=${KUBEBUILDER_ASSETS:+$KUBEBUILDER_ASSETS/$name}
                [ -x "$path" ] || path=$(built_path "$name")
                [ -x "$path" ] || build_program "$name" "$path"
                ln -sfn "$path" "$STATE/bin/$name"
        done
}

program_field() { awk -v name="$1" -v field="$2" '$1 == name { print $field }' <<<"$PROGRAMS"; }

# built_path NAME: its place in the cache; another version is another place.
built_path() {
        local folder
        folder=$(program_field "$1" 2)
        echo "$KEELSON_CACHE/bin/$folder-$(cat "$KEELSON_ROOT/hack/cluster.d/go/$folder"/*.* | sha256sum | head -c 12)/$1"
}

build_program() {
        local name=$1 path=$2 flags="-s -w"
        [ "$(program_field "$name" 2)" != kubernetes ] ||
                flags+=" -X k8s.io/component-base/version.gitVersion=v$KUBERNETES_VERSION"
        ensure_go
        mkdir -p "$(dirname "$path")"
        # Under another name until it is whole: a half-written program is never taken for one.
        run_logged "build $name" env -C "$KEELSON_ROOT/hack/cluster.d/go/$(program_field "$name" 2)" CGO_ENABLED=0 \
                go build -trimpath -ldflags "$flags" -o "$path.new" "$(program_field "$name" 3)"
        mv "$path.new" "$path"
}
