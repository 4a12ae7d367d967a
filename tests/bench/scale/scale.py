#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""scale.py OPERATOR REPLAY [--json FILE] [--quick] [--skip-large]: what the operator
costs with many Apps, on the cluster that KUBECONFIG names.

Nothing else may move: the cluster's controller manager does not run, and the
benchmark says of the Deployments what it would say. Prints "figure NAME VALUE UNIT"
for each figure, and a table beside the targets. Ends with 1 where a target that is
a count was missed; a time over its target is only marked, since machines differ.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import load
from api import MERGE_PATCH, Api, now, path
from keelson import Operator

MIB = 1024.0  # in KiB
# People and pipelines that change many things at once, each waiting for its reply.
WRITERS = 4
# The API server answers a list as of now when it has asked etcd how far it is, which it
# does at most every 0.1 s: who starts sooner after another start waits for that.
BETWEEN_STARTS = 0.25


class Figures:
    """What was measured, with the targets."""

    def __init__(self):
        self.rows, self.values, self.missed = [], {}, False

    def add(self, name, what, value, unit, target=None, count=False):
        verdict = ""
        if target is not None:
            verdict = "ok" if value <= target else "over"
            self.missed |= count and value > target
        self.rows.append((what, value, unit, target, verdict))
        self.values["scale." + name] = {"value": value, "unit": unit}
        if target is not None:
            self.values["scale." + name] |= {"target": target, "met": value <= target}
        print(f"figure scale.{name} {value:.4g} {unit}", flush=True)

    def write(self, file):
        """Beside what the file holds of other benchmarks."""
        held = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        file.write_text(json.dumps(held | self.values, indent=2) + "\n", encoding="utf-8")

    def table(self):
        out = [f"{'':58} {'measured':>14} {'target':>10}"]
        for what, value, unit, target, verdict in self.rows:
            limit = "" if target is None else f"<= {target:g}"
            out.append(f"{what:58} {value:>9.4g} {unit:4} {limit:>10} {verdict}")
        return "\n".join(out)


def say(text):
    print(f"    {text}", file=sys.stderr, flush=True)


class Progress:
    """A line every few seconds."""

    def __init__(self, what, wanted):
        self.what, self.wanted, self.next = what, wanted, time.monotonic() + 5

    def __call__(self, state):
        if time.monotonic() < self.next:
            return
        self.next += 5
        held = sum(kind["objects"] for kind in state["cache"].values())
        say(f"{self.what}: {held} of {self.wanted} objects, {state['queue']['ready']} Apps to look at")


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part / 100))]


class Bench:
    def __init__(self, args):
        self.args = args
        self.api = Api(args.replay)
        self.figures = Figures()
        self.namespace = f"bench-{int(time.time())}"
        crd = self.api.call("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/apps.keelson.dev")
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
        self.fields = set(schema["spec"]["properties"])
        self.children = 0  # of an App; found out
        self.records = 0  # of an App: of its revision, once that is good

    def start(self):
        with open(self.api.folder / "operator.log", "ab") as log:
            return Operator(self.args.operator, self.namespace, log)

    # --- without Apps -------------------------------------------------------------

    def empty(self):
        times = []
        for _ in range(15):
            time.sleep(BETWEEN_STARTS)
            operator = self.start()
            times.append(operator.wait_ready())
            _, cpu = operator.wait_quiet(0)
            anon, rss = operator.memory(), operator.memory("VmRSS")
            operator.stop()
        self.empty_anon, self.empty_cpu = anon, cpu
        self.figures.add("ready", "start to ready, no Apps", min(times) * 1e3, "ms", 20)
        self.figures.add("ready.p50", "  p50", percentile(times, 50) * 1e3, "ms", 20)
        self.figures.add("empty.anon", "RssAnon, no Apps", anon / MIB, "MiB", 3)
        self.figures.add("empty.rss", "RSS, no Apps", rss / MIB, "MiB", 15)

    def binary(self):
        stripped = self.api.folder / "stripped"
        subprocess.run(["strip", "-o", stripped, self.args.operator], check=True)
        self.figures.add("binary", "the program, stripped", stripped.stat().st_size / 1024 / MIB, "MiB", 1.5)

    # --- a thousand ---------------------------------------------------------------

    def probe(self):
        """How many children has an App?"""
        load.create_apps(self.api, self.namespace, ["probe"], self.fields)
        operator = self.start()
        operator.wait_ready()
        last, since = -1, time.monotonic()
        while time.monotonic() - since < 1:
            held = sum(kind["objects"] for kind in operator.state()["cache"].values())
            if held != last:
                last, since = held, time.monotonic()
            time.sleep(0.02)
        operator.stop()
        self.children = len(load.children_of(self.api, self.namespace, "probe"))
        self.api.call("DELETE", path("apps", self.namespace, "probe"))
        for plural, item in load.children_of(self.api, self.namespace, "probe").items():
            self.api.call("DELETE", path(plural, self.namespace, item["metadata"]["name"]))
        say(f"an App has {self.children} children")

    def objects(self, apps):
        return apps * (1 + self.children + self.records)

    def create(self, n):
        load.create_apps(self.api, self.namespace, load.names(0, n), self.fields)
        operator = self.start()
        wall, cpu = operator.wait_quiet(self.objects(n), Progress("making children", self.objects(n)), every=0.02)
        requests, writes = operator.requests(), operator.writes()
        operator.stop()
        cpu -= self.empty_cpu
        say(f"requests: {requests}")
        load.create_namespace(self.api, f"{self.namespace}-floor")
        load.create_apps(self.api, f"{self.namespace}-floor", load.names(0, n), self.fields)
        again, _ = load.floor_requests(self.api, self.namespace, load.names(0, 1)[0], f"{self.namespace}-floor",
                                       load.names(0, n), requests)
        floor, _ = self.api.masses(again, min(224, 32 * self.children))
        add = self.figures.add
        add("create.cpu_per_app", f"children of {n} Apps: CPU per App", cpu / n * 1e3, "ms", 0.7)
        add("create.cpu_per_write", "  CPU per write", cpu / writes * 1e6, "us")
        add("create.writes_per_app", "  writes per App", writes / n, "")
        add("create.wall", "  time", wall, "s")
        add("floor.cpu_per_write", "  floor: CPU per write", floor["cpu_ms"] / floor["requests"] * 1e3, "us")
        add("floor.writes_per_app", "  floor: writes per App", floor["requests"] / n, "")
        add("floor.wall", "  floor: time", floor["wall_ms"] / 1e3, "s")
        add("create.cpu_to_floor", "  CPU, to that of the floor", cpu * 1e3 / floor["cpu_ms"], "x")
        add("create.wall_to_floor", "  time, to that of the floor", wall * 1e3 / floor["wall_ms"], "x", 1.1)

    def settle(self, first, last, operator=None):
        """The Deployments of these Apps become ready, and with them the Apps."""
        mine = operator or self.start()
        there = self.objects(first) + (last - first) * (1 + self.children)
        mine.wait_quiet(there, Progress("settling", there))
        load.roll_out(self.api, self.namespace, load.names(first, last))
        self.records = self.args.records
        mine.wait_quiet(self.objects(last), Progress("settling", self.objects(last)), every=0.02)
        time.sleep(1)
        mine.wait_quiet(self.objects(last))
        if not operator:
            mine.stop()

    def restart(self, n, targets):
        """Starts with N settled Apps; the operator stays."""
        seconds, processor = [], []
        for turn in range(3):
            operator = self.start()
            wall, cpu = operator.wait_quiet(self.objects(n))
            seconds.append(wall)
            processor.append(cpu)
            time.sleep(0.5)
            writes, state = operator.writes(), operator.state()
            if turn < 2:
                operator.stop()
        anon, peak = operator.memory(), operator.peak
        add, prefix = self.figures.add, f"restart.{n}"
        add(f"{prefix}.time", f"restart with {n} Apps: to quiescent", min(seconds), "s", targets.get("time"))
        add(f"{prefix}.cpu", "  CPU", min(processor), "s", targets.get("cpu"))
        add(f"{prefix}.writes", "  writes", writes, "", 0, count=True)
        add(f"{prefix}.anon", f"RssAnon, {n} Apps with {n * self.children} children", anon / MIB, "MiB",
            targets.get("anon"))
        add(f"{prefix}.peak", "  peak, to that", peak / anon, "x", targets.get("peak"))
        children = {k: v for k, v in state["cache"].items() if k != "App"}
        objects = sum(v["objects"] for v in children.values())
        add(f"{prefix}.child", "  bytes per cached child, all counted",
            (anon - self.empty_anon) * 1024 / objects, "B", targets.get("child"))
        for kind, held in state["cache"].items():
            if held["objects"]:
                add(f"{prefix}.bytes.{kind}", f"  bytes of a cached {kind}", held["bytes"] / held["objects"], "B")
        return operator

    # --- changes --------------------------------------------------------------------

    def image_patch(self, name, tag):
        return ("PATCH", path("apps", self.namespace, name),
                {"spec": {"image": f"registry.example.com/team/shop:{tag}"}}, MERGE_PATCH)

    def patch_one(self, n):
        some, took, current = load.names(0, min(n, 200)), [], {}

        def seen(_, deployment, at):
            if current.get("name") == deployment["metadata"]["name"]:
                image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
                if image.endswith(current["tag"]) and "at" not in current:
                    current["at"] = at
                    return True
            return False

        wait = self.api.watch("deployments", self.namespace, seen, len(some))
        for name in some:
            current.clear()
            current.update(tag="1.0.1", name=name)
            began = now()
            self.api.call(*self.image_patch(name, "1.0.1"))
            while "at" not in current:
                time.sleep(0.0005)
            took.append((current["at"] - began) / 1e3)
            time.sleep(0.01)
        wait(30)
        self.figures.add("patch_one.p50", "one image patch to its Deployment, p50", percentile(took, 50), "ms", 6)
        self.figures.add("patch_one.p99", "  p99", percentile(took, 99), "ms", 10)

    def patch_all(self, operator, n):
        some, done = load.names(0, n), {}

        def seen(_, deployment, at):
            image = deployment["spec"]["template"]["spec"]["containers"][0]["image"]
            name = deployment["metadata"]["name"]
            if not image.endswith("2.0.0") or name in done:
                return False
            done[name] = at
            return True

        operator.wait_quiet(self.objects(n))
        writes, cpu = operator.writes(), operator.cpu()
        wait = self.api.watch("deployments", self.namespace, seen, n)
        _, stamps = self.api.masses([self.image_patch(name, "2.0.0") for name in some], WRITERS)
        wait(120)
        operator.wait_quiet(self.objects(n))
        took = [(done[name] - began) / 1e3 for name, (began, _) in zip(some, stamps)]
        wall = (max(done.values()) - min(began for began, _ in stamps)) / 1e6
        add = self.figures.add
        add("patch_all.cpu", f"image patched on all {n}: CPU", operator.cpu() - cpu, "s", 0.3 * n / 1000)
        add("patch_all.writes_per_app", "  writes per App", (operator.writes() - writes) / n, "")
        add("patch_all.wall", "  time", wall, "s", 3.0 * n / 1000)
        add("patch_all.p50", "  patch to Deployment, p50", percentile(took, 50), "ms", 120)
        add("patch_all.p99", "  p99", percentile(took, 99), "ms")

    def heal(self, operator, n):
        some = load.names(0, min(n, 200))
        gone, back = {}, {}

        def seen(kind, service, at):
            name = service["metadata"]["name"]
            if kind == "DELETED":
                gone[name] = at
            elif kind == "ADDED" and name in gone:
                back[name] = at
                return True
            return False

        wait = self.api.watch("services", self.namespace, seen, len(some))
        self.api.masses([("DELETE", path("services", self.namespace, name), None, "-") for name in some], WRITERS)
        wait(60)
        took = [(back[name] - gone[name]) / 1e3 for name in some]
        self.figures.add("heal.p50", f"{len(some)} Services deleted: gone to back, p50", percentile(took, 50), "ms", 30)
        self.figures.add("heal.p99", "  p99", percentile(took, 99), "ms")
        operator.wait_quiet(self.objects(n))

    def rest(self, operator, seconds):
        operator.wait_quiet(0)
        time.sleep(6)  # what was freed is given back, handles are dropped
        writes = operator.writes()
        say(f"watching it do nothing for {seconds} s")
        time.sleep(0.5)  # what the question for the writes cost is not its own
        cpu = operator.cpu()
        time.sleep(seconds)
        spent = operator.cpu() - cpu
        self.figures.add("rest.anon", "RssAnon, after all that", operator.memory() / MIB, "MiB")
        self.figures.add("rest.cpu", f"fixed point, {seconds} s: CPU", spent * 1e3, "ms", 10 * seconds / 60)
        self.figures.add("rest.writes", "  writes but the Lease", operator.writes() - writes, "", 0, count=True)

    # --- all of it --------------------------------------------------------------------

    def run(self):
        load.create_namespace(self.api, self.namespace)
        n = 200 if self.args.quick else 1000
        self.binary()
        self.empty()
        self.probe()
        self.create(n)
        self.settle(0, n)
        targets = {} if self.args.quick else {"time": 0.15, "cpu": 0.08, "anon": 7}
        operator = self.restart(n, targets)
        self.patch_one(n)
        self.patch_all(operator, n)
        self.heal(operator, n)
        self.rest(operator, 10 if self.args.quick else 60)
        operator.stop()
        last = n
        for more in [] if self.args.quick or self.args.skip_large else [5000, 10000]:
            say(f"{more} Apps")
            load.create_apps(self.api, self.namespace, load.names(last, more), self.fields)
            self.settle(last, more)
            peaks = {"peak": 1.3, "child": 512} if more == 10000 else {}
            operator = self.restart(more, {"anon": 20 if more == 5000 else 40, **peaks})
            operator.stop()
            last = more
        print(self.figures.table(), file=sys.stderr)
        if self.args.json:
            self.figures.write(self.args.json)
        return 1 if self.figures.missed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("operator")
    parser.add_argument("replay")
    parser.add_argument("--json", type=Path, help="adds the figures to this file")
    parser.add_argument("--quick", action="store_true", help="200 Apps")
    parser.add_argument("--records", type=int, default=1, metavar="N",
                        help="children more that an App has once it is ready (its ControllerRevision)")
    parser.add_argument("--skip-large", action="store_true", help="1,000 Apps, no more")
    args = parser.parse_args()
    try:
        return Bench(args).run()
    except (RuntimeError, OSError) as error:
        print(f"scale: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
