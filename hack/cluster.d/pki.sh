# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Certificates and kubeconfigs. They live as long as the cluster does.

pki_up() {
        local node
        mkdir -p "$PKI"
        chmod 700 "$PKI"
        authority ca
        authority front-proxy-ca
        certificate apiserver /CN=kube-apiserver \
                "IP:127.0.0.1,IP:$CONTROL_ADDRESS,IP:$KUBERNETES_ADDRESS,DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local"
        certificate front-proxy /CN=front-proxy DNS:front-proxy front-proxy-ca
        certificate apiserver-kubelet /O=system:masters/CN=apiserver-kubelet
        certificate metrics-server /CN=system:metrics-server DNS:metrics-server.kube-system.svc
        certificate admin /O=system:masters/CN=admin
        certificate controller-manager /CN=system:kube-controller-manager
        certificate scheduler /CN=system:kube-scheduler
        certificate kube-proxy /CN=system:kube-proxy
        certificate coredns /CN=system:coredns
        certificate local-path-provisioner /CN=system:local-path-provisioner
        for node in "${NODES[@]}"; do
                certificate "$node" "/O=system:nodes/CN=system:node:$node" "DNS:$node,IP:$(node_address "$node")"
        done
        if [ ! -s "$PKI/service-accounts.pub" ]; then
                openssl genrsa -out "$PKI/service-accounts.key" 2048 2>/dev/null
                openssl rsa -in "$PKI/service-accounts.key" -pubout -out "$PKI/service-accounts.pub.new" 2>/dev/null
                mv "$PKI/service-accounts.pub.new" "$PKI/service-accounts.pub"
        fi
        install -d -m 1777 "$KUBECTL_CACHE"
        install -m 600 "$PKI/admin.kubeconfig" "$KUBECONFIG_FILE"
        # Whoever called this through sudo uses the cluster without it.
        [ -z "${SUDO_UID:-}" ] || chown "$SUDO_UID" "$KUBECONFIG_FILE"
}

# authority NAME: a certificate authority.
authority() {
        [ ! -s "$PKI/$1.crt" ] || return 0
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
                -subj "/CN=$PREFIX-$1" -keyout "$PKI/$1.key" -out "$PKI/$1.crt" 2>/dev/null
}

# certificate NAME SUBJECT [ALTERNATIVE-NAMES [AUTHORITY]]: key, certificate and kubeconfig.
certificate() {
        local file=$PKI/$1 names=${3:-DNS:$1} ca=$PKI/${4:-ca}
        [ ! -s "$file.kubeconfig" ] || return 0
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "$2" \
                -keyout "$file.key" -out "$file.csr" 2>/dev/null
        openssl x509 -req -in "$file.csr" -CA "$ca.crt" -CAkey "$ca.key" -set_serial "0x$(openssl rand -hex 8)" -days 3650 \
                -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth,clientAuth\n' "$names") \
                -out "$file.crt" 2>/dev/null
        rm "$file.csr"
        # Last, and in one piece: where it is, a run that broke off was done with this one.
        kubeconfig "$file" >"$file.kubeconfig.new"
        mv "$file.kubeconfig.new" "$file.kubeconfig"
}

# kubeconfig FILE: whole in itself, so it can be copied anywhere.
kubeconfig() {
        cat <<END
apiVersion: v1
kind: Config
clusters: [{name: $PREFIX, cluster: {server: "$API_URL", certificate-authority-data: $(base64 -w0 "$PKI/ca.crt")}}]
users: [{name: $PREFIX, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
contexts: [{name: $PREFIX, context: {cluster: $PREFIX, user: $PREFIX}}]
current-context: $PREFIX
END
}
