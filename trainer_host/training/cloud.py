"""A training as a task file of SkyPilot: the same words on a machine that is rented for it.

The form is that of docs.skypilot.co/en/latest/reference/yaml-spec.html, and of `get_task_schema` and
`get_resources_schema` in sky/utils/schemas.py (SkyPilot 0.14). SkyPilot itself isn't needed to write it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from trainer_host.errors import TrainerError

HOME_HERE = "ENIGMA_HOME_HERE"  # whoever launches the task says where the home folder is; the file doesn't
HOME_THERE = "~/enigma"
BUCKET_THERE = "~/enigma-out"
_GPUS = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,40}(?::([1-9][0-9]?))?")
# Names of buckets in all stores that SkyPilot mounts: those of S3, without dots.
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]")
_BLOCK = re.compile(r"(?:[!-~][ -~]*\n)+")  # lines that mean the same as a block in every reader of YAML

Json = dict[str, object]


@dataclass(frozen=True)
class CloudPlan:
    """words: what is behind `enigma` on the rented machine; run: the run's name.

    mounts: parts of the home folder that the training reads, as in `data/NAME`. gpus: as in A100:8, None for a
    machine without. extras: of the package, that the training needs. bucket: gets the run at the end.
    """

    run: str
    words: tuple[str, ...]
    mounts: tuple[str, ...]
    gpus: str | None = None
    spot: bool = False
    extras: tuple[str, ...] = ("trainer",)
    bucket: str | None = None

    def __post_init__(self) -> None:
        if self.gpus is not None and not _GPUS.fullmatch(self.gpus):
            raise TrainerError(f"--gpus is a kind and how many, as in A100:1; '{self.gpus[:40]}' isn't.")
        if self.bucket is not None and not _BUCKET.fullmatch(self.bucket):
            raise TrainerError(
                f"'{self.bucket[:70]}' can't be a bucket's name; use lower-case letters, digits and dashes, 3 to 63."
            )


def gpus_of(gpus: str | None) -> int:
    """How many there are: 8 of A100:8, 1 of A100, 0 of None."""
    found = _GPUS.fullmatch(gpus) if gpus is not None else None
    return int(found[1] or 1) if found else 0


def task_of(plan: CloudPlan) -> Json:
    """The task, in the form of SkyPilot's schema: no key, and no path of this machine."""
    mounts: Json = {f"{HOME_THERE}/{part}": f"${{{HOME_HERE}}}/{part}" for part in plan.mounts}
    lines = ["set -e", shlex.join(["enigma", *plan.words]) + f" --home {HOME_THERE}"]
    if plan.bucket is not None:
        mounts[BUCKET_THERE] = {"name": plan.bucket, "mode": "MOUNT"}
        lines.append(f"cp -r {HOME_THERE}/runs/{plan.run} {BUCKET_THERE}/")
    resources: Json = {"accelerators": plan.gpus} if plan.gpus is not None else {"cpus": "4+", "memory": "16+"}
    if plan.spot:
        resources["use_spot"] = True
    extras = ",".join(plan.extras)
    return {
        "name": f"enigma-{plan.run}",
        "workdir": ".",
        "resources": resources,
        "envs": {HOME_HERE: None},
        "file_mounts": mounts,
        "setup": f'python -m pip install --constraint constraints.txt ".[{extras}]"\n',
        "run": "".join(f"{line}\n" for line in lines),
    }


def task_yaml(task: Mapping[str, object]) -> str:
    """The task as YAML 1.1 and 1.2: every text in JSON's quotes, or as a block of plain lines."""
    return "".join(_lines(task, ""))


def _lines(values: Mapping[str, object], indent: str) -> Sequence[str]:
    made: list[str] = []
    for key, value in values.items():
        name = key if re.fullmatch(r"[a-z_]+", key) else json.dumps(key)
        if isinstance(value, Mapping):
            inner = _lines(cast(Mapping[str, object], value), indent + "  ")
            made += [f"{indent}{name}:\n", *inner] if inner else [f"{indent}{name}: {{}}\n"]
        elif isinstance(value, str) and _BLOCK.fullmatch(value):
            made.append(f"{indent}{name}: |\n")
            made += [f"{indent}  {line}\n" for line in value.splitlines()]
        else:
            made.append(f"{indent}{name}: {json.dumps(value)}\n")
    return made
