# SPDX-License-Identifier: Apache-2.0
"""Keelson on the cluster: installing it, Apps, and looking at the operator."""

import contextlib
import json
import os
import re
import subprocess
import threading
import urllib.error
import urllib.request

import kube
from kube import SOON, get, kubectl, wait_until

SYSTEM = "keelson-system"
OPERATOR = "keelson-operator"
WEBHOOK = "keelson-webhook"
WEBHOOK_PODS = "app.kubernetes.io/component=webhook"
OPERATOR_PODS = "app.kubernetes.io/component=operator"
MANIFEST = kube.ROOT / "manifests" / "install.yaml"
DEFINITIONS = "app.kubernetes.io/part-of=keelson"  # the CRDs
# What the manifest and the examples name, and what a cluster of KUBECONFIG can pull instead.
IMAGES = {
    ours: os.environ.get(variable) or ours
    for ours, variable in {
        "keelson.dev/keelson:dev": "KEELSON_IMAGE",
        "keelson.dev/webapp:1": "KEELSON_WEBAPP_IMAGE",
        "keelson.dev/webapp:2": "KEELSON_WEBAPP_IMAGE_2",
        "keelson.dev/redis:8": "KEELSON_REDIS_IMAGE",
        "keelson.dev/valkey:8": "KEELSON_VALKEY_IMAGE",
        "keelson.dev/redis:7": "KEELSON_REDIS_7_IMAGE",
    }.items()
}
WEBAPP_1 = IMAGES["keelson.dev/webapp:1"]
WEBAPP_2 = IMAGES["keelson.dev/webapp:2"]
REDIS_7 = IMAGES["keelson.dev/redis:7"]
REDIS_8 = IMAGES["keelson.dev/redis:8"]
VALKEY_8 = IMAGES["keelson.dev/valkey:8"]
# What every App with a port becomes.
KINDS = {
    "deployment": "Deployment",
    "service": "Service",
    "serviceaccount": "ServiceAccount",
    "networkpolicy": "NetworkPolicy",
    "poddisruptionbudget": "PodDisruptionBudget",
}
CHILDREN = list(KINDS)

# What a test has measured, for the end of the output: "NAME VALUE UNIT".
figures = []

# The tests talk to pods and services of the machine, wherever a proxy may lead.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(url, timeout=5):
    """GET; returns (status, text). Raises OSError where nobody answers."""
    try:
        with _direct.open(url, timeout=timeout) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


# --- installing ---------------------------------------------------------------


def manifest(path=MANIFEST):
    """A manifest's text, with the images that this cluster can pull."""
    text = path.read_text()
    # What a Redis without an image gets comes from a registry.
    text = text.replace('  version: "8"\n', '  version: "8"\n  image: keelson.dev/redis:8\n')
    for ours, theirs in IMAGES.items():
        text = text.replace(ours, theirs)
    return text


def hack(*command, timeout=900):
    """Runs a script of hack/ and returns what it prints."""
    script = kube.ROOT / "hack" / command[0]
    return subprocess.run(
        [script, *command[1:]], check=True, timeout=timeout, text=True, stdout=subprocess.PIPE
    ).stdout


def install():
    if kube.OWN_CLUSTER:
        kube.cluster("images", *hack("image", "all").split())
    apply_manifest()
    # A tag that was built anew has the name of the image before it.
    kubectl("-n", SYSTEM, "rollout", "restart", f"deployment/{OPERATOR}", f"deployment/{WEBHOOK}")
    wait_for_operator()
    wait_for_webhook()


# On the operator's Deployment: that these tests have brought it here.
REMOVE = "test.keelson.dev/remove"


def is_installed():
    return get("deployment", OPERATOR, SYSTEM) is not None


def mark_for_removal():
    kubectl("-n", SYSTEM, "annotate", f"deployment/{OPERATOR}", f"{REMOVE}=yes", "--overwrite")


def may_be_removed():
    thing = get("deployment", OPERATOR, SYSTEM)
    return bool(thing) and REMOVE in thing["metadata"].get("annotations", {})


def apply_manifest():
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=manifest())


def apply_definitions():
    """As the operator's pods do when they begin."""
    kubectl("apply", "--server-side", "--force-conflicts", "-f", str(MANIFEST.parent / "crds.yaml"))
    kubectl("wait", "--for=condition=Established", "crd", "-l", DEFINITIONS, "--timeout=30s")


def restart_operator():
    kubectl("-n", SYSTEM, "rollout", "restart", f"deployment/{OPERATOR}")
    wait_for_operator()


def wait_for_operator():
    """Until both replicas are ready and one leads."""
    kubectl("-n", SYSTEM, "rollout", "status", f"deployment/{OPERATOR}", "--timeout=120s", timeout=130)
    wait_until(leader, 30, "a leader")


def wait_for_webhook():
    """Until both replicas are ready."""
    kubectl("-n", SYSTEM, "rollout", "status", f"deployment/{WEBHOOK}", "--timeout=120s", timeout=130)


def uninstall():
    """With all Apps, which the manifest leaves."""
    kubectl("delete", "-f", str(MANIFEST), "--ignore-not-found", "--timeout=120s", timeout=130)
    kubectl("delete", "crd", "-l", DEFINITIONS, "--timeout=120s", timeout=130)


# --- Apps ---------------------------------------------------------------------


def app(name="shop", **spec):
    """An App as a dict; port=None makes a worker."""
    spec = {"image": WEBAPP_1, "port": 8080, **spec}
    return {
        "apiVersion": "keelson.dev/v1alpha1",
        "kind": "App",
        "metadata": {"name": name},
        "spec": {key: value for key, value in spec.items() if value is not None},
    }


def change(namespace, spec, name="shop"):
    """Merges SPEC into an App's; returns the generation that this makes."""
    merge("app", name, namespace, {"spec": spec})
    return get("app", name, namespace)["metadata"]["generation"]


def merge(kind, name, namespace, patch, *options):
    text = json.dumps(patch)
    kubectl("-n", namespace, "patch", kind, name, "--type=merge", "-p", text, *options)


def condition(thing, kind):
    """A condition, as "True Reason"; with a star while it speaks of an older generation."""
    for one in thing.get("status", {}).get("conditions", []):
        if one["type"] == kind:
            stale = one["observedGeneration"] != thing["metadata"]["generation"]
            return f"{one['status']} {one['reason']}{'*' if stale else ''}"
    return None


def message_of(thing, kind):
    return next(c["message"] for c in thing["status"]["conditions"] if c["type"] == kind)


def wait_for_condition(namespace, kind, expected, name="shop", timeout=60):
    """Until a condition of the App is so for its current generation; returns the App."""

    def so():
        thing = get("app", name, namespace)
        found = condition(thing, kind)
        return found == expected and thing or fail(thing)

    def fail(thing):
        raise LookupError(json.dumps(thing.get("status")))

    return wait_until(so, timeout, f"{kind} of App {name} to be {expected}", every=0.2)


def wait_ready(namespace, name="shop", timeout=60):
    return wait_for_condition(namespace, "Ready", "True Ready", name, timeout)


def children(namespace, name="shop"):
    """The App's children, as far as they exist, by kind."""
    found = {kind: get(kind, name, namespace) for kind in CHILDREN}
    return {kind: thing for kind, thing in found.items() if thing}


def versions(*things):
    """What changes whenever we write an object. A budget's status is written by others all the time."""
    return {(t["kind"], t["metadata"]["name"]): t["metadata"][_version_of(t)] for t in things}


def _version_of(thing):
    return "generation" if thing["kind"] == "PodDisruptionBudget" else "resourceVersion"


def pods(namespace, name="shop"):
    """The App's pods that are not on their way out."""
    selector = f"app.kubernetes.io/name=app,app.kubernetes.io/instance={name}"
    return [p for p in get("pods", None, namespace, selector) if "deletionTimestamp" not in p["metadata"]]


def container(thing):
    """The one container of a Deployment or a pod."""
    spec = thing["spec"].get("template", thing)["spec"]
    assert len(spec["containers"]) == 1
    return spec["containers"][0]


def address(namespace, name="shop"):
    service = get("service", name, namespace)["spec"]
    return f"http://{service['clusterIP']}:{service['ports'][0]['port']}"


def ask_pods(namespace, name="shop"):
    """What each pod answers, asked directly."""
    return [ask(f"http://{p['status']['podIP']}:8080/")[1] for p in pods(namespace, name)]


def kill(pod):
    """SIGKILL for the program in the pod. Nobody is asked, and nothing is given back."""
    kill_container(pod, pod["status"]["containerStatuses"][0])


def kill_container(pod, status):
    """The same for the container of that status."""
    container_id = status["containerID"].removeprefix("containerd://")
    kube.cluster("exec", pod["spec"]["nodeName"], "ctr", "-n", "k8s.io", "tasks", "kill", "-s", "SIGKILL", container_id)


def events(namespace, reason, name="shop", kind="App"):
    """The notes of the object's events of that reason, each as often as it happened."""
    return [
        e["note"]
        for e in get("events.v1.events.k8s.io", None, namespace)
        if e["reason"] == reason and (e["regarding"]["kind"], e["regarding"]["name"]) == (kind, name)
        for _ in range((e.get("series") or {}).get("count", 1))
    ]


def may_deploy(namespace):
    return kubectl("-n", namespace, "create", "deployment", "trial", "--image=none", "--dry-run=server", check=False) != ""


@contextlib.contextmanager
def no_deployments(namespace):
    """Meanwhile a policy of the cluster finds every new Deployment there invalid; gives what it says."""
    name, told = f"no-deployments-{namespace}", "none may be made here"
    rule = {"apiGroups": ["apps"], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["deployments"]}
    here = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    policy = {
        "matchConstraints": {"namespaceSelector": here, "resourceRules": [rule]},
        "validations": [{"expression": "false", "message": told, "reason": "Invalid"}],
    }
    specs = {"": policy, "Binding": {"policyName": name, "validationActions": ["Deny"]}}
    kinds = {f"ValidatingAdmissionPolicy{suffix}": spec for suffix, spec in specs.items()}
    try:
        for kind, spec in kinds.items():
            kube.apply({"apiVersion": "admissionregistration.k8s.io/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
        wait_until(lambda: not may_deploy(namespace), 60, "the policy to take effect")
        yield told
    finally:
        for kind in kinds:
            kube.delete(kind.lower(), name)


# --- looking on while something happens -----------------------------------------


@contextlib.contextmanager
def watching(namespace, name="shop", kind="app"):
    """A list of all the states that an object goes through meanwhile."""
    seen = []
    command = ["kubectl", "-n", namespace, "get", kind, name, "--watch", "-o", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        reader = threading.Thread(target=_read_objects, args=(process.stdout, seen), daemon=True)
        reader.start()
        try:
            wait_until(lambda: seen, SOON, "the watch", every=0.05)
            yield seen
        finally:
            process.terminate()
            reader.join(10)


def _read_objects(stream, seen):
    lines = []
    for line in stream:
        lines.append(line)
        if line == "}\n":
            seen.append(json.loads("".join(lines)))
            lines.clear()


class Writes:
    """Changes of an App, one after the other, each of which the webhook is asked about; none is stored."""

    def __init__(self, namespace, name):
        self.command = ["kubectl", "-n", namespace, "patch", "app", name, "--type=merge", "--dry-run=server", "-p"]
        self.count, self.refusals = 0, []
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._write, daemon=True)

    def _write(self):
        while not self.ended.wait(0.05):
            patch = json.dumps({"spec": {"env": [{"name": "APP_CHANGE", "value": str(self.count)}]}})
            done = subprocess.run([*self.command, patch], capture_output=True, text=True)
            self.count += 1
            if done.returncode != 0:
                self.refusals.append(f"number {self.count}: {done.stderr.strip()}")

    def assert_none_refused(self):
        assert self.count >= 20 and not self.refusals, f"of {self.count} writes: {self.refusals}"


@contextlib.contextmanager
def writing(namespace, name="shop"):
    """Somebody changes the App all the time."""
    writes = Writes(namespace, name)
    writes.thread.start()
    try:
        yield writes
        wait_until(lambda: writes.count >= 20, 60, "some writes")
    finally:
        writes.ended.set()
        writes.thread.join(30)


# --- the operator ---------------------------------------------------------------


def operator_restarts():
    """How often each replica's program has been started again."""
    return {name: p["status"]["containerStatuses"][0]["restartCount"] for name, p in operator_pods().items()}


def operator_pods():
    return {
        p["metadata"]["name"]: p
        for p in get("pods", None, SYSTEM, OPERATOR_PODS)
        if "deletionTimestamp" not in p["metadata"]
    }


def lease():
    return get("lease", OPERATOR, SYSTEM)["spec"]


def holder():
    """Who holds the Lease: pod_uuid, or ""."""
    return lease().get("holderIdentity", "")


def leader():
    """The name of the pod that leads, or None while it is none of those that run."""
    name = holder().partition("_")[0]
    return name if name in operator_pods() else None


def operator_url(pod, path):
    return f"http://{operator_pods()[pod]['status']['podIP']}:8080{path}"


def readyz(pod):
    """(status, text) of the pod's /readyz; (0, why) where nobody answers."""
    try:
        return ask(operator_url(pod, "/readyz"))
    except OSError as error:
        return 0, repr(error)


def metrics(text, name):
    """All series of a metric, by their labels as they stand there."""
    found = re.findall(rf"^{name}(?:\{{(.*)\}})? (\S+)$", text, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def kill_operator(name):
    kill(operator_pods()[name])


def asked(user):
    """What a service account has asked of the API server, as its audit log has it."""
    events = map(json.loads, kube.cluster("audit").splitlines())
    return [e for e in events if e["user"]["username"] == user and "objectRef" in e]


def is_allowed(event):
    return event["annotations"].get("authorization.k8s.io/decision") == "allow"


def forbidden(user):
    return [f"{e['verb']} {e['requestURI']}" for e in asked(user) if not is_allowed(e)]


def writes(pod):
    """How many requests that write a replica has sent since its start, but for those that renew the Lease (PUT)."""
    sent = metrics(ask(operator_url(pod, "/metrics"))[1], "rest_client_requests_total")
    return {labels: n for labels, n in sent.items() if 'method="GET"' not in labels and 'method="PUT"' not in labels}
