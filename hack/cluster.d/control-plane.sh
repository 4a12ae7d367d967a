# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# etcd, API server, controller manager, scheduler and a kube-proxy: plain processes in
# the network namespace `control`. Each can be stopped and started by itself.

# component_start NAME: starts one of $COMPONENTS.
component_start() {
        case $1 in
        etcd)
                component etcd etcd --data-dir "$STATE/etcd" --unsafe-no-fsync --quota-backend-bytes 8589934592 \
                        --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
                        --listen-peer-urls http://127.0.0.1:2380 --log-level warn
                ;;
        apiserver) apiserver_start ;;
        controller-manager)
                component controller-manager kube-controller-manager \
                        --kubeconfig "$PKI/controller-manager.kubeconfig" \
                        --authentication-kubeconfig "$PKI/controller-manager.kubeconfig" \
                        --authorization-kubeconfig "$PKI/controller-manager.kubeconfig" \
                        --use-service-account-credentials --leader-elect=false \
                        --service-account-private-key-file "$PKI/service-accounts.key" --root-ca-file "$PKI/ca.crt" \
                        --cluster-signing-cert-file "$PKI/ca.crt" --cluster-signing-key-file "$PKI/ca.key"
                ;;
        scheduler)
                component scheduler kube-scheduler --leader-elect=false \
                        --kubeconfig "$PKI/scheduler.kubeconfig" \
                        --authentication-kubeconfig "$PKI/scheduler.kubeconfig" \
                        --authorization-kubeconfig "$PKI/scheduler.kubeconfig"
                ;;
        kube-proxy) control_proxy_start ;;
        esac
}

# component NAME PROGRAM ARG...: a daemon beside the API server.
component() {
        local name=$1 program=$2
        shift 2
        launch "$name" nsenter --net="/run/netns/$(netns control)" "$STATE/bin/$program" "$@"
}

# audit_policy: what pods ask of the API server, but for the cluster's own.
audit_policy() {
        cat <<'END'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - {level: None, userGroups: ["system:serviceaccounts:kube-system"]}
  - {level: Metadata, userGroups: ["system:serviceaccounts"], omitManagedFields: true}
  - {level: None}
END
}

# audit: what was written down, the oldest first.
audit() {
        find "$STATE/log" -name 'audit*.log' -printf '%T@ %p\n' | sort -n | cut -d' ' -f2- | xargs -r cat
}

apiserver_start() {
        audit_policy >"$STATE/audit-policy.yaml"
        component apiserver kube-apiserver --etcd-servers http://127.0.0.1:2379 \
                --bind-address 0.0.0.0 --secure-port 6443 --advertise-address "$CONTROL_ADDRESS" \
                --tls-cert-file "$PKI/apiserver.crt" --tls-private-key-file "$PKI/apiserver.key" \
                --client-ca-file "$PKI/ca.crt" --authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction,OwnerReferencesPermissionEnforcement \
                --service-account-issuer https://kubernetes.default.svc.cluster.local \
                --service-account-key-file "$PKI/service-accounts.pub" \
                --service-account-signing-key-file "$PKI/service-accounts.key" \
                --service-cluster-ip-range "$SERVICE_CIDR" --allow-privileged \
                --audit-policy-file "$STATE/audit-policy.yaml" --audit-log-path "$STATE/log/audit.log" \
                --audit-log-maxsize 100 --audit-log-maxbackup 3 \
                --kubelet-certificate-authority "$PKI/ca.crt" --kubelet-preferred-address-types InternalIP \
                --kubelet-client-certificate "$PKI/apiserver-kubelet.crt" \
                --kubelet-client-key "$PKI/apiserver-kubelet.key" \
                --proxy-client-cert-file "$PKI/front-proxy.crt" --proxy-client-key-file "$PKI/front-proxy.key" \
                --requestheader-client-ca-file "$PKI/front-proxy-ca.crt" --requestheader-allowed-names front-proxy \
                --requestheader-username-headers X-Remote-User --requestheader-group-headers X-Remote-Group \
                --requestheader-extra-headers-prefix X-Remote-Extra-
}

api_ready() { kubectl get --raw /readyz; }

control_plane_up() {
        component_start etcd
        component_start apiserver
        (wait_for 60 "the API server (see $STATE/log/apiserver.log)" api_ready) ||
                die "the API server does not get ready; the end of its log: $(tail -n 3 "$STATE/log/apiserver.log")"
        # Not before: they end when the rules that let them in are not there yet.
        component_start controller-manager
        component_start scheduler
}
