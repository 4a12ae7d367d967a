# SPDX-License-Identifier: Apache-2.0
"""A Redis called "sessions": how it is asked for, what it becomes, and how to talk to it."""

import base64

from keelson import REDIS_8, condition
from kube import get, kubectl, wait_until

# What every Redis called "sessions" becomes.
CHILDREN = {
    "statefulset": ["sessions"],
    "service": ["sessions", "sessions-members", "sessions-ro"],
    "secret": ["sessions-agent", "sessions-app", "sessions-ca", "sessions-env", "sessions-tls"],
    "lease": ["sessions"],
    "serviceaccount": ["sessions-agent"],
    "role": ["sessions-agent"],
    "rolebinding": ["sessions-agent"],
    "networkpolicy": ["sessions"],
    "poddisruptionbudget": ["sessions"],
}
OURS = "app.kubernetes.io/managed-by=keelson,app.kubernetes.io/instance=sessions"


def redis(**spec):
    return {
        "apiVersion": "keelson.dev/v1alpha1",
        "kind": "Redis",
        "metadata": {"name": "sessions"},
        "spec": {"image": REDIS_8, "memory": "64Mi", **spec},
    }


def names(kind, space):
    return sorted(thing["metadata"]["name"] for thing in get(kind, None, space, selector=OURS))


def wait_for_children(space, timeout=60):
    for kind, wanted in CHILDREN.items():
        wait_until(lambda kind=kind, wanted=wanted: names(kind, space) == wanted, timeout, f"its {kind}")


def wait_for(space, kind, expected):
    return wait_until(
        lambda: (thing := get("redis", "sessions", space)) and condition(thing, kind) == expected and thing, 120, f"{kind} to be {expected}"
    )


def primary(space):
    return get("redis", "sessions", space)["status"]["primary"]


def ask(space, *command, member="sessions-0", host="sessions"):
    """redis-cli in a member's pod, as an application with the Secret would."""
    secret = get("secret", "sessions-app", space)["data"]
    password = base64.b64decode(secret["password"]).decode()
    either = 'exec $(command -v redis-cli valkey-cli | head -n 1) "$@"'
    return kubectl("-n", space, "exec", member, "-c", "redis", "--", "bash", "-c", either, "cli",
                   "--no-auth-warning", "-a", password, "--tls", "--cacert", "/tls/ca.crt", "-h", host,
                   *command, timeout=30).strip()


def wait_for_write(space, key, member="sessions-0"):
    wait_until(lambda: ask(space, "set", key, "1", member=member) == "OK", 90, f"the write of {key}")
