# SPDX-License-Identifier: Apache-2.0
"""What a cluster could leave behind on this machine."""

import os
import pathlib
import subprocess

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


def marks(prefix):
    """All of the host that a cluster of that prefix could leave a mark on."""
    rules = {line.split(" [")[0] for line in lines("iptables-save") if not line.startswith("#")}
    groups = {str(p) for top in pathlib.Path("/sys/fs/cgroup").glob("*") for p in [top, *top.glob(f"{prefix}*")] if p.is_dir()}
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


def processes(prefix):
    """(id, start) of every process in the cluster's control groups."""
    found = set()
    for top in pathlib.Path("/sys/fs/cgroup").glob(f"**/{prefix}/**/cgroup.procs"):
        for pid in top.read_text().split():
            found.add((pid, start_time(pid)))
    return found


def start_time(pid):
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
        return None if fields[0] == "Z" else fields[19]
    except OSError:
        return None


def alive(found):
    """Those of processes() that still run."""
    return {(pid, start) for pid, start in found if start and start_time(pid) == start}


def assert_as_before(prefix, before):
    after = marks(prefix)
    for part, was in before.items():
        assert after[part] == was, f"{part}: more {after[part] - was}, less {was - after[part]}"
