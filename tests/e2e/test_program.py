# SPDX-License-Identifier: Apache-2.0
"""The operator as a program, by hand on this machine: what it says, and how it ends.

Each has a namespace and a Lease of its own, so the operator of the cluster is not touched.
"""

import contextlib
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

import pytest

from keelson import OPERATOR, app, ask, metrics
from kube import SOON, apply, get, kubectl, wait_until
from program import (
    Authority,
    Relay,
    Running,
    TlsRelay,
    address_of_server,
    command,
    free_port,
    kubeconfig,
    one_line,
    run,
)

pytestmark = pytest.mark.usefixtures("operator", "own_cluster")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--bogus"], 'unknown option "--bogus"'),
        (["--kubeconfig"], "--kubeconfig needs a value"),
        (["extra"], 'unexpected argument "extra"'),
        (["--leader-elect=perhaps"], "expected true or false"),
        (["--lease-duration=soon"], "expected a duration such as 15s"),
        (["--lease-duration=5s"], "--renew-deadline must be shorter than --lease-duration"),
        (["--log-level=loud"], "expected debug, info, warn or error"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_wrong_option_is_told_in_one_line(binary, options, expected):
    done = run(binary, *options)
    assert done.returncode == 2
    assert expected in one_line(done) and done.stdout == ""


def test_kubeconfig_that_cannot_be_used(binary, tmp_path):
    file = tmp_path / "config"
    done = run(binary, f"--kubeconfig={file}")
    assert (done.returncode, one_line(done)) == (1, f"keelson operator: {file}: no such file (asked for by --kubeconfig)")
    file.write_text("clusters: [")
    done = run(binary, f"--kubeconfig={file}")
    assert done.returncode == 1
    assert one_line(done).startswith(f"keelson operator: {file}: line ")
    done = run(binary, kubeconfig(file, lambda c, u: c.update(server="ftp://example.com")))
    assert done.returncode == 1
    assert one_line(done).startswith(f"keelson operator: {file}: ") and "server" in one_line(done)


def test_server_that_does_not_answer(binary, tmp_path):
    port = free_port()
    done = run(binary, kubeconfig(tmp_path / "config", lambda c, u: c.update(server=f"https://127.0.0.1:{port}")))
    assert done.returncode == 1
    assert one_line(done).startswith("keelson operator: cannot watch apps.keelson.dev in all namespaces: ")
    assert f"cannot connect to https://127.0.0.1:{port}" in one_line(done)


def test_user_without_rights(binary, space, tmp_path):
    kubectl("-n", space, "create", "serviceaccount", "nobody")
    token = kubectl("-n", space, "create", "token", "nobody").strip()

    def as_nobody(_, user):
        user.clear()
        user["token"] = token

    done = run(binary, kubeconfig(tmp_path / "config", as_nobody), f"--namespace={space}", "--leader-elect=false")
    assert done.returncode == 1
    # Which of the four kinds is refused first is up to the server.
    assert re.match(rf"keelson operator: cannot watch \S+ in {space}: may not list ", one_line(done))
    assert f"system:serviceaccount:{space}:nobody" in one_line(done)
    assert token not in done.stdout + done.stderr


def test_address_that_is_taken(binary):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = subprocess.run([binary, "operator", f"--listen=127.0.0.1:{port}"], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1
    assert f"127.0.0.1:{port}" in one_line(done)


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_signal_ends_it_cleanly(binary, space, signum):
    with Running(binary, space) as operator:
        operator.wait_until_at_work()
        assert get("lease", OPERATOR, space)["spec"]["holderIdentity"].startswith(socket.gethostname())
        operator.process.send_signal(signum)
        assert operator.end(5) == 0
        assert operator.said('"stopped"')
    assert get("lease", OPERATOR, space)["spec"].get("holderIdentity", "") == ""


def test_signal_at_the_start_is_not_lost(binary, space):
    """It reads its settings from a pipe, and the signal comes before they do."""
    near, far = os.pipe()
    with Running(binary, space, f"--kubeconfig=/dev/fd/{near}", pass_fds=[near]) as operator:
        os.close(near)

        def blocked():
            status = pathlib.Path(f"/proc/{operator.process.pid}/status").read_text()
            return int(re.search(r"^SigBlk:\s*(\S+)", status, re.MULTILINE)[1], 16) & (1 << (signal.SIGTERM - 1))

        wait_until(blocked, SOON, "it to wait for signals", every=0.01)
        operator.process.send_signal(signal.SIGTERM)
        os.write(far, pathlib.Path(os.environ["KUBECONFIG"]).read_bytes())
        os.close(far)
        assert operator.end(15) == 0
        assert operator.said('"stopped"')


def test_hangup_is_ignored(binary, space):
    with Running(binary, space) as operator:
        operator.wait_until_at_work()
        operator.process.send_signal(signal.SIGHUP)
        wait_until(lambda: operator.said("SIGHUP is ignored"), SOON, "a word about it", every=0.1)
        assert operator.state()["reconciling"] is True
        operator.process.send_signal(signal.SIGTERM)
        assert operator.end(5) == 0


# --- a log that nobody reads ------------------------------------------------------------------


@contextlib.contextmanager
def full_pipe():
    """The writing end of a pipe in which there is no room."""
    near, far = os.pipe()
    os.set_blocking(far, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(far, b"x" * 512):
            pass
    os.set_blocking(far, True)
    try:
        yield far
    finally:
        os.close(near)
        os.close(far)


def test_log_that_nobody_reads_holds_nothing_up(binary, space):
    with full_pipe() as pipe, Running(binary, space, "--log-level=debug", stderr=pipe) as operator:
        operator.wait_until_at_work()
        before = get("lease", OPERATOR, space)["spec"]["renewTime"]
        apply(app(replicas=0), namespace=space)
        wait_until(lambda: get("deployment", "shop", space), 20, "the Deployment")
        wait_until(lambda: get("lease", OPERATOR, space)["spec"]["renewTime"] != before, 20, "the Lease to be renewed")
        operator.process.send_signal(signal.SIGTERM)
        assert operator.end(15) == 0


def test_error_that_nobody_reads_ends_it_all_the_same(binary, tmp_path):
    with full_pipe() as pipe:
        assert subprocess.run(command(binary, f"--kubeconfig={tmp_path}/none"), stderr=pipe, timeout=20).returncode == 1


def test_closed_streams_are_nobodys_socket(binary, space):
    """What is printed must not go to whoever got the number of standard error."""

    def close_all():
        for fd in range(3):
            os.close(fd)

    with Running(binary, space, preexec_fn=close_all) as operator:
        operator.wait_until_at_work()
        assert {os.readlink(f"/proc/{operator.process.pid}/fd/{fd}") for fd in range(3)} == {"/dev/null"}
        operator.process.send_signal(signal.SIGTERM)
        assert operator.end(15) == 0


@pytest.fixture
def silent(binary, space, tmp_path):
    """An operator at work whose API server has just fallen silent."""
    with Relay(address_of_server()) as relay:
        config = kubeconfig(tmp_path / "config", lambda c, u: c.update(server=f"https://127.0.0.1:{relay.port}"))
        with Running(binary, space, config) as operator:
            operator.wait_until_at_work()
            relay.open.clear()
            yield operator


def test_second_signal_ends_it_at_once(silent):
    silent.process.send_signal(signal.SIGTERM)
    wait_until(lambda: silent.said('"stopping"'), SOON, "the first signal", every=0.05)
    assert silent.process.poll() is None
    silent.process.send_signal(signal.SIGTERM)
    assert silent.end(2) == 1
    assert silent.lines[-1] == "keelson operator: stopped by a second signal before the work was done\n"


def test_stop_is_bounded_while_the_server_is_silent(silent):
    silent.process.send_signal(signal.SIGTERM)
    assert silent.end(15) == 0


def test_leader_without_a_server_stops_working(silent):
    start = time.monotonic()
    wait_until(lambda: silent.said("the Lease was lost; standing by"), 15, "it to notice")
    assert silent.state()["leading"] is False and silent.state()["reconciling"] is False
    assert time.monotonic() - start < 15
    assert silent.process.poll() is None


# --- credentials that change ----------------------------------------------------------------

# Files are read again at most once a minute.
RELOAD = 60


def make_machine(space):
    """A user with the operator's rights in its namespace; returns tokens that end with a Secret each."""
    kubectl("-n", space, "create", "serviceaccount", "machine")
    user = f"--serviceaccount={space}:machine"
    kubectl("-n", space, "create", "rolebinding", "machine", "--clusterrole=keelson-operator", user)
    kubectl("-n", space, "create", "role", "leases", "--verb=get,create,update", "--resource=leases.coordination.k8s.io")
    kubectl("-n", space, "create", "rolebinding", "leases", "--role=leases", user)
    for name in ("first", "second"):
        kubectl("-n", space, "create", "secret", "generic", name)
        yield kubectl("-n", space, "create", "token", "machine", "--bound-object-kind=Secret", f"--bound-object-name={name}")


def failures(operator):
    """Requests that were not answered with a success, by code."""
    found = metrics(ask(f"http://127.0.0.1:{operator.port}/metrics")[1], "rest_client_requests_total")
    return {labels: n for labels, n in found.items() if 'code="2' not in labels and 'code="404"' not in labels}


@pytest.mark.long(150)
def test_token_and_authority_are_rotated(binary, space, tmp_path):
    """F17: from the reload on the old ones may end, and no request fails for it."""
    tokens = list(make_machine(space))
    old, new = Authority(tmp_path, "old"), Authority(tmp_path, "new")
    token, trusted = tmp_path / "token", tmp_path / "trusted.pem"
    token.write_text(tokens[0])
    trusted.write_text(old.ca.read_text())

    def as_machine(cluster, user):
        cluster.clear()
        cluster.update({"server": f"https://127.0.0.1:{relay.port}", "certificate-authority": str(trusted)})
        user.clear()
        user["tokenFile"] = str(token)

    def renewals():
        return get("lease", OPERATOR, space)["spec"]["renewTime"]

    def wait_for_renewals(count):
        seen = {renewals()}
        wait_until(lambda: seen.add(renewals()) or len(seen) > count, 60, f"{count} renewals of the Lease")

    # Certificates belong to the whole cluster, of which the machine may see nothing.
    options = ["--webhook-certificates=external"]
    with TlsRelay(old) as relay, Running(binary, space, *options, kubeconfig(tmp_path / "config", as_machine)) as operator:
        operator.wait_until_at_work()
        before = failures(operator)
        token.write_text(tokens[1])
        trusted.write_text(old.ca.read_text() + new.ca.read_text())
        # All that is promised is that by then they have been read again.
        time.sleep(RELOAD + 5)
        wait_for_renewals(2)
        # The old token ends. The API server remembers for 10 s what it has seen of it.
        kubectl("-n", space, "delete", "secret", "first")
        file = str(tmp_path / "old-token")
        kubeconfig(tmp_path / "old-token", lambda c, u: (as_machine(c, u), u.clear(), u.update(token=tokens[0])))

        def is_refused():
            with contextlib.suppress(RuntimeError):
                kubectl("--kubeconfig", file, "-n", space, "get", "lease")
                return False
            return True

        wait_until(is_refused, 30, "the old token to end")
        wait_for_renewals(2)
        assert failures(operator) == before
        # The old certificate ends, and with it all connections.
        accepted = relay.accepted
        relay.renew(new)
        relay.drop()
        wait_until(lambda: relay.accepted >= accepted + 2, 30, "new connections")
        wait_for_renewals(3)
        assert operator.state()["leading"] is True
        assert not operator.said("certificate") and not operator.said("the Lease was lost")
        assert not [labels for labels in failures(operator) if 'code="401"' in labels or 'code="403"' in labels]
