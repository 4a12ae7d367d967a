# SPDX-License-Identifier: Apache-2.0
"""What can happen to a Redis of three members on hack/cluster, and what its clients see of it.

A system is a Redis with all that makes it available; each fault is a function of it and of the
pod whose server is the primary. It returns when what was broken is whole again, and does not
wait until the Redis is: that is the system's wait_whole()."""

import base64
import contextlib
import dataclasses
import json
import os
import pathlib
import secrets
import signal
import time

import kube
from keelson import OPERATOR, OPERATOR_PODS, SYSTEM, ask, wait_for_operator
from kube import cluster, get, kubectl, wait_until
from recorder import BACK, GONE, STALE, Recording, Refused, connect, delete, missing, overlap

SERVERS = "redis-server", "valkey-server"
WHOLE = 240
OTHER = 120  # until another primary answers, in the slowest case
API_AWAY = 120
HANDOVER = "keelson.dev/handover"
PRELOADED = [f"preloaded:{n}" for n in range(1000)]

# --- processes ----------------------------------------------------------------------


def node_of(pod):
    return pod["spec"]["nodeName"]


def other_node(pod):
    return next(n["metadata"]["name"] for n in get("nodes") if n["metadata"]["name"] != node_of(pod))


def pids(pod, container):
    """This machine's ids of the processes in a pod's container."""
    status = next(s for s in pod["status"]["containerStatuses"] if s["name"] == container)
    name = status["containerID"].removeprefix("containerd://")
    groups = pathlib.Path("/sys/fs/cgroup").glob(f"**/pod{pod['metadata']['uid']}/{name}/cgroup.procs")
    return sorted({int(pid) for group in groups for pid in group.read_text().split()})


def called(pid, names):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip() in names
    return False


def is_first(pid):
    """Whether it is process 1 of its container."""
    with contextlib.suppress(OSError):
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
        return next(line for line in lines if line.startswith("NSpid:")).split()[-1] == "1"
    return False


def restarts(pod):
    """True where there is no pod, or it has not begun yet."""
    statuses = (pod or {}).get("status", {}).get("containerStatuses")
    return not statuses or any(s["restartCount"] for s in statuses)


def send(processes, number):
    assert processes, "there is no such process"
    for pid in processes:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


# --- systems ------------------------------------------------------------------------


class Members:
    """Three pods, one of which has the primary."""

    container = "redis"
    selector = None  # of the pods

    def __init__(self, space):
        self.space = space

    def pods(self):
        return [p for p in get("pod", None, self.space, self.selector) if "deletionTimestamp" not in p["metadata"]]

    def config_of(self, pod):
        """Where and as whom to connect to that very member (recorder.Client)."""
        return {**self.config(), "address": [pod["status"]["podIP"], 6379]}

    def direct(self):
        """The primary's own address: ours is no way that routes may be late on."""
        return {"timeout": 30, **self.config_of(self.primary())}

    def server(self, pod):
        return [pid for pid in pids(pod, self.container) if called(pid, SERVERS)]

    def agent(self, pod):
        return [pid for pid in pids(pod, self.container) if is_first(pid)]

    def wait_replaced(self, old, timeout=300):
        """Until none of the pods OLD is there any more."""
        uids = {p["metadata"]["uid"] for p in old}
        wait_until(lambda: len(new := {p["metadata"]["uid"] for p in self.pods()}) == 3 and not new & uids, timeout,
                   "all pods to be others")


class Redis(Members):
    """A Redis of Keelson's in a namespace."""

    def __init__(self, space, name="sessions", **spec):
        super().__init__(space)
        self.name, self.spec = name, spec
        self.selector = f"app.kubernetes.io/managed-by=keelson,app.kubernetes.io/name=redis,app.kubernetes.io/instance={name}"

    def create(self):
        kube.apply({"apiVersion": "keelson.dev/v1alpha1", "kind": "Redis", "metadata": {"name": self.name},
                    "spec": {"replicas": 3, **self.spec}}, namespace=self.space)

    def renew(self):
        """Pods in whose place there are new ones, where kubelet would wait before it begins a container again."""
        for name in sorted(p["metadata"]["name"] for p in self.pods() if restarts(p)):
            self.replace(name)
        self.wait_whole()

    def replace(self, name):
        """One pod by another of its name."""
        self.wait_whole()
        kubectl("-n", self.space, "delete", "pod", name, timeout=120)
        wait_until(lambda: not restarts(get("pod", name, self.space)), 60, "the pod to be another")
        self.wait_whole()

    def get(self):
        return get("redis", self.name, self.space)

    def record(self):
        lease = get("lease", self.name, self.space)
        return json.loads(lease["metadata"]["annotations"]["failover.keelson.dev/record"])

    def primary(self):
        """The pod of who leads, as the Lease says, which is newer than the status."""
        number = self.record()["holder"]["member"]
        return next(p for p in self.pods() if p["metadata"]["name"] == f"{self.name}-{number}")

    def epoch(self):
        return self.record()["epoch"]

    def wait_whole(self, timeout=WHOLE):
        """Until all members are ready and in sync, by a status that knows of the last change."""
        wait_until(self._is_whole, timeout, f"Redis {self.name} to be whole")

    def _is_whole(self):
        thing, record = self.get(), self.record()
        status, meta = thing["status"], thing["metadata"]
        return (kube.is_true(thing, "Ready") and status["observedGeneration"] == meta["generation"]
                and record["phase"] == "Held" and record["epoch"] == status["epoch"] and len(record["inSync"]) == 3)

    def config(self):
        """Where applications connect, and as whom."""
        data = get("secret", f"{self.name}-app", self.space)["data"]
        secret = {key: base64.b64decode(value).decode() for key, value in data.items()}
        address = get("service", self.name, self.space)["spec"]["clusterIP"]
        return {"address": [address, 6379], "name": secret["host"], "ca": secret["ca.crt"], "password": secret["password"]}

    def can_be_reached(self):
        try:
            with connect({"timeout": 2, **self.config()}) as server:
                return server.info("replication")["role"] == "master"
        except (OSError, Refused):
            return False

    def patch(self, **spec):
        kubectl("-n", self.space, "patch", "redis", self.name, "--type=merge", "-p", json.dumps({"spec": spec}))

    def replica(self):
        """The name of one."""
        return f"{self.name}-{min(n for n in range(3) if n != self.record()['holder']['member'])}"

    def planned_move(self, name=None):
        """Each value of the annotation counts once, so the old one is taken away first."""
        annotate = ["-n", self.space, "annotate", "--overwrite", "redis", self.name]
        if HANDOVER in self.get()["metadata"].get("annotations", {}):
            before = self._told()
            kubectl(*annotate, f"{HANDOVER}-")
            wait_until(lambda: self._told() != before, 60, "the operator to see that", every=0.1)
        kubectl(*annotate, f"{HANDOVER}={name or self.replica()}")

    def _told(self):
        """What the agents are told, and what is remembered with it, changes with this."""
        return get("secret", f"{self.name}-agent", self.space)["metadata"]["resourceVersion"]

    def roll(self):
        """By a setting that a server takes only at its start."""
        databases = int(self.get()["spec"].get("config", {}).get("databases", "16"))
        self.patch(config={"databases": str(databases % 32 + 1)})


# --- one fault, and what clients see of it --------------------------------------------


@dataclasses.dataclass
class Outcome:
    """Seconds, and numbers of acknowledged writes."""

    outage: float
    written: int
    lost: int
    overlap: float  # that two took writes at one time
    open_writes: int  # acknowledged by the old primary to who stayed connected to it, after the fault
    open_seconds: float  # for how long after the fault
    open_lost: int  # of those
    gone: int  # sessions that vanished
    stale: int  # sessions that went back to an older version within the life of one server
    back: int  # sessions that went back with a change of the primary
    preloaded_lost: int
    story: str = dataclasses.field(repr=False)  # what clients were told meanwhile, after so many seconds


class Scene:
    """What a fault is told: the system, its primary's pod and the recording of its clients."""

    def __init__(self, system, pod, recording):
        self.system, self.pod, self.recording = system, pod, recording
        self.life = recording.life()
        self.since = None

    def begin(self):
        """The fault comes now."""
        self.since = time.monotonic()

    def wait_for_another(self, timeout=OTHER):
        self.recording.wait_for_life([self.life], timeout)
        self.recording.wait_for_writes(timeout)


def preload(system):
    config = system.direct()
    if missing(config, PRELOADED):
        with connect(config) as server:
            for key in PRELOADED:
                server.ask("SET", key, key)


def observe(system, fault):
    """Lets FAULT(scene) happen while clients write; returns the outcome, once all is whole again."""
    system.wait_whole()
    preload(system)
    pod, label = system.primary(), secrets.token_hex(3)
    way = [str(kube.ROOT / "hack" / "cluster"), "exec"]
    config = {**system.config(), "label": label}
    beside = {**system.config_of(pod), "label": f"{label}-open", "writers": 1, "keepers": 0, "pause": 0.004}
    with Recording([*way, other_node(pod)], config) as clients, Recording([*way, node_of(pod)], beside) as session:
        clients.wait_for_writes()
        session.wait_for_writes()
        scene = Scene(system, pod, clients)
        scene.begin()
        fault(scene)
        clients.wait_for_writes(OTHER)
        system.wait_whole()
        clients.wait_for_writes(OTHER)
    return outcome(system, scene, clients, session)


def outcome(system, scene, clients, session):
    config = system.direct()
    keys, late = [one[0] for one in clients.acknowledged], [one for one in session.acknowledged if one[1] >= scene.since]
    late = [one for one in late if one[3] == scene.life]
    found = Outcome(
        outage=clients.outage(scene.since)[0],
        written=len(keys),
        lost=len(missing(config, keys)),
        overlap=overlap(clients, session),
        open_writes=len(late),
        open_seconds=max((one[2] for one in late), default=scene.since) - scene.since,
        open_lost=len(missing(config, [one[0] for one in session.acknowledged])),
        gone=clients.count(GONE),
        stale=clients.count(STALE),
        back=clients.count(BACK),
        preloaded_lost=len(missing(config, PRELOADED)),
        story=story(scene, clients),
    )
    delete(config, keys + [one[0] for one in session.acknowledged])
    return found


def story(scene, clients, most=40):
    """The errors, those in a row that say the same as one line."""
    rows = []
    for _, at, what in sorted(clients.errors, key=lambda one: one[1]):
        if rows and rows[-1][2] == what:
            rows[-1][1], rows[-1][3] = at, rows[-1][3] + 1
        else:
            rows.append([at, at, what, 1])
    return "\n".join(f"{a - scene.since:8.3f} to {b - scene.since:8.3f} s, {n} times: {what}" for a, b, what, n in rows[:most])


# --- faults ---------------------------------------------------------------------------


def server_killed(scene):
    send(scene.system.server(scene.pod), signal.SIGKILL)
    scene.wait_for_another()


def server_stopped(scene):
    stopped = scene.system.server(scene.pod)
    send(stopped, signal.SIGSTOP)
    scene.wait_for_another()
    send(stopped, signal.SIGCONT)


def agent_stopped(scene):
    """kubelet would end it in the end, much later than others lead."""
    agent = scene.system.agent(scene.pod)
    send(agent, signal.SIGSTOP)
    scene.wait_for_another()
    send(agent, signal.SIGKILL)


def pod_deleted(scene):
    kubectl("-n", scene.system.space, "delete", "pod", scene.pod["metadata"]["name"], "--grace-period=0", "--force", "--wait=false")
    scene.wait_for_another()


def node_cut(scene):
    cluster("cut", node_of(scene.pod))
    try:
        scene.wait_for_another()
    finally:
        cluster("heal", node_of(scene.pod))


def node_stopped(scene):
    cluster("stop", node_of(scene.pod))
    try:
        scene.wait_for_another()
    finally:
        cluster("start", node_of(scene.pod))


def drained(scene):
    node = node_of(scene.pod)
    try:
        kubectl("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=150s", timeout=160)
        scene.wait_for_another()
    finally:
        kubectl("uncordon", node)


def handed_over(scene):
    scene.system.planned_move()
    scene.wait_for_another()


def all_killed(scene):
    """All processes of all members, of which the first one of each pod takes the others along."""
    first = [pid for pod in scene.system.pods() for pid in pids(pod, scene.system.container) if is_first(pid)]
    scene.begin()
    send(first, signal.SIGKILL)
    scene.wait_for_another()


def reborn_empty(scene):
    """The container begins anew at once, before anybody has noticed."""
    first = [pid for pid in pids(scene.pod, scene.system.container) if is_first(pid)]
    scene.begin()
    send(first, signal.SIGKILL)
    scene.wait_for_another()


def api_away(scene):
    cluster("stop", "apiserver")
    try:
        time.sleep(API_AWAY)  # for so long nothing may happen
    finally:
        cluster("start", "apiserver")


def rolled(scene):
    old = scene.system.pods()
    scene.system.roll()
    scene.system.wait_replaced(old)


def upgraded(scene):
    """To another image, of which all that is another is its name."""
    image = scene.system.get()["spec"]["image"]
    other = image.removesuffix("-again") if image.endswith("-again") else f"{image}-again"
    for node in get("nodes"):
        cluster("exec", node["metadata"]["name"], "ctr", "-n", "k8s.io", "images", "tag", "--force", image, other)
    old = scene.system.pods()
    scene.system.patch(image=other)
    scene.system.wait_replaced(old)


def server_killed_without_operator(scene):
    with no_operator():
        scene.begin()
        server_killed(scene)


@contextlib.contextmanager
def no_operator():
    replicas = get("deployment", OPERATOR, SYSTEM)["spec"]["replicas"]
    kubectl("-n", SYSTEM, "scale", f"deployment/{OPERATOR}", "--replicas=0")
    try:
        kubectl("-n", SYSTEM, "wait", "--for=delete", "pod", "-l", OPERATOR_PODS, "--timeout=90s", timeout=100)
        yield
    finally:
        kubectl("-n", SYSTEM, "scale", f"deployment/{OPERATOR}", f"--replicas={replicas}")
        wait_for_operator()


@contextlib.contextmanager
def small_volume(system, name, mebibytes=48):
    """Meanwhile the volume of the member NAME is one of its own that is that small; it begins empty.
    Gives the folder's path in the node."""
    pod, claim = get("pod", name, system.space), get("persistentvolumeclaim", f"data-{name}", system.space)
    spec = get("persistentvolume", claim["spec"]["volumeName"])["spec"]
    path, node = (spec.get("hostPath") or spec["local"])["path"], node_of(pod)
    cluster("exec", node, "mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=1777", "small", path)
    try:
        system.replace(name)
        yield path
    finally:
        cluster("exec", node, "umount", path)
        system.replace(name)


@contextlib.contextmanager
def primary_on_small_volume(system):
    name = system.replica()
    with small_volume(system, name) as system.volume:
        system.planned_move(name)
        wait_until(lambda: system.primary()["metadata"]["name"] == name, 60, f"{name} to lead")
        system.wait_whole()
        yield


def volume_full(scene):
    """Nothing more can be written on the primary's volume (primary_on_small_volume), until there is room again."""
    node, file = node_of(scene.pod), f"{scene.system.volume}/filling"
    cluster("exec", node, "dd", "if=/dev/zero", f"of={file}", "bs=64k", "status=none", check=False)
    try:
        scene.wait_for_another()
    finally:
        cluster("exec", node, "rm", file)


@contextlib.contextmanager
def api_server_away():
    """Kubernetes' own daemons look for it again in pauses that grow to a minute, for each kind of object by
    itself, and so pods may have ended for long before the last of them knows (docs/failures.md). Here they
    all begin anew when it is back, those that end pods after those that lead to them."""
    makers = ("controller-manager", "scheduler")
    cluster("stop", "apiserver")
    try:
        yield
    finally:
        for component in (*makers, "kube-proxy"):
            cluster("stop", component)
        cluster("start", "apiserver")
        wait_until(lambda: kubectl("get", "--raw", "/readyz", timeout=5) == "ok", 60, "the API server")
        cluster("start", "kube-proxy")
        restart_on_nodes("kube-proxy|kubelet")
        for component in makers:
            cluster("start", component)


def restart_on_nodes(daemons):
    """DAEMONS is a pattern. Node by node: the pods of a kubelet that begins anew are unready for a moment."""
    for node in get("nodes"):
        name = node["metadata"]["name"]
        address = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
        cluster("exec", name, "pkill", "-KILL", "-x", daemons)
        wait_until(lambda at=address: is_healthy(f"http://{at}:10256/healthz"), 60, f"kube-proxy of {name}")
        kubelet = f"/api/v1/nodes/{name}/proxy/healthz"
        wait_until(lambda path=kubelet: kubectl("get", "--raw", path) == "ok", 60, f"kubelet of {name}")


def is_healthy(url):
    try:
        return ask(url)[0] == 200
    except OSError:
        return False
