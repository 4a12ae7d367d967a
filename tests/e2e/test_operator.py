# SPDX-License-Identifier: Apache-2.0
"""The operator as a program: who leads, what it survives, and what it says when it cannot work.

All of it breaks something, so it runs on hack/cluster only. The test that takes the
CRD away takes every App of the cluster with it.
"""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import pytest
import yaml

import keelson
import kube
from keelson import (
    OPERATOR,
    SYSTEM,
    WEBAPP_2,
    app,
    ask,
    change,
    children,
    condition,
    container,
    holder,
    kill_operator,
    leader,
    metrics,
    operator_pods,
    operator_url,
    readyz,
    versions,
    wait_for_condition,
    wait_for_operator,
    wait_ready,
    watching,
    writes,
)
from kube import apply, cluster, get, kubectl, ready, wait_until

pytestmark = pytest.mark.alone

CRD = "apps.keelson.dev"


@pytest.fixture(scope="module", autouse=True)
def own_operator(operator):
    """Whatever a test did, the next one finds Keelson as the manifest says, and at work."""
    if not kube.OWN_CLUSTER:
        pytest.skip("breaks the operator and nodes, so it runs on hack/cluster only")
    yield
    keelson.apply_manifest()
    wait_for_operator()


@pytest.fixture
def shop(space):
    """A namespace with an App that is ready, while the operator is at work."""
    wait_for_operator()
    apply(app(replicas=2), namespace=space)
    wait_ready(space)
    return space


def assert_carried_out(space, what):
    """A change made now reaches the Deployment, and the pods."""
    change(space, {"env": [{"name": "APP_CHANGE", "value": what}]})
    wait_ready(space)
    assert container(get("deployment", "shop", space))["env"] == [{"name": "APP_CHANGE", "value": what}]


def all_ready():
    """Whether both replicas say so themselves."""
    found = operator_pods()
    return len(found) == 2 and all(readyz(pod)[0] == 200 for pod in found)


# --- leadership ---------------------------------------------------------------------


def test_one_of_two_leads():
    wait_for_operator()
    leads = {pod: metrics(ask(operator_url(pod, "/metrics"))[1], "leader_election_master_status") for pod in operator_pods()}
    assert len(leads) == 2
    assert {pod for pod, series in leads.items() if sum(series.values()) == 1} == {leader()}


def test_killed_leader_is_replaced(shop):
    before = holder()
    kill_operator(leader())
    generation = change(shop, {"image": WEBAPP_2})
    assert holder() == before
    wait_until(lambda: holder() != before and leader(), 40, "another leader")
    assert wait_ready(shop)["status"]["observedGeneration"] == generation
    assert container(get("deployment", "shop", shop))["image"] == WEBAPP_2
    wait_until(all_ready, 30, "both replicas")


def test_leader_that_stops_gives_the_lease_back(shop):
    before, pod = holder(), leader()
    kubectl("-n", SYSTEM, "delete", "pod", pod, "--wait=false")
    # Nothing like the 15 s for which a leader that died is waited for.
    wait_until(lambda: holder() != before, 5, "the lease to be given back", every=0.1)
    wait_until(lambda: leader() not in (None, pod), 8, "another leader", every=0.1)
    assert_carried_out(shop, "after the leader stopped")


def test_nothing_happens_without_an_operator(shop):
    kubectl("-n", SYSTEM, "scale", f"deployment/{OPERATOR}", "--replicas=0")
    try:
        wait_until(lambda: not get("pods", None, SYSTEM), 40, "the operator to be gone")
        before = versions(*children(shop).values())
        change(shop, {"image": WEBAPP_2})
        kubectl("-n", shop, "delete", "service", "shop")
        apply(app("late"), namespace=shop)
        assert keelson.ask_pods(shop)
        # The rest of Kubernetes has moved on by then.
        kubectl("-n", shop, "create", "deployment", "other", "--image=none", "--replicas=0")
        wait_until(lambda: get("deployment", "other", shop)["status"].get("observedGeneration"), 20, "a Deployment")
        del before["Service", "shop"]
        assert versions(*children(shop).values()) == before
        assert not children(shop, "late") and "status" not in get("app", "late", shop)
        # It has not been looked at, and says so.
        assert condition(get("app", "shop", shop), "Ready") == "True Ready*"
    finally:
        kubectl("-n", SYSTEM, "scale", f"deployment/{OPERATOR}", "--replicas=2")
    wait_ready(shop, "late")
    wait_ready(shop)
    assert container(get("deployment", "shop", shop))["image"] == WEBAPP_2
    assert set(children(shop)) == set(keelson.CHILDREN)


def test_both_replicas_lost_at_once(shop):
    old = set(operator_pods())
    before = versions(get("app", "shop", shop), *children(shop).values())
    kubectl("-n", SYSTEM, "delete", "pod", "--all", "--force", "--grace-period=0")
    wait_until(lambda: leader() not in old | {None}, 40, "a new leader")
    wait_until(lambda: writes(leader()) is not None and all_ready(), 30, "both replicas")
    # All is as it should be, so a new leader has nothing to write.
    assert sum(writes(leader()).values()) == 0
    assert versions(get("app", "shop", shop), *children(shop).values()) == before
    assert_carried_out(shop, "after both were lost")


def test_leader_cut_off(shop):
    """A node with the leader loses its cable: the other takes over, and the old one keeps still."""
    old, thing = leader(), operator_pods()[leader()]
    node = thing["spec"]["nodeName"]
    change(shop, {"replicas": 3})
    wait_ready(shop)
    assert len({p["spec"]["nodeName"] for p in keelson.pods(shop)}) == 3
    before = writes(old)
    with watching(shop) as seen:
        cluster("cut", node)
        try:
            wait_until(lambda: leader() not in (None, old), 40, "another leader")
            new = leader()
            kubectl("-n", shop, "delete", "service", "shop")
            wait_until(lambda: get("service", "shop", shop), 10, "the Service to come back")
            wait_until(lambda: not ready("node", node), 90, f"{node} to be missed")
            wait_for_condition(shop, "Ready", "False ReplicasNotReady")
        finally:
            cluster("heal", node)
        wait_ready(shop)
    assert {condition(s, "Available").split()[0] for s in seen} == {"True"}
    wait_until(lambda: readyz(old)[0] == 200, 60, "the old leader to be ready again")
    assert leader() == new
    said = logs(old)
    assert any(line["msg"] == "the Lease was lost; standing by" for line in said)
    lost = max(i for i, line in enumerate(said) if line["msg"] == "the Lease was lost; standing by")
    assert not [line for line in said[lost:] if line["msg"] in ("leading", "created", "applied", "repaired", "deleted")]
    # Not one request from the cut on, neither into the dark nor after it.
    assert writes(old) == before
    assert_carried_out(shop, "after the cut")
    assert writes(old) == before


def logs(pod):
    return [json.loads(line) for line in kubectl("-n", SYSTEM, "logs", pod).splitlines()]


# --- the API server -----------------------------------------------------------------


def test_api_server_restarts(shop):
    found = operator_pods()
    urls = {pod: operator_url(pod, "/readyz") for pod in found}
    before = versions(*children(shop).values())
    cluster("stop", "apiserver")
    try:
        # kubectl has nobody to ask now, the replicas do answer.
        for url in urls.values():
            wait_until(lambda: ask(url)[0] == 503, 30, "the operator to notice")
            assert re.search(r"^apps\.keelson\.dev in all namespaces: .*connect", ask(url)[1], re.MULTILINE)
            assert ask(url.replace("readyz", "livez"))[0] == 200
    finally:
        cluster("start", "apiserver")
    for url in urls.values():
        wait_until(lambda: ask(url)[0] == 200, 40, "the operator to be ready again")
    wait_until(leader, 30, "a leader")
    wait_ready(shop)
    assert versions(*children(shop).values()) == before
    assert_carried_out(shop, "after the restart")
    # The same processes: none had to be restarted for that.
    assert {p: t["status"]["containerStatuses"][0]["restartCount"] for p, t in operator_pods().items()} == {
        p: t["status"]["containerStatuses"][0]["restartCount"] for p, t in found.items()
    }


def restart_one():
    """Deletes a replica; returns the name of the one that takes its place, once it runs."""
    old = set(operator_pods())
    kubectl("-n", SYSTEM, "delete", "pod", sorted(old)[0], "--force", "--grace-period=0")

    def runs():
        new = set(operator_pods()) - old
        return new and readyz(min(new))[0] and min(new)

    return wait_until(runs, 30, "a new replica", every=0.2)


def test_missing_rights_are_named(shop):
    kubectl("delete", "clusterrolebinding", OPERATOR)
    try:
        pod = restart_one()
        status, text = wait_until(lambda: "orbidden" in readyz(pod)[1] and readyz(pod), 10, "the reason", every=0.2)
        assert status == 503
        lines = dict(line.split(": ", 1) for line in text.splitlines())
        assert set(lines) >= {
            f"{kind} in all namespaces" for kind in (CRD, "deployments.apps", "services", "serviceaccounts")
        }
        assert "deployments" in lines["deployments.apps in all namespaces"]
        assert f"system:serviceaccount:{SYSTEM}:{OPERATOR}" in text
    finally:
        keelson.apply_manifest()
    wait_until(all_ready, 60, "the operator to be ready by itself")
    assert_carried_out(shop, "after the rights came back")


def test_one_missing_right_stops_that_kind_only(space):
    wait_for_operator()
    role = get("clusterrole", OPERATOR)
    role["rules"] = [r for r in role["rules"] if r.get("resources") != ["ingresses"]]
    kubectl("replace", "-f", "-", stdin=json.dumps(role))
    try:
        kubectl("-n", SYSTEM, "delete", "pod", "-l", "app.kubernetes.io/component=operator", "--wait=false")
        apply(app("inside"), app("outside", hosts=["outside.example.com"]), namespace=space)
        wait_ready(space, "inside")
        message = keelson.message_of(wait_for_condition(space, "Stalled", "True Forbidden", "outside"), "Stalled")
        assert "list" in message and "ingresses.networking.k8s.io" in message
        # All else of it is carried out.
        assert get("deployment", "outside", space)["status"]["readyReplicas"] >= 1
        missing = metrics(ask(operator_url(leader(), "/metrics"))[1], "keelson_forbidden")
        assert any("ingresses" in labels and "list" in labels for labels in missing), missing
    finally:
        keelson.apply_manifest()
    wait_until(all_ready, 60, "the operator to be ready by itself")
    wait_ready(space, "outside")


def test_missing_crd_is_named(space, binary):
    wait_for_operator()
    kubectl("delete", "crd", CRD, timeout=120)
    try:
        pod = restart_one()
        status, text = wait_until(lambda: readyz(pod)[0] == 503 and readyz(pod), 10, "a reason", every=0.2)
        assert [line.split(": ")[0] for line in text.splitlines()] == [f"{CRD} in all namespaces"]
        assert CRD in text.split(": ", 1)[1]
        # Where somebody waits at a terminal, it does not wait.
        done = run(binary, "--leader-elect=false")
        assert done.returncode == 1
        assert one_line(done).startswith(f"keelson operator: cannot watch {CRD} in all namespaces: ")
    finally:
        keelson.apply_manifest()
    wait_until(all_ready, 60, "the operator to be ready by itself")
    apply(app(), namespace=space)
    wait_ready(space)


# --- metrics ------------------------------------------------------------------------


def test_metrics_are_all_there(shop):
    # Those that count errors are there from the first one on.
    apply(app("odd", resources={"requests": {"bogus": "1"}}), namespace=shop)
    wait_for_condition(shop, "Stalled", "True Invalid", "odd")
    declared = re.findall(r'\.name = "(\w+)"', (kube.ROOT / "pkg/manager/operator_metrics.c").read_text())
    assert len(declared) >= 12
    text = ask(operator_url(leader(), "/metrics"))[1]
    types = re.findall(r"^# TYPE (\S+) (counter|gauge|histogram)$", text, re.MULTILINE)
    # keelson_forbidden has a series for each right that is missing: none here.
    assert set(declared) - {name for name, _ in types} == {"keelson_forbidden"}
    assert len(types) == len(set(types))
    assert re.findall(r"^# HELP (\S+) .+$", text, re.MULTILINE) == [name for name, _ in types]
    assert all(re.fullmatch(r'(#.*|\w+(\{.*\})? [-+.\deInfNa]+)', line) for line in text.splitlines())
    assert metrics(text, "controller_runtime_reconcile_total")['controller="app",result="success"'] > 0
    assert metrics(text, "keelson_cache_objects")['kind="Deployment"'] >= 1
    assert metrics(text, "workqueue_depth") == {'name="keelson"': 0}


def test_state_is_for_this_machine_only():
    status, text = ask(operator_url(leader(), "/debug/state"))
    assert status == 403 and "port-forward" in text


# --- by hand, on this machine ---------------------------------------------------------


@pytest.fixture(scope="module")
def binary():
    keelson.hack("build")
    return kube.ROOT / "build" / "release" / "keelson"


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def command(binary, *options):
    return [binary, "operator", f"--listen=127.0.0.1:{free_port()}", *options]


def run(binary, *options, timeout=30):
    return subprocess.run(command(binary, *options), capture_output=True, text=True, timeout=timeout)


def one_line(done):
    """The one line that is no log."""
    lines = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("{")]
    assert len(lines) == 1, lines
    return lines[0]


def kubeconfig(path, change=None):
    """A copy of ours, changed."""
    config = yaml.safe_load(open(os.environ["KUBECONFIG"]))
    if change:
        change(config["clusters"][0]["cluster"], config["users"][0]["user"])
    path.write_text(yaml.safe_dump(config))
    return f"--kubeconfig={path}"


class Running:
    """The operator as a child of this process, watching one namespace."""

    def __init__(self, binary, space, *options):
        self.port = free_port()
        self.process = subprocess.Popen(
            [binary, "operator", f"--listen=127.0.0.1:{self.port}", f"--namespace={space}", f"--lease-namespace={space}", *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines = []
        self._reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self._reader.join(5)

    def state(self):
        try:
            return json.loads(ask(f"http://127.0.0.1:{self.port}/debug/state")[1])
        except OSError:
            return {}

    def wait_until_at_work(self):
        wait_until(lambda: self.state().get("reconciling"), 20, "the operator to work", every=0.1)

    def said(self, message):
        return [line for line in self.lines if message in line]

    def end(self, timeout):
        """Its exit code, which must come in time."""
        code = self.process.wait(timeout)
        self._reader.join(5)
        return code


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--bogus"], 'unknown option "--bogus"'),
        (["--kubeconfig"], "--kubeconfig needs a value"),
        (["extra"], 'unexpected argument "extra"'),
        (["--leader-elect=perhaps"], "expected true or false"),
        (["--lease-duration=soon"], "expected a duration such as 15s"),
        (["--lease-duration=5s"], "--renew-deadline must be shorter than --lease-duration"),
        (["--log-level=loud"], "expected debug, info, warn or error"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_wrong_option_is_told_in_one_line(binary, options, expected):
    done = run(binary, *options)
    assert done.returncode == 2
    assert expected in one_line(done) and done.stdout == ""


def test_kubeconfig_that_cannot_be_used(binary, tmp_path):
    file = tmp_path / "config"
    done = run(binary, f"--kubeconfig={file}")
    assert (done.returncode, one_line(done)) == (1, f"keelson operator: {file}: no such file (asked for by --kubeconfig)")
    file.write_text("clusters: [")
    done = run(binary, f"--kubeconfig={file}")
    assert done.returncode == 1
    assert one_line(done).startswith(f"keelson operator: {file}: line ")
    done = run(binary, kubeconfig(file, lambda c, u: c.update(server="ftp://example.com")))
    assert done.returncode == 1
    assert one_line(done).startswith(f"keelson operator: {file}: ") and "server" in one_line(done)


def test_server_that_does_not_answer(binary, tmp_path):
    port = free_port()
    done = run(binary, kubeconfig(tmp_path / "config", lambda c, u: c.update(server=f"https://127.0.0.1:{port}")))
    assert done.returncode == 1
    assert one_line(done).startswith("keelson operator: cannot watch apps.keelson.dev in all namespaces: ")
    assert f"cannot connect to https://127.0.0.1:{port}" in one_line(done)


def test_user_without_rights(binary, space, tmp_path):
    kubectl("-n", space, "create", "serviceaccount", "nobody")
    token = kubectl("-n", space, "create", "token", "nobody").strip()

    def as_nobody(_, user):
        user.clear()
        user["token"] = token

    done = run(binary, kubeconfig(tmp_path / "config", as_nobody), f"--namespace={space}", "--leader-elect=false")
    assert done.returncode == 1
    # Which of the four kinds is refused first is up to the server.
    assert re.match(rf"keelson operator: cannot watch \S+ in {space}: may not list ", one_line(done))
    assert f"system:serviceaccount:{space}:nobody" in one_line(done)
    assert token not in done.stdout + done.stderr


def test_address_that_is_taken(binary):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run([binary, "operator", f"--listen=127.0.0.1:{port}"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in one_line(done)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_signal_ends_it_cleanly(binary, space, signum):
    with Running(binary, space) as operator:
        operator.wait_until_at_work()
        assert get("lease", OPERATOR, space)["spec"]["holderIdentity"].startswith(socket.gethostname())
        operator.process.send_signal(signum)
        assert operator.end(5) == 0
        assert operator.said('"stopped"')
    assert get("lease", OPERATOR, space)["spec"].get("holderIdentity", "") == ""


def test_hangup_is_ignored(binary, space):
    with Running(binary, space) as operator:
        operator.wait_until_at_work()
        operator.process.send_signal(signal.SIGHUP)
        wait_until(lambda: operator.said("SIGHUP is ignored"), 5, "a word about it", every=0.1)
        assert operator.state()["reconciling"] is True
        operator.process.send_signal(signal.SIGTERM)
        assert operator.end(5) == 0


class Relay:
    """Stands between the operator and the API server, and can fall silent."""

    def __init__(self, target):
        self.target = target
        self.open = threading.Event()
        self.open.set()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()
        self.open.set()

    def _accept(self):
        while True:
            try:
                near, _ = self.server.accept()
            except OSError:
                return
            far = socket.create_connection(self.target)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, source, sink):
        try:
            while data := source.recv(65536):
                self.open.wait()
                sink.sendall(data)
        except OSError:
            pass
        source.close()
        sink.close()


@pytest.fixture
def silent(binary, space, tmp_path):
    """An operator at work whose API server has just fallen silent."""
    server = yaml.safe_load(open(os.environ["KUBECONFIG"]))["clusters"][0]["cluster"]["server"]
    host, port = server.removeprefix("https://").split(":")
    with Relay((host, int(port))) as relay:
        config = kubeconfig(tmp_path / "config", lambda c, u: c.update(server=f"https://127.0.0.1:{relay.port}"))
        with Running(binary, space, config) as operator:
            operator.wait_until_at_work()
            relay.open.clear()
            yield operator


def test_second_signal_ends_it_at_once(silent):
    silent.process.send_signal(signal.SIGTERM)
    wait_until(lambda: silent.said('"stopping"'), 5, "the first signal", every=0.05)
    assert silent.process.poll() is None
    silent.process.send_signal(signal.SIGTERM)
    assert silent.end(2) == 1
    assert silent.lines[-1] == "keelson operator: stopped by a second signal before the work was done\n"


def test_stop_is_bounded_while_the_server_is_silent(silent):
    silent.process.send_signal(signal.SIGTERM)
    assert silent.end(15) == 0


def test_leader_without_a_server_stops_working(silent):
    start = time.monotonic()
    wait_until(lambda: silent.said("the Lease was lost; standing by"), 15, "it to notice")
    assert silent.state()["leading"] is False and silent.state()["reconciling"] is False
    assert time.monotonic() - start < 15
    assert silent.process.poll() is None
