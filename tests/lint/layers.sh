#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Nothing includes upward: a file may include its own layer and those below it.

cd "$(dirname "$0")/../.." || exit 1

layers=(base crypto loop json yaml schema http kube cache queue manager conversion admission failover controller agent cmd)

rank() {
        local i
        for i in "${!layers[@]}"; do
                if [ "${layers[$i]}" = "$1" ]; then
                        echo "$i"
                        return 0
                fi
        done
        return 1
}

bad=0
complain() {
        printf '%s\n' "$1"
        bad=1
}

while IFS=: read -r file line text; do
        layer=${file#pkg/}
        layer=${layer%%/*}
        target=${text#*\"}
        target=${target%%\"*}
        case $target in
        */*) target_layer=${target%%/*} ;;
        *) continue ;; # its own folder
        esac
        if ! own=$(rank "$layer"); then
                complain "$file: the layer $layer has no place in the order; see tests/lint/layers.sh"
        elif ! theirs=$(rank "$target_layer"); then
                complain "$file:$line: includes \"$target\", which is in no layer"
        elif [ "$theirs" -gt "$own" ]; then
                complain "$file:$line: $layer includes \"$target\", which is above it"
        fi
done < <(grep -rnE --include='*.[ch]' '^[[:space:]]*#[[:space:]]*include[[:space:]]+"' pkg controller agent cmd 2>/dev/null)
exit $bad
