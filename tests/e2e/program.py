# SPDX-License-Identifier: Apache-2.0
"""The operator by hand, as a child of this process, and what may stand between it and the API server."""

import base64
import json
import os
import select
import socket
import ssl
import subprocess
import threading

import yaml

from keelson import ask
from kube import wait_until


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def command(binary, *options):
    return [binary, "operator", f"--listen=127.0.0.1:{free_port()}", *options]


def run(binary, *options, timeout=30):
    return subprocess.run(command(binary, *options), capture_output=True, text=True, timeout=timeout)


def one_line(done):
    """The one line that is no log."""
    lines = [line for line in (done.stdout + done.stderr).splitlines() if not line.startswith("{")]
    assert len(lines) == 1, lines
    return lines[0]


def kubeconfig(path, change=None):
    """A copy of ours, changed."""
    config = yaml.safe_load(open(os.environ["KUBECONFIG"]))
    if change:
        change(config["clusters"][0]["cluster"], config["users"][0]["user"])
    path.write_text(yaml.safe_dump(config))
    return f"--kubeconfig={path}"


class Running:
    """The operator as a child of this process, watching one namespace."""

    def __init__(self, binary, space, *options, stderr=subprocess.STDOUT, **settings):
        self.port = free_port()
        self.process = subprocess.Popen(
            [binary, "operator", f"--listen=127.0.0.1:{self.port}", f"--namespace={space}", f"--lease-namespace={space}", *options],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            **settings,
        )
        self.lines = []
        self._reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self._reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self._reader.join(5)

    def state(self):
        try:
            return json.loads(ask(f"http://127.0.0.1:{self.port}/debug/state")[1])
        except OSError:
            return {}

    def wait_until_at_work(self):
        wait_until(lambda: self.state().get("reconciling"), 20, "the operator to work", every=0.1)

    def said(self, message):
        return [line for line in self.lines if message in line]

    def end(self, timeout):
        """Its exit code, which must come in time."""
        code = self.process.wait(timeout)
        self._reader.join(5)
        return code


class Relay:
    """Stands between the operator and the API server, and can fall silent."""

    def __init__(self, target):
        self.target = target
        self.open = threading.Event()
        self.open.set()
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()
        self.open.set()

    def _accept(self):
        while True:
            try:
                near, _ = self.server.accept()
            except OSError:
                return
            far = socket.create_connection(self.target)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, source, sink):
        try:
            while data := source.recv(65536):
                self.open.wait()
                sink.sendall(data)
        except OSError:
            pass
        source.close()
        sink.close()


def address_of_server():
    """The host and port of the API server."""
    server = yaml.safe_load(open(os.environ["KUBECONFIG"]))["clusters"][0]["cluster"]["server"]
    host, port = server.removeprefix("https://").split(":")
    return host, int(port)


class Authority:
    """A certificate authority of its own, and a certificate of it for this machine."""

    def __init__(self, folder, name):
        self.ca, self.pair = folder / f"{name}-ca.pem", folder / f"{name}.pem"
        key = folder / f"{name}-ca.key"
        new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
        local = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=CA:FALSE"]
        self._run(*new, "-subj", f"/CN={name}", "-keyout", key, "-out", self.ca)
        self._run(*new, *local, "-CA", self.ca, "-CAkey", key, "-keyout", self.pair, "-out", folder / f"{name}.crt")
        self.pair.write_text(self.pair.read_text() + (folder / f"{name}.crt").read_text())

    def _run(self, *command):
        subprocess.run(command, check=True, capture_output=True)


class TlsRelay:
    """Stands in for an API server whose certificate changes: takes TLS off and puts it on again."""

    def __init__(self, authority):
        self.renew(authority)
        cluster = yaml.safe_load(open(os.environ["KUBECONFIG"]))["clusters"][0]["cluster"]
        ca = cluster.get("certificate-authority-data")
        text = base64.b64decode(ca).decode() if ca else open(cluster["certificate-authority"]).read()
        self.far = ssl.create_default_context(cadata=text)
        self.far.set_alpn_protocols(["h2"])
        self.connections = []
        self.accepted = 0
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()
        self.drop()

    def renew(self, authority):
        """From now on connections are shown a certificate of that authority."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(authority.pair)
        context.set_alpn_protocols(["h2"])
        self.near = context

    def drop(self):
        """Ends all connections."""
        for one in list(self.connections):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while True:
            try:
                near, _ = self.server.accept()
            except OSError:
                return
            self.connections.append(near)
            threading.Thread(target=self._relay, args=(near, self.near), daemon=True).start()

    def _relay(self, plain, context):
        try:
            with context.wrap_socket(plain, server_side=True) as near:
                # Wrapped, it is another object; the old one has no socket any more.
                self.connections = [near if one is plain else one for one in self.connections]
                self.accepted += 1
                host, port = address_of_server()
                with self.far.wrap_socket(socket.create_connection((host, port)), server_hostname=host) as far:
                    self._copy(near, far)
        except OSError:
            pass

    @staticmethod
    def _copy(near, far):
        other = {near: far, far: near}
        while True:
            ready = [one for one in other if one.pending()] or select.select([*other], [], [])[0]
            for one in ready:
                data = one.recv(65536)
                if not data:
                    return
                other[one].sendall(data)
