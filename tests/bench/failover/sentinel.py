# SPDX-License-Identifier: Apache-2.0
"""A Redis with Sentinel, as a system that faults may happen to."""

import pathlib

import faults
import kube
import keelson
from kube import get, kubectl, wait_until
from recorder import Refused, Server, ask_sentinels

MANIFEST = pathlib.Path(__file__).resolve().parent / "sentinel.yaml"
NAME = "sessions"
SENTINEL_PORT = 26379


class Sentinel(faults.Members):
    """One primary, two replicas and three Sentinels in a namespace (sentinel.yaml)."""

    name = "sentinel"
    selector = "app=redis"

    def __init__(self, space, aof=True):
        super().__init__(space)
        self.aof = aof

    def create(self):
        text = keelson.manifest(MANIFEST).replace("${aof}", "yes" if self.aof else "no")
        kube.apply(text, namespace=self.space)

    def renew(self):
        """All of it anew: Sentinels remember whom they have seen, and kubelet how often it has begun something."""
        kubectl("-n", self.space, "delete", "statefulset", "--all", "--wait=false")
        kubectl("-n", self.space, "delete", "pod", "--all", "--grace-period=0", "--force", timeout=120)
        wait_until(lambda: not get("pod", None, self.space), 120, "the pods to go")
        self.create()
        self.wait_whole()

    def sentinels(self):
        return [[p["status"]["podIP"], SENTINEL_PORT] for p in get("pod", None, self.space, "app=sentinel") if p["status"].get("podIP")]

    def address(self):
        return ask_sentinels({"sentinels": self.sentinels(), "master": NAME}, 1)

    def primary(self):
        host, _ = self.address()
        return next(p for p in self.pods() if p["status"].get("podIP") == host)

    def wait_whole(self, timeout=faults.WHOLE):
        """Until all Sentinels agree on who leads, and two replicas have all that it has."""
        wait_until(self._is_whole, timeout, "the Redis with Sentinel to be whole")

    def _is_whole(self):
        try:
            return self._sentinels_agree() and self._replicas_follow()
        except (OSError, Refused) as error:
            raise LookupError(error) from error

    def _sentinels_agree(self):
        said = []
        for address in self.sentinels():
            with Server(tuple(address), 2) as server:
                words = server.ask("SENTINEL", "MASTER", NAME)
                state = dict(zip(words[::2], words[1::2]))
                enough = int(state["num-other-sentinels"]) >= 2 and int(state["num-slaves"]) >= 2  # some may be of old
                said.append((state["ip"], state["flags"], enough))
        return len(said) == 3 and set(said) == {(said[0][0], "master", True)}

    def _replicas_follow(self):
        with Server(tuple(self.address()), 2) as server:
            info = server.info("replication")
        followers = [set(info.get(f"slave{n}", "").split(",")) for n in range(2)]
        return info["role"] == "master" and all("state=online" in f and f & {"lag=0", "lag=1"} for f in followers)

    def config(self):
        return {"sentinels": self.sentinels(), "master": NAME}

    def planned_move(self):
        with Server(tuple(self.sentinels()[0]), 2) as server:
            server.ask("SENTINEL", "FAILOVER", NAME)

    def roll(self):
        """As a change of a StatefulSet does, replicas first or not."""
        kubectl("-n", self.space, "rollout", "restart", "statefulset/redis")
