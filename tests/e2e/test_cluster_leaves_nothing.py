# SPDX-License-Identifier: Apache-2.0
"""hack/cluster up and down, also when up is killed half-way: the host is as before."""

import os
import pathlib
import signal
import subprocess
import time

import pytest

import kube

PREFIX = {"KEELSON_CLUSTER_PREFIX": "kt"}
SETTINGS = [
    "net.ipv4.ip_forward",
    "vm.overcommit_memory",
    "vm.panic_on_oom",
    "kernel.panic",
    "kernel.panic_on_oops",
    "kernel.keys.root_maxkeys",
    "kernel.keys.root_maxbytes",
]


def lines(*command):
    return set(subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.splitlines())


def names(path):
    return set(os.listdir(path)) if os.path.isdir(path) else set()


def host():
    """All of the host that a cluster could leave a mark on."""
    rules = {line.split(" [")[0] for line in lines("iptables-save") if not line.startswith("#")}
    groups = {str(p) for top in pathlib.Path("/sys/fs/cgroup").glob("*") for p in [top, *top.glob("kt*")] if p.is_dir()}
    return {
        "mounts": set(pathlib.Path("/proc/self/mounts").read_text().splitlines()),
        "links": {line.split(":")[1] for line in lines("ip", "-o", "link")},
        "routes": lines("ip", "route"),
        "iptables": rules,
        "namespaces": names("/run/netns"),
        "netns config": names("/etc/netns"),
        "groups": groups,
        "settings": lines("sysctl", *SETTINGS),
        "/run": names("/run"),
        "/var/lib": names("/var/lib"),
        "/var/log": names("/var/log"),
        "state": names("/var/lib/keelson-cluster"),
    }


def our_processes():
    """(id, start) of every process in the cluster's control groups."""
    found = set()
    for top in pathlib.Path("/sys/fs/cgroup").glob("**/kt/**/cgroup.procs"):
        for pid in top.read_text().split():
            found.add((pid, start_time(pid)))
    return found


def start_time(pid):
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except OSError:
        return None


@pytest.fixture
def clean_host():
    if os.geteuid() != 0:
        pytest.skip("needs root to look everywhere")
    kube.cluster("down", **PREFIX)
    yield host()
    kube.cluster("down", **PREFIX)


def assert_as_before(before):
    after = host()
    for part, was in before.items():
        assert after[part] == was, f"{part}: more {after[part] - was}, less {was - after[part]}"


def test_up_and_down_leave_nothing(clean_host):
    kube.cluster("up", **PREFIX)
    kube.cluster("up", **PREFIX)
    ours = our_processes()
    assert len(ours) > 20
    kube.cluster("down", **PREFIX)
    kube.cluster("down", **PREFIX)
    assert not {(pid, start) for pid, start in ours if start and start_time(pid) == start}
    assert_as_before(clean_host)


@pytest.mark.parametrize("seconds", [1, 2, 4])
def test_broken_up_is_repaired_or_removed(clean_host, seconds):
    up = subprocess.Popen([kube.ROOT / "hack" / "cluster", "up"], env={**os.environ, **PREFIX}, start_new_session=True)
    time.sleep(seconds)
    os.killpg(up.pid, signal.SIGKILL)
    up.wait()
    if seconds != 2:
        kube.cluster("up", **PREFIX)
        assert "stopped" not in kube.cluster("status", **PREFIX)
    ours = our_processes()
    kube.cluster("down", **PREFIX)
    assert not {(pid, start) for pid, start in ours if start and start_time(pid) == start}
    assert_as_before(clean_host)
