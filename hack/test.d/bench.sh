# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The programs of tests/bench, built as for release, one after the other. Each prints
# its figures as lines "figure NAME VALUE UNIT"; other lines are for people.

test_bench() {
        local program name label log figures=()
        need_build_deps
        need_packages check
        unit_build "build for benchmarks" build/bench --buildtype=release || return 0
        for program in build/bench/tests/bench/bench_*; do
                [ -f "$program" ] && [ -x "$program" ] || continue
                name=${program##*/} label=${program##*/}
                wanted "$name" || continue
                check "$label" "$program"
                log=$(log_of "$label")
                figures+=("$log")
                sed -n 's/^figure \([^ ]*\) \([^ ]*\) *\(.*\)$/    \1: \2 \3/p' "$log" >&2
        done
        if [ ${#figures[@]} = 0 ]; then
                say "no benchmark is called *$ONLY*"
                return
        fi
        [ -z "$JSON" ] || bench_json "${figures[@]}" >"$JSON"
}

# bench_json LOG...: the figures as {"NAME": {"value": VALUE, "unit": "UNIT"}, ...}.
bench_json() {
        sed -n 's/^figure \([A-Za-z0-9_.-]*\) \([0-9.eE+-]*\) *\([A-Za-z0-9_/%]*\)$/  "\1": {"value": \2, "unit": "\3"}/p' "$@" |
                sed -e '1s/^/{\n/' -e '$!s/$/,/' -e '$s/$/\n}/'
}
