# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The images of this tree: the product, the sample app twice, as two versions of one
# program, and the database servers that tests run. Each is built again only if what goes into it has changed.

PRODUCT_IMAGE=keelson.dev/keelson:dev
WEBAPP_IMAGE=keelson.dev/webapp
REDIS_IMAGE=keelson.dev/redis:8
VALKEY_IMAGE=keelson.dev/valkey:8
REDIS_7_IMAGE=keelson.dev/redis:7

# all_command: builds what is stale; prints the path of each archive.
all_command() {
        need_base_image
        image_fresh "$PRODUCT_IMAGE" Dockerfile
        image_fresh "$WEBAPP_IMAGE:1" images/webapp/Dockerfile --build-arg VERSION=1
        image_fresh "$WEBAPP_IMAGE:2" images/webapp/Dockerfile --build-arg VERSION=2
        image_fresh "$REDIS_IMAGE" images/redis/Dockerfile
        image_fresh "$VALKEY_IMAGE" images/valkey/Dockerfile
        image_fresh "$REDIS_7_IMAGE" images/redis7/Dockerfile
}

# image_fresh REF DOCKERFILE [BUILDAH-OPTION...]
image_fresh() {
        local ref=$1 dockerfile=$2 file inputs
        file=$(image_file "$ref")
        inputs=$(image_inputs "$@")
        if [ -e "$file" ] && [ "$(cat "$file.inputs" 2>/dev/null)" = "$inputs" ]; then
                say "$ref is up to date"
        else
                image_build "$ref" "$dockerfile" "$KEELSON_ROOT" "${@:3}"
                echo "$inputs" >"$file.inputs"
        fi
        echo "$file"
}

# image_inputs REF DOCKERFILE OPTION...: a hash over all that goes into the image: the
# base image, the Dockerfile, and what that copies out of the tree.
image_inputs() (
        cd "$KEELSON_ROOT" || exit
        {
                echo "$@"
                stat -c '%s %Y' "$(image_file "$BASE_IMAGE")"
                cat "$2" .dockerignore
                image_sources "$2" | sort -z | xargs -0 sha256sum
        } | sha256sum | cut -d' ' -f1
)

# image_sources DOCKERFILE: the files of its COPY lines; for "COPY .", what .dockerignore lets in.
image_sources() {
        local sources
        mapfile -t sources < <(awk '$1 == "COPY" && $2 !~ /^--/ { for (i = 2; i < NF; i++) print $i }' "$1")
        if [ "${sources[*]}" = . ]; then
                mapfile -t sources < <(sed -n 's/^!//p' .dockerignore)
        fi
        for source in "${sources[@]}"; do
                [ ! -e "$source" ] || find "$source" -type f -print0
        done
}
