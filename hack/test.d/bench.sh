# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The benchmarks that tests/bench registers with meson, built as for release and run
# one after the other. Each prints its figures as lines "figure NAME VALUE UNIT".

test_bench() {
        local names=() log
        need_build_deps
        need_packages check
        unit_build "build for benchmarks" build/bench "${RELEASE_OPTIONS[@]}" || return 0
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
