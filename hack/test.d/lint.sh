# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What a reviewer should not have to look for.

test_lint() {
        need_build_deps
        need_packages "${UNIT_PACKAGES[@]}" clang clang-format clang-tidy shellcheck git
        check "format" lint_format
        check "shellcheck" lint_shell
        check "words" tests/lint/words.sh
        check "layers" tests/lint/layers.sh
        check "build with gcc" lint_build build/test gcc
        check "build with clang" lint_build build/lint clang
        check "clang-tidy" lint_tidy build/lint
        check "manifests" hack/manifests --check
        check "reasons" tests/lint/reasons.py
        check "reference docs" tests/lint/docs.sh build/test
        check "release build" hack/build
        check "hardening" tests/lint/hardening.sh build/release/keelson
}

# Files of the tree, by pattern; new ones count before they are committed.
lint_files() { git ls-files --cached --others --exclude-standard -z -- "$@" | xargs -0 -r ls -d 2>/dev/null; }

# What the generator's tests expect is compared byte by byte, as the generator writes it.
lint_format() { lint_files '*.c' '*.h' ':!tests/tools/gen/golden' | xargs -r -P "$(nproc)" -n 20 clang-format --dry-run -Werror; }

lint_shell() { lint_files hack .ci tests | xargs -r grep -lE '^#!.*(ba)?sh$|^# shellcheck shell=' | xargs -r shellcheck -x -S warning; }

lint_build() {
        CC=$2 setup_build "$1" && ninja -C "$1"
}

# A file that passed is not looked at again until it, a header or a setting changes.
lint_tidy() (
        dir=$1
        export dir
        mkdir -p "$dir/tidy"
        common=$({
                clang-tidy --version
                lint_files .clang-tidy '*.h' 'meson*' | xargs cat
                find "$dir" -name '*.h' -print0 | sort -z | xargs -0 -r cat
        } | sha256sum | cut -c1-16)
        export common
        # shellcheck disable=SC2016 # for the inner shell
        lint_sources "$dir" | xargs -r -P "$(nproc)" -n 1 bash -c '
                stamp=$dir/tidy/$({ echo "$common $1"; cat "$1"; } | sha256sum | cut -c1-32)
                [ ! -e "$stamp" ] || exit 0
                clang-tidy --quiet -p "$dir" "$1" 2>/dev/null && touch "$stamp"' tidy
)

# lint_sources DIR: what DIR compiles, but for generated files.
lint_sources() {
        python3 - "$1" <<'END'
import json, os, sys
for entry in json.load(open(os.path.join(sys.argv[1], "compile_commands.json"))):
    path = os.path.relpath(os.path.join(entry["directory"], entry["file"]))
    if not path.startswith("build"):
        print(path)
END
}
