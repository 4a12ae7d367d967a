# SPDX-License-Identifier: Apache-2.0
"""Agents as processes of this machine, against a real API server: who leads, and how long
it takes until clients are routed to another one."""

import contextlib
import json
import signal
import time

import pytest

import agents
from keelson import figures
from kube import get, kubectl, wait_until

pytestmark = pytest.mark.long(150)

WHOLE = 120  # seconds; for machines that do much else


@pytest.fixture(params=[agents.board_command], ids=["board"])
def cluster(namespace, tmp_path, request):
    if not agents.can_run():
        pytest.skip("not root, or no ip, curl or openssl")
    c = agents.Cluster(namespace, tmp_path, 3, request.param)
    c.start()
    try:
        with c.explained():
            c.wait_whole(timeout=WHOLE)
        yield c
    finally:
        with contextlib.suppress(RuntimeError), c.explained():
            raise RuntimeError("to be printed with a failure")
        c.close()


def moved(c, old, since, what, timeout=60):
    """Waits until clients are routed to another member than OLD; prints how long it took."""
    new = wait_until(lambda: (p := c.primary()) and p is not old and p, timeout, f"another primary after {what}", every=0.05)
    figures.append(f"agent: routed anew after {what}: {time.monotonic() - since:.2f} s")
    return new


def epoch_of(c):
    return int(c.slice()["metadata"]["annotations"]["failover.keelson.dev/epoch"])


def test_first_start(cluster):
    leader = cluster.wait_whole(timeout=WHOLE)
    assert cluster.leaders() == [leader]
    assert cluster.primary() is leader
    assert epoch_of(cluster) == cluster.record()["epoch"]
    slice_ = cluster.slice()
    assert slice_["metadata"]["labels"]["kubernetes.io/service-name"] == cluster.name
    assert slice_["endpoints"][0]["targetRef"]["uid"] == leader.uid
    assert [p["port"] for p in slice_["ports"]] == [agents.PORT]
    wait_until(lambda: "Promoted" in [e["reason"] for e in get("events.events.k8s.io", namespace=cluster.namespace)],
               30, "an Event of the promotion")


def test_leader_is_killed(cluster):
    leader, epoch = cluster.primary(), cluster.record()["epoch"]
    since = time.monotonic()
    leader.kill()
    new = moved(cluster, leader, since, "kill -9 of the agent")
    assert cluster.record()["epoch"] > epoch
    wait_until(lambda: new.ask("/readyz")[0] == 200, 30, "the new leader to be ready")
    leader.start()
    assert cluster.wait_whole(timeout=WHOLE) is new
    assert epoch_of(cluster) == cluster.record()["epoch"]


def test_agent_stands_still(cluster):
    """The kernel ends what an agent cannot; it is started again as a follower."""
    leader = cluster.primary()
    since = time.monotonic()
    leader.signal(signal.SIGSTOP)
    moved(cluster, leader, since, "SIGSTOP of the agent")
    if leader.process.poll() is None:
        leader.signal(signal.SIGCONT)
    cluster.wait_whole(timeout=WHOLE)
    assert len(cluster.leaders()) == 1


def test_hand_over_and_stop(cluster):
    leader = cluster.primary()
    target = next(m for m in cluster.members if m is not leader)
    since = time.monotonic()
    cluster.configure(handover={"number": 1, "to": target.number})
    assert moved(cluster, leader, since, "a request for a hand-over") is target
    assert cluster.record()["request"] == 1
    cluster.wait_whole(timeout=WHOLE)
    since = time.monotonic()
    assert target.stop() == 0
    moved(cluster, target, since, "SIGTERM")
    target.start()
    cluster.wait_whole(timeout=WHOLE)


def test_without_the_api_server(cluster):
    """Nobody is demoted, for the members promise not to stand."""
    leader, epoch = cluster.primary(), cluster.record()["epoch"]
    for m in cluster.members:
        m.proxy.cut = True
    wait_until(lambda: leader.metric("keelson_failover_on_promises") == 1, 30, "promises")
    time.sleep(3 * agents.LEASE_MILLIS / 1000)  # long enough for any lease to run out
    assert cluster.leaders() == [leader]
    assert leader.ask("/readyz")[0] == 200
    for m in cluster.members:
        m.proxy.cut = False
    assert cluster.wait_whole(timeout=WHOLE) is leader
    assert cluster.record()["epoch"] == epoch
    wait_until(lambda: leader.metric("keelson_failover_on_promises") == 0, 30, "the end of promises")


def test_leader_alone_is_cut_off(cluster):
    """It leads on promises as long as the others hear it, since they could not lead without breaking theirs."""
    leader, epoch = cluster.primary(), cluster.record()["epoch"]
    leader.proxy.cut = True
    wait_until(lambda: leader.metric("keelson_failover_on_promises") == 1, 30, "promises")
    time.sleep(2 * agents.LEASE_MILLIS / 1000)
    assert cluster.leaders() == [leader]
    leader.proxy.cut = False
    cluster.wait_whole(timeout=WHOLE)
    assert cluster.record()["epoch"] == epoch


def test_lease_goes_back(cluster):
    """As if etcd were restored from a backup: who leads goes on, and the Lease says so again."""
    old, record = cluster.primary(), json.dumps(cluster.record())
    target = next(m for m in cluster.members if m is not old)
    cluster.configure(handover={"number": 1, "to": target.number})
    moved(cluster, old, time.monotonic(), "a request for a hand-over")
    assert cluster.wait_whole(timeout=WHOLE) is target
    epoch = cluster.record()["epoch"]
    kubectl("-n", cluster.namespace, "annotate", "--overwrite", "lease", cluster.name, f"failover.keelson.dev/record={record}")
    wait_until(lambda: cluster.record()["epoch"] == epoch, 60, "the present epoch")
    assert cluster.wait_whole(timeout=WHOLE) is target
    assert cluster.record()["epoch"] == epoch
    assert cluster.record()["request"] == 1
    assert cluster.leaders() == [target]
    assert "keelson_failover_fences_total{" not in target.ask("/metrics")[1]
    assert target.metric("keelson_failover_lease_went_back_total") == 1


def test_configuration(cluster):
    leader = cluster.primary()
    cluster.configure(leaseMillis="soon")
    wait_until(lambda: leader.metric("keelson_failover_config_valid") == 0, 60, "the complaint")
    assert "config.json.leaseMillis must be" in leader.text()
    cluster.configure(leaseMillis=agents.LEASE_MILLIS, fenced=[leader.number])
    moved(cluster, leader, time.monotonic(), "fencing")
    wait_until(lambda: leader.ask("/readyz") == (503, "member: the member is fenced\n"), 30, "the fenced member")
    cluster.configure(fenced=[])
    cluster.wait_whole(timeout=WHOLE)


def test_cost(cluster):
    """Little memory, and next to no processor time while nothing happens."""
    leader = cluster.primary()
    used = leader.metric("process_cpu_seconds_total")
    time.sleep(10)
    used = (leader.metric("process_cpu_seconds_total") - used) / 10
    anonymous = leader.metric("keelson_anonymous_memory_bytes")
    figures.append(f"agent: {anonymous / 2**20:.1f} MiB RssAnon, {used * 100:.2f} % of a core")
    assert anonymous < 8 * 2**20
