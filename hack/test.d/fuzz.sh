# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Each fuzzer for some seconds, from its corpus in the tree and from what earlier
# runs found, which is kept in the cache. What crashes it lands there too.

test_fuzz() {
        local program name
        need_build_deps
        need_packages check clang llvm libclang-rt-dev
        # All code counts its edges, not only the fuzzers' own.
        if ! (CC=clang setup_build build/fuzz -Dfuzz=true -Db_lundef=false -Db_sanitize=address,undefined \
                -Dc_args=-fsanitize=fuzzer-no-link) || ! attempt "build fuzzers" ninja -C build/fuzz; then
                failed "build fuzzers ($(log_of "build fuzzers"))"
                return
        fi
        for program in build/fuzz/tests/fuzz/fuzz_*; do
                [ -f "$program" ] && [ -x "$program" ] || continue
                name=${program##*/}
                check "$name" fuzz_run "$program" "${name#fuzz_}"
        done
}

fuzz_run() {
        local program=$1 seeds=tests/fuzz/corpus/$2 found=$KEELSON_CACHE/fuzz/$2
        mkdir -p "$found/corpus"
        [ -d "$seeds" ] || seeds=$found/corpus
        "$program" -max_total_time="$FUZZ_SECONDS" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
                -artifact_prefix="$found/" "$found/corpus" "$seeds"
}
