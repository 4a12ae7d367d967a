#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""failover.py [--times N] [--json FILE] [--only NAME]... [--system keelson|sentinel]: for how long nobody
takes writes when something happens to a Redis of three members on hack/cluster, and what is lost;
and the same of a Redis with Sentinel.

Each case happens N times to each of the two. Prints "figure NAME VALUE UNIT" for each figure, and
the two side by side with the targets. Ends with 1 where two took writes at one time in a Redis
of Keelson's, or a planned move of it lost a write; a time over its target is only marked."""

import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "e2e"))

# ruff: noqa: E402
import cases
import conftest
import faults
import keelson
import kube
from sentinel import Sentinel


def median(values):
    return sorted(values)[(len(values) - 1) // 2]


class Figures:
    def __init__(self):
        self.outcomes = {}  # (case, system): [Outcome]
        self.values = {}

    def add(self, case, system, outcome):
        self.outcomes.setdefault((case.name, system), []).append(outcome)

    def write(self, file):
        """Beside what the file holds of other benchmarks."""
        held = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        file.write_text(json.dumps(held | self.values, indent=2) + "\n", encoding="utf-8")

    def finish(self):
        for (name, system), found in self.outcomes.items():
            key = f"failover.{system}.{name.replace(' ', '-').replace(',', '')}"
            target = next(case.target for case in cases.CASES if case.name == name)
            outages = [o.outage for o in found]
            self.value(f"{key}.outage.p50", median(outages), "s")
            self.value(f"{key}.outage.max", max(outages), "s", target if system == "keelson" else None)
            for what in ("lost", "overlap", "open_lost", "gone", "stale", "back", "preloaded_lost"):
                self.value(f"{key}.{what}", sum(getattr(o, what) for o in found), "s" if what == "overlap" else "")
            self.value(f"{key}.open_seconds", max(o.open_seconds for o in found), "s")

    def value(self, name, value, unit, target=None):
        self.values[name] = {"value": round(value, 3), "unit": unit}
        if target is not None:
            self.values[name] |= {"target": target, "met": value <= target}
        print(f"figure {name} {value:.4g} {unit}".rstrip(), flush=True)

    def table(self):
        head = "| case | target | Keelson: no writes for, s | lost | overlap | | Sentinel: no writes for, s | lost | overlap |"
        lines = [head, "|---|---|---|---|---|---|---|---|---|"]
        for case in cases.CASES:
            ours, theirs = (self.outcomes.get((case.name, system)) for system in ("keelson", "sentinel"))
            if ours or theirs:
                limit = "" if case.target is None else f"{case.target:g} s"
                verdict = "" if not limit or not ours else "met" if max(o.outage for o in ours) <= case.target else "not met"
                lines.append(f"| {case.name} | {limit} | {' | '.join(cells(ours))} | {verdict} | {' | '.join(cells(theirs))} |")
        return "\n".join(lines)


def cells(found):
    """Outage, median and longest; acknowledged and lost, in all runs; whether two took writes at one time."""
    if not found:
        return ["", "", ""]
    outages = [o.outage for o in found]
    lost, beside = sum(o.lost for o in found), sum(o.open_lost for o in found)
    words = f"{lost}" + (f" and {beside} of the open session" if beside else "")
    emptied = sum(o.preloaded_lost > 0 for o in found)
    words += f"; **emptied {emptied} of {len(found)} times**" if emptied else ""
    overlap = sum(o.overlap for o in found)
    return [f"{median(outages):.2f} / {max(outages):.2f}", words, f"{overlap:.2f} s" if overlap else "none"]


def run(figures, times, only, systems):
    spaces = {}
    for case in cases.CASES:
        for name in case.systems:
            if name not in systems or only and not any(word in case.name for word in only):
                continue
            system = make(spaces, name, case.volumes)
            for number in range(times):
                system.renew()
                with case.around(system):
                    outcome = faults.observe(system, case.fault)
                figures.add(case, name, outcome)
                print(f"    {case.name}, {name}, {number + 1} of {times}: {outcome}\n{outcome.story}", file=sys.stderr, flush=True)
    for system in spaces.values():
        kube.delete("namespace", system.space, wait=False)


def make(spaces, name, volumes):
    """The system for a case: one with volumes, and one that has its data in memory alone."""
    if (name, volumes) not in spaces:
        space = conftest.new_namespace()
        if name == "sentinel":
            system = Sentinel(space, aof=volumes)
        else:
            more = {"persistence": {"size": "256Mi"}, "scheduling": {"spread": "Required"}} if volumes else {}
            system = faults.Redis(space, "sessions", image=keelson.REDIS_8, memory="64Mi", **more)
        spaces[name, volumes] = system
        kube.wait_until(lambda: kube.get("serviceaccount", "default", space), 30, "the service account")
        system.create()
        system.wait_whole()
    return spaces[name, volumes]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--json", type=pathlib.Path)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--system", action="append", choices=["keelson", "sentinel"])
    options = parser.parse_args()
    keelson.install()
    keelson.mark_for_removal()
    figures = Figures()
    try:
        run(figures, options.times, options.only, options.system or ["keelson", "sentinel"])
    finally:
        figures.finish()
        print(figures.table(), file=sys.stderr)
        if options.json:
            figures.write(options.json)
    planned = {case.name for case in cases.CASES if case.planned}
    ours = [(name, o) for (name, system), found in figures.outcomes.items() if system == "keelson" for o in found]
    bad = [name for name, o in ours if o.overlap or o.stale or o.preloaded_lost or name in planned and o.lost]
    if bad:
        sys.exit(f"broke a promise: {', '.join(bad)}")


if __name__ == "__main__":
    main()
