# SPDX-License-Identifier: Apache-2.0
"""The webhook's certificates: the operator by hand on this machine makes and mends them.

Each test has a Service of its own name, in a namespace of its own; its configurations are
about resources that there are not, so nobody is asked.
"""

import base64
import collections
import contextlib
import json
import random
import socket
import ssl
import subprocess
import sys
import time

import pytest

import kube
from keelson import ask, metrics
from kube import get, kubectl, wait_until
from program import Running

sys.path.append(str(kube.ROOT / "tests" / "webhook"))
from webhook import Webhook  # noqa: E402

pytestmark = pytest.mark.usefixtures("operator")

CONFIGURATIONS = ("validatingwebhookconfiguration", "mutatingwebhookconfiguration")
KINDS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
WEBHOOKS = ("app.test.keelson.dev", "environment.test.keelson.dev")


class Installation:
    """A webhook's configurations, as a manifest has them, and what the operator makes of them."""

    def __init__(self, space):
        self.space = space
        self.name = f"hook-{space}"
        self.host = f"{self.name}.{space}.svc"
        self.definition = ""  # the name of one whose versions it converts

    def define(self):
        """A kind of one version, so that nothing is ever converted."""
        self.definition = f"things.{self.space}.test.keelson.dev"
        service = {"name": self.name, "namespace": self.space, "path": "/convert"}
        webhook = {"conversionReviewVersions": ["v1"], "clientConfig": {"service": service}}
        version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
        kubectl("create", "-f", "-", stdin=json.dumps({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": self.definition},
            "spec": {
                "group": f"{self.space}.test.keelson.dev",
                "names": {"kind": "Thing", "plural": "things"},
                "scope": "Namespaced",
                "versions": [version],
                "conversion": {"strategy": "Webhook", "webhook": webhook},
            }}))

    def configuration(self, kind, webhooks=WEBHOOKS):
        service = {"name": self.name, "namespace": self.space, "path": "/validate"}
        rule = {"apiGroups": ["none.test.keelson.dev"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["things"]}
        return {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": kind,
            "metadata": {"name": self.name},
            "webhooks": [
                {
                    "name": name,
                    "clientConfig": {"service": service},
                    "rules": [rule],
                    "sideEffects": "None",
                    "admissionReviewVersions": ["v1"],
                }
                for name in webhooks
            ],
        }

    def apply(self, webhooks=WEBHOOKS):
        for kind in KINDS:
            text = json.dumps(self.configuration(kind, webhooks))
            kubectl("apply", "--server-side", "-f", "-", stdin=text)

    def remove(self):
        for kind in CONFIGURATIONS:
            kubectl("delete", kind, self.name, "--ignore-not-found")
        if self.definition:
            kubectl("delete", "crd", self.definition, "--ignore-not-found")

    def secret(self):
        found = get("secret", f"{self.name}-tls", self.space)
        return {key: base64.b64decode(value).decode() for key, value in found["data"].items()} if found else {}

    def delete_secret(self):
        kubectl("-n", self.space, "delete", "secret", f"{self.name}-tls")

    def bundles(self):
        """Of all webhooks, "" where there is none."""
        webhooks = [webhook for kind in CONFIGURATIONS for webhook in get(kind, self.name)["webhooks"]]
        if self.definition:
            webhooks.append(get("crd", self.definition)["spec"]["conversion"]["webhook"])
        return [base64.b64decode(webhook["clientConfig"].get("caBundle", "")).decode() for webhook in webhooks]

    def events(self):
        """How often which reason was told."""
        about = f"regarding.name={self.name}-tls"
        items = json.loads(kubectl("-n", self.space, "get", "events.events.k8s.io", "--field-selector", about, "-o", "json"))["items"]
        return collections.Counter(item["reason"] for item in items)

    def trusts(self, *ca):
        """Whether all bundles hold these."""
        bundles = self.bundles()
        return all(one in bundle for bundle in bundles for one in ca) and bundles

    def wait_until_made(self, seconds=20):
        wait_until(lambda: self.secret().get("ca.crt") and self.trusts(self.secret()["ca.crt"]), seconds, "the bundles", every=0.2)

    def empty(self):
        patch = [{"op": "remove", "path": "/webhooks/1/clientConfig/caBundle"}]
        kubectl("patch", CONFIGURATIONS[0], self.name, "--type=json", "-p", json.dumps(patch))

    def operator(self, binary, *options):
        return Running(binary, self.space, "--leader-elect=false", f"--webhook-service={self.name}", *options)


@pytest.fixture(name="hook")
def installation(space):
    hook = Installation(space)
    hook.apply()
    yield hook
    hook.remove()


def requests(operator):
    """How many it has sent, but for those about an API that may not be installed, and about which it asks again."""
    sent = metrics(ask(f"http://127.0.0.1:{operator.port}/metrics")[1], "rest_client_requests_total")
    return sum(n for labels, n in sent.items() if 'code="404"' not in labels)


@contextlib.contextmanager
def serving(binary, hook, folder):
    """The webhook with what is in the Secret, as its pods mount it."""
    secret = hook.secret()
    for key in ("tls.crt", "tls.key"):
        (folder / key).write_text(secret[key])
    webhook = Webhook(binary, f"--tls-cert={folder}/tls.crt", f"--tls-key={folder}/tls.key")
    try:
        yield webhook
    finally:
        webhook.process.kill()
        webhook.process.wait()


def check_taken(webhook, hook):
    """Each bundle makes a client take what is served."""
    for bundle in hook.bundles():
        context = ssl.create_default_context(cadata=bundle)
        with socket.create_connection(("127.0.0.1", webhook.port)) as plain:
            with context.wrap_socket(plain, server_hostname=hook.host) as connection:
                assert connection.version() in ("TLSv1.2", "TLSv1.3")


def test_secret_and_bundles_are_made_and_nothing_more_is_asked(binary, hook, tmp_path):
    with hook.operator(binary) as operator:
        hook.wait_until_made()
        assert get("secret", f"{hook.name}-tls", hook.space)["type"] == "kubernetes.io/tls"
        assert sorted(hook.secret()) == ["ca.crt", "ca.key", "tls.crt", "tls.key"]
        with serving(binary, hook, tmp_path) as webhook:
            check_taken(webhook, hook)
        page = ask(f"http://127.0.0.1:{operator.port}/metrics")[1]
        expiry = metrics(page, "keelson_certificate_expiry_timestamp_seconds")
        left = {which: (at - time.time()) / 86400 for which, at in expiry.items()}
        assert 89 < left['certificate="serving"'] < 91 and 3640 < left['certificate="ca"'] < 3660
        assert metrics(page, "keelson_certificate_problem") == {"": 0.0}
        wait_until(lambda: hook.events() == {"CertificatesMade": 1, "BundleWritten": 2}, 20, "the events")
        # It has come to rest: a quarter of a minute without a single request.
        wait_until(lambda: at_rest(operator, 15), 90, "it to rest", every=0)
        assert not operator.said("PRIVATE")


def at_rest(operator, seconds):
    before = requests(operator)
    time.sleep(seconds)
    return requests(operator) == before


def test_without_configurations_nothing_is_made(binary, hook):
    hook.remove()
    with hook.operator(binary) as operator:
        operator.wait_until_at_work()
        wait_until(lambda: at_rest(operator, 3), 60, "it to rest", every=0)
        assert not hook.secret()
        hook.apply()
        hook.wait_until_made()


def test_somebody_else_may_make_them(binary, hook):
    with hook.operator(binary, "--webhook-certificates=external") as operator:
        operator.wait_until_at_work()
        wait_until(lambda: at_rest(operator, 3), 60, "it to rest", every=0)
        assert not hook.secret() and set(hook.bundles()) == {""}


def test_emptied_bundle_is_back_within_seconds(binary, hook):
    with hook.operator(binary):
        hook.wait_until_made()
        version = get("secret", f"{hook.name}-tls", hook.space)["metadata"]["resourceVersion"]
        for _ in range(2):
            hook.empty()
            hook.wait_until_made(10)
        assert get("secret", f"{hook.name}-tls", hook.space)["metadata"]["resourceVersion"] == version


def test_manifest_applied_again_leaves_the_bundles(binary, hook):
    """Also one in which a webhook is no more, and one with it again."""
    with hook.operator(binary) as operator:
        hook.wait_until_made()
        wait_until(lambda: at_rest(operator, 1), 30, "it to rest", every=0)
        hook.apply()
        assert hook.trusts(hook.secret()["ca.crt"])  # at no time were they away
        hook.apply(WEBHOOKS[:1])
        assert len(hook.bundles()) == 2 and hook.trusts(hook.secret()["ca.crt"])
        hook.apply()
        hook.wait_until_made()
        assert len(hook.bundles()) == 4


@pytest.mark.long(60)
def test_deleted_secret_is_made_anew_and_both_are_trusted(binary, hook, tmp_path):
    """What is done when a key has leaked; the pods have the old certificate for a while."""
    hook.define()
    with hook.operator(binary, f"--webhook-crd={hook.definition}"):
        hook.wait_until_made()
        old = hook.secret()
        with serving(binary, hook, tmp_path) as webhook:
            hook.delete_secret()
            # The second write of the Secret comes a minute after the first at the earliest.
            wait_until(hook.secret, 90, "a new Secret")
            hook.wait_until_made()
            check_taken(webhook, hook)
        new = hook.secret()
        assert not set(old.values()) & set(new.values())
        assert hook.trusts(old["ca.crt"], new["ca.crt"])
        with serving(binary, hook, tmp_path) as webhook:
            check_taken(webhook, hook)


def test_killed_at_any_moment_it_converges(binary, hook, tmp_path):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(8):
        with hook.operator(binary) as operator:
            with contextlib.suppress(subprocess.TimeoutExpired):
                operator.process.wait(chance.uniform(0.02, 0.4))  # then it is killed
        if chance.random() < 0.4:
            kubectl("-n", hook.space, "delete", "secret", f"{hook.name}-tls", "--ignore-not-found")
        if chance.random() < 0.4:
            hook.remove()
            hook.apply()
    with hook.operator(binary) as operator:
        hook.wait_until_made()
        with serving(binary, hook, tmp_path) as webhook:
            check_taken(webhook, hook)
        wait_until(lambda: at_rest(operator, 3), 60, "it to rest", every=0)
