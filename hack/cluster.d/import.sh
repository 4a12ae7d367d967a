# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Images into the nodes' containerd.

# import_images FILE|REF...: into every running node at once.
import_images() {
        local item file files=()
        [ $# -gt 0 ] || usage_error "which images? archives, or names that hack/image built"
        for item in "$@"; do
                file=$item
                [ -f "$file" ] || file=$(image_file "$item")
                [ -f "$file" ] || die "no archive and no built image is called $item; build it: hack/image build -t $item CONTEXT"
                files+=("$file")
        done
        on_nodes import_into "${files[@]}"
}

# on_nodes FUNCTION ARG...: FUNCTION NODE ARG... for all running nodes in parallel.
on_nodes() {
        local function=$1 node jobs=() job failed=0
        shift
        for node in "${NODES[@]}"; do
                running "$node" || continue
                "$function" "$node" "$@" &
                jobs+=($!)
        done
        for job in "${jobs[@]}"; do wait "$job" || failed=1; done
        [ "$failed" = 0 ] || die "it failed on some node; see above"
}

import_into() {
        local node=$1 file image have
        shift
        wait_for 60 "containerd on $node" node_runtime_ready "$node"
        have=$(in_node "$node" ctr -n k8s.io images list | awk '{ print $1, $3 }')
        for file in "$@"; do
                image=$(archive_image "$file")
                if [ -n "$image" ] && grep -qxF "$image" <<<"$have"; then
                        continue
                fi
                # By standard input, since a node does not see all of the host's files.
                in_node "$node" ctr -n k8s.io images import - <"$file" >/dev/null
        done
}

node_runtime_ready() { in_node "$1" ctr version; }

# archive_image FILE: reference and digest of an OCI archive's one image; nothing for another kind of archive.
archive_image() {
        tar -xOf "$1" index.json 2>/dev/null |
                sed -n 's/.*"digest":"\(sha256:[0-9a-f]*\)".*"org.opencontainers.image.ref.name":"\([^"]*\)".*/\2 \1/p'
}
