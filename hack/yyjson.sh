# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# yyjson for Debian 12, which does not package it: the source of Debian 13's
# package, through apt's own configuration, checked against the sum below.

YYJSON_VERSION=0.10.0
YYJSON_SHA256=ae6fde69a193e10afab426ef13f113d6903446405f9db9ee98bfb572bd6c961a

# need_yyjson: makes pkg-config find yyjson.
need_yyjson() {
        local prefix="$KEELSON_CACHE/yyjson-$YYJSON_VERSION"

        if pkg-config --atleast-version="$YYJSON_VERSION" yyjson 2>/dev/null; then
                return 0
        fi
        export PKG_CONFIG_PATH="$prefix/lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}"
        [ -e "$prefix/lib/pkgconfig/yyjson.pc" ] && return 0
        if apt-cache show libyyjson-dev >/dev/null 2>&1; then
                need_packages libyyjson-dev
                return 0
        fi
        need_packages xz-utils
        run_logged "yyjson $YYJSON_VERSION" build_yyjson "$prefix"
}

build_yyjson() (
        prefix=$1
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        cd "$work" || exit
        mkdir -p lists/partial parts
        site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
        [ -n "$site" ] || die "apt knows no Debian mirror; see /etc/apt/sources.list.d and run apt-get update"
        echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site trixie main" >parts/trixie.list
        own=(-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$work/parts"
                -o Dir::State::Lists="$work/lists" -o APT::Sandbox::User=root
                -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache=)
        apt-get "${own[@]}" update
        apt-get "${own[@]}" source --tar-only --download-only yyjson
        echo "$YYJSON_SHA256  $(echo yyjson_*.orig.tar.xz)" | sha256sum -c -
        tar xf yyjson_*.orig.tar.xz --strip-components=1
        # One object without it would take control flow protection from the whole program.
        [ "$(uname -m)" != x86_64 ] || cet=-fcf-protection=full
        cc -O2 -fPIC -fstack-protector-strong -fstack-clash-protection ${cet:-} -D_FORTIFY_SOURCE=2 -Isrc -c src/yyjson.c -o yyjson.o
        rm -rf "$prefix.new" && mkdir -p "$prefix.new/lib/pkgconfig" "$prefix.new/include"
        ar rcs "$prefix.new/lib/libyyjson.a" yyjson.o
        cp src/yyjson.h "$prefix.new/include/"
        cp LICENSE "$prefix.new/"
        cat >"$prefix.new/lib/pkgconfig/yyjson.pc" <<PC
prefix=$prefix
Name: yyjson
Description: A JSON library
Version: $YYJSON_VERSION
Libs: -L$prefix/lib -lyyjson
Cflags: -isystem $prefix/include
PC
        rm -rf "$prefix" && mv "$prefix.new" "$prefix"
)
