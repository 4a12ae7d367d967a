# SPDX-License-Identifier: Apache-2.0
"""The engine's own tests (tests/agent/redis) with the servers of the test images, Redis 8 and Valkey 8, beside
the one of this machine's packages, which the unit tests use. Their program runs on their own libraries."""

import json
import os
import subprocess

import pytest

from kube import ROOT

pytestmark = pytest.mark.long(150)

TESTS = ROOT / "build" / "test" / "tests" / "agent" / "redis"


def blob(root, digest):
    return root / "blobs" / digest.replace(":", "/")


def unpack(archive, root):
    """The layers of an image archive, one over the other."""
    image = root / "image"
    files = root / "root"
    for folder in image, files:
        folder.mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", image], check=True)
    index = json.loads((image / "index.json").read_text())
    manifest = json.loads(blob(image, index["manifests"][0]["digest"]).read_text())
    for layer in manifest["layers"]:
        subprocess.run(["tar", "-xf", blob(image, layer["digest"]), "-C", files, "--exclude=dev/*"], check=True)
    return files


@pytest.fixture(scope="module", params=["redis:8", "valkey:8"])
def server(request, tmp_path_factory):
    """A program that runs the image's server here."""
    archive = subprocess.run([ROOT / "hack" / "image", "file", f"keelson.dev/{request.param}"], check=True,
                             capture_output=True, text=True).stdout.strip()
    if not os.path.exists(archive):
        pytest.skip(f"keelson.dev/{request.param} was not built: hack/image all")
    name = request.param.split(":")[0] + "-server"
    root = tmp_path_factory.mktemp(name)
    files = unpack(archive, root)
    loader = next(files.glob("usr/lib/*/ld-linux-*.so.*"))
    program = root / name
    program.write_text(f'#!/bin/sh\nexec "{loader}" --argv0 {name} --library-path "{loader.parent}" "{files}/usr/bin/{name}" "$@"\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("test", ["clients", "engine", "store"])
def test_engine(server, test):
    program = TESTS / f"test_redis_{test}"
    if not program.exists():
        pytest.skip("the unit tests were not built, or no redis-server was there when they were")
    version = subprocess.run([server, "--version"], check=True, capture_output=True, text=True).stdout
    assert "v=8." in version
    done = subprocess.run([program], env={**os.environ, "KEELSON_TEST_SERVER": str(server), "CK_TIMEOUT_MULTIPLIER": "4"},
                          capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
