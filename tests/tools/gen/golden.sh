#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Compares what keelson-gen makes of the files here with golden/, and what it
# says about each file of errors/ with the file's first line.
#
#   golden.sh path/to/keelson-gen            compares
#   golden.sh path/to/keelson-gen --update   writes golden/ anew
set -euo pipefail

gen=$(realpath "$1")
cd "$(dirname "$0")"
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

"$gen" crd widget.yaml --h "$out/widget.gen.h" --c "$out/widget.gen.c" --doc "$out/widget.md"
"$gen" types types.yaml --h "$out/types.gen.h" --c "$out/types.gen.c"
"$gen" templates templates/*.yaml --h "$out/templates.gen.h" --c "$out/templates.gen.c" --prefix t_
if [ "${2:-}" = --update ]; then
        cp "$out"/* golden/
fi
diff -ru golden "$out"

failed=0
for file in errors/*.yaml; do
        name=$(basename "$file")
        command=${name%%-*}
        [ "$command" != template ] || command=templates
        expected=$(sed -n '1s/^# expect: //p' "$file")
        status=0
        said=$("$gen" "$command" "$file" 2>&1) || status=$?
        if [ "$status" != 1 ] || [ -z "$expected" ] || [[ "$said" != *"$expected"* ]]; then
                printf '%s: exit code %s\n  expected: %s\n  said:     %s\n' "$file" "$status" "$expected" "$said"
                failed=1
        fi
done

# A wrong call says how to call it, and a file that is not there is named.
for args in "" "crd" "frobnicate x.yaml" "crd a.yaml b.yaml" "crd --frob x"; do
        status=0
        # shellcheck disable=SC2086
        said=$("$gen" $args 2>&1) || status=$?
        if [ "$status" = 0 ] || [[ "$said" != *"keelson-gen crd CRD.yaml"* ]]; then
                printf 'keelson-gen %s: exit code %s, said: %s\n' "$args" "$status" "$said"
                failed=1
        fi
done
status=0
said=$("$gen" crd no-such-file.yaml 2>&1) || status=$?
if [ "$status" != 1 ] || [[ "$said" != *"no-such-file.yaml: No such file"* ]]; then
        printf 'a missing file: exit code %s, said: %s\n' "$status" "$said"
        failed=1
fi
exit $failed
