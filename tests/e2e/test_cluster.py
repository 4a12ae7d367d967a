# SPDX-License-Identifier: Apache-2.0
"""The test cluster itself: that it is a real one, and that its faults are."""

import socket
import time

import pytest

import kube
from kube import SOON, apply, cluster, execute, get, kubectl, ready, wait_until

pytestmark = pytest.mark.alone

NODES = ["node1", "node2", "node3"]
# Answers each connection with the name of its pod.
SERVER = "perl -MIO::Socket::INET -e '" + (
    '$s = IO::Socket::INET->new(LocalPort => 8080, Listen => 9, ReuseAddr => 1) or die;'
    ' while ($c = $s->accept) { print $c "$ENV{HOSTNAME}\\n"; close $c }'
) + "'"


def pod(name, command="sleep infinity", node=None, labels=None, volumes=None, mounts=None):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {
            "nodeSelector": {"kubernetes.io/hostname": node} if node else {},
            "terminationGracePeriodSeconds": 1,
            "volumes": volumes or [],
            "containers": [
                {
                    "name": "main",
                    "image": kube.BASE_IMAGE,
                    "command": ["bash", "-c", command],
                    "volumeMounts": mounts or [],
                }
            ],
        },
    }


@pytest.fixture(scope="module")
def servers(namespace):
    """One small server per node, behind the Service `servers`."""
    apply(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "servers"},
            "spec": {"type": "NodePort", "selector": {"app": "servers"}, "ports": [{"port": 80, "targetPort": 8080}]},
        },
        *(pod(f"server-{node}", SERVER, node, {"app": "servers"}) for node in NODES),
        namespace=namespace,
    )
    for node in NODES:
        wait_until(lambda: ready("pod", f"server-{node}", namespace), 60, f"the server on {node}")
    return [f"server-{node}" for node in NODES]


def ask(name, address, namespace, port=80):
    return execute(name, f"exec 3<>/dev/tcp/{address}/{port}; timeout 3 cat <&3", namespace).strip()


def test_three_nodes_are_ready():
    assert sorted(n["metadata"]["name"] for n in get("nodes")) == NODES
    assert all(kube.is_true(n, "Ready") for n in get("nodes"))


def test_pods_reach_each_other_across_nodes(namespace, servers):
    for name in servers:
        for other in servers:
            address = get("pod", other, namespace)["status"]["podIP"]
            assert ask(name, address, namespace, 8080) == other


def test_service_and_its_name_work_from_every_node(namespace, servers):
    for name in servers:
        assert "10." in execute(name, "getent hosts kubernetes.default.svc.cluster.local", namespace)
        answers = {ask(name, "servers", namespace) for _ in range(30)}
        assert answers == set(servers)


def test_host_reaches_pods_services_and_node_ports(namespace, servers, own_cluster):
    service = get("service", "servers", namespace)["spec"]
    node = get("node", "node1")["status"]["addresses"][0]["address"]
    for address, port in [
        (get("pod", servers[0], namespace)["status"]["podIP"], 8080),
        (service["clusterIP"], 80),
        (node, service["ports"][0]["nodePort"]),
    ]:
        with socket.create_connection((address, port), timeout=5) as connection:
            assert connection.recv(100).decode().strip() in servers


def test_no_name_of_the_world_resolves(namespace, servers):
    assert execute(servers[0], "getent hosts example.com || echo none", namespace).strip() == "none"


def test_no_pod_has_a_way_out(namespace, servers, own_cluster):
    for node in NODES:
        assert "default" not in cluster("exec", node, "ip", "route")


def test_exec_and_logs(namespace):
    apply(pod("talker", "echo hello; sleep infinity"), namespace=namespace)
    wait_until(lambda: ready("pod", "talker", namespace), 60, "talker")
    assert kubectl("-n", namespace, "logs", "talker") == "hello\n"
    assert execute("talker", "echo $((6 * 7))", namespace) == "42\n"


def test_memory_limit_is_enforced(namespace):
    greedy = pod("greedy", "tail /dev/zero")
    greedy["spec"]["restartPolicy"] = "Never"
    greedy["spec"]["containers"][0]["resources"] = {"limits": {"memory": "64Mi"}}
    apply(greedy, namespace=namespace)

    def killed():
        status = get("pod", "greedy", namespace)["status"]["containerStatuses"][0]
        return status["state"]["terminated"]["reason"] == "OOMKilled"

    wait_until(killed, 60, "the limit to be felt")


def test_volume_binds_and_survives_its_pod(namespace):
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }

    def user(name):
        return pod(
            name,
            volumes=[{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
            mounts=[{"name": "data", "mountPath": "/data"}],
        )

    apply(claim, user("writer"), namespace=namespace)
    wait_until(lambda: ready("pod", "writer", namespace), 90, "writer")
    execute("writer", "echo kept >/data/file", namespace)
    node = get("pod", "writer", namespace)["spec"]["nodeName"]
    kube.delete("pod", "writer", namespace)
    apply(user("reader"), namespace=namespace)
    wait_until(lambda: ready("pod", "reader", namespace), 60, "reader")
    assert execute("reader", "cat /data/file", namespace) == "kept\n"
    assert get("pod", "reader", namespace)["spec"]["nodeName"] == node


def test_metrics_are_served():
    wait_until(lambda: len(kubectl("top", "nodes", "--no-headers").splitlines()) == 3, 60, "kubectl top nodes")


def test_cut_nodes_are_noticed_and_heal(own_cluster):
    """Both ways of cutting, at once: it takes Kubernetes most of a minute."""
    cuts = {"node2": [], "node3": ["--blackhole"]}
    try:
        for node, how in cuts.items():
            cluster("cut", node, *how)
        for node in cuts:
            wait_until(lambda node=node: not ready("node", node), 120, f"{node} to be missed")
    finally:
        for node in cuts:
            cluster("heal", node)
    for node in cuts:
        wait_until(lambda node=node: ready("node", node), 90, f"{node} to be back")


def test_cut_from_one_peer_only(namespace, servers, own_cluster):
    addresses = {name: get("pod", name, namespace)["status"]["podIP"] for name in servers}
    probe = "timeout 2 bash -c 'cat </dev/tcp/%s/8080' || echo lost"
    cluster("cut", "node1", "--blackhole", "node2")
    try:
        assert execute("server-node1", probe % addresses["server-node2"], namespace).strip() == "lost"
        assert execute("server-node1", probe % addresses["server-node3"], namespace).strip() == "server-node3"
    finally:
        cluster("heal", "node1")
    assert ask("server-node1", addresses["server-node2"], namespace, 8080) == "server-node2"


def test_node_loses_power_and_comes_back(namespace, servers, own_cluster):
    address = get("pod", "server-node2", namespace)["status"]["podIP"]
    start = time.monotonic()
    cluster("stop", "node2")
    assert time.monotonic() - start < 10
    assert execute("server-node1", f"exec 3<>/dev/tcp/{address}/8080 || echo lost", namespace, check=False).strip() == "lost"
    cluster("start", "node2")

    def restarted():
        status = get("pod", "server-node2", namespace)["status"]["containerStatuses"][0]
        return status["restartCount"] > 0 and status["ready"]

    wait_until(restarted, 120, "the pod of node2 to run again")


@pytest.mark.parametrize("name", ["etcd", "apiserver", "controller-manager", "scheduler", "kube-proxy"])
def test_component_can_be_killed_and_started(name, own_cluster):
    cluster("stop", name)
    cluster("start", name)
    wait_until(lambda: kubectl("get", "--raw", "/readyz", timeout=5) == "ok", 60, "the API server")
    state = wait_until(lambda: "stopped" not in cluster("status"), SOON, "all parts to run")
    assert state
