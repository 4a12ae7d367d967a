# SPDX-License-Identifier: Apache-2.0
"""The webhook as a process, its certificates, and requests to it."""

import http.client
import json
import os
import select
import signal
import ssl
import subprocess
import time
import urllib.error
import urllib.request

# How long is waited for what must come.
PATIENCE = 60


class Certificate:
    """A key and a certificate for it, in a folder: signed by CA, or by itself."""

    def __init__(self, folder, name, ca=None, usage="serverAuth"):
        self.key = os.path.join(folder, name + ".key")
        self.cert = os.path.join(folder, name + ".crt")
        words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-days", "30", "-subj", "/CN=" + name, "-keyout", self.key, "-out", self.cert]
        if ca:
            words += ["-CA", ca.cert, "-CAkey", ca.key, "-addext", "subjectAltName=IP:127.0.0.1",
                      "-addext", "extendedKeyUsage=" + usage, "-addext", "basicConstraints=critical,CA:FALSE"]
        else:
            words += ["-addext", "keyUsage=critical,keyCertSign,cRLSign"]
        subprocess.run(words, check=True, capture_output=True)

    def der(self):
        with open(self.cert, encoding="ascii") as f:
            return ssl.PEM_cert_to_DER_cert(f.read())


class Secret:
    """Files as kubelet mounts them: one turn of a symlink changes them all."""

    def __init__(self, folder):
        self.folder = folder
        self.turns = 0
        os.makedirs(folder)

    def put(self, **files):
        self.turns += 1
        data = os.path.join(self.folder, f"..data_{self.turns}")
        os.makedirs(data)
        for name, source in files.items():
            with open(source, "rb") as f, open(os.path.join(data, name), "wb") as to:
                to.write(f.read())
        link = os.path.join(self.folder, "..tmp")
        os.symlink(os.path.basename(data), link)
        os.rename(link, os.path.join(self.folder, "..data"))
        for name in files:
            if not os.path.lexists(self.path(name)):
                os.symlink(os.path.join("..data", name), self.path(name))

    def path(self, name):
        return os.path.join(self.folder, name)


class Webhook:
    """The program, from its start until stop()."""

    def __init__(self, binary, *options):
        self.lines = b""
        self.process = subprocess.Popen(
            [binary, "webhook", "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        started = self.wait_log("serving")
        self.port, self.metrics_port = started["port"], started["metrics_port"]

    def read_log(self, timeout):
        ready, _, _ = select.select([self.process.stderr], [], [], timeout)
        piece = os.read(self.process.stderr.fileno(), 65536) if ready else b""
        self.lines += piece
        return piece

    def find_log(self, message, times=1):
        for line in self.lines.splitlines():
            if line.startswith(b"{") and line.endswith(b"}") and json.loads(line)["msg"] == message:
                times -= 1
                if times == 0:
                    return json.loads(line)
        return None

    def wait_log(self, message, times=1):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            found = self.find_log(message, times)
            if found:
                return found
            if not self.read_log(1) and self.process.poll() is not None:
                break
        raise AssertionError(f"it never said {message!r}, but: {self.lines.decode()}")

    def get(self, path):
        """Status and text of a page of the plain server."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}{path}", timeout=PATIENCE) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    def metric(self, name):
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(name + " "):
                return float(line.split()[-1])
        return 0.0

    def memory(self, field):
        """A figure of /proc/PID/status, in bytes."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            for line in f:
                if line.startswith(field + ":"):
                    return int(line.split()[1]) * 1024
        raise AssertionError(field)

    def cpu(self):
        """Seconds of processor time so far."""
        with open(f"/proc/{self.process.pid}/schedstat", encoding="ascii") as f:
            return int(f.read().split()[0]) / 1e9

    def is_sanitized(self):
        """Then its memory is mostly that of the sanitizer."""
        with open(f"/proc/{self.process.pid}/maps", encoding="utf-8") as f:
            return "libasan" in f.read()

    def signal(self, number):
        self.process.send_signal(number)

    def wait_end(self):
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None and time.monotonic() < end:
            self.read_log(0.1)
        return self.process.poll()

    def stop(self):
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGINT)  # at once
        code = self.wait_end()
        if code is None:
            self.process.kill()
            self.process.wait()
        while self.read_log(0):
            pass
        self.process.stderr.close()
        return code


def client_context(ca, client=None):
    context = ssl.create_default_context(cafile=ca.cert)
    context.set_alpn_protocols(["h2", "http/1.1"])  # as an API server asks
    if client:
        context.load_cert_chain(client.cert, client.key)
    return context


def connect(webhook, context):
    return http.client.HTTPSConnection("127.0.0.1", webhook.port, context=context, timeout=PATIENCE)


def post(connection, body, path="/validate", content_type="application/json"):
    """Status and JSON of a reply."""
    connection.request("POST", path, body=body, headers={"Content-Type": content_type})
    reply = connection.getresponse()
    return reply.status, json.loads(reply.read())


def review(kind, spec, operation="CREATE", name="shop", old=None, **more):
    """An AdmissionReview as an API server sends it."""
    resource = {"App": "apps", "Environment": "environments"}.get(kind, "things")

    def whole(spec):
        return spec and {"apiVersion": "keelson.dev/v1alpha1", "kind": kind,
                         "metadata": {"name": name, "namespace": "shop", "uid": "o-1", "generation": 1,
                                      "creationTimestamp": "2026-01-01T00:00:00Z",
                                      "managedFields": [{"manager": "kubectl", "operation": "Apply"}]},
                         "spec": spec}

    return json.dumps({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "keelson.dev", "version": "v1alpha1", "kind": kind},
            "resource": {"group": "keelson.dev", "version": "v1alpha1", "resource": resource},
            "requestKind": {"group": "keelson.dev", "version": "v1alpha1", "kind": kind},
            "requestResource": {"group": "keelson.dev", "version": "v1alpha1", "resource": resource},
            "name": name, "namespace": "shop", "operation": operation,
            "userInfo": {"username": "admin", "groups": ["system:masters", "system:authenticated"]},
            "object": whole(spec), "oldObject": whole(old), "dryRun": False,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"}, **more}}).encode()


# As after the defaults of the CRD.
APP = {
    "image": "registry.example/shop:1.8.2", "port": 8080, "configReload": "Rollout", "revisionHistoryLimit": 10,
    "env": [{"name": f"SETTING_{i}", "value": f"value number {i}"} for i in range(8)],
    "resources": {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}},
    "healthCheck": {"livePath": "/health/live", "readyPath": "/health/ready", "startupTimeout": "30s"},
    "drain": {"delay": "5s", "timeout": "30s"},
    "strategy": {"type": "RollingUpdate", "progressDeadline": "10m", "autoRollback": True},
    "hosts": ["shop.example.com"],
    "access": {"from": [{"app": "web"}], "to": [{"app": "search"}, {"host": "api.stripe.com"}]},
}
