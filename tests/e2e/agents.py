# SPDX-License-Identifier: Apache-2.0
"""Agents of a database cluster as processes of this machine, with a real API server.

Each has a network namespace on a bridge of their own, with an address of 198.18.0.0/15 (the
range for such tests), certificates of a CA of their own, the rights of an agent's Role and
no others, and its own way to the API server: a proxy that can be cut and mended. What ends
is started again, as kubelet would."""

import base64
import contextlib
import json
import os
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.request

from kube import ROOT, apply, get, kubectl, wait_until
from recorder import Refused, Server

LEASE_MILLIS = 4000
PEER_PORT = 9121
HEALTH_PORT = 9122
PORT = 6379
SERVERS = "redis-server", "valkey-server"


class Proxy:
    """Bytes to the API server and back, as long as it is not cut."""

    def __init__(self, target, address):
        self.target = target
        self.listener = socket.create_server((address, 0))
        self.port = self.listener.getsockname()[1]
        self.cut = False
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client):
        """Cut, it swallows: nobody hears that a connection is gone."""
        with client, contextlib.suppress(OSError):
            self._hold()
            with socket.create_connection(self.target) as server:
                while True:
                    for s in select.select([client, server], [], [])[0]:
                        self._hold()
                        data = s.recv(65536)
                        if not data:
                            return
                        (server if s is client else client).sendall(data)

    def _hold(self):
        while self.cut:
            time.sleep(0.05)

    def close(self):
        """The thread ends first: it would accept what comes to the next socket of that number."""
        self.cut = False
        self.listener.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.listener.close()


def free_net():
    """One of 512, that no other test beside this one has taken."""
    taken = subprocess.run(["ip", "-o", "-4", "address"], check=True, capture_output=True, text=True).stdout
    nets = [f"198.{18 + n // 256}.{n % 256}" for n in range(512)]
    return secrets.choice([net for net in nets if f" {net}.1/" not in taken])


def can_run():
    """Network namespaces are root's to make."""
    return os.geteuid() == 0 and all(map(shutil.which, ["ip", "curl", "openssl"]))


def server_folder():
    """Where a server is, under the name that agents look for; None where there is none. It is one program with
    the tool that checks its files, which is all that Debian's redis-tools has of it."""
    for name in SERVERS:
        if program := shutil.which(name):
            return os.path.dirname(program)
        if program := shutil.which(name.replace("-server", "-check-rdb")):
            folder = ROOT / "build" / "servers"
            folder.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(FileExistsError):
                (folder / name).symlink_to(program)
            return str(folder)
    return None


def ip(*args, check=True):
    subprocess.run(["ip", *args], check=check, capture_output=True)


def openssl(folder, *args, stdin=None):
    subprocess.run(["openssl", *args], cwd=folder, check=True, capture_output=True, input=stdin)


def comm(pid):
    try:
        with open(f"/proc/{pid}/comm", encoding="utf-8") as f:
            return f.read().strip()
    except OSError:
        return ""


class Disk:
    """A file system of its own at FOLDER, of MEGABYTES, that can be frozen and filled."""

    def __init__(self, folder, megabytes=64):
        self.folder = folder
        self.image = folder.with_name(f"{folder.name}.img")
        with open(self.image, "wb") as f:
            f.truncate(megabytes * 2**20)
        self._run("mkfs.ext4", "-q", "-F", "-m", "0", self.image)
        self._run("mount", "-o", "loop", self.image, folder)
        self.frozen = False

    @staticmethod
    def _run(*args):
        subprocess.run(args, check=True, capture_output=True)

    @staticmethod
    def can_be():
        return all(map(shutil.which, ["mkfs.ext4", "mount", "fsfreeze"])) and os.path.exists("/dev/loop-control")

    def freeze(self):
        self._run("fsfreeze", "-f", self.folder)
        self.frozen = True

    def thaw(self):
        if self.frozen:
            self._run("fsfreeze", "-u", self.folder)
        self.frozen = False

    def unmount(self, process):
        """For PROCESS and those that it started, which have mounts of their own: a file that is open there stays
        so, and at FOLDER is what was below."""
        self._run("nsenter", "-t", str(process), "-m", "umount", "-l", self.folder)

    def mount(self, process):
        device = subprocess.run(["losetup", "-nO", "NAME", "-j", self.image], check=True, capture_output=True, text=True)
        self._run("nsenter", "-t", str(process), "-m", "mount", device.stdout.split()[0], self.folder)

    def fill(self):
        with contextlib.suppress(OSError), open(self.folder / "ballast", "wb", buffering=0) as f:
            while True:
                f.write(bytes(4096))

    def empty(self):
        (self.folder / "ballast").unlink(missing_ok=True)

    def close(self):
        """What still uses it is killed before."""
        self.thaw()
        for _ in range(100):
            if subprocess.run(["umount", self.folder], capture_output=True, check=False).returncode == 0:
                return
            time.sleep(0.1)
        self._run("umount", "-l", self.folder)


def make_certificates(folder, *names):
    """ca.crt, tls.crt and tls.key, good for both ends of a connection."""
    folder.mkdir(parents=True, exist_ok=True)
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl(folder, "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=test CA")
    openssl(folder, "req", *curve, "-keyout", "tls.key", "-out", "tls.csr", "-subj", "/CN=member")
    names = ",".join(f"DNS:{name}" for name in names)
    (folder / "ext").write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth,clientAuth\n")
    openssl(folder, "x509", "-req", "-in", "tls.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", "2", "-extfile", "ext", "-out", "tls.crt")


def rules(name):
    """What docs/failover.md says that an agent's Role must allow."""
    one = {"resourceNames": [name]}
    return [
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "list", "watch", "patch"], **one},
        {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "list", "watch"], "resourceNames": [f"{name}-agent"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "patch"],
         "resourceNames": [f"{name}-primary"]},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["create"]},
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create"]},
    ]


class Member:
    """A pod of member NUMBER. SEAT: where, if another pod of that number is at its place; DATA: its volume."""

    def __init__(self, cluster, number, seat=None, data=None):
        self.cluster = cluster
        self.number = number
        self.seat = number if seat is None else seat
        self.address = f"{cluster.net}.1{self.seat}"
        self.space = f"{cluster.name}-{self.seat}"
        self.uid = f"{secrets.token_hex(4)}-{number}"
        self.folder = cluster.folder / f"member-{self.seat}"
        self.data = data or self.folder / "data"
        self.data.mkdir(parents=True, exist_ok=True)
        (self.folder / "run").mkdir(parents=True)
        self._make_network()
        self.proxy = Proxy(cluster.api, f"{cluster.net}.1")
        self.process = None
        self.wanted = False
        self.lock = threading.Lock()  # of the two
        self.ended = []
        self._write_kubeconfig()

    def _make_network(self):
        link = f"{self.cluster.name}v{self.seat}"
        ip("netns", "add", self.space)
        ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", self.space)
        ip("link", "set", link, "master", self.cluster.bridge, "up")
        for args in (["link", "set", "lo", "up"], ["address", "add", f"{self.address}/24", "dev", "eth0"],
                     ["link", "set", "eth0", "up"], ["route", "add", "default", "via", f"{self.cluster.net}.1"]):
            ip("-n", self.space, *args)

    def plug(self, there):
        """The cable of its network."""
        ip("link", "set", f"{self.cluster.name}v{self.seat}", "up" if there else "down")

    def _write_kubeconfig(self):
        c = self.cluster
        self.kubeconfig = self.folder / "kubeconfig"
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": f"https://{c.net}.1:{self.proxy.port}",
                                                    "tls-server-name": c.api_name,
                                                    "certificate-authority-data": c.api_ca}}],
            "users": [{"name": "it", "user": {"token": c.token}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": c.namespace}}]}))

    def start(self):
        with self.lock:
            self.wanted = True
            self._start()

    def restart(self):
        """What ended by itself."""
        with self.lock:
            if self.wanted and self.process.poll() is not None:
                self.ended.append(self.process.returncode)
                self._start()

    def _start(self):
        c = self.cluster
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["ip", "netns", "exec", self.space, *c.command(self)], stdout=log, stderr=log, start_new_session=True,
                env={"PATH": f"{server_folder()}:{os.environ['PATH']}", "KUBECONFIG": str(self.kubeconfig),
                     "POD_NAME": f"{c.name}-{self.number}", "POD_NAMESPACE": c.namespace, "POD_UID": self.uid, "POD_IP": self.address})

    def signal(self, number):
        self.process.send_signal(number)

    def stop(self, timeout=60):
        """As kubelet would end the pod, for good."""
        with self.lock:
            self.wanted = False
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self):
        with self.lock:
            self.wanted = False
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def close(self):
        self.kill()
        self.proxy.close()
        ip("netns", "delete", self.space, check=False)

    def ask(self, path):
        url = f"http://{self.address}:{HEALTH_PORT}{path}"
        try:
            with urllib.request.urlopen(url, timeout=5) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()
        except OSError:
            return 0, ""

    def metric(self, name):
        found = re.search(rf"^{re.escape(name)} (\S+)$", self.ask("/metrics")[1], re.M)
        return float(found[1]) if found else None

    def state(self):
        """What it tells nobody but its own machine."""
        done = subprocess.run(["ip", "netns", "exec", self.space, "curl", "-sf", "-m", "5",
                               f"http://127.0.0.1:{HEALTH_PORT}/debug/state"], capture_output=True, check=False)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def pids(self, name):
        """Its processes that are called NAME."""
        done = subprocess.run(["ip", "netns", "pids", self.space], capture_output=True, text=True, check=True)
        return [int(pid) for pid in done.stdout.split() if name in comm(pid)]

    def text(self):
        return (self.folder / "log").read_text(errors="replace")


class Cluster:
    """NAME in NAMESPACE with MEMBERS members. COMMAND(member) is what an agent is started by."""

    def __init__(self, namespace, folder, members, command, redis=None, lease=LEASE_MILLIS, durable=True):
        self.name = f"db{secrets.token_hex(2)}"
        self.namespace = namespace
        self.folder = folder / self.name
        self.folder.mkdir()
        self.net = free_net()
        self.bridge = f"{self.name}br"
        ip("link", "add", self.bridge, "type", "bridge")
        ip("address", "add", f"{self.net}.1/24", "dev", self.bridge)
        ip("link", "set", self.bridge, "up")
        self.command = command
        self.config = {"members": members, "durable": durable, "leaseMillis": lease,
                       "redis": {"port": PORT, "tls": False, "minReplicasToWrite": 0, "config": {}, "users": [], **(redis or {})}}
        self._find_api()
        self._make_objects(members)
        make_certificates(self.folder / "tls", f"*.{self.name}-members.{namespace}.svc")
        self.members = [Member(self, n) for n in range(members)]
        self.closing = False
        threading.Thread(target=self._restart, daemon=True).start()

    def _find_api(self):
        config = json.loads(kubectl("config", "view", "--raw", "--minify", "-o", "json"))["clusters"][0]["cluster"]
        host, port = re.match(r"https://(.*):(\d+)$", config["server"]).groups()
        self.api, self.api_name = (host, int(port)), host
        self.api_ca = config.get("certificate-authority-data") or base64.b64encode(
            open(config["certificate-authority"], "rb").read()).decode()

    def _make_objects(self, members):
        agent, meta = f"{self.name}-agent", {"namespace": self.namespace}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": agent}
        record = {"phase": "Bootstrap", "epoch": 0, "inSync": list(range(members)), "lineage": "",
                  "position": {"timeline": 0, "offset": 0}, "final": False, "cause": "None", "lost": 0,
                  "request": 0, "consent": 0}
        apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": agent, **meta}},
              {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": agent, **meta},
               "rules": rules(self.name)},
              {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": agent, **meta},
               "roleRef": role, "subjects": [{"kind": "ServiceAccount", "name": agent, "namespace": self.namespace}]},
              {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
               "metadata": {"name": self.name, **meta, "annotations": {"failover.keelson.dev/record": json.dumps(record)}}})
        self.configure()
        self.token = kubectl("-n", self.namespace, "create", "token", agent).strip()

    def hosts(self):
        """The members' addresses; # is the number."""
        return f"{self.net}.1#"

    def configure(self, **more):
        """Writes config.json, as the operator would."""
        self.config.update(more)
        apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{self.name}-agent", "namespace": self.namespace},
               "stringData": {"config.json": json.dumps(self.config)}})

    def _restart(self):
        while not self.closing:
            for m in self.members:
                m.restart()
            time.sleep(0.1)

    def start(self):
        for m in self.members:
            m.start()

    def close(self):
        self.closing = True
        for m in self.members:
            m.close()
        ip("link", "delete", self.bridge, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    @contextlib.contextmanager
    def explained(self):
        """What the agents have said lately is printed if what is done here fails."""
        try:
            yield
        except BaseException:
            for m in self.members:
                print(f"--- member {m.number}, ended {m.ended}, {m.state()}")
                print("\n".join([line for line in m.text().splitlines() if line.startswith("{")][-40:]))
            raise

    def record(self):
        lease = get("lease", self.name, self.namespace)
        return json.loads(lease["metadata"]["annotations"]["failover.keelson.dev/record"])

    def slice(self):
        return get("endpointslice", f"{self.name}-primary", self.namespace)

    def primary(self):
        """Whom clients are routed to, or None."""
        endpoints = (self.slice() or {}).get("endpoints") or []
        address = endpoints[0]["addresses"][0] if endpoints else None
        return next((m for m in self.members if m.address == address), None)

    def leaders(self):
        return [m for m in self.members if m.metric("keelson_failover_leader") == 1]

    def wait_whole(self, n=None, timeout=90):
        """All of N members (or all) are ready and in the set, and one of them leads."""
        n = len(self.members) if n is None else n

        def whole():
            record = self.record()
            return (record["phase"] == "Held" and len(record["inSync"]) == n
                    and sum(m.ask("/readyz")[0] == 200 for m in self.members) == n)

        wait_until(whole, timeout, f"{n} members in the set: {self.record()}")
        return self.members[self.record()["holder"]["member"]]


def board_command(member):
    """An agent without a database (tests/agent/member/board_agent.c)."""
    c = member.cluster
    return [ROOT / "build" / "test" / "tests" / "agent" / "member" / "board_agent", c.name, member.data, c.folder / "tls",
            f":{PEER_PORT}", f":{HEALTH_PORT}", c.hosts()]


def redis_program():
    return ROOT / "build" / "test" / "cmd" / "keelson"


def redis_command(member):
    c = member.cluster
    return [redis_program(), "agent", "redis", "--cluster", c.name, "--data", member.data,
            "--run", member.folder / "run", "--tls", c.folder / "tls", "--hosts", c.hosts(), "--log-level", "debug"]


class Redis(Server):
    """A connection to the server of a member."""

    def __init__(self, address, password=None, timeout=2):
        super().__init__((address, PORT), timeout)
        if password:
            self.ask("AUTH", "default", password)


class Writers:
    """One for each member, which writes to it whenever that lets it, and keeps what was acknowledged.

    So it is seen when nobody takes writes, whether two do at one time, and what is lost."""

    def __init__(self, cluster, password, pause=0.005):
        self.members = cluster.members
        self.password, self.pause = password, pause
        self.acknowledged = []  # (sent, answered, member, value)
        self.ending = False
        self.threads = [threading.Thread(target=self._write, args=(m,), daemon=True) for m in self.members]
        for t in self.threads:
            t.start()

    def _write(self, member):
        n, connection = 0, None
        while not self.ending:
            value = f"{member.number}:{n}"
            n += 1
            sent = time.monotonic()
            try:
                connection = connection or Redis(member.address, self.password)
                connection.ask("RPUSH", "log", value)
                self.acknowledged.append((sent, time.monotonic(), member.number, value))
            except Refused:  # read-only, or no replicas
                pass
            except OSError:
                if connection:
                    connection.close()
                connection = None
            time.sleep(self.pause)

    def outage(self, since):
        """The longest time without an acknowledged write."""
        times = [since, *sorted(a[1] for a in self.acknowledged if a[1] >= since), time.monotonic()]
        return max(b - a for a, b in zip(times, times[1:]))

    def last_writer(self):
        return max(self.acknowledged, key=lambda a: a[1])[2]

    def end(self):
        self.ending = True
        for t in self.threads:
            t.join()

    def turns(self):
        """Who acknowledged, in the order of time; each turn of a member once."""
        turns = []
        for _, _, member, _ in sorted(self.acknowledged, key=lambda a: a[1]):
            if not turns or turns[-1] != member:
                turns.append(member)
        return turns

    def lost(self, primary):
        connection = Redis(primary.address, self.password, timeout=30)
        there = set(connection.ask("LRANGE", "log", 0, -1))
        connection.close()
        return [a[3] for a in self.acknowledged if a[3] not in there]
