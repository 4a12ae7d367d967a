# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# DNS, metrics and volumes. Their programs run beside the API server, so they need
# no image and no node; selectorless Services lead the pods to them.

addons_up() {
        local file
        for file in "$KEELSON_ROOT"/hack/cluster.d/addons/*.yaml; do
                sed "s|@CONTROL_ADDRESS@|$CONTROL_ADDRESS|g; s|@DNS_ADDRESS@|$DNS_ADDRESS|g; s|@BASE_IMAGE@|$BASE_IMAGE|g
                        s|@CA@|$(base64 -w0 "$PKI/ca.crt")|g" "$file"
        done >"$STATE/addons.yaml"
        kubectl apply -f "$STATE/addons.yaml" >"$STATE/log/addons.log"
        addons_start
}

addons_start() {
        corefile >"$STATE/Corefile"
        component coredns coredns -conf "$STATE/Corefile"
        component metrics-server metrics-server --kubeconfig "$PKI/metrics-server.kubeconfig" \
                --authentication-kubeconfig "$PKI/metrics-server.kubeconfig" \
                --authorization-kubeconfig "$PKI/metrics-server.kubeconfig" \
                --tls-cert-file "$PKI/metrics-server.crt" --tls-private-key-file "$PKI/metrics-server.key" \
                --bind-address "$CONTROL_ADDRESS" --secure-port 4443 --kubelet-certificate-authority "$PKI/ca.crt" \
                --kubelet-preferred-address-types InternalIP --metric-resolution 10s --kubelet-request-timeout 5s
        local_path_files "$STATE/local-path"
        component local-path-provisioner local-path-provisioner start \
                --kubeconfig "$PKI/local-path-provisioner.kubeconfig" --namespace local-path-storage \
                --config "$STATE/local-path/config.json" --configmap-name local-path-config \
                --helper-pod-file "$STATE/local-path/helperPod.yaml" --helper-image "$BASE_IMAGE" \
                --service-account-name default
}

# control_proxy_start: so that the API server can call webhooks and metrics-server by
# their Services. kube-proxy must be on some node that exists, and stands in for the
# first. It ends when its file is written to, so the file is left alone while it runs.
control_proxy_start() {
        ! running kube-proxy || return 0
        kube_proxy_config "${NODES[0]}" "$PKI/kube-proxy.kubeconfig" >"$STATE/kube-proxy.yaml"
        component kube-proxy kube-proxy --config "$STATE/kube-proxy.yaml"
}

# Names outside the cluster do not exist: nothing is asked of the world.
corefile() {
        cat <<END
cluster.local in-addr.arpa ip6.arpa {
    bind $CONTROL_ADDRESS
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        kubeconfig $PKI/coredns.kubeconfig
        pods insecure
        ttl 30
    }
    cache 30 {
        disable success cluster.local
        disable denial cluster.local
    }
    loadbalance
}
. {
    bind $CONTROL_ADDRESS
    template ANY ANY {
        rcode NXDOMAIN
    }
}
END
}

# local_path_files FOLDER: every node has a /var/lib of its own, so one path serves all.
local_path_files() {
        mkdir -p "$1"
        local file
        for file in config.json helperPod.yaml; do
                kubectl -n local-path-storage get configmap local-path-config \
                        -o go-template="{{index .data \"$file\"}}" >"$1/$file"
        done
}

# gateway_api_file: prints the path of one file with the Gateway API's resource definitions, of
# its standard channel: those of a gateway, of its class, and of the routes of HTTP. They are
# taken out of its Go module, whose sum is pinned like that of any other. Not installed unless
# somebody does: most clusters have none.
gateway_api_file() {
        local folder=$KEELSON_ROOT/hack/cluster.d/go/gateway-api file module kind
        file=$KEELSON_CACHE/gateway-api-$(cat "$folder"/go.* | sha256sum | head -c 12).yaml
        if [ ! -e "$file" ]; then
                ensure_go
                module=$(env -C "$folder" go mod download -json sigs.k8s.io/gateway-api |
                        sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
                [ -d "$module" ] || die "the module proxy has no Gateway API"
                for kind in gatewayclasses gateways httproutes referencegrants; do
                        echo "---"
                        cat "$module/config/crd/standard/gateway.networking.k8s.io_$kind.yaml"
                done >"$file.new"
                mv "$file.new" "$file"
        fi
        echo "$file"
}
