# SPDX-License-Identifier: Apache-2.0
"""What the end-to-end tests share: the cluster, kubectl, waiting.

With KUBECONFIG in the environment the tests use that cluster, with the kubectl in
PATH. Without it they use the one of hack/cluster, which must be up.
"""

import json
import os
import pathlib
import re
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BASE_IMAGE = "docker.io/library/debian:trixie-slim"
# Told on to pytest's workers, which find our KUBECONFIG in their environment.
# Seconds for what takes a moment, where nobody has promised how long: enough on a busy machine, too.
SOON = 30
_OWN = "KEELSON_E2E_OWN_CLUSTER"
OWN_CLUSTER = "KUBECONFIG" not in os.environ or _OWN in os.environ


def cluster(*args, check=True, timeout=600, **settings):
    """hack/cluster ARGS; a keyword such as KEELSON_CLUSTER_PREFIX="x" is set in its environment."""
    return subprocess.run(
        [ROOT / "hack" / "cluster", *args],
        env={**os.environ, **settings},
        check=check,
        timeout=timeout,
        text=True,
        stdout=subprocess.PIPE,
    ).stdout


def _use_own_cluster():
    os.environ[_OWN] = "1"
    lines = cluster("env")
    for name in "KUBECONFIG", "KUBECACHEDIR":
        os.environ[name] = re.search(rf"{name}=(\S+)", lines)[1]
    os.environ["PATH"] = re.search(r"PATH=([^:]+):", lines)[1] + ":" + os.environ["PATH"]


if OWN_CLUSTER:
    _use_own_cluster()


def kubectl(*args, stdin=None, check=True, timeout=60):
    """Runs kubectl and returns its output; a failure raises with what kubectl said."""
    done = subprocess.run(
        ["kubectl", *args], input=stdin, capture_output=True, text=True, timeout=timeout
    )
    if check and done.returncode != 0:
        raise RuntimeError(f"kubectl {' '.join(args)}: {done.stderr.strip()}")
    return done.stdout


def apply(*objects, namespace=None):
    """Applies objects given as dicts, or as YAML text."""
    for one in objects:
        text = one if isinstance(one, str) else json.dumps(one)
        kubectl(*_in(namespace), "apply", "-f", "-", stdin=text)


def get(kind, name=None, namespace=None, selector=None):
    """One object as a dict, or None where there is none; without a name, a list of them."""
    args = [*_in(namespace), "get", kind, "-o", "json", "--ignore-not-found"]
    if name:
        text = kubectl(*args, name)
        return json.loads(text) if text else None
    text = kubectl(*args, *(["-l", selector] if selector else []))
    return json.loads(text)["items"] if text else []


def delete(kind, name, namespace=None, wait=True):
    kubectl(*_in(namespace), "delete", kind, name, "--ignore-not-found", f"--wait={str(wait).lower()}", timeout=180)


def execute(pod, command, namespace=None, check=True, timeout=60):
    """Runs a shell command in a pod."""
    return kubectl(*_in(namespace), "exec", pod, "--", "bash", "-c", command, check=check, timeout=timeout)


def wait_until(predicate, timeout, what, every=0.5):
    """Polls until predicate() is true and returns its value; an error counts as not yet."""
    deadline = time.monotonic() + timeout
    last = None
    while time.monotonic() < deadline:
        try:
            value = predicate()
            if value:
                return value
            last = value
        except (RuntimeError, subprocess.TimeoutExpired, LookupError, TypeError) as error:
            last = error
        time.sleep(every)
    raise AssertionError(f"gave up after {timeout} s waiting for {what}; last: {last}")


def is_true(thing, kind):
    """Whether an object's condition of that type is True."""
    conditions = (thing or {}).get("status", {}).get("conditions", [])
    return any(c["type"] == kind and c["status"] == "True" for c in conditions)


def ready(kind, name, namespace=None):
    return is_true(get(kind, name, namespace), "Ready")


def _in(namespace):
    return ["-n", namespace] if namespace else []
