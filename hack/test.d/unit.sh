# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The unit tests: plain, under sanitizers, under valgrind.

# Some tests want the system's CAs, a server that speaks HTTP/2, and a Redis (whose package
# redis-tools has the server, and starts none); one looks at system calls.
UNIT_PACKAGES=(check ca-certificates nghttp2-server redis-tools strace)

# Names of tests, and suites, that the next run leaves out.
NOT=() NOT_SUITES=''

# meson_tests LABEL DIR SUITE OPTION...: runs the suite's tests in a build folder.
meson_tests() {
        local label=$1 dir=$2 suite=$3 names=() base
        shift 3
        base=testlog-${label//[^a-z]/-}
        mapfile -t names < <(unit_names "$dir" "$suite" | grep -vxF -f <(printf '%s\n' "${NOT[@]}"))
        if [ ${#names[@]} = 0 ]; then
                say "$label: no test is called *$ONLY*"
                return
        fi
        rm -f "$dir/meson-logs/$base"[.-]*
        attempt "$label" meson test -C "$dir" --no-rebuild --suite "$suite" --logbase "$base" "$@" "${names[@]}" || true
        # A wrapper adds its name to the log's.
        base=$(find "$dir/meson-logs" -name "$base*.json" | head -n 1)
        tally "$label" meson "${base:-no file}" "${base%.json}.txt"
}

# unit_names DIR SUITE: the tests that -k asks for and whose programs were built.
unit_names() {
        meson introspect "$1" --tests | python3 -c '
import json, os, sys
for test in json.load(sys.stdin):
    built = all(os.path.exists(word) for word in test["cmd"] if word.startswith("/"))
    suites = [name.split(":")[-1] for name in test["suite"]]
    if built and sys.argv[1] in suites and not set(suites) & set(sys.argv[2].split()) and sys.argv[3] in test["name"]:
        print(test["name"])' "$2" "$NOT_SUITES" "$ONLY"
}

# unit_build LABEL DIR OPTION...: builds all that can be built; whether there is something to run.
unit_build() {
        local label=$1 dir=$2
        shift 2
        if ! (setup_build "$dir" "$@"); then
                failed "meson setup $dir ($(log_of "meson setup $dir"))"
                return 1
        fi
        attempt "$label" ninja -k 0 -C "$dir" || failed "$label ($(log_of "$label"))"
        [ -e "$dir/build.ninja" ]
}

test_unit() {
        need_build_deps
        need_packages "${UNIT_PACKAGES[@]}"
        if unit_build "build for unit tests" build/test; then
                meson_tests "unit tests" build/test unit
        fi
        if unit_build "build with sanitizers" build/asan -Db_sanitize=address,undefined; then
                ASAN_OPTIONS=detect_stack_use_after_return=1 \
                        UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
                        meson_tests "unit tests with sanitizers" build/asan unit --timeout-multiplier 3
        fi
}

# Without optimisation, and so without the automatic zeroing of variables, which
# would hide from valgrind what was never set.
test_valgrind() {
        local checker='valgrind --quiet --error-exitcode=99 --leak-check=full --show-leak-kinds=definite'
        checker+=' --errors-for-leak-kinds=definite --track-origins=yes'
        # Debian 12's valgrind knows neither clone3 nor pidfd_open, by which children are
        # started and watched; and the simulation of leaders takes minutes in it.
        local NOT=(manager/leader_sim) NOT_SUITES='slow pidfd'
        need_build_deps
        need_packages "${UNIT_PACKAGES[@]}" valgrind libc6-dbg
        if unit_build "build for valgrind" build/valgrind --buildtype=debug; then
                CK_TIMEOUT_MULTIPLIER=20 meson_tests "unit tests in valgrind" build/valgrind unit \
                        --timeout-multiplier 20 --wrap "$checker"
        fi
}
