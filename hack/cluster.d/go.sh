# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# A Go toolchain that is new enough. Debian's own is not, but the module proxy
# carries toolchains as modules: Go 1.21 and later fetches them by itself, an
# older one is told to download the module like any other.

GO_WANTED=1.26.4

# ensure_go: makes `go` mean Go $GO_WANTED or newer for this process and its children.
ensure_go() {
        local have
        export GOWORK=off GOFLAGS=-buildvcs=false
        command -v go >/dev/null || need_packages golang-go ca-certificates
        # Its own version: a second call must not see the one that the first asked for.
        have=${KEELSON_GO_PRETEND:-$(GOTOOLCHAIN=local go env GOVERSION)}
        have=${have#go}
        if version_at_least "$have" "$GO_WANTED"; then
                export GOTOOLCHAIN=local
        elif version_at_least "$have" 1.21; then
                export GOTOOLCHAIN=go$GO_WANTED
        else
                go_from_module
        fi
        go version >/dev/null || die "no Go $GO_WANTED: install it from https://go.dev/dl, or give GOPROXY a proxy that works"
}

version_at_least() { [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

# go_from_module: takes the toolchain out of the module cache. Modules carry no
# execute bits, so its programs are marked in a copy of our own.
go_from_module() {
        local root=$KEELSON_CACHE/go-$GO_WANTED dir
        if [ ! -x "$root/bin/go" ]; then
                dir=$(cd / && go mod download -json "golang.org/toolchain@v0.0.1-go$GO_WANTED.linux-$(go env GOARCH)" |
                        sed -n 's/^\t"Dir": "\(.*\)",*$/\1/p')
                [ -d "$dir" ] || die "the module proxy has no Go $GO_WANTED; install it from https://go.dev/dl"
                rm -rf "$root" "$root.new"
                cp -r --no-preserve=mode "$dir" "$root.new"
                find "$root.new/bin" "$root.new/pkg/tool" -type f -exec chmod +x {} +
                mv "$root.new" "$root"
        fi
        export GOROOT=$root GOTOOLCHAIN=local PATH=$root/bin:$PATH
}
