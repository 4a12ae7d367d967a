# SPDX-License-Identifier: Apache-2.0
"""Three servers, each with a disk of its own, which stands still, is full, or is gone."""

import os
import time

import pytest

import agents
from keelson import figures
from kube import get, wait_until
from test_agent_redis import PASSWORD, USERS, WHOLE, is_there, servers

pytestmark = pytest.mark.long(150)


@pytest.fixture(scope="module")
def cluster(namespace, tmp_path_factory):
    if not is_there() or not agents.Disk.can_be():
        pytest.skip("not root, or no redis-server, no program that runs one, or no loop devices with ext4")
    redis = {"users": USERS, "config": {"appendonly": "yes", "appendfsync": "everysec", "save": ""}}
    c = agents.Cluster(namespace, tmp_path_factory.mktemp("disks"), 3, agents.redis_command, redis=redis)
    for m in c.members:
        m.disk = agents.Disk(m.data)
    c.start()
    try:
        yield c
    finally:
        for m in c.members:
            m.disk.thaw()
            m.kill()
            m.disk.close()
        c.close()


@pytest.fixture
def writers(cluster):
    cluster.wait_whole(timeout=WHOLE)
    w = agents.Writers(cluster, PASSWORD)
    try:
        with cluster.explained():
            wait_until(lambda: len(w.acknowledged) > 50, 30, "writes", every=0.05)
            yield w
    finally:
        for m in cluster.members:
            m.disk.thaw()
            m.disk.empty()
        if not w.ending:
            w.end()


def reasons(cluster):
    return {e["reason"] for e in get("events.events.k8s.io", namespace=cluster.namespace)}


def answer(member, *words):
    """What its server says, an error too."""
    try:
        connection = agents.Redis(member.address, PASSWORD)
        try:
            return connection.ask(*words)
        finally:
            connection.close()
    except RuntimeError as e:
        return str(e)
    except OSError:
        return None


def test_frozen_disk_of_the_primary(cluster, writers):
    """It can be neither written nor killed; another one leads meanwhile, and it comes back as a follower."""
    old, since = cluster.primary(), time.monotonic()
    old.disk.freeze()
    wait_until(lambda: writers.last_writer() != old.number, 60, "writes elsewhere", every=0.05)
    outage = writers.outage(since)
    assert old.ask("/livez")[0] == 200, "its agent stands still as well"
    assert old.ask("/readyz")[0] == 503
    old.disk.thaw()
    new = cluster.wait_whole(timeout=WHOLE)
    assert new is not old
    writers.end()
    assert len(writers.turns()) == 2
    lost = writers.lost(new)
    figures.append(f"redis, disk of the primary frozen: no writes for {outage:.2f} s, {len(lost)} lost")
    assert lost == []
    assert outage < 20


def test_frozen_disk_of_a_replica(cluster, writers):
    primary = cluster.primary()
    replica = next(m for m in cluster.members if m is not primary)
    since = time.monotonic()
    replica.disk.freeze()
    wait_until(lambda: replica.number not in cluster.record()["inSync"], 60, "the replica to leave the set")
    assert replica.ask("/livez")[0] == 200
    outage = writers.outage(since)
    replica.disk.thaw()
    assert cluster.wait_whole(timeout=WHOLE) is primary
    writers.end()
    assert writers.turns() == [primary.number]
    assert writers.lost(primary) == []
    figures.append(f"redis, disk of a replica frozen: no writes for {outage:.2f} s")


def test_volume_of_the_primary_is_gone(cluster, writers):
    """Its server ends beside its data, and none is begun on the empty folder; back with them, it follows."""
    old, since = cluster.primary(), time.monotonic()
    agent = old.process.pid
    old.disk.unmount(agent)
    wait_until(lambda: writers.last_writer() != old.number, 60, "writes elsewhere", every=0.05)
    outage = writers.outage(since)
    wait_until(lambda: "VolumeGone" in reasons(cluster), 60, "an Event")
    wait_until(lambda: servers(old) == [], 10, "its server to be down")
    assert old.ask("/livez")[0] == 200
    assert old.metric("keelson_failover_volume_usable") == 0
    time.sleep(agents.LEASE_MILLIS / 1000)
    assert servers(old) == []
    assert os.listdir(f"/proc/{agent}/root{old.data}") == [], "something was begun on what is not its volume"
    old.disk.mount(agent)
    new = cluster.wait_whole(timeout=WHOLE)
    assert new is not old
    writers.end()
    assert len(writers.turns()) == 2
    assert writers.lost(new) == []
    figures.append(f"redis, volume of the primary gone: no writes for {outage:.2f} s")


def test_full_disk_of_the_primary(cluster, writers):
    """Another one, which has room, leads; nothing that was acknowledged is lost; it comes back when there is room."""
    old, since = cluster.primary(), time.monotonic()
    old.disk.fill()
    wait_until(lambda: "VolumeFull" in reasons(cluster), 60, "an Event")
    wait_until(lambda: writers.last_writer() != old.number, 60, "writes elsewhere", every=0.05)
    outage = writers.outage(since)
    assert old.metric("keelson_failover_volume_usable") == 0
    old.disk.empty()
    new = cluster.wait_whole(timeout=WHOLE)
    assert new is not old
    wait_until(lambda: old.metric("keelson_failover_volume_usable") == 1, 60, "its agent to notice")
    writers.end()
    assert writers.lost(new) == []
    figures.append(f"redis, disk of the primary full: no writes for {outage:.2f} s")


def test_full_disks_of_all(cluster, writers):
    """Nobody could do better: somebody leads, lets clients read, and says why it takes no writes."""
    for m in cluster.members:
        m.disk.fill()

    def refusing():
        primary = cluster.primary()
        return primary and "MISCONF" in str(answer(primary, "RPUSH", "log", "refused"))

    wait_until(refusing, 120, "a primary that refuses writes and says why")
    # It stays so, and does not go round among those who have no room.
    wait_until(lambda: len(cluster.record()["inSync"]) == 1, 120, "the others to leave the set")
    primary, epoch = cluster.primary(), cluster.record()["epoch"]
    time.sleep(3 * agents.LEASE_MILLIS / 1000)
    assert refusing()
    assert (cluster.primary(), cluster.record()["epoch"]) == (primary, epoch)
    assert answer(primary, "LLEN", "log") >= len(writers.acknowledged)
    assert len(servers(primary)) == 1
    for m in cluster.members:
        m.disk.empty()
    since = len(writers.acknowledged)
    wait_until(lambda: len(writers.acknowledged) > since, 60, "writes to go on")
    cluster.wait_whole(timeout=WHOLE)
    writers.end()
    assert writers.lost(cluster.primary()) == []
