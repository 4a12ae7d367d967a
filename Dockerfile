# SPDX-License-Identifier: Apache-2.0
#
# The one image of Keelson: the program, the libraries that it is linked with, and
# nothing else. Build it with docker build, podman build, or hack/image all.

FROM docker.io/library/debian:trixie-slim AS build
RUN apt-get update -q && apt-get install -q -y --no-install-recommends \
        gcc libc6-dev binutils meson ninja-build pkg-config ca-certificates \
        libcurl4-openssl-dev libmicrohttpd-dev libgnutls28-dev libyaml-dev libnghttp2-dev libssl-dev \
        libhiredis-dev libyyjson-dev zlib1g-dev
COPY . /src
RUN meson setup /build /src --buildtype=release -Doptimization=2 \
        -Db_lto=true -Dc_link_args=-flto-partition=one && \
    ninja -C /build cmd/keelson
RUN sh /src/hack/closure /build/cmd/keelson /image

FROM scratch
COPY --from=build /image /
USER 1001:1001
ENTRYPOINT ["/usr/bin/keelson"]
