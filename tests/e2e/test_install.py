# SPDX-License-Identifier: Apache-2.0
"""What manifests/install.yaml brings, what stays when it is deleted, and the webhook as a part of the cluster."""

import base64
import time

import pytest
import yaml

import keelson
import kube
from keelson import (
    SYSTEM,
    WEBAPP_2,
    WEBHOOK,
    WEBHOOK_PODS,
    address,
    app,
    change,
    children,
    condition,
    message_of,
    operator_pods,
    pods,
    wait_for_condition,
    wait_for_operator,
    wait_for_webhook,
    wait_ready,
    writing,
)
from kube import apply, get, kubectl, wait_until
from load import load

pytestmark = pytest.mark.alone

CONFIGURATIONS = ("validatingwebhookconfiguration", "mutatingwebhookconfiguration")
WRONG = app(env=[{"name": "LOG_LEVEL", "value": "info"}], resources={"requests": {"cpu": "2"}, "limits": {"cpu": "1"}})
SENTENCE = "spec.resources.requests.cpu: 2 is more than the limit, which is 1; lower it, or raise the limit"
PROMISED = 30  # seconds


@pytest.fixture(scope="module", autouse=True)
def own_operator(operator):
    """Whatever a test did, the next one finds Keelson as the manifest says, and at work."""
    if not kube.OWN_CLUSTER:
        pytest.skip("takes Keelson away, so it runs on hack/cluster only")
    yield
    keelson.apply_manifest()
    wait_for_operator()
    wait_for_webhook()


def delete_manifest():
    kubectl("delete", "-f", str(keelson.MANIFEST), "--ignore-not-found", "--timeout=120s", timeout=130)


def wait_until_available(start, timeout=120):
    """Both Deployments, as somebody who installs waits for them; returns how long it took."""
    for name in keelson.OPERATOR, WEBHOOK:
        kubectl("-n", SYSTEM, "wait", "--for=condition=Available", f"deployment/{name}", f"--timeout={timeout}s", timeout=timeout + 10)
    return time.monotonic() - start


def refusal(thing, namespace):
    try:
        apply(thing, namespace=namespace)
    except RuntimeError as error:
        return str(error)
    return None


def runs(space):
    """What a restart of pods, or a rollout, would change."""
    return {p["metadata"]["uid"]: p["status"]["containerStatuses"][0]["restartCount"] for p in pods(space)}


# --- from nothing, and back -----------------------------------------------------------


def install_into_empty_cluster():
    # A namespace goes much quicker without pods.
    kubectl("-n", SYSTEM, "delete", "deployment", "--all", "--cascade=foreground")
    keelson.uninstall()
    assert not get("crd", None, None, keelson.DEFINITIONS) and not get("namespace", SYSTEM)
    start = time.monotonic()
    keelson.apply_manifest()
    return wait_until_available(start)


def test_one_apply_into_an_empty_cluster(space):
    took = install_into_empty_cluster()
    keelson.figures.append(f"install {took:.1f} s (at most {PROMISED} s)")
    # Whoever waited for that may use it at once, and nobody had to be started twice.
    assert SENTENCE in refusal(WRONG, space)
    apply(app(replicas=1), namespace=space)
    wait_ready(space)
    restarts = [s["restartCount"] for p in get("pods", None, SYSTEM) for s in p["status"]["containerStatuses"]]
    assert restarts == [0] * 4
    # The first try may have met a busy machine.
    assert took <= PROMISED or install_into_empty_cluster() <= PROMISED


def test_deleting_the_manifest_leaves_what_runs(space):
    apply(app(replicas=2), namespace=space)
    wait_ready(space)
    before, uid = runs(space), get("app", "shop", space)["metadata"]["uid"]
    with load(address(space), rate=50, connections=20) as requests:
        delete_manifest()
        assert not get("namespace", SYSTEM)
        delete_manifest()  # who is not sure tries again
        assert get("app", "shop", space)["metadata"]["uid"] == uid
        assert set(children(space)) == set(keelson.CHILDREN) and runs(space) == before
        # Nor is anybody asked any more who is not there.
        kubectl("-n", space, "label", "app", "shop", "who=nobody")
        start = time.monotonic()
        keelson.apply_manifest()
        wait_until_available(start)
        wait_for_operator()
        change(space, {"replicas": 3})
        wait_ready(space)
        assert before.items() <= runs(space).items()
        requests.wait_for_answers(30)
    requests.assert_no_failures()
    assert get("app", "shop", space)["metadata"]["uid"] == uid


def bundles():
    return [get(kind, WEBHOOK)["webhooks"][0]["clientConfig"].get("caBundle") for kind in CONFIGURATIONS]


def test_applying_again_leaves_the_authority(space):
    before = bundles()
    assert all(before)
    for options in ["--force-conflicts"], []:
        kubectl("apply", "--server-side", *options, "-f", "-", stdin=keelson.manifest())
        assert bundles() == before
    assert SENTENCE in refusal(WRONG, space)


# --- the webhook ------------------------------------------------------------------------


def scale_webhook(replicas):
    kubectl("-n", SYSTEM, "scale", f"deployment/{WEBHOOK}", f"--replicas={replicas}")
    if replicas:
        wait_for_webhook()
    else:
        wait_until(lambda: not get("pods", None, SYSTEM, WEBHOOK_PODS), 60, "the webhook to be gone")


def test_webhook_that_is_down_stops_nothing_but_our_kinds(space):
    """F24."""
    apply(app(replicas=2), app("doomed", replicas=1), namespace=space)
    wait_ready(space)
    wait_ready(space, "doomed")
    before = runs(space)
    with load(address(space), rate=50, connections=20) as requests:
        scale_webhook(0)
        try:
            said = refusal(app("late"), space)
            assert "failed calling webhook" in said and "keelson.dev" in said
            assert "failed calling webhook" in refusal(app(image=WEBAPP_2), space)
            # Others go on: who writes other kinds, and the operator.
            apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}, namespace=space)
            kubectl("-n", space, "create", "deployment", "other", "--image=none", "--replicas=0")
            kubectl("-n", space, "delete", "poddisruptionbudget", "shop")
            wait_until(lambda: get("poddisruptionbudget", "shop", space), 20, "the drift to be repaired")
            kubectl("-n", space, "delete", "pod", min(p["metadata"]["name"] for p in pods(space)), "--wait=false")
            wait_until(lambda: runs(space) != before and wait_ready(space), 90, "another pod")
            # So does a deletion, even one that has finalizers to be taken off.
            kubectl("-n", space, "delete", "app", "doomed", "--cascade=foreground", "--timeout=60s", timeout=70)
            assert not get("app", "late", space) and not get("app", "doomed", space)
        finally:
            scale_webhook(2)
        apply(app("late", replicas=1), namespace=space)
        wait_ready(space, "late")
        requests.wait_for_answers(30)
    requests.assert_no_failures()
    assert len(before.items() & runs(space).items()) == 1


def test_what_was_let_in_without_the_webhook_is_judged_by_the_operator(space):
    kubectl("delete", *(f"{kind}/{WEBHOOK}" for kind in CONFIGURATIONS))
    try:
        assert refusal(WRONG, space) is None
        thing = wait_for_condition(space, "Stalled", "True InvalidSpec")
        assert message_of(thing, "Stalled") == SENTENCE
    finally:
        keelson.apply_manifest()
    # They have an authority again as soon as the operator has seen them.
    wait_until(lambda: all(bundles()), 30, "the authority")
    wait_until(lambda: SENTENCE in refusal({**WRONG, "metadata": {"name": "other"}}, space), 30, "the webhook to be asked")
    # What is stored may still be labelled, and mended.
    kubectl("-n", space, "label", "app", "shop", "who=somebody")
    change(space, {"resources": None})
    assert condition(wait_ready(space), "Stalled") == "False AsExpected"


def test_drain_of_a_node_refuses_no_write(space):
    apply(app(replicas=1), namespace=space)
    wait_ready(space)
    node = get("pods", None, SYSTEM, WEBHOOK_PODS)[0]["spec"]["nodeName"]
    old = {p["metadata"]["uid"] for p in get("pods", None, SYSTEM, WEBHOOK_PODS) if p["spec"]["nodeName"] == node}
    with writing(space) as writes:
        try:
            kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=120s", timeout=130)
            left = {p["metadata"]["uid"] for p in get("pods", None, SYSTEM, WEBHOOK_PODS)}
            assert not old & left
            wait_for_webhook()
        finally:
            kubectl("uncordon", node)
    writes.assert_none_refused()


def test_webhook_has_no_token_and_no_rights():
    user = f"system:serviceaccount:{SYSTEM}:{WEBHOOK}"
    lines = kubectl("auth", "can-i", "--list", f"--as={user}", "--as-group=system:serviceaccounts", "--as-group=system:authenticated")
    # What everybody may ask about oneself; the other lines are of paths such as /healthz.
    resources = {line.split()[0].split(".")[0] for line in lines.splitlines()[1:] if not line.startswith(" ")}
    assert resources <= {"selfsubjectreviews", "selfsubjectaccessreviews", "selfsubjectrulesreviews"}
    for pod in get("pods", None, SYSTEM, WEBHOOK_PODS):
        assert [v["name"] for v in pod["spec"]["volumes"]] == ["tls"]
        assert [item["key"] for item in pod["spec"]["volumes"][0]["secret"]["items"]] == ["tls.crt", "tls.key"]


def test_certificate_that_somebody_breaks_is_made_again(space):
    def certificate():
        return base64.b64decode(get("secret", "keelson-webhook-tls", SYSTEM)["data"]["tls.crt"]).decode()

    keelson.merge("secret", "keelson-webhook-tls", SYSTEM, {"stringData": {"tls.crt": "broken"}})
    # It is not made twice a minute.
    wait_until(lambda: certificate().startswith("-----BEGIN CERTIFICATE-----"), 90, "a certificate")
    assert SENTENCE in refusal(WRONG, space)


# --- for one namespace --------------------------------------------------------------------


def test_one_namespace_without_any_right_outside(space):
    manifest = keelson.manifest(kube.ROOT / "manifests" / "install-namespace.yaml")
    kubectl("-n", SYSTEM, "scale", f"deployment/{keelson.OPERATOR}", "--replicas=0")
    try:
        wait_until(lambda: not operator_pods(), 40, "the other operator to be gone")
        kubectl("-n", space, "apply", "--server-side", "-f", "-", stdin=manifest)
        kubectl("-n", space, "wait", "--for=condition=Available", f"deployment/{keelson.OPERATOR}", "--timeout=60s", timeout=70)
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"APP_COLOR": "blue"}}
        environment = {
            "apiVersion": "keelson.dev/v1alpha1",
            "kind": "Environment",
            "metadata": {"name": "default"},
            "spec": {"profile": "development", "quota": {"hard": {"pods": 20}}},
        }
        apply(config, environment, app(replicas=2, envFrom=[{"configMapRef": {"name": "settings"}}]), namespace=space)
        wait_ready(space, timeout=90)
        wait_until(lambda: kube.ready("environment", "default", space), 30, "the Environment")
        kubectl("-n", space, "delete", "service", "shop")
        wait_until(lambda: get("service", "shop", space), 20, "the drift to be repaired")
        assert keelson.forbidden(f"system:serviceaccount:{space}:{keelson.OPERATOR}") == []
        # Nothing of it is left, but for the App and what it has.
        kubectl("-n", space, "delete", "-f", "-", stdin=manifest)
        assert condition(get("app", "shop", space), "Ready") == "True Ready"
        assert set(children(space)) == set(keelson.CHILDREN)
    finally:
        kubectl("-n", SYSTEM, "scale", f"deployment/{keelson.OPERATOR}", "--replicas=2")
    wait_for_operator()
    # The one for all namespaces takes over what the other made.
    change(space, {"replicas": 1})
    wait_ready(space)


# --- kustomize ------------------------------------------------------------------------------


def kustomized(folder):
    things = yaml.safe_load_all(kubectl("kustomize", str(kube.ROOT / "manifests" / folder)))
    return {(t["kind"], t["metadata"]["name"]): t for t in things}


def test_base_for_kustomize_is_the_manifest():
    things = yaml.safe_load_all(keelson.MANIFEST.read_text())
    assert kustomized("base") == {(t["kind"], t["metadata"]["name"]): t for t in things}


def test_variant_with_cert_manager():
    base, things = kustomized("base"), kustomized("cert-manager")
    certificate = things["Certificate", "keelson-webhook"]
    assert set(things) - set(base) == {(kind, f"keelson-{name}") for kind, name in [
        ("Issuer", "selfsigned"), ("Issuer", "webhook-ca"), ("Certificate", "webhook-ca"), ("Certificate", "webhook")]}
    assert certificate["spec"]["secretName"] == base["Deployment", WEBHOOK]["spec"]["template"]["spec"]["volumes"][0]["secret"]["secretName"]
    for kind in "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration":
        told = things[kind, WEBHOOK]["metadata"]["annotations"]["cert-manager.io/inject-ca-from"]
        assert told == "/".join(certificate["metadata"][key] for key in ("namespace", "name"))
    # The program knows the option.
    args = things["Deployment", keelson.OPERATOR]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert args[-1] == "--webhook-certificates=external"
