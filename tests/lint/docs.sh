#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# docs.sh BUILD [--write]: that docs/reference is what the generator of that build
# folder makes of crds/; with --write, makes it so.

cd "$(dirname "$0")/../.." || exit 1
gen=${1:?which build folder?}/tools/gen/keelson-gen
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

for crd in crds/*.yaml; do
        [ "$crd" != crds/kustomization.yaml ] || continue
        name=$(basename "$crd" .yaml)
        "$gen" crd "$crd" --doc "$work/$name.md" || exit 1
done
if [ "${2:-}" = --write ]; then
        mkdir -p docs/reference && cp "$work"/*.md docs/reference/
        exit
fi
if ! diff -ruN docs/reference "$work"; then
        echo "docs/reference is not what the generator makes; run: tests/lint/docs.sh $1 --write"
        exit 1
fi
