# SPDX-License-Identifier: Apache-2.0
"""The API server as the benchmark sees it: single calls, masses of them, a watch."""

import base64
import http.client
import json
import ssl
import subprocess
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import urlsplit

GROUPS = {
    "apps": "/apis/keelson.dev/v1alpha1",
    "deployments": "/apis/apps/v1",
    "controllerrevisions": "/apis/apps/v1",
    "services": "/api/v1",
    "serviceaccounts": "/api/v1",
    "poddisruptionbudgets": "/apis/policy/v1",
    "networkpolicies": "/apis/networking.k8s.io/v1",
    "ingresses": "/apis/networking.k8s.io/v1",
    "horizontalpodautoscalers": "/apis/autoscaling/v2",
    "events": "/apis/events.k8s.io/v1",
}
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


def now():
    """Microseconds of the monotonic clock, the one that replay.c writes."""
    return time.monotonic_ns() / 1000


def path(plural, namespace, name="", subresource=""):
    parts = [GROUPS[plural], "namespaces", namespace, plural, name, subresource]
    return "/".join(p for p in parts if p)


class Api:
    """A cluster, by KUBECONFIG. Credentials are written out for replay.c."""

    def __init__(self, replay):
        self.folder = Path(tempfile.mkdtemp(prefix="keelson-bench-"))
        view = subprocess.run(["kubectl", "config", "view", "--raw", "--minify", "-o", "json"],
                              check=True, capture_output=True, text=True)
        config = json.loads(view.stdout)
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        self.server = cluster["server"]
        for name, text in (("ca", cluster["certificate-authority-data"]),
                           ("cert", user["client-certificate-data"]), ("key", user["client-key-data"])):
            (self.folder / name).write_bytes(base64.b64decode(text))
        (self.folder / "key").chmod(0o600)
        self.tls = ssl.create_default_context(cafile=str(self.folder / "ca"))
        self.tls.load_cert_chain(self.folder / "cert", self.folder / "key")
        self.replay = replay
        self.local = threading.local()

    def connect(self):
        url = urlsplit(self.server)
        return http.client.HTTPSConnection(url.hostname, url.port, context=self.tls, timeout=120)

    def call(self, method, where, body=None, content_type="application/json"):
        """One call over this thread's own connection; its reply as JSON."""
        if not hasattr(self.local, "connection"):
            self.local.connection = self.connect()
        connection = self.local.connection
        headers = {"Accept": "application/json", "Content-Type": content_type}
        text = json.dumps(body) if body is not None else None
        try:
            connection.request(method, where, text, headers)
            reply = connection.getresponse()
        except (OSError, http.client.HTTPException):
            connection.close()  # the server does not keep idle ones for ever
            connection.request(method, where, text, headers)
            reply = connection.getresponse()
        text = reply.read()
        if reply.status >= 300:
            raise RuntimeError(f"{method} {where}: {reply.status} {text.decode()[:500]}")
        return json.loads(text)

    def masses(self, requests, in_flight=100):
        """Sends many (METHOD, PATH, BODY, CONTENT-TYPE) at once. What replay.c says,
        and for each request when it began and ended."""
        spool, times = self.folder / "requests", self.folder / "times"
        with open(spool, "wb") as out:
            for method, where, body, content_type in requests:
                text = json.dumps(body, separators=(",", ":")).encode() if body is not None else b""
                out.write(f"{method} {where} {content_type} {len(text)}\n".encode() + text)
        command = [self.replay, self.server, *(str(self.folder / f) for f in ("ca", "cert", "key")),
                   str(spool), str(times), str(in_flight)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"replay: {done.stderr.strip()}")
        with open(times, encoding="ascii") as lines:
            stamps = [tuple(map(int, line.split()[:2])) for line in lines]
        return json.loads(done.stdout), stamps

    def watch(self, plural, namespace, seen, wanted):
        """Calls seen(event type, object, time) for what changes, on a thread of its own,
        until `wanted` calls of it came back true. The returned function waits for that."""
        listed = self.call("GET", path(plural, namespace) + "?limit=1")
        connection = self.connect()
        connection.request("GET", f"{path(plural, namespace)}?watch=1&resourceVersion="
                           + listed["metadata"]["resourceVersion"])
        reply = connection.getresponse()
        finished = threading.Event()

        def follow():
            hits = 0
            while hits < wanted:
                line = reply.readline()
                at = now()
                if not line:
                    return
                event = json.loads(line)
                hits += bool(seen(event["type"], event["object"], at))
            finished.set()

        threading.Thread(target=follow, daemon=True).start()

        def wait(timeout):
            if not finished.wait(timeout):
                raise RuntimeError(f"{plural}: not all that was waited for came in {timeout} s")
            connection.close()

        return wait
