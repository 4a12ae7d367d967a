# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The tests against a real Kubernetes: the one of KUBECONFIG, as it is, with images
# that its nodes can pull; or our own, which is brought up and given fresh images.

test_e2e() {
        local results=build/e2e.xml label="e2e tests"
        need_packages python3 python3-pytest python3-yaml
        if [ -z "${KUBECONFIG:-}" ] && ! e2e_cluster; then
                failed "e2e: no cluster (see above)"
                return
        fi
        mkdir -p build
        rm -f "$results"
        attempt "$label" /usr/bin/python3 -m pytest tests/e2e -v --color=no -o "cache_dir=$KEELSON_CACHE/pytest" \
                --junitxml="$results" -k "$ONLY" || true
        tally "$label" junit "$results" "$(log_of "$label")"
        [ -z "$DOWN" ] || [ -n "${KUBECONFIG:-}" ] || hack/cluster down
}

e2e_cluster() {
        local files
        hack/cluster up || return
        files=$(hack/image all) || return
        # shellcheck disable=SC2086 # one file a word
        hack/cluster images $files
}
