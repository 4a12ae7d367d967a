#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The program as the API server meets it: over TLS, with all that can go wrong there.

usage: test_webhook.py KEELSON [TEST…]
"""

import json
import os
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

from webhook import APP, PATIENCE, Certificate, Secret, Webhook, client_context, connect, post, review

BINARY = ""
HEAD = b"POST /validate HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
BODY_MAX = 7 * 1024 * 1024


class Case(unittest.TestCase):
    """Has a webhook with a certificate of a CA, and clients that trust it."""

    options = ()

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="keelson-test-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.ca = Certificate(self.folder, "ca")
        self.secret = Secret(os.path.join(self.folder, "mounted"))
        self.server = self.issue("server")
        self.context = client_context(self.ca)

    def issue(self, name):
        """A new serving certificate, which is mounted at once."""
        made = Certificate(self.folder, name, self.ca)
        self.secret.put(**{"tls.crt": made.cert, "tls.key": made.key})
        return made

    def start(self, *options):
        webhook = Webhook(BINARY, "--tls-cert", self.secret.path("tls.crt"), "--tls-key",
                          self.secret.path("tls.key"), *options)
        self.addCleanup(self.stopped, webhook)
        return webhook

    def stopped(self, webhook):
        self.assertEqual(webhook.stop(), 0, webhook.lines.decode())

    def connect(self, webhook, context=None):
        """A client of HTTP."""
        made = connect(webhook, context or self.context)
        self.addCleanup(made.close)
        return made

    def eventually(self, holds):
        end = time.monotonic() + PATIENCE
        while not holds() and time.monotonic() < end:
            time.sleep(0.1)
        self.assertTrue(holds())

    def assertMemory(self, webhook, field, most):
        if not webhook.is_sanitized():
            self.assertLess(webhook.memory(field), most)

    def raw(self, webhook):
        """A TLS connection without a client of HTTP."""
        plain = socket.create_connection(("127.0.0.1", webhook.port), timeout=PATIENCE)
        made = self.context.wrap_socket(plain, server_hostname="127.0.0.1")
        self.addCleanup(made.close)
        return made

    def assertStatus(self, reply, code, says):
        """No review, and nothing that could be taken for a yes."""
        status, text = reply
        self.assertEqual((status, text["kind"], text["status"], text["code"]), (code, "Status", "Failure", code))
        self.assertIn(says, text["message"])
        self.assertNotIn("response", text)


def read_reply(connection):
    """What comes until the peer closes, or one whole reply with a Content-Length."""
    data = b""
    while True:
        head, _, body = data.partition(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:") and len(body) >= int(line.split(b":")[1]):
                return data
        try:
            piece = connection.recv(65536)
        except (ConnectionError, ssl.SSLError):
            piece = b""
        if not piece:
            return data
        data += piece


class Verdicts(Case):
    def test_app(self):
        connection = self.connect(self.start())
        status, text = post(connection, review("App", APP))
        self.assertEqual(status, 200)
        self.assertEqual(text["response"]["uid"], "705ab4f5-6393-11e8-b7cc-42010a800002")
        self.assertTrue(text["response"]["allowed"], text)
        self.assertNotIn("warnings", text["response"])
        warned = post(connection, review("App", {**APP, "image": "shop:latest"}))[1]["response"]
        self.assertTrue(warned["allowed"])
        self.assertIn("spec.image: shop:latest names no version", warned["warnings"][0])
        self.assertEqual(post(connection, review("App", APP), "/mutate")[1]["response"],
                         {"uid": "705ab4f5-6393-11e8-b7cc-42010a800002", "allowed": True})

        bad = {**APP, "replicas": 2, "autoscaling": {"minReplicas": 3, "maxReplicas": 2}}
        status, text = post(connection, review("App", bad))
        self.assertEqual(status, 200)
        answer = text["response"]
        self.assertFalse(answer["allowed"])
        self.assertEqual((answer["status"]["code"], answer["status"]["reason"]), (422, "Invalid"))
        fields = [cause["field"] for cause in answer["status"]["details"]["causes"]]
        self.assertIn("spec.replicas", fields)
        self.assertIn("spec.autoscaling.minReplicas", fields)
        self.assertIn("spec.replicas: excludes spec.autoscaling", answer["status"]["message"])

        status, text = post(connection, review("App", bad, "UPDATE", old=APP))
        self.assertFalse(text["response"]["allowed"])
        for operation, old in ("UPDATE", bad), ("DELETE", bad):
            status, text = post(connection, review("App", bad, operation, old=old))
            self.assertTrue(text["response"]["allowed"], text)

    def test_replies_are_not_kept_back(self):
        """A corked socket would keep each for 0.2 s, so these would take 40."""
        connection = self.connect(self.start())
        began = time.monotonic()
        for _ in range(200):
            self.assertTrue(post(connection, review("App", APP))[1]["response"]["allowed"])
        self.assertLess(time.monotonic() - began, 20)

    def test_environment(self):
        connection = self.connect(self.start())
        spec = {"profile": "production"}
        self.assertTrue(post(connection, review("Environment", spec, name="default"))[1]["response"]["allowed"])
        spec["overrides"] = [{"tier": "backend", "resources": {"requests": {"cpu": "1e400"}}}]
        answer = post(connection, review("Environment", spec, name="default"))[1]["response"]
        self.assertFalse(answer["allowed"])
        self.assertIn("spec.overrides[0].resources.requests.cpu: ", answer["status"]["message"])

    def test_another_kind(self):
        connection = self.connect(self.start())
        answer = post(connection, review("Gadget", {}))[1]["response"]
        self.assertFalse(answer["allowed"])
        self.assertIn("does not know the kind Gadget", answer["status"]["message"])

    def test_f22_what_is_no_json(self):
        connection = self.connect(self.start())
        for body in (b"[" * 100000, b'{"a":' * 100000 + b"1" + b"}" * 100000, b'{"a":1e400}', b'{"a":"\xff"}',
                     b'{"a":"\0"}', b'{"a":1}\0', b'{"kind":"a","kind":"b"}', b""):
            self.assertStatus(post(connection, body), 400, "no AdmissionReview: ")

    def test_f25_what_is_no_review(self):
        webhook = self.start()
        connection = self.connect(webhook)
        good = review("App", APP)
        self.assertStatus(post(connection, good.replace(b"k8s.io/v1", b"k8s.io/v1beta1", 1)), 400, "apiVersion must be")
        for other in "text/plain", "application/jsonp", "application/yaml; a=application/json", "":
            self.assertStatus(post(self.connect(webhook), good, content_type=other), 415, "Content-Type")
        self.assertStatus(post(self.connect(webhook), good, "/"), 404, "/validate")
        _, text = post(connection, good, content_type="Application/JSON; charset=utf-8")
        self.assertTrue(text["response"]["allowed"])
        for method in "GET", "PUT", "DELETE", "OPTIONS":
            connection = self.connect(webhook)
            connection.request(method, "/validate")
            reply = connection.getresponse()
            self.assertStatus((reply.status, json.loads(reply.read())), 400, "only POST")


class Bounds(Case):
    def test_f20_a_body_that_is_too_long(self):
        webhook = self.start()
        post(self.connect(webhook), review("App", APP))
        before = webhook.memory("RssAnon")
        for _ in range(8):
            said = self.raw(webhook)
            said.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % (BODY_MAX + 1))
            self.assertTrue(read_reply(said).startswith(b"HTTP/1.1 413 "))
        self.assertMemory(webhook, "RssAnon", before + 2 * 1024 * 1024)

        chunked = self.raw(webhook)
        chunked.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(3 * BODY_MAX // 65536):
            chunked.sendall(b"10000\r\n" + b" " * 65536 + b"\r\n")
        chunked.sendall(b"0\r\n\r\n")
        self.assertTrue(read_reply(chunked).startswith(b"HTTP/1.1 413 "))
        self.assertMemory(webhook, "VmHWM", before + 48 * 1024 * 1024)
        self.assertMemory(webhook, "RssAnon", before + 4 * 1024 * 1024)

    def test_f20_the_longest_body(self):
        webhook = self.start()
        connection = self.connect(webhook)
        body = review("App", APP)
        post(connection, body)
        before = webhook.memory("RssAnon")
        for _ in range(3):
            _, text = post(connection, body + b" " * (BODY_MAX - len(body)))
            self.assertTrue(text["response"]["allowed"], text)
        self.assertStatus(post(connection, b"[" + b"1," * 400000 + b"1]"), 400, "the body must be an object")
        post(connection, body)  # so it is done with the one before
        self.assertMemory(webhook, "RssAnon", before + 2 * 1024 * 1024)

    def test_f20_all_bodies_together(self):
        webhook = self.start()
        held = []
        for _ in range(6):
            connection = self.raw(webhook)
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % BODY_MAX + b" " * (BODY_MAX - 1))
            held.append(connection)
        refused = 0
        for connection in held:
            connection.sendall(b" ")
            status = read_reply(connection).split(b" ")[1]
            self.assertIn(status, (b"400", b"503"))
            refused += status == b"503"
        self.assertGreater(refused, 0)
        self.assertTrue(post(self.connect(webhook), review("App", APP))[1]["response"]["allowed"])

    def test_f21_a_thousand_idle_connections(self):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < 4096:
            self.skipTest("needs 4096 file descriptors")
        resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
        webhook = self.start()
        kept = self.connect(webhook)
        post(kept, review("App", APP))
        idle = [self.raw(webhook) for _ in range(1000)]
        for _ in range(10):
            self.assertTrue(post(self.connect(webhook), review("App", APP))[1]["response"]["allowed"])
            self.assertTrue(post(kept, review("App", APP))[1]["response"]["allowed"])
        self.assertLessEqual(webhook.metric("keelson_admission_connections"), 512)
        ended = sum(webhook.metric(f"keelson_admission_connections_{how}_total") for how in ("shed", "expired"))
        self.assertGreater(ended, 400)
        self.assertMemory(webhook, "RssAnon", 32 * 1024 * 1024)
        for connection in idle:
            connection.close()
        if not webhook.is_sanitized():
            self.eventually(lambda: webhook.memory("RssAnon") < 8 * 1024 * 1024)

    def test_f21_a_peer_that_waits_costs_nothing(self):
        webhook = self.start()
        hello = ssl.MemoryBIO()
        half = self.context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="127.0.0.1")
        with self.assertRaises(ssl.SSLWantReadError):
            half.do_handshake()
        hello = hello.read()
        for sent in b"", hello[:50], hello:
            with self.subTest(sent=len(sent)):
                with socket.create_connection(("127.0.0.1", webhook.port), timeout=PATIENCE) as peer:
                    peer.sendall(sent)
                    if sent == hello:
                        peer.recv(1)  # it has answered, and waits for more
                    before = webhook.cpu()
                    time.sleep(1)
                    self.assertLess(webhook.cpu() - before, 0.1)

    def test_f21_slow_peers_are_cut(self):
        webhook = self.start()
        slow = [self.raw(webhook), self.raw(webhook)]
        slow[0].sendall(b"POST /validate HTTP/1.1\r\nX: ")
        slow[1].sendall(HEAD + b"Content-Length: 100000\r\n\r\n")
        end = time.monotonic() + PATIENCE
        while slow and time.monotonic() < end:
            for connection in list(slow):
                connection.settimeout(0.1)
                try:
                    connection.sendall(b"x")
                    if connection.recv(4096) == b"":
                        slow.remove(connection)
                except TimeoutError:
                    pass
                except OSError:
                    slow.remove(connection)
        self.assertEqual(slow, [])
        self.assertEqual(webhook.metric("keelson_admission_connections_expired_total"), 2)


class Certificates(Case):
    def test_f23_rotated_under_load(self):
        webhook = self.start()
        done = threading.Event()
        counts, failures = [], []

        def ask(fresh):
            connection, n = connect(webhook, self.context), 0
            while not done.is_set():
                try:
                    if fresh:
                        connection.close()
                        connection = connect(webhook, self.context)
                    if not post(connection, review("App", APP))[1]["response"]["allowed"]:
                        failures.append("denied")
                    n += 1
                except Exception as e:  # whatever it is, it is a failed review
                    failures.append(repr(e))
                    break
            connection.close()
            counts.append(n)

        threads = [threading.Thread(target=ask, args=(i % 2 == 0,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for i in range(3):
            new = self.issue(f"server-{i}")
            end = time.monotonic() + PATIENCE
            while self.raw(webhook).getpeercert(binary_form=True) != new.der() and time.monotonic() < end:
                time.sleep(0.1)
            self.assertEqual(self.raw(webhook).getpeercert(binary_form=True), new.der())
        done.set()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assertGreater(min(counts), 0)
        self.assertEqual(webhook.metric('keelson_admission_certificate_reloads_total{result="ok"}'), 3)

    def test_f23_a_broken_pair(self):
        webhook = self.start()
        other = Certificate(self.folder, "other", self.ca)
        self.secret.put(**{"tls.crt": other.cert, "tls.key": self.server.key})
        said = webhook.wait_log("the certificate could not be read again; the old one stays")
        self.assertIn("does not belong to the certificate", said["error"])
        self.assertEqual(self.raw(webhook).getpeercert(binary_form=True), self.server.der())
        self.assertEqual(webhook.get("/readyz")[0], 200)
        self.assertEqual(webhook.metric('keelson_admission_certificate_reloads_total{result="failed"}'), 1)

    def test_clients_need_a_certificate(self):
        clients = Certificate(self.folder, "clients-ca")
        webhook = self.start("--client-ca", clients.cert)
        good = Certificate(self.folder, "apiserver", clients, "clientAuth")
        self.assertTrue(post(self.connect(webhook, client_context(self.ca, good)),
                             review("App", APP))[1]["response"]["allowed"])
        for bad in (None, Certificate(self.folder, "stranger", self.ca, "clientAuth"),
                    Certificate(self.folder, "server-only", clients, "serverAuth")):
            with self.assertRaises((ssl.SSLError, ConnectionError, OSError)):
                post(self.connect(webhook, client_context(self.ca, bad)), review("App", APP))

    def test_versions_of_tls(self):
        webhook = self.start()
        for version in ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3:
            context = client_context(self.ca)
            context.minimum_version = context.maximum_version = version
            self.assertTrue(post(self.connect(webhook, context), review("App", APP))[1]["response"]["allowed"])
        context = client_context(self.ca)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            post(self.connect(webhook, context), review("App", APP))


class Life(Case):
    def test_pages(self):
        webhook = self.start()
        connection = self.connect(webhook)
        post(connection, review("App", APP))
        post(connection, review("App", {**APP, "replicas": 1, "autoscaling": {}}))
        post(connection, b"{}")
        self.assertEqual(webhook.get("/livez"), (200, "ok\n"))
        self.assertEqual(webhook.get("/readyz"), (200, "ok\n"))
        name = 'keelson_admission_requests_total{call="validate",kind="%s",operation="%s",verdict="%s"}'
        self.assertEqual(webhook.metric(name % ("App", "CREATE", "allowed")), 1)
        self.assertEqual(webhook.metric(name % ("App", "CREATE", "denied")), 1)
        self.assertEqual(webhook.metric(name % ("other", "other", "error")), 1)
        self.assertEqual(webhook.metric("keelson_admission_request_seconds_count"), 3)
        self.assertEqual(webhook.metric("keelson_admission_connections"), 1)
        left = webhook.metric("keelson_admission_certificate_expiry_timestamp_seconds") - time.time()
        self.assertAlmostEqual(left, 30 * 86400, delta=86400)

    def test_a_signal_lets_requests_finish(self):
        webhook = self.start("--drain", "0s")
        body = review("App", APP)
        connection, idle = self.raw(webhook), self.raw(webhook)
        connection.sendall(HEAD + b"Expect: 100-continue\r\nContent-Length: %d\r\n\r\n" % len(body))
        self.assertTrue(connection.recv(4096).startswith(b"HTTP/1.1 100 "))
        connection.sendall(body[:100])
        webhook.signal(signal.SIGTERM)
        self.assertEqual(read_reply(idle), b"")  # closed: so it has begun to drain
        connection.sendall(body[100:])
        reply = read_reply(connection)
        self.assertIn(b'"allowed":true', reply)
        self.assertIn(b"connection: close", reply.lower())
        self.assertEqual(webhook.wait_end(), 0)

    def test_until_then_it_serves_and_is_not_ready(self):
        webhook = self.start("--drain", "1m")
        webhook.signal(signal.SIGTERM)
        webhook.wait_log("stopping")
        self.assertEqual(webhook.get("/readyz"), (503, "serving: it is being stopped\n"))
        self.assertEqual(webhook.get("/livez")[0], 200)
        self.assertTrue(post(self.connect(webhook), review("App", APP))[1]["response"]["allowed"])
        webhook.signal(signal.SIGINT)
        self.assertEqual(webhook.wait_end(), 0)

    def test_it_touches_nothing_but_its_sockets(self):
        webhook = self.start()
        post(self.connect(webhook), review("App", APP))
        folder = f"/proc/{webhook.process.pid}"
        kinds = {os.readlink(f"{folder}/fd/{fd}").split(":")[0] for fd in os.listdir(f"{folder}/fd")}
        self.assertLessEqual(kinds, {"/dev/null", "pipe", "socket", "anon_inode"})
        with open(f"{folder}/task/{webhook.process.pid}/children", encoding="ascii") as f:
            self.assertEqual(f.read(), "")

    def test_a_wrong_start_says_why(self):
        pair = ["--tls-cert", self.server.cert, "--tls-key", self.server.key]
        for words, code, says in (
                ([], 2, "--tls-cert and --tls-key must name"),
                (["--wrong"], 2, 'unknown option "--wrong"'),
                ([*pair, "--drain", "1h"], 2, "--drain: expected a duration from 0s to 5m"),
                ([*pair, "--listen", "8443"], 2, 'cannot listen on "8443": want ADDRESS:PORT'),
                ([*pair, "--metrics-listen", "x:1"], 2, 'cannot listen on "x:1"'),
                (["--tls-cert", "/nowhere", "--tls-key", "/nowhere"], 1, "--tls-cert: cannot read /nowhere: No such"),
                ([*pair, "--client-ca", "/dev/null"], 1, "--client-ca: /dev/null has no certificate in it"),
                ([*pair, "--listen", "203.0.113.1:443"], 1, "no such address on this machine")):
            ended = subprocess.run([BINARY, "webhook", "--metrics-listen", "127.0.0.1:0", *words],
                                   capture_output=True, timeout=PATIENCE, check=False)
            self.assertEqual((ended.returncode, ended.stdout), (code, b""), ended.stderr)
            self.assertIn(says, ended.stderr.decode())


if __name__ == "__main__":
    BINARY = sys.argv.pop(1)
    unittest.main()
