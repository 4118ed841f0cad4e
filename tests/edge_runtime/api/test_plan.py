"""The plan over a real daemon: who may change it, and that what it names is asked as any specialist."""

from __future__ import annotations

from ..conftest import Reply, RunningDevice

PLAN = b'[cascade.quick]\nfirst = "tiny"\nthen = "big"\n'


def put(device: RunningDevice, body: bytes, **headers: str) -> Reply:
    return device.request("PUT", "/v1/plan", body, {"Content-Type": "application/toml", **headers})


def test_who_may_change_the_plan_and_what_it_names_is_asked_by_its_name(shared_device: RunningDevice) -> None:
    owner = {"Authorization": f"Bearer {shared_device.token}"}
    assert shared_device.run("hello", "quick").status == 404
    assert put(shared_device, PLAN).status == 401
    taken = put(shared_device, PLAN, **owner)
    assert (taken.status, taken.json) == (200, {"plan": PLAN.decode(), "missing": ["big"]})
    assert shared_device.run("turn on the light", "quick").json["answered_by"] == "tiny"
    for wrong in (b"x = 1", b"\xff", b"[["):
        refused = put(shared_device, wrong, **owner)
        assert refused.status == 400 and "plan" in refused.message.lower()
    assert put(shared_device, PLAN, **owner, **{"Content-Type": "text/plain"}).status == 400
    assert shared_device.get("/v1/plan", **owner).json["plan"] == PLAN.decode()
    status = shared_device.get("/v1/status", **owner).json
    assert status["plan"]["groups"] == ["quick"] and status["governor"]["state"] in ("free", "sparing", "urgent")
    assert put(shared_device, b"", **owner).json == {"plan": "", "missing": []}
