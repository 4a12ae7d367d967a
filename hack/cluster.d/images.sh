# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# Images without a daemon and without a registry: buildah builds them into a store
# in the cache and writes each as an OCI archive beside it.

BASE_SUITE=trixie
IMAGES=$KEELSON_CACHE/images
# A newer buildah does not start without netavark, though it only recommends it.
BUILDAH_PACKAGES=(buildah netavark)

# image_file REF: where the archive of that image is kept.
image_file() { echo "$IMAGES/${1//[^A-Za-z0-9._-]/_}.tar"; }

# buildah_run ARG...: buildah with our own store. The private mount namespace and the
# fresh run folder make sure that no mount and no count of mounts outlives the call.
buildah_run() (
        run=$(mktemp -d "$KEELSON_CACHE/buildah-run.XXXXXX")
        trap 'rm -rf "$run"' EXIT
        BUILDAH_ISOLATION=chroot STORAGE_DRIVER=$(storage_driver) unshare --mount \
                buildah --root "$KEELSON_CACHE/containers" --runroot "$run" "$@"
)

# storage_driver: overlay where the kernel can stack the cache's filesystem, else plain copies.
storage_driver() (
        dir=$(mktemp -d "$KEELSON_CACHE/overlay.XXXXXX")
        trap 'rm -rf "$dir"' EXIT
        mkdir "$dir"/{lower,upper,work,merged}
        if unshare --mount mount -t overlay overlay \
                -o "lowerdir=$dir/lower,upperdir=$dir/upper,workdir=$dir/work" "$dir/merged" 2>/dev/null; then
                echo overlay
        else
                echo vfs
        fi
)

# image_save REF: writes the archive, under its name only once it is whole.
image_save() {
        local file
        file=$(image_file "$1")
        mkdir -p "$IMAGES"
        rm -f "$file.new"
        run_logged "save $1" buildah_run push "$1" "oci-archive:$file.new:$1"
        mv "$file.new" "$file"
}

# image_build REF DOCKERFILE CONTEXT [BUILDAH-OPTION...]: builds and saves.
image_build() {
        local ref=$1 dockerfile=$2 context=$3
        shift 3
        need_packages "${BUILDAH_PACKAGES[@]}"
        need_base_image
        buildah_run inspect --type image "$BASE_IMAGE" >/dev/null 2>&1 ||
                run_logged "load $BASE_IMAGE" buildah_run pull "oci-archive:$(image_file "$BASE_IMAGE")"
        run_logged "build $ref" buildah_run bud --layers --ulimit "$(limit nofile n)" --ulimit "$(limit nproc u)" "$@" -t "$ref" -f "$dockerfile" "$context"
        image_save "$ref"
}

# limit NAME LETTER: the limit we have; a newer buildah would raise it, which not every root may.
# An older one first lowers nproc to the largest process id, and could not take that back.
limit() {
        local most=$(($(cat /proc/sys/kernel/pid_max))) soft hard
        soft=$(ulimit "-S$2") hard=$(ulimit "-H$2")
        if [ "$1" = nproc ]; then
                [ "$soft" != unlimited ] && [ "$soft" -le "$most" ] || soft=$most
                [ "$hard" != unlimited ] && [ "$hard" -le "$most" ] || hard=$most
        fi
        echo "$1=${soft/unlimited/-1}:${hard/unlimited/-1}"
}

# image_assemble REF FILE CONFIG-OPTION...: an image of one file (or root filesystem) alone.
image_assemble() {
        local ref=$1 file=$2 container
        shift 2
        container=$(buildah_run from scratch)
        buildah_run add -q "$container" "$file" / >/dev/null
        buildah_run config "$@" "$container"
        buildah_run commit -q --rm "$container" "$ref" >/dev/null
        image_save "$ref"
}

# need_base_image: Debian's slim image, made from the mirror that this machine uses,
# under the name by which Dockerfiles ask for it.
need_base_image() {
        [ ! -e "$(image_file "$BASE_IMAGE")" ] || return 0
        need_packages "${BUILDAH_PACKAGES[@]}" mmdebstrap debian-archive-keyring ca-certificates
        mkdir -p "$IMAGES"
        run_logged "base image from the Debian mirror" base_filesystem "$IMAGES/base.tar"
        image_assemble "$BASE_IMAGE" "$IMAGES/base.tar" --cmd bash
        rm -f "$IMAGES/base.tar"
}

# base_filesystem FILE: what the public slim image leaves out is left out here too.
base_filesystem() {
        local sources options=() line
        sources=$(base_sources)
        [ -n "$sources" ] || die "apt knows no Debian mirror here; see /etc/apt/sources.list.d and run apt-get update"
        # What apt needs here to reach its mirror, it needs in the image too.
        while read -r line; do options+=("--aptopt=$line"); done < <(
                apt-config dump | grep -E '^Acquire::(Check-Valid-Until|Check-Date|https?::(Proxy|[^:]+::Proxy)) ' || true)
        [[ $sources != *https:* ]] || options+=(--include=ca-certificates)
        # shellcheck disable=SC2016 # mmdebstrap expands it
        if [[ $sources == *https:* ]] && compgen -G '/usr/local/share/ca-certificates/*' >/dev/null; then
                options+=('--customize-hook=copy-in /usr/local/share/ca-certificates /usr/local/share'
                        '--customize-hook=chroot "$1" update-ca-certificates')
        fi
        mmdebstrap --variant=minbase "${options[@]}" \
                --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
                --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
                "$BASE_SUITE" "$1" - <<<"$sources"
}

# base_sources: apt's own mirrors, with the suite that the base image wants.
base_sources() {
        # shellcheck disable=SC2016 # apt-get expands it
        apt-get indextargets --format '$(LABEL)|$(REPO_URI)' 'Created-By: Packages' | sort -u |
                while IFS='|' read -r label uri; do
                        case $label in
                        Debian) printf 'deb %s %s main\n' "$uri" "$BASE_SUITE" "$uri" "$BASE_SUITE-updates" ;;
                        Debian-Security) printf 'deb %s %s main\n' "$uri" "$BASE_SUITE-security" ;;
                        esac
                done
}

# need_pause_image: the process that holds each pod's namespaces.
need_pause_image() {
        local file source=$KEELSON_ROOT/images/pause/pause.c dir
        file=$(image_file "$PAUSE_IMAGE")
        [ ! "$file" -nt "$source" ] || return 0
        need_packages "${BUILDAH_PACKAGES[@]}" gcc libc6-dev
        dir=$(mktemp -d "$KEELSON_CACHE/pause.XXXXXX")
        gcc -Os -static -s -Wall -Werror -o "$dir/pause" "$source"
        image_assemble "$PAUSE_IMAGE" "$dir/pause" --entrypoint '["/pause"]' --user 65535:65535
        rm -rf "$dir"
}
