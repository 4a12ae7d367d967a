#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Every CRD has its reference in docs/reference, and it is what keelson-gen
# makes of it today; and no reference is left without its CRD.
#
#   reference.sh path/to/keelson-gen
set -euo pipefail

gen=$(realpath "$1")
cd "$(dirname "$0")/../../.."
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

for crd in crds/*.yaml; do
        [ "$crd" != crds/kustomization.yaml ] || continue
        "$gen" crd "$crd" --doc "$out/$(basename "$crd" .yaml).md"
done
if ! diff -ru docs/reference "$out"; then
        echo "docs/reference is not up to date; see docs/development/templates.md, \"After a change\"" >&2
        exit 1
fi
