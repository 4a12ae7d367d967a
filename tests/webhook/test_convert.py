#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Conversion as the API server meets it: over TLS, by the program that has a second version
of the App (tests/conversion).

usage: test_convert.py KEELSON KEELSON_V2 [TEST…]
"""

import json
import sys
import threading
import time
import unittest

import test_webhook
from test_webhook import BODY_MAX, Case, read_reply
from webhook import APP, PATIENCE, post, review

HEAD = b"POST /convert HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
PRODUCT = SECOND = ""
COUNT = 'keelson_conversion_requests_total{kind="%s",from="%s",to="%s",result="%s"}'


def one(version="v1alpha1", name="shop", kind="App", **spec):
    return {"apiVersion": f"keelson.dev/{version}", "kind": kind,
            "metadata": {"name": name, "namespace": "shop", "uid": "o-1", "resourceVersion": "7",
                         "managedFields": [{"manager": "kubectl", "operation": "Apply", "fieldsV1": {"f:spec": {}}}]},
            "spec": {**APP, **spec}}


def conversion(version, *objects):
    """A ConversionReview as an API server sends it."""
    return json.dumps({"kind": "ConversionReview", "apiVersion": "apiextensions.k8s.io/v1",
                       "request": {"uid": "705ab4f5", "desiredAPIVersion": f"keelson.dev/{version}",
                                   "objects": objects}}).encode()


# As many as one body may hold; about 7 MB in the reply as well.
LONGEST = [one(name=f"shop-{i}") for i in range((BODY_MAX - 4096) // len(json.dumps(one(name="shop-0000")) + ", "))]


class Conversions(Case):
    def convert(self, connection, version, *objects):
        """The objects, which must come."""
        status, text = post(connection, conversion(version, *objects), "/convert")
        self.assertEqual((status, text["kind"], text["apiVersion"], text["response"]["uid"]),
                         (200, "ConversionReview", "apiextensions.k8s.io/v1", "705ab4f5"))
        self.assertEqual(text["response"]["result"], {"status": "Success"})
        return text["response"]["convertedObjects"]

    def assertFailed(self, reply, says):
        status, text = reply
        self.assertEqual((status, text["response"]["uid"], text["response"]["convertedObjects"]), (200, "705ab4f5", []))
        self.assertEqual(text["response"]["result"]["status"], "Failed")
        self.assertIn(says, text["response"]["result"]["message"])

    def test_there_and_back(self):
        webhook = self.start()
        connection = self.connect(webhook)
        first = one()
        second, = self.convert(connection, "v1alpha2", first)
        self.assertEqual(second["apiVersion"], "keelson.dev/v1alpha2")
        self.assertEqual(second["spec"]["image"], {"repository": "registry.example/shop", "tag": "1.8.2"})
        self.assertEqual(second["metadata"].pop("annotations").keys(), {"conversion.keelson.dev/v1alpha1"})
        self.assertEqual(second["metadata"], first["metadata"])
        self.assertEqual(self.convert(connection, "v1alpha1", *self.convert(connection, "v1alpha2", first)), [first])
        self.assertEqual(webhook.metric(COUNT % ("App", "v1alpha1", "v1alpha2", "converted")), 2)
        self.assertEqual(webhook.metric(COUNT % ("App", "v1alpha2", "v1alpha1", "converted")), 1)
        self.assertEqual(webhook.metric("keelson_conversion_request_seconds_count"), 3)
        self.assertEqual(webhook.metric("keelson_admission_request_seconds_count"), 0)

    def test_a_list_keeps_its_order(self):
        connection = self.connect(self.start())
        many = [one(name=f"shop-{i * 7 % 500}", replicas=i) for i in range(500)]
        there = self.convert(connection, "v1alpha2", *many)
        self.assertEqual([a["metadata"]["name"] for a in there], [a["metadata"]["name"] for a in many])
        self.assertEqual(self.convert(connection, "v1alpha1", *there), many)

    def test_replies_of_any_size_go_at_once(self):
        """One that waits in the kernel does so for 0.2 s."""
        connection = self.connect(self.start())
        began = time.monotonic()
        for i in range(50):
            there = self.convert(connection, "v1alpha2", one(name="shop-" + "x" * (i * 79 % 2000)))
            self.convert(connection, "v1alpha1", *there)
        self.assertLess(time.monotonic() - began, 15)

    def test_all_or_none(self):
        webhook = self.start()
        connection = self.connect(webhook)
        self.assertFailed(post(connection, conversion("v1alpha2", one(), one("v7", "wrong"), one()), "/convert"),
                          "App shop/wrong: apiVersion: this webhook does not know the version v7 of App")
        self.assertFailed(post(connection, conversion("v1alpha2", one(kind="Gadget")), "/convert"),
                          "does not know the kind Gadget of keelson.dev, and converts App")
        self.assertEqual(webhook.metric(COUNT % ("App", "v1alpha1", "v1alpha2", "failed")), 1)
        self.assertEqual(webhook.metric(COUNT % ("other", "other", "v1alpha2", "failed")), 1)

    def test_the_product_has_one_version(self):
        self.addCleanup(setattr, test_webhook, "BINARY", SECOND)
        test_webhook.BINARY = PRODUCT
        connection = self.connect(self.start())
        for kind in "App", "Environment":
            self.assertEqual(self.convert(connection, "v1alpha1", one(kind=kind)), [one(kind=kind)])
            self.assertFailed(post(connection, conversion("v1alpha2", one(kind=kind)), "/convert"),
                              f"this webhook does not know the version v1alpha2 of {kind}, but v1alpha1")

    def test_f20_a_body_that_is_too_long(self):
        webhook = self.start()
        said = self.raw(webhook)
        said.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % (BODY_MAX + 1))
        self.assertTrue(read_reply(said).startswith(b"HTTP/1.1 413 "))
        self.assertEqual(webhook.metric(COUNT % ("other", "other", "other", "error")), 1)

    def test_f20_the_longest_body(self):
        webhook = self.start()
        connection = self.connect(webhook)
        self.convert(connection, "v1alpha2", one())
        before = webhook.memory("RssAnon")
        for _ in range(3):
            self.assertEqual(len(self.convert(connection, "v1alpha2", *LONGEST)), len(LONGEST))
        self.convert(connection, "v1alpha2", one())  # so it is done with the one before
        self.assertMemory(webhook, "RssAnon", before + 2 * 1024 * 1024)

    def test_f21_replies_that_nobody_reads_are_bounded(self):
        webhook = self.start()
        post(self.connect(webhook), conversion("v1alpha1", one()), "/convert")
        before = webhook.memory("RssAnon")
        text = conversion("v1alpha2", *LONGEST)
        statuses, held = [], []
        for _ in range(8):  # of about 7 MB each, more than the kernel takes from the webhook
            connection = self.raw(webhook)
            connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(text) + text)
            statuses.append(connection.recv(16)[9:12])
            held.append(connection)
        # Others go on meanwhile.
        self.assertTrue(post(self.connect(webhook), review("App", APP))[1]["response"]["allowed"])
        self.assertEqual(statuses[0], b"200")
        self.assertEqual(statuses[-1], b"503")
        self.assertMemory(webhook, "VmHWM", before + 160 * 1024 * 1024)

    def test_f22_what_is_no_json(self):
        connection = self.connect(self.start())
        for body in (b"[" * 100000, b'{"a":' * 100000 + b"1" + b"}" * 100000, b'{"a":1e400}', b'{"a":"\xff"}',
                     b'{"a":"\0"}', b'{"a":1}\0', b'{"kind":"a","kind":"b"}', b""):
            self.assertStatus(post(connection, body, "/convert"), 400, "no ConversionReview: ")
        deep = conversion("v1alpha2", one(DEEP=1)).replace(b'"DEEP": 1', b'"DEEP": ' + b"[" * 252 + b"]" * 252)
        self.assertStatus(post(connection, deep, "/convert"), 400, "within each other")
        twice = conversion("v1alpha2", one()).replace(b'"spec": {', b'"spec": {"port": 1, ', 1)
        self.assertFailed(post(connection, twice, "/convert"), "App shop/shop: spec.port: is there twice")
        huge = conversion("v1alpha2", one(HUGE=1)).replace(b'"HUGE": 1', b'"HUGE": ' + b"9" * 400)
        self.assertStatus(post(connection, huge, "/convert"), 400, "no ConversionReview: ")
        many = conversion("v1alpha2", one(MANY=1)).replace(b'"MANY": 1', b'"MANY": [' + b"1," * 1000000 + b"1]")
        self.assertStatus(post(connection, many, "/convert"), 413, "has more than 1000000 values")

    def test_f25_what_is_no_review(self):
        webhook = self.start()
        connection = self.connect(webhook)
        good = conversion("v1alpha2", one())
        self.assertStatus(post(connection, good.replace(b"k8s.io/v1", b"k8s.io/v1beta1", 1), "/convert"), 400,
                          "apiVersion must be")
        self.assertStatus(post(connection, good), 400, "apiVersion must be admission")
        self.assertStatus(post(connection, review("App", APP), "/convert"), 400, "apiVersion must be apiextensions")
        self.assertStatus(post(self.connect(webhook), good, "/convert", "text/plain"), 415, "Content-Type")
        self.assertStatus(post(self.connect(webhook), good, "/converts"), 404, "/convert")

    def test_many_at_once(self):
        webhook = self.start()
        failures = []

        def ask(i):
            try:
                connection = self.connect(webhook)
                for k in range(50):
                    app = one(name=f"shop-{i}-{k}", replicas=k)
                    if self.convert(connection, "v1alpha1", *self.convert(connection, "v1alpha2", app)) != [app]:
                        failures.append((i, k))
            except Exception as e:  # whatever it is, it is a failed conversion
                failures.append(repr(e))

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual(failures, [])


if __name__ == "__main__":
    PRODUCT, SECOND = sys.argv.pop(1), sys.argv.pop(1)
    test_webhook.BINARY = SECOND
    unittest.main()
