# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# The packages that building needs, and build folders. Sourced after lib.sh.

# shellcheck source=hack/yyjson.sh
. "$KEELSON_ROOT/hack/yyjson.sh"

BUILD_PACKAGES=(gcc libc6-dev binutils meson ninja-build pkg-config libcurl4-openssl-dev libmicrohttpd-dev
        libgnutls28-dev libyaml-dev libnghttp2-dev libssl-dev libhiredis-dev zlib1g-dev)

# What a release is built with; the Dockerfile says the same. In one partition, since
# gcc wants make for more of them and says so where there is none.
# shellcheck disable=SC2034 # for those who source this
RELEASE_OPTIONS=(--buildtype=release -Doptimization=2 -Db_lto=true -Dc_link_args=-flto-partition=one)

# need_build_deps: the compiler, and the libraries with their headers.
need_build_deps() {
        need_packages "${BUILD_PACKAGES[@]}"
        need_yyjson
}

# setup_build DIR OPTION...: makes the build folder DIR, if it is not there yet.
setup_build() {
        [ -e "$1/build.ninja" ] || run_logged "meson setup $1" meson setup "$@"
}
