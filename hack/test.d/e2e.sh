# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The tests against a real Kubernetes: the one of KUBECONFIG, as it is, with images
# that its nodes can pull; or our own, which is brought up and given fresh images.
# Most tests wait most of the time, so they run several at once; those that break what
# others stand on (nodes, the API server, the operator) run after them, one by one.

E2E_WORKERS=6

test_e2e() {
        need_packages python3 python3-pytest python3-pytest-xdist python3-yaml
        if [ -z "${KUBECONFIG:-}" ] && ! e2e_cluster; then
                failed "e2e: no cluster (see above)"
                return
        fi
        mkdir -p build
        # All of it together shows which rights the operator uses; a part does not.
        if [ -z "$ONLY" ]; then
                KEELSON_E2E_SINCE=$(date -u +%FT%TZ)
                export KEELSON_E2E_SINCE
        fi
        # For the questions that the simulator's server and a real one are both asked.
        need_build_deps
        need_packages "${UNIT_PACKAGES[@]}"
        unit_build "build for conformance" build/test || true
        KEELSON_E2E_LEAVE=1 e2e_run "e2e tests, $E2E_WORKERS at once" build/e2e.xml -m "not alone" \
                -n "$E2E_WORKERS" --dist loadgroup
        e2e_run "e2e tests, one by one" build/e2e-alone.xml -m alone
        [ -z "$DOWN" ] || [ -n "${KUBECONFIG:-}" ] || hack/cluster down
}

# e2e_run LABEL RESULTS PYTEST-OPTION...
e2e_run() {
        local label=$1 results=$2 log
        log=$(log_of "$label")
        rm -f "$results"
        attempt "$label" e2e_pytest --junitxml="$results" "${@:3}" || true
        [ -z "$ONLY" ] || grep -q '<testcase' "$results" || return 0 # what -k names is in the other run
        tally "$label" junit "$results" "$log"
        grep '^figure ' "$log" >&2 || true
        # The longest, to be seen before they become a habit.
        { grep -E '^ *[0-9.]+s (call|setup|teardown) ' "$log" || true; } | head -n 5 |
                while read -r line; do say "  $line"; done
}

# e2e_pytest OPTION...: that -k leaves nothing of this run is no failure (5).
e2e_pytest() {
        local rc=0
        /usr/bin/python3 -m pytest tests/e2e -v --color=no -o "cache_dir=$KEELSON_CACHE/pytest" \
                --durations=15 -k "$ONLY" "$@" || rc=$?
        if [ "$rc" = 5 ] && [ -n "$ONLY" ]; then rc=0; fi
        return "$rc"
}

e2e_cluster() {
        local files
        hack/cluster up || return
        files=$(hack/image all) || return
        # shellcheck disable=SC2086 # one file a word
        hack/cluster images $files
}
