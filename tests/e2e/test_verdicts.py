# SPDX-License-Identifier: Apache-2.0
"""One verdict everywhere: the API server with the webhook behind it, the webhook alone, and
keelson validate are asked about the same files. The operator is asked in tests/verdicts."""

import base64
import concurrent.futures
import http.client
import json
import os
import re
import secrets
import socket
import ssl
import subprocess
import sys

import pytest
import yaml

import kube
from program import address_of_server

sys.path.append(str(kube.ROOT / "tests" / "webhook"))
from webhook import Webhook  # noqa: E402

BAD = sorted((kube.ROOT / "tests" / "e2e" / "bad").glob("*.yaml"))
ODD = sorted((kube.ROOT / "tests" / "e2e" / "odd").glob("*.yaml"))
EXAMPLES = sorted((kube.ROOT / "examples").glob("*.yaml"))
PLURALS = {"App": "apps", "Environment": "environments", "Redis": "redis"}

pytestmark = [pytest.mark.usefixtures("operator"), pytest.mark.xdist_group("verdicts")]


# --- the webhook of this tree, asked by the API server about one namespace ----------


class Certificates:
    """A CA of its own, and a certificate of it for the address that the API server sees us at."""

    def __init__(self, folder, address):
        self.ca, self.cert, self.key = (os.path.join(folder, name) for name in ("ca.crt", "tls.crt", "tls.key"))
        ca_key = os.path.join(folder, "ca.key")
        self._make("-subj", "/CN=ca", "-keyout", ca_key, "-out", self.ca, "-addext", "keyUsage=critical,keyCertSign,cRLSign")
        self._make("-subj", "/CN=webhook", "-keyout", self.key, "-out", self.cert, "-CA", self.ca, "-CAkey", ca_key,
                   "-addext", f"subjectAltName=IP:{address}", "-addext", "extendedKeyUsage=serverAuth",
                   "-addext", "basicConstraints=critical,CA:FALSE")
        self.address = address

    def _make(self, *words):
        new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
        subprocess.run([*new, *words], check=True, capture_output=True)


def own_address():
    """Of this machine, as the API server sees it."""
    with socket.create_connection(address_of_server()) as connection:
        return connection.getsockname()[0]


def configuration(name, namespace, webhook, certificates):
    with open(certificates.ca, "rb") as f:
        bundle = base64.b64encode(f.read()).decode()
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{
            "name": "verdicts.test.keelson.dev",
            "admissionReviewVersions": ["v1"],
            "sideEffects": "None",
            "failurePolicy": "Fail",
            "timeoutSeconds": 10,
            "clientConfig": {"url": f"https://{certificates.address}:{webhook.port}/validate", "caBundle": bundle},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "rules": [{"apiGroups": ["keelson.dev"], "apiVersions": ["v1alpha1"], "operations": ["CREATE", "UPDATE"],
                       "resources": list(PLURALS.values())}],
        }],
    }


@pytest.fixture(scope="module")
def webhook(binary, module_space, tmp_path_factory):
    """Running, and asked about all that is written in module_space."""
    if not kube.OWN_CLUSTER:
        pytest.skip("the API server must reach this machine, so it runs on hack/cluster only")
    certificates = Certificates(tmp_path_factory.mktemp("pki"), own_address())
    running = Webhook(binary, "--listen", f"{certificates.address}:0", "--tls-cert", certificates.cert,
                      "--tls-key", certificates.key)
    running.context = ssl.create_default_context(cafile=certificates.ca)
    running.address = certificates.address
    name = f"keelson-{secrets.token_hex(3)}"
    kube.apply(configuration(name, module_space, running, certificates))
    # It counts a little later than it is stored.
    kube.wait_until(lambda: "names no version" in dry_run(module_space, UNWISE), 60, "the API server to ask the webhook", every=0.1)
    yield running
    kube.delete("validatingwebhookconfiguration", name)
    running.stop()


UNWISE = json.dumps({"apiVersion": "keelson.dev/v1alpha1", "kind": "App", "metadata": {"name": "x"}, "spec": {"image": "x"}})


# --- asking ----------------------------------------------------------------------------


def dry_run(space, text):
    """All that kubectl apply says of it, on whichever stream."""
    done = subprocess.run(["kubectl", "-n", space, "apply", "--dry-run=server", "-f", "-"], input=text,
                          capture_output=True, text=True, timeout=60)
    return done.stderr + done.stdout


def validate(binary, path):
    """Exit code and "PATH: MESSAGE" of each problem."""
    done = subprocess.run([binary, "validate", "-f", path], capture_output=True, text=True, timeout=60)
    told = [re.sub(r"^\S+?:\d+: \S+ \S*: ", "", line) for line in done.stdout.splitlines()]
    return done.returncode, [line for line in told if not line.startswith("warning: ")]


def review(webhook, resource):
    """Whether the webhook lets it through, and what it says."""
    kind = resource["kind"]
    body = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "u-1",
            "operation": "CREATE",
            "kind": {"group": "keelson.dev", "version": "v1alpha1", "kind": kind},
            "resource": {"group": "keelson.dev", "version": "v1alpha1", "resource": PLURALS[kind]},
            "object": resource,
        },
    }
    connection = http.client.HTTPSConnection(webhook.address, webhook.port, context=webhook.context, timeout=60)
    connection.request("POST", "/validate", json.dumps(body), {"Content-Type": "application/json"})
    response = json.loads(connection.getresponse().read())["response"]
    connection.close()
    causes = response.get("status", {}).get("details", {}).get("causes", [])
    return response["allowed"], [": ".join(filter(None, (c["field"], c["message"]))) for c in causes]


def ours(text):
    return [one for one in yaml.safe_load_all(text) if one["apiVersion"].startswith("keelson.dev/")]


def in_parallel(do, things):
    """Those of which DO says something."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        return [said for said in pool.map(do, things) if said]


# --- the API server itself: hundreds of questions, over one connection ---------------------


class ApiServer:
    """Is asked what it would say to a new object. Nothing is stored."""

    def __init__(self, folder):
        config = yaml.safe_load(open(os.environ["KUBECONFIG"]))
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cafile=self._file(folder, "ca", cluster, "certificate-authority"))
        context.load_cert_chain(self._file(folder, "cert", user, "client-certificate"), self._file(folder, "key", user, "client-key"))
        host, port = address_of_server()
        self.connection = http.client.HTTPSConnection(host, port, context=context, timeout=60)

    @staticmethod
    def _file(folder, name, part, field):
        if field in part:
            return part[field]
        (folder / name).write_bytes(base64.b64decode(part[field + "-data"]))
        return folder / name

    def create(self, space, thing):
        """Code and message."""
        group = thing["apiVersion"]
        path = f"/{'apis' if '/' in group else 'api'}/{group}/namespaces/{space}/{RESOURCES[thing['kind']]}"
        thing["metadata"]["namespace"] = space
        self.connection.request("POST", path + "?dryRun=All&fieldValidation=Strict", json.dumps(thing),
                                {"Content-Type": "application/json"})
        reply = self.connection.getresponse()
        text = json.loads(reply.read())
        return reply.status, text.get("message", "")


RESOURCES = {
    **PLURALS,
    "Deployment": "deployments",
    "HorizontalPodAutoscaler": "horizontalpodautoscalers",
    "Ingress": "ingresses",
    "LimitRange": "limitranges",
    "NetworkPolicy": "networkpolicies",
    "PodDisruptionBudget": "poddisruptionbudgets",
    "ResourceQuota": "resourcequotas",
    "Lease": "leases",
    "Role": "roles",
    "RoleBinding": "rolebindings",
    "Secret": "secrets",
    "Service": "services",
    "ServiceAccount": "serviceaccounts",
    "StatefulSet": "statefulsets",
    "ControllerRevision": "controllerrevisions",
}


@pytest.fixture(scope="module")
def api_server(webhook, tmp_path_factory):
    return ApiServer(tmp_path_factory.mktemp("client"))


# --- what is wrong -----------------------------------------------------------------------


def head(text, word):
    return re.findall(rf"^# {word}: (.*)$", text, re.M)


def names_the_field(server, expected):
    """What the API server names is the field, or the map or the list that it is in."""
    path = re.match(r'unknown field "([^"]+)"|([^: ]+): ', server)
    path = path and (path[1] or path[2])
    return not path or any(field.startswith(path) or path.startswith(field) for field in
                           (line.split(": ")[0] for line in expected))


def wrong_with_server(space, path):
    """What is wrong with the API server's answer; None: nothing."""
    text = path.read_text()
    said = dry_run(space, text)
    expected, words = head(text, "expect"), head(text, "server")
    for line in words or expected:
        place, _, message = line.partition(": ")
        if not any(place in one and message in one for one in said.splitlines()):
            return f"{path.name}: kubectl does not say {line!r}, but: {said}"
    if not all(names_the_field(line, expected) for line in words):
        return f"{path.name}: {words} and {expected} name different fields"
    return None if "(server dry run)" not in said else f"{path.name}: is let through"


def test_bad_is_refused_by_the_api_server(webhook, module_space):
    assert len(BAD) > 100
    assert not in_parallel(lambda path: wrong_with_server(module_space, path), BAD)


def test_bad_is_refused_by_the_command(binary):
    for path in BAD:
        code, told = validate(binary, path)
        assert (code, told) == (1, head(path.read_text(), "expect")), path.name


def test_bad_is_refused_by_the_webhook(webhook):
    for path in BAD:
        text = path.read_text()
        for resource in ours(text):
            if resource["kind"] in PLURALS and resource["apiVersion"].endswith("/v1alpha1"):
                unseen = "webhook" in "".join(head(text, "unseen"))
                assert review(webhook, resource) == (unseen, [] if unseen else head(text, "expect")), path.name


# --- what is fine ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_fine(webhook, binary, module_space, path):
    said = dry_run(module_space, path.read_text())
    assert said.count("(server dry run)") == len(list(yaml.safe_load_all(path.read_text()))), said
    # app-full.yaml has each field, also of kinds that are to come.
    assert all(" yet, " in line for line in said.splitlines() if "Warning" in line), said
    assert validate(binary, path) == (0, [])
    for resource in ours(path.read_text()):
        assert review(webhook, resource) == (True, [])


@pytest.mark.parametrize("path", ODD, ids=lambda path: path.name)
def test_odd_is_fine(api_server, binary, module_space, path):
    assert validate(binary, path) == (0, [])
    assert "created (server dry run)" in dry_run(module_space, path.read_text())
    for resource in ours(path.read_text()):
        code, message = api_server.create(module_space, resource)
        assert code == 201, message


# --- what nobody would write --------------------------------------------------------------------

MUTANTS = 600


@pytest.fixture(scope="module")
def mutants():
    """Resources, each with keelson validate's verdict and the children that the operator would make."""
    for build in ("test", "dev", "asan"):
        program = kube.ROOT / "build" / build / "tests" / "verdicts" / "print_mutants"
        if program.exists():
            break
    else:
        pytest.skip("build the tree first: meson setup build/dev && ninja -C build/dev")
    first = secrets.randbelow(1000) * MUTANTS  # others each time; a failure names its own
    lines = subprocess.run([program, str(first), str(MUTANTS)], check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in lines.split("\n") if line]  # not splitlines: a string may hold U+2028


def test_mutants_are_judged_as_the_api_server_does(mutants, api_server, module_space):
    wrong = []
    for mutant in mutants:
        code, message = api_server.create(module_space, mutant["resource"])
        if (code == 201) != (mutant["verdict"] == ""):
            wrong.append((mutant["number"], mutant["verdict"], message, json.dumps(mutant["resource"]["spec"])))
    assert not wrong


def test_what_mutants_become_is_taken(mutants, api_server, module_space):
    wrong, taken = [], 0
    for mutant in mutants:
        for child in mutant["children"]:
            code, message = api_server.create(module_space, child)
            taken += code == 201
            if code != 201:
                wrong.append((mutant["number"], message, json.dumps(mutant["resource"]["spec"])))
    assert not wrong
    assert taken > MUTANTS / 2
