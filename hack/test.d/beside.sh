# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What takes processors and needs no cluster, beside what takes a cluster and mostly
# waits: a run of hack/test of its own, which gives way to the other.

BESIDE='' BESIDE_LOG=$KEELSON_CACHE/log/beside.log

# beside_begin WHAT...: in the background, with our options.
beside_begin() {
        [ $# -gt 0 ] || return 0
        say "$* run meanwhile, and are told of at the end"
        setsid nice -n 19 "$KEELSON_ROOT/hack/test" "$@" --seconds "$FUZZ_SECONDS" ${ONLY:+-k "$ONLY"} \
                >"$BESIDE_LOG" 2>&1 </dev/null &
        BESIDE=$!
        # Whoever stops us stops it too.
        trap 'kill -- "-$BESIDE" 2>/dev/null || true' EXIT
}

# beside_end: waits for it, shows what it said, and counts what it counted.
beside_end() {
        local line passed='' fails skipped
        [ -n "$BESIDE" ] || return 0
        step "what ran meanwhile"
        run_logged "the end of it" tail --pid="$BESIDE" -f /dev/null
        wait "$BESIDE" || true
        trap - EXIT
        while IFS= read -r line; do
                if [[ $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed,\ ([0-9]+)\ skipped$ ]]; then
                        passed=${BASH_REMATCH[1]} fails=${BASH_REMATCH[2]} skipped=${BASH_REMATCH[3]}
                elif [[ $line == 'failed: '* ]]; then
                        FAILURES+=("${line#failed: }")
                elif [[ $line != *' … '* ]]; then
                        printf '%s\n' "$line" >&2
                fi
        done <"$BESIDE_LOG"
        if [ -z "$passed" ]; then
                failed "what ran meanwhile broke off ($BESIDE_LOG)"
                return
        fi
        PASSED=$((PASSED + passed)) FAILED=$((FAILED + fails)) SKIPPED=$((SKIPPED + skipped))
}
