# SPDX-License-Identifier: Apache-2.0
"""What an Environment makes of its namespace and of the Apps in it, and the ways into an App."""

import secrets

import pytest

import keelson
import kube
from keelson import app, change, condition, container, events, merge, message_of, pods, wait_for_condition, wait_ready
from kube import SOON, apply, get, kubectl, wait_until
from load import load

pytestmark = pytest.mark.usefixtures("operator")


def environment(**spec):
    return {
        "apiVersion": "keelson.dev/v1alpha1",
        "kind": "Environment",
        "metadata": {"name": "default"},
        "spec": {"profile": "development", **spec},
    }


def change_environment(namespace, **spec):
    merge("environment", "default", namespace, {"spec": spec})


def wait_until_deployed(space, expected, what):
    """Until expected(Deployment) is true."""
    wait_until(lambda: expected(get("deployment", "shop", space)), SOON, what, every=0.2)


# --- figures ------------------------------------------------------------------------


def test_profile_gives_the_figures_and_the_app_overrules_it(space):
    apply(environment(profile="staging"), app(resources={"requests": {"memory": "64Mi"}}), namespace=space)
    wait_ready(space)
    assert container(get("deployment", "shop", space))["resources"] == {
        "requests": {"cpu": "200m", "memory": "64Mi"},
        "limits": {"cpu": "1", "memory": "2Gi"},
    }
    scaler = get("hpa", "shop", space)["spec"]
    assert (scaler["minReplicas"], scaler["maxReplicas"]) == (2, 4)
    status = get("app", "shop", space)["status"]
    assert status["profile"] == "staging/backend" and status["desiredReplicas"] == 2
    told = {one["setting"]: (one["value"], one["from"]) for one in status["effective"]}
    assert told["resources.requests.memory"] == ("64Mi", "App")
    assert told["resources.requests.cpu"][0] == "200m" and told["resources.requests.cpu"][1] != "App"

    # Another profile reaches all Apps at once; one pod, and no autoscaler any more.
    change_environment(space, profile="development")
    wait_until_deployed(space, lambda d: d["spec"]["replicas"] == 1, "one replica")
    wait_until(lambda: not get("hpa", "shop", space), SOON, "the autoscaler to go")
    wait_ready(space)
    assert container(get("deployment", "shop", space))["resources"]["requests"] == {"cpu": "100m", "memory": "64Mi"}

    # Without an Environment they keep running, with the same small figures.
    kubectl("-n", space, "delete", "environment", "default")
    assert wait_ready(space)["status"]["desiredReplicas"] == 1


def test_overrides_of_a_tier_reach_that_tier_only(space):
    override = {"tier": "worker", "replicas": 2, "resources": {"requests": {"cpu": "50m"}}}
    apply(environment(overrides=[override]), app(), app("mail", port=None, tier="worker"), namespace=space)
    wait_ready(space)
    wait_ready(space, "mail")
    assert get("deployment", "shop", space)["spec"]["replicas"] == 1
    mail = get("deployment", "mail", space)
    assert mail["spec"]["replicas"] == 2
    assert container(mail)["resources"]["requests"] == {"cpu": "50m", "memory": "256Mi"}


def test_quota_that_is_used_up_is_told(space):
    apply(environment(quota={"hard": {"pods": "1"}}), app(replicas=1), namespace=space)
    kubectl("-n", space, "wait", "--for=condition=Ready", "environment/default", "--timeout=30s")
    wait_ready(space)

    def quota():
        return condition(get("environment", "default", space), "QuotaAvailable")

    wait_until(lambda: quota() == "False QuotaExhausted", 30, "the quota to be used up")
    change(space, {"replicas": 2})
    thing = wait_for_condition(space, "Ready", "False ReplicaFailure")
    assert condition(thing, "Available") == "True MinimumReplicasAvailable"
    change_environment(space, quota={"hard": {"pods": "5"}})
    # The ReplicaSet's controller tries again at growing intervals.
    wait_ready(space, timeout=120)
    wait_until(lambda: quota() == "True WithinQuota", 30, "room in the quota")


def test_children_of_the_environment_are_set_back_and_go_with_it(space):
    spec = {"quota": {"hard": {"pods": "9"}}, "limitRange": {"default": {"cpu": "500m"}, "max": {"cpu": "2"}}}
    apply(environment(**spec), namespace=space)
    kubectl("-n", space, "wait", "--for=condition=Ready", "environment/default", "--timeout=30s")
    before = get("resourcequota", "default", space)["spec"]
    merge("resourcequota", "default", space, {"spec": {"hard": {"pods": "1000"}}})
    wait_until(lambda: get("resourcequota", "default", space)["spec"] == before, SOON, "the quota to be set back", every=0.1)
    wait_until(lambda: events(space, "DriftRepaired", "default", "Environment"), SOON, "the event")
    assert get("limitrange", "default", space)["spec"]["limits"][0]["max"] == {"cpu": "2"}
    change_environment(space, limitRange=None)
    wait_until(lambda: not get("limitrange", "default", space), SOON, "the LimitRange to go")
    kubectl("-n", space, "delete", "environment", "default")
    wait_until(lambda: not get("resourcequota", "default", space), 20, "the quota to go")


@pytest.mark.parametrize(
    ("thing", "expected"),
    [
        ({**environment(), "metadata": {"name": "other"}}, "a namespace has one Environment, and it is called default"),
        (environment(profile="prod"), "spec.profile: Unsupported value"),
        (environment(quota={"hard": {"pod": "1"}}), "\"pod\" is no resource that a quota knows"),
        (environment(routing={"gateway": {"name": "a"}, "ingressClassName": "b"}), "exclude each other"),
    ],
    ids=["name", "profile", "quota", "routing"],
)
def test_invalid_environment_is_refused(thing, expected, space):
    with pytest.raises(RuntimeError, match=expected):
        apply(thing, namespace=space)


# --- who may connect ------------------------------------------------------------------


def test_access_becomes_a_network_policy(space):
    apply(
        app(access={"from": [{"app": "web"}], "to": [{"app": "stock"}, {"host": "api.example.com"}]}),
        namespace=space,
    )
    thing = wait_ready(space)
    policy = get("networkpolicy", "shop", space)["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "shop"
    clients = [p["podSelector"]["matchLabels"]["app.kubernetes.io/instance"] for r in policy["ingress"] for p in r["from"]]
    assert clients == ["web"]
    assert "stock" in str(policy["egress"]) and "53" in str(policy["egress"])
    (gap,) = thing["status"]["access"]["notEnforced"]
    assert gap["setting"] == "access.to[1].host"

    # Nobody at all, but for DNS.
    change(space, {"access": None})
    wait_until(lambda: not get("networkpolicy", "shop", space)["spec"].get("ingress"), SOON, "nobody to be let in")
    assert "stock" not in str(get("networkpolicy", "shop", space)["spec"])
    assert "access" not in wait_ready(space)["status"]


# --- hosts ----------------------------------------------------------------------------


@pytest.fixture
def ingress_class():
    name = f"web-{secrets.token_hex(3)}"
    thing = {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": name}, "spec": {"controller": "example.com/none"}}
    yield name, lambda: apply(thing)
    kubectl("delete", "ingressclass", name, "--ignore-not-found")


def wait_routed(space, enforced, not_enforced, url, timeout=30):
    """Until the App says just that of its hosts."""

    def so():
        status = get("app", "shop", space)["status"]
        routing = status.get("routing", {})
        gaps = [gap["setting"] for gap in routing.get("notEnforced", [])]
        return (sorted(routing.get("enforced", [])), gaps, status.get("url")) == (enforced, not_enforced, url)

    wait_until(so, timeout, f"{enforced} to be enforced, and {not_enforced} not")


def certificate():
    """As cert-manager makes it; nobody looks into it here."""
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "shop-tls"}, "type": "kubernetes.io/tls", "stringData": {"tls.crt": "x", "tls.key": "x"}}


def test_hosts_become_an_ingress(space, ingress_class):
    issuer = {"kind": "ClusterIssuer", "name": "letsencrypt"}
    name, make_class = ingress_class
    apply(
        environment(routing={"ingressClassName": name, "certificateIssuer": issuer}),
        app(hosts=["shop.example.com", "*.shop.example.com"]),
        namespace=space,
    )
    thing = wait_ready(space)
    ingress = get("ingress", "shop", space)
    assert ingress["spec"]["ingressClassName"] == name
    assert [r["host"] for r in ingress["spec"]["rules"]] == ["shop.example.com", "*.shop.example.com"]
    assert ingress["spec"]["tls"][0]["secretName"] == "shop-tls"
    assert ingress["metadata"]["annotations"]["cert-manager.io/cluster-issuer"] == "letsencrypt"
    assert thing["status"]["routing"]["kind"] == "Ingress"
    # Nobody serves them yet, and there is no certificate.
    left = ["redirectToHTTPS"]
    wait_routed(space, [], ["hosts", "tls", *left], f"http://shop.{space}.svc:8080")
    make_class()
    wait_routed(space, ["hosts"], ["tls", *left], "http://shop.example.com")
    apply(certificate(), namespace=space)
    wait_routed(space, ["hosts", "tls"], left, "https://shop.example.com", timeout=90)
    kubectl("delete", "ingressclass", name)
    wait_routed(space, [], ["hosts", *left], f"http://shop.{space}.svc:8080")
    change(space, {"hosts": None})
    wait_until(lambda: not get("ingress", "shop", space), SOON, "the Ingress to go")
    assert "routing" not in wait_ready(space)["status"]


def test_quota_and_limits_whose_names_are_taken(space):
    others = [
        {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "default"}, "spec": {"hard": {"configmaps": 50}}},
        {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "default"}, "spec": {"limits": []}},
    ]
    apply(*others, namespace=space)
    limits = {"default": {"cpu": "500m", "memory": "256Mi"}}
    apply(environment(quota={"hard": {"pods": 20}}, limitRange=limits), namespace=space)

    def stalled():
        return condition(get("environment", "default", space), "Stalled")

    wait_until(lambda: stalled() == "True NameConflict", 20, "the Environment to say so")
    assert get("resourcequota", "default", space)["spec"] == others[0]["spec"] | {"hard": {"configmaps": "50"}}
    for one in others:
        kubectl("-n", space, "delete", one["kind"].lower(), "default")
    wait_until(lambda: stalled() == "False AsExpected", 90, "the Environment to be well")
    assert get("resourcequota", "default", space)["spec"]["hard"] == {"pods": "20"}
    assert get("limitrange", "default", space)["spec"]["limits"]
    # What is not wanted any more goes.
    change_environment(space, quota=None, limitRange=None)
    for kind in "resourcequota", "limitrange":
        wait_until(lambda: not get(kind, "default", space), 20, f"the {kind} to go")


GATEWAY_CRDS = [f"{kind}.gateway.networking.k8s.io" for kind in ("gatewayclasses", "gateways", "httproutes", "referencegrants")]


def install_gateway_api():
    kubectl("apply", "--server-side", "-f", kube.cluster("gateway-api").strip(), timeout=120)
    kubectl("wait", "--for=condition=Established", "--timeout=30s", *[f"crd/{name}" for name in GATEWAY_CRDS])


def remove_gateway_api():
    """The API server begins to hold the instances of a kind when it is first asked for them. Where
    that is by the deletion, which then comes too early ("storage is (re)initializing"), it may not
    try again for five minutes; so each kind is asked for before."""
    for name in GATEWAY_CRDS:
        wait_until(lambda name=name: not get("crd", name) or get(name) is not None, SOON, f"the API server to have {name}")
    kubectl("delete", "crd", *GATEWAY_CRDS, "--ignore-not-found", timeout=120)


def httproute(space):
    """None also where nobody knows what an HTTPRoute is."""
    if not get("crd", "httproutes.gateway.networking.k8s.io"):
        return None
    return get("httproutes.gateway.networking.k8s.io", "shop", space)


@pytest.mark.alone
def test_hosts_move_to_a_route_when_the_gateway_api_comes_and_back(space, own_cluster):
    """The operator runs before the definitions are there, and after they were taken away again."""
    remove_gateway_api()
    apply(environment(routing={"gateway": {"name": "edge", "namespace": "infra"}}), app(hosts=["shop.example.com"]), namespace=space)
    thing = wait_ready(space)
    assert get("ingress", "shop", space) and thing["status"]["routing"]["kind"] == "Ingress"
    restarts = keelson.operator_restarts()
    try:
        install_gateway_api()
        wait_until(lambda: httproute(space), 90, "the HTTPRoute")
        wait_until(lambda: not get("ingress", "shop", space), SOON, "the Ingress to go")
        route = httproute(space)["spec"]
        assert route["hostnames"] == ["shop.example.com"]
        assert (route["parentRefs"][0]["name"], route["parentRefs"][0]["namespace"]) == ("edge", "infra")
        assert route["rules"][0]["backendRefs"][0]["name"] == "shop"
        wait_until(lambda: wait_ready(space)["status"]["routing"]["kind"] == "HTTPRoute", SOON, "the status")
        # No Gateway takes it; then one does.
        wait_routed(space, [], ["hosts"], f"http://shop.{space}.svc:8080")
        accepted = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": "", "lastTransitionTime": "2024-01-01T00:00:00Z"}
        parent = {"parentRef": {"name": "edge"}, "controllerName": "example.com/none", "conditions": [accepted]}
        merge("httproutes.gateway.networking.k8s.io", "shop", space, {"status": {"parents": [parent]}}, "--subresource=status")
        wait_routed(space, ["hosts"], [], "http://shop.example.com")
        # It is kept like every child.
        merge("httproutes.gateway.networking.k8s.io", "shop", space, {"spec": {"hostnames": ["other.example.com"]}})
        wait_until(lambda: httproute(space)["spec"] == route, SOON, "the HTTPRoute to be set back", every=0.1)
        # It goes with the last host, and where somebody else has its name by then, that is said.
        change(space, {"hosts": None})
        wait_until(lambda: not httproute(space), SOON, "the HTTPRoute to go")
        foreign = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "shop"}, "spec": {}}
        apply(foreign, namespace=space)
        change(space, {"hosts": ["shop.example.com"]})
        wait_for_condition(space, "Stalled", "True NameConflict")
        kubectl("-n", space, "delete", "httproutes.gateway.networking.k8s.io", "shop")
        wait_until(lambda: httproute(space)["spec"] == route, 90, "the HTTPRoute to come back")
    finally:
        remove_gateway_api()
    wait_until(lambda: get("ingress", "shop", space), 90, "the Ingress to come back")
    wait_until(lambda: wait_ready(space)["status"]["routing"]["kind"] == "Ingress", SOON, "the status")
    assert keelson.operator_restarts() == restarts
    keelson.wait_for_operator()


@pytest.mark.alone
def test_no_route_is_made_while_its_definition_is_being_deleted(space, own_cluster):
    """The API server removes all routes before a definition goes: one that comes back holds it up."""
    meta = {"name": "held", "finalizers": ["test.keelson.dev/held"]}
    held = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": meta, "spec": {}}
    apply(environment(routing={"gateway": {"name": "edge"}}), app(hosts=["shop.example.com"]), namespace=space)
    try:
        install_gateway_api()
        wait_until(lambda: httproute(space), 90, "the HTTPRoute")
        wait_ready(space)
        apply(held, namespace=space)
        kubectl("delete", "crd", *GATEWAY_CRDS, "--wait=false")
        # It was tried several times by then, and refused each time.
        thing = wait_for_condition(space, "Reconciling", "True Retrying")
        assert "the definition of HTTPRoute is being deleted" in message_of(thing, "Reconciling")
        assert not httproute(space)
    finally:
        let_go = '{"metadata": {"finalizers": null}}'
        kubectl("-n", space, "patch", "httproutes.gateway.networking.k8s.io", "held", "--type=merge", "-p", let_go, check=False)
        remove_gateway_api()
    wait_until(lambda: get("ingress", "shop", space), 90, "the Ingress to come back")
    wait_ready(space)


# --- scaling by load --------------------------------------------------------------------


@pytest.mark.long(150)
def test_app_follows_its_load(space, own_cluster):
    """Up within two minutes of a load, and down after its cooldown; no request is lost on the way."""
    scaling = {"minReplicas": 1, "maxReplicas": 3, "targetCPUUtilization": 50, "scaleDownCooldown": "5s"}
    resources = {"requests": {"cpu": "50m", "memory": "32Mi"}, "limits": {"cpu": "400m", "memory": "64Mi"}}
    apply(app(autoscaling=scaling, resources=resources), namespace=space)
    wait_ready(space)
    assert len(pods(space)) == 1
    url = keelson.address(space)
    with load(url, rate=20, connections=10) as quick:
        with load(f"{url}/burn?ms=20", rate=10, connections=20) as burning:
            wait_until(lambda: get("app", "shop", space)["status"]["desiredReplicas"] == 3, 120, "three replicas")
            wait_ready(space)
            # A change rolls out without touching their number.
            change(space, {"env": [{"name": "APP_CHANGE", "value": "1"}]})
            wait_ready(space)
            assert get("deployment", "shop", space)["spec"]["replicas"] == 3
            burning.wait_for_answers(20)
        burning.assert_no_failures()
        wait_until(lambda: get("app", "shop", space)["status"]["desiredReplicas"] == 1, 150, "one replica again")
        wait_ready(space)
        wait_until(lambda: len(get("pods", None, space)) == 1, 60, "the other pods to go")
    quick.assert_no_failures()
    assert events(space, "DriftRepaired") == []
