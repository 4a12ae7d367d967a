# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What takes processors and needs no cluster, beside what takes a cluster and mostly
# waits: a run of hack/test of its own, which gives way to the other.

# It holds the lock for as long as it runs: its process number may be another's by the end.
BESIDE='' BESIDE_LOG=$KEELSON_CACHE/log/beside.log BESIDE_LOCK=$KEELSON_CACHE/log/beside.lock

# beside_begin WHAT...: in the background, with our options.
beside_begin() {
        [ $# -gt 0 ] || return 0
        say "$* run meanwhile, and are told of at the end"
        # One of another run would write to our log.
        exec 9>"$BESIDE_LOCK"
        flock -n 9 || die "another hack/test runs already; wait for its end"
        setsid nice -n 19 "$KEELSON_ROOT/hack/test" "$@" --seconds "$FUZZ_SECONDS" ${ONLY:+-k "$ONLY"} \
                >"$BESIDE_LOG" 2>&1 </dev/null &
        BESIDE=$!
        exec 9>&-
        # Whoever stops us stops it too.
        trap beside_stop EXIT
}

beside_stop() {
        flock -n "$BESIDE_LOCK" true || kill -- "-$BESIDE" 2>/dev/null || true
}

# beside_end: waits for it, shows what it said, and counts what it counted.
beside_end() {
        local line passed='' fails skipped
        [ -n "$BESIDE" ] || return 0
        step "what ran meanwhile"
        run_logged "the end of it" flock "$BESIDE_LOCK" true
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
