# SPDX-License-Identifier: Apache-2.0
"""What happens to a Redis of three members on three nodes, and what it promises for that: two
never take writes at one time, no planned case loses a write, nothing ever empties the data, and
it is whole again by itself. Clients write all the time and note each acknowledgement.

The bounds on time are for machines that do much else; tests/bench/failover has the figures."""

import json

import pytest

import faults
import kube
from keelson import REDIS_8, figures
from recorder import connect, missing

pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("own_cluster")]

# Acknowledged in the moment before a crash, when some 400 a second are: no planned case loses any.
LOST_MAX = 200


@pytest.fixture(scope="module", name="redis")
def whole_redis(operator, module_space):
    """One for nearly all of it: with volumes, and so on all three nodes."""
    if not kube.OWN_CLUSTER:
        pytest.skip("breaks nodes, so it runs on hack/cluster only")
    found = faults.Redis(module_space, "sessions", image=REDIS_8, memory="64Mi", persistence={"size": "256Mi"},
                         scheduling={"spread": "Required"})
    found.create()
    found.wait_whole()
    return found


@pytest.fixture(name="cache")
def memory_alone(operator, module_space):
    found = faults.Redis(module_space, "cache", image=REDIS_8, memory="64Mi")
    found.create()
    yield found
    kube.delete("redis", "cache", module_space, wait=False)


def observe(system, fault, limit, planned=False):
    """Lets it happen, and holds the outcome against the promises."""
    name = fault.__name__.replace("_", " ")
    found = faults.observe(system, fault)
    print(f"{name}: {found}\n{found.story}")
    figures.append(f"redis, {name}: no writes for {found.outage:.2f} s, {found.lost} of {found.written} lost")
    assert found.overlap == 0, f"two took writes at one time for {found.overlap:.3f} s"
    assert found.preloaded_lost == 0, "what was there long before is gone"
    assert found.stale == 0, "a session was older than what the same server had acknowledged"
    assert found.lost <= (0 if planned else LOST_MAX), f"{found.lost} of {found.written} acknowledged writes are lost"
    assert not planned or found.back == found.gone == found.open_lost == 0, found
    assert found.outage < limit, found
    return found


# What is done, and the longest that nobody may take writes, in seconds.
CRASHES = {
    faults.server_killed: 20,
    faults.server_stopped: 40,
    faults.agent_stopped: 40,
    faults.pod_deleted: 40,
    faults.node_cut: 60,
    faults.node_stopped: 60,
}


@pytest.mark.parametrize("fault", CRASHES, ids=lambda fault: fault.__name__)
def test_another_leads_after_a_crash(redis, fault):
    epoch = redis.epoch()
    observe(redis, fault, CRASHES[fault])
    last = redis.get()["status"]["lastFailover"]
    assert redis.epoch() > epoch and last["cause"] != "Planned"
    # Exact once the former primary is back and has said what it had.
    assert last["loss"] in ("AtLeast", "Exact", "Unknown") and ("lostBytes" in last) == (last["loss"] != "Unknown")


@pytest.mark.parametrize("fault", [faults.handed_over, faults.drained], ids=lambda fault: fault.__name__)
def test_planned_moves_lose_nothing(redis, fault):
    observe(redis, fault, 30, planned=True)


def test_change_of_the_configuration_rolls_and_loses_nothing(redis):
    observe(redis, faults.rolled, 30, planned=True)


def test_upgrade_rolls_and_loses_nothing(redis):
    observe(redis, faults.upgraded, 30, planned=True)


def test_a_full_volume_loses_nothing(redis):
    with faults.primary_on_small_volume(redis):
        observe(redis, faults.volume_full, 60, planned=True)


def test_failover_needs_no_operator(redis):
    observe(redis, faults.server_killed_without_operator, 20)


def test_api_server_away_is_no_failover(redis):
    epoch = redis.epoch()
    observe(redis, faults.api_away, 10, planned=True)
    assert redis.epoch() == epoch
    faults.restart_on_nodes("kube-proxy")  # which else hears of another primary a minute late
    observe(redis, faults.server_killed, 20)


def test_all_members_at_once_come_back_with_their_data(redis):
    observe(redis, faults.all_killed, 180)


def test_a_primary_that_is_reborn_empty_empties_nobody(cache):
    """All of its data is in memory, and it is back before anybody has noticed."""
    observe(cache, faults.reborn_empty, 40)
    assert missing(cache.direct(), faults.PRELOADED) == []


def test_what_somebody_edits_of_lease_and_route_is_written_again(redis):
    """The record into none, and the route into one that leads nowhere and claims an epoch that nobody has taken."""
    route, address = f"{redis.name}-primary", redis.primary()["status"]["podIP"]
    record = redis.record()
    annotate = ["-n", redis.space, "annotate", "--overwrite"]
    kube.kubectl(*annotate, "lease", redis.name, "failover.keelson.dev/record=none")
    kube.wait_until(lambda: f'"epoch":{record["epoch"]},' in annotations(redis, "lease", redis.name)["record"], 30, "the record")
    edited = {"metadata": {"annotations": {"failover.keelson.dev/epoch": "99999"}}, "endpoints": [{"addresses": ["198.51.100.1"]}]}
    kube.kubectl("-n", redis.space, "patch", "endpointslice", route, "--type=merge", "-p", json.dumps(edited))
    kube.wait_until(lambda: kube.get("endpointslice", route, redis.space)["endpoints"][0]["addresses"] == [address], 60, "the route")
    assert annotations(redis, "endpointslice", route)["epoch"] == str(record["epoch"])
    assert redis.record()["holder"] == record["holder"] and redis.can_be_reached()


def annotations(redis, kind, name):
    found = kube.get(kind, name, redis.space)["metadata"]["annotations"]
    return {key.removeprefix("failover.keelson.dev/"): value for key, value in found.items()}


def test_under_its_name_it_finds_its_data_and_clients_find_it(redis):
    kube.kubectl("-n", redis.space, "delete", "redis", redis.name, timeout=120)
    kube.wait_until(lambda: not redis.pods(), 120, "the pods to go")
    redis.create()
    redis.wait_whole()
    kube.wait_until(redis.can_be_reached, 150, "its address to lead to the primary")
    assert missing(redis.direct(), faults.PRELOADED) == []


def test_a_client_that_reads_nothing_is_sent_away(redis):
    """Its answers would take more than the container may have."""
    with connect(redis.direct()) as server, connect(redis.direct()) as greedy:
        life = server.info("server")["run_id"]
        server.ask("SET", "large", "x" * 1_000_000)
        greedy.socket.sendall(b"*2\r\n$3\r\nGET\r\n$5\r\nlarge\r\n" * 1000)
        kube.wait_until(lambda: int(server.info("stats")["evicted_clients"]) > 0, 60, "the client to be sent away")
        assert server.info("server")["run_id"] == life
        server.ask("DEL", "large")
