# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The simulator (docs/development/simulator.md), under the address and UB sanitizers.

# In a run of everything: about three minutes on two cores.
SIM_SEEDS=250

test_sim() {
        local arguments=("${SIM_ARGUMENTS[@]}")
        need_build_deps
        need_packages "${UNIT_PACKAGES[@]}"
        unit_build "build with sanitizers" build/asan -Db_sanitize=address,undefined || return 0
        if [[ " ${arguments[*]} " == *" --list "* ]]; then
                build/asan/tests/sim/app/sim_app --list
                exit 0
        fi
        if [ ${#arguments[@]} -gt 0 ]; then
                sim_run "${arguments[@]}"
                return
        fi
        ! wanted sim-cases || sim_run --case all
        ! wanted sim-seeds || sim_run --seed 1 --count "$SIM_SEEDS"
        ! wanted sim-planted || sim_run --check-planted
}

# sim_run ARGUMENT...: what it says goes to the screen as it comes, and to a log.
sim_run() {
        local log line passed failed
        log=$(log_of "sim $*")
        ASAN_OPTIONS=detect_stack_use_after_return=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
                build/asan/tests/sim/app/sim_app "$@" 2>&1 | tee "$log" >&2 || true
        if ! line=$(grep -E '^sim: [0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1); then
                failed "sim $*: it broke off ($log)"
                return
        fi
        read -r _ passed _ failed _ <<<"$line"
        PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
        while read -r line; do FAILURES+=("sim: $line ($log)"); done < <(sed -n 's/^FAILED: //p' "$log")
}
