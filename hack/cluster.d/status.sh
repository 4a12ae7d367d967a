# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0

ADDONS=(coredns metrics-server local-path-provisioner)

cluster_status() {
        local name
        if [ ! -e "$KUBECONFIG_FILE" ]; then
                echo "cluster '$PREFIX' is down"
                return
        fi
        echo "cluster '$PREFIX', API server $API_URL, kubeconfig $KUBECONFIG_FILE"
        for name in "${COMPONENTS[@]}" "${ADDONS[@]}"; do
                printf '  %-24s %s\n' "$name" "$(process_state "$name")"
        done
        for name in "${NODES[@]}"; do
                printf '  %-24s %s, cable %s, Kubernetes says %s\n' \
                        "$name $(node_address "$name")" "$(process_state "$name")" "$(cable_state "$name")" "$(ready_state "$name")"
        done
}

process_state() {
        local pid
        if pid=$(process_id "$1"); then echo "running ($pid)"; else echo stopped; fi
}

ready_state() {
        kubectl get node "$1" --no-headers --request-timeout=3s 2>/dev/null | awk '{ print $2 }' | grep . || echo nothing
}
