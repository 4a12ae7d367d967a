# SPDX-License-Identifier: Apache-2.0
"""From Redis 7 to Redis 8 or Valkey 8 while clients write: the members are replaced one by one, the lead
is handed over once, and nothing that was acknowledged is missing."""

import pytest

import faults
import kube
from keelson import REDIS_7, REDIS_8, VALKEY_8, figures
from recorder import connect

pytestmark = [pytest.mark.alone, pytest.mark.usefixtures("own_cluster")]


def servers_version(redis):
    config = redis.config_of(redis.primary())
    with connect({"timeout": 10, **config}) as server:
        info = server.info("server")
    return info.get("valkey_version", info["redis_version"])


@pytest.mark.long(240)
@pytest.mark.parametrize("version, image", [("8", REDIS_8), ("valkey-8", VALKEY_8)], ids=["redis 8", "valkey 8"])
def test_an_upgrade_is_one_planned_move(operator, module_space, version, image):
    redis = faults.Redis(module_space, f"old-{version}", version="7", image=REDIS_7, memory="64Mi",
                         persistence={"size": "128Mi", "rdb": True})
    redis.create()
    try:
        redis.wait_whole(240)
        assert servers_version(redis).startswith("7.")
        epoch = redis.epoch()

        def upgraded(scene):
            old = scene.system.pods()
            scene.system.patch(version=version, image=image)
            scene.system.wait_replaced(old)

        found = faults.observe(redis, upgraded)
        print(f"{found}\n{found.story}")
        figures.append(f"redis 7 to {version}: no writes for {found.outage:.2f} s, {found.lost} of {found.written} lost")
        assert found.lost == found.open_lost == found.preloaded_lost == found.gone == found.back == found.stale == 0, found
        assert found.overlap == 0 and found.outage < 30, found
        assert servers_version(redis).startswith("8.")
        assert redis.epoch() == epoch + 1, "the lead was to be handed over once"
        status = redis.get()["status"]
        assert status["version"] == version and status["image"] == image
        assert status["lastFailover"]["cause"] == "Planned" and status["lastFailover"]["lostBytes"] == 0
        assert 0 <= status["lastFailover"]["durationMillis"] < 30000
    finally:
        kube.delete("redis", redis.name, module_space, wait=False)
