# SPDX-License-Identifier: Apache-2.0
"""What happens to whom, and for how long nobody may take writes then."""

import contextlib
import dataclasses
import typing

import faults

BOTH = ("keelson", "sentinel")
OURS = ("keelson",)  # Sentinel has no such part


@dataclasses.dataclass
class Case:
    name: str
    fault: typing.Callable
    target: float | None  # seconds; None: none was set
    systems: tuple = BOTH
    planned: bool = False
    volumes: bool = True  # the data outlive a server
    around: typing.Callable = contextlib.nullcontext  # what must be so before: a context, given the system


CASES = [
    Case("server killed", faults.server_killed, 1),
    Case("server killed, data in memory alone", faults.server_killed, 1, volumes=False),
    Case("server stopped", faults.server_stopped, 3),
    Case("agent stopped", faults.agent_stopped, 3, OURS),
    Case("pod deleted by force", faults.pod_deleted, 3),
    Case("primary back and empty", faults.reborn_empty, None, volumes=False),
    Case("node cut off", faults.node_cut, 5),
    Case("node without power", faults.node_stopped, 5),
    Case("volume full", faults.volume_full, None, OURS, around=faults.primary_on_small_volume),
    Case("all members killed", faults.all_killed, None),
    Case("planned move", faults.handed_over, 0.3, planned=True),
    Case("node drained", faults.drained, 0.3, planned=True),
    Case("all members replaced", faults.rolled, 0.3, planned=True),
    Case("server killed, no operator", faults.server_killed_without_operator, 1, OURS),
    Case("Kubernetes API away for 2 minutes", faults.api_away, 0.3, OURS, planned=True),
]
