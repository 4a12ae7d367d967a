# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The benchmarks that tests/bench registers with meson, built as for release and run
# one after the other. Each prints its figures as lines "figure NAME VALUE UNIT", with
# " <= TARGET" behind where there is one. A target that is missed fails nothing.

test_bench() {
        need_build_deps
        need_packages check python3
        bench_build || return 0
        [ -z "$JSON" ] || rm -f "$JSON"
        bench_small
        ! wanted scale || bench_scale
        # An hour of broken nodes is for who asks for it.
        [ -z "$ONLY" ] || ! wanted failover || bench_failover
}

# Nothing but what is measured: link-time optimisation and the simulator's --wrap do
# not go together. Without all of it there is nothing to measure.
bench_build() {
        (setup_build build/bench "${RELEASE_OPTIONS[@]}") &&
                attempt "build for benchmarks" ninja -C build/bench meson-benchmark-prereq tests/bench/replay &&
                return
        failed "build for benchmarks (see above)"
        return 1
}

bench_small() {
        local names=() log
        mapfile -t names < <(meson test -C build/bench --benchmark --list --no-rebuild 2>/dev/null |
                sed 's|^.* / ||' | grep -v ' ' | grep -F -- "$ONLY")
        if [ ${#names[@]} = 0 ]; then
                say "no benchmark is called *$ONLY*"
                return
        fi
        log=build/bench/meson-logs/benchmarklog
        rm -f "$log".*
        attempt "benchmarks" meson test -C build/bench --benchmark --no-rebuild --num-processes 1 \
                --logbase benchmarklog "${names[@]}" || true
        tally "benchmarks" meson "$log.json" "$log.txt"
        hack/test.d/count.py figures "$log.json" "$JSON" >&2 || failed "benchmarks: no figures ($log.txt)"
}

# What the operator costs with many Apps, on a control plane of its own without
# controllers or nodes: nothing moves but what is measured.
bench_scale() {
        local prefix=${KEELSON_CLUSTER_PREFIX:-kb} quick=() json=() rc=0
        [ -z "$QUICK" ] || quick=("$QUICK")
        [ -z "$JSON" ] || json=(--json "$JSON")
        (bench_cluster "$prefix") || { failed "scale: no cluster (see above)" && return; }
        (
                eval "$(KEELSON_CLUSTER_PREFIX=$prefix hack/cluster env)"
                kubectl apply -k crds >/dev/null
                kubectl wait --for condition=Established --timeout 30s crd --all >/dev/null
                python3 tests/bench/scale/scale.py build/bench/cmd/keelson build/bench/tests/bench/replay \
                        "${json[@]}" "${quick[@]}" >&2
        ) || rc=$?
        KEELSON_CLUSTER_PREFIX=$prefix hack/cluster down || true
        [ "$rc" = 0 ] || { failed "scale: a count is over its target, or it broke off (see above)" && return; }
        PASSED=$((PASSED + 1))
}

# A fresh one: what others left in it would count.
bench_cluster() {
        export KEELSON_CLUSTER_PREFIX=$1 KEELSON_CLUSTER_SERVICE_NET=64.0/18
        hack/cluster down && hack/cluster up --control-plane-only || return
        hack/cluster stop controller-manager && hack/cluster stop scheduler
}

# For how long nobody takes writes when something happens to a Redis, beside one with Sentinel:
# on the cluster of the end-to-end tests, which is left as they leave it.
bench_failover() {
        local times=(--times 3) json=()
        [ -z "$QUICK" ] || times=(--times 1)
        [ -z "$JSON" ] || json=(--json "$JSON")
        need_packages python3 python3-pytest python3-yaml
        (unset KUBECONFIG && e2e_cluster && /usr/bin/python3 tests/bench/failover/failover.py "${times[@]}" "${json[@]}" >&2) ||
                { failed "failover: a promise was broken, or it broke off (see above)" && return; }
        PASSED=$((PASSED + 1))
}
