# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What came out so far. A failed step is remembered and the next one runs; the
# end lists what failed.

PASSED=0 FAILED=0 SKIPPED=0
FAILURES=()

log_of() { echo "$KEELSON_CACHE/log/${1//[^A-Za-z0-9._-]/_}.log"; }

# wanted NAME...: whether -k asks for one of these.
wanted() { [[ -z $ONLY || $* == *"$ONLY"* ]]; }

failed() {
        FAILED=$((FAILED + 1))
        FAILURES+=("$1")
}

skipped() {
        SKIPPED=$((SKIPPED + 1))
        say "skipped: $1"
}

# attempt LABEL CMD...: runs CMD with its output in a log; whether it succeeded, and
# nothing else: what it counts for is the caller's matter. As in every condition, the
# shell does not stop at an error inside CMD: a function must return its own.
attempt() {
        (run_logged "$@")
}

# check LABEL CMD...: the same, and it counts as one test.
check() {
        wanted "$1" || return 0
        if attempt "$@"; then
                PASSED=$((PASSED + 1))
        else
                failed "$1 ($(log_of "$1"))"
        fi
}

# tally LABEL KIND FILE LOG: adds the tests that a results file of that KIND (meson or
# junit) tells of. Without a readable file the whole run counts as one failure.
tally() {
        local label=$1 numbers line
        if ! numbers=$("$KEELSON_ROOT/hack/test.d/count.py" "$2" "$3"); then
                failed "$label: no results ($4)"
                return
        fi
        {
                read -r p f s
                while read -r line; do FAILURES+=("$label: $line ($4)"); done
        } <<<"$numbers"
        say "$label: $p passed, $f failed, $s skipped"
        PASSED=$((PASSED + p)) FAILED=$((FAILED + f)) SKIPPED=$((SKIPPED + s))
}

report() {
        local line
        for line in "${FAILURES[@]}"; do printf 'failed: %s\n' "$line"; done
        printf '%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
        if [ $((PASSED + FAILED + SKIPPED)) = 0 ]; then
                warn "nothing ran: nothing is called *$ONLY*"
                exit 1
        fi
        [ "$FAILED" = 0 ] || exit 1
}
