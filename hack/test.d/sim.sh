# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The simulators (docs/development/simulator.md, failover-simulator.md), under the address and UB sanitizers.

# In a run of everything: about three minutes on two cores, and for failover two more.
SIM_SEEDS=250
FAILOVER_SEEDS=10000

SIM_APP=build/asan/tests/sim/app/sim_app
SIM_FAILOVER=build/asan/tests/sim/failover/sim_failover

test_sim() {
        local arguments=("${SIM_ARGUMENTS[@]}")
        need_build_deps
        need_packages "${UNIT_PACKAGES[@]}"
        unit_build "build with sanitizers" build/asan -Db_sanitize=address,undefined || return 0
        if [[ " ${arguments[*]} " == *" --list "* ]]; then
                "$SIM_APP" --list
                "$SIM_FAILOVER" --list
                exit 0
        fi
        if [ ${#arguments[@]} -gt 0 ]; then
                sim_asked_for "${arguments[@]}"
                return
        fi
        ! wanted sim-cases || sim_run "$SIM_APP" --case all
        ! wanted sim-seeds || sim_run "$SIM_APP" --seed 1 --count "$SIM_SEEDS"
        ! wanted sim-planted || sim_run "$SIM_APP" --check-planted
        ! wanted sim-failover || sim_failover
}

sim_failover() {
        sim_run "$SIM_FAILOVER" --case all --count 20
        sim_run "$SIM_FAILOVER" --seed 1 --count "$FAILOVER_SEEDS"
        sim_failover_planted
}

# A case is that of the simulator that knows it.
sim_asked_for() {
        local program=$SIM_APP arguments=() argument planted=''
        for argument; do
                case $argument in
                --failover) program=$SIM_FAILOVER ;;
                --check-planted) planted=yes arguments+=("$argument") ;;
                *) arguments+=("$argument") ;;
                esac
        done
        if [[ $program == "$SIM_APP" && " $* " =~ " --case "([^ ]+)" " ]] && knows_case "${BASH_REMATCH[1]}"; then
                program=$SIM_FAILOVER
        fi
        if [[ $planted && $program == "$SIM_FAILOVER" ]]; then
                sim_failover_planted
        else
                sim_run "$program" "${arguments[@]}"
        fi
}

# knows_case NAME: the failover simulator does, and the other does not.
knows_case() {
        [ "$1" != all ] && "$SIM_FAILOVER" --list | grep -qE -- "--case $1[- ]" &&
                ! "$SIM_APP" --list | grep -qE -- "--case $1[- ]"
}

# Each planted bug is a program of its own, which must be caught within the seeds of a full run.
sim_failover_planted() {
        local program name log
        log=$(log_of "sim planted failover")
        for program in build/asan/tests/sim/failover/planted_*; do
                [ -f "$program" ] && [ -x "$program" ] || continue
                name=$(basename "$program")
                if "$program" --planted --count "$FAILOVER_SEEDS" >"$log" 2>&1; then
                        PASSED=$((PASSED + 1))
                        say "$name: $(tr '\n' ' ' <"$log")"
                else
                        failed "sim: $name is not caught ($log)"
                fi
        done
}

# sim_run PROGRAM ARGUMENT...: what it says goes to the screen as it comes, and to a log.
sim_run() {
        local log line passed failed program=$1
        shift
        log=$(log_of "$(basename "$program") $*")
        ASAN_OPTIONS=detect_stack_use_after_return=0 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
                "$program" "$@" 2>&1 | tee "$log" >&2 || true
        if ! line=$(grep -E '^sim: [0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1); then
                failed "sim $*: it broke off ($log)"
                return
        fi
        read -r _ passed _ failed _ <<<"$line"
        PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed))
        while read -r line; do FAILURES+=("sim: $line ($log)"); done < <(sed -n 's/^FAILED: //p' "$log")
}
