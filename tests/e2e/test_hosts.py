# SPDX-License-Identifier: Apache-2.0
"""Apps of different namespaces that name the same host: one of them has it."""

import secrets
import time

import pytest

import kube
from keelson import app, condition, events, message_of, wait_for_condition, wait_ready
from kube import SOON, apply, delete, get, wait_until

pytestmark = pytest.mark.usefixtures("operator")


@pytest.fixture
def spaces(space):
    """Two namespaces."""
    other = f"{space}-other"
    apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": other}})
    wait_until(lambda: get("serviceaccount", "default", other), 30, "the service account")
    yield space, other
    delete("namespace", other)


def routed(space):
    """The hosts of the App's Ingress."""
    thing = get("ingress", "shop", space)
    return [rule.get("host") for rule in thing["spec"]["rules"]] if thing else []


def both(spaces, host):
    return [space for space in spaces if host in routed(space)]


@pytest.fixture
def host():
    return f"h{secrets.token_hex(3)}.example.com"


def test_host_belongs_to_the_older(spaces, host):
    older, younger = spaces
    apply(app(hosts=[host]), namespace=older)
    wait_ready(older)
    time.sleep(1.1)  # the server's time stamps are of whole seconds
    apply(app(hosts=[host, f"other-{host}"]), namespace=younger)
    thing = wait_for_condition(younger, "Stalled", "True HostConflict")
    assert condition(thing, "Ready") == "False HostConflict"
    assert host in message_of(thing, "Stalled") and older in message_of(thing, "Stalled")
    assert [gap["setting"] for gap in thing["status"]["routing"]["notEnforced"] if gap["setting"].startswith("hosts[")] == ["hosts[0]"]
    assert routed(older) == [host] and routed(younger) == [f"other-{host}"]
    wait_until(lambda: events(younger, "HostConflict"), SOON, "the event HostConflict")

    # Given up, it goes over, and back it does not come but to the older.
    apply(app(hosts=[f"another-{host}"]), namespace=older)
    wait_until(lambda: both(spaces, host) == [younger], SOON, "the younger one's route")
    wait_ready(younger)
    apply(app(hosts=[host]), namespace=older)
    wait_until(lambda: both(spaces, host) == [older], SOON, "the older one's route")
    wait_for_condition(younger, "Stalled", "True HostConflict")


def test_host_of_a_deleted_app_goes_over(spaces, host):
    older, younger = spaces
    apply(app(hosts=[host]), namespace=older)
    wait_ready(older)
    time.sleep(1.1)
    apply(app(hosts=[host]), namespace=younger)
    wait_for_condition(younger, "Stalled", "True HostConflict")
    assert get("ingress", "shop", younger) is None
    kube.delete("app", "shop", older)
    wait_until(lambda: both(spaces, host) == [younger], 60, "the younger one's route")
    wait_ready(younger)
