"""Task files for SkyPilot, read by a YAML library and held against the parts of SkyPilot's schema that they use."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

import pytest

from tests.trainer_host.samples import easy_dataset
from tests.trainer_host.training.small_talk import small_talk
from trainer_host.commands import cloud, train
from trainer_host.errors import TrainerError
from trainer_host.training.cloud import CloudPlan, task_of, task_yaml
from trainer_host.workspace import Workspace

yaml = pytest.importorskip("yaml")
jsonschema = pytest.importorskip("jsonschema")

# Of get_task_schema, get_resources_schema and get_storage_schema in sky/utils/schemas.py, the fields that we write.
TEXT = {"type": "string"}
STORAGE = {
    "type": "object",
    "additionalProperties": False,
    "properties": {"name": TEXT, "source": TEXT, "mode": {"enum": ["MOUNT", "COPY", "MOUNT_CACHED"]}},
}
SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "pattern": r"^[a-zA-Z0-9]+(?:[._-]{1,2}[a-zA-Z0-9]+)*$"},
        "workdir": TEXT,
        "resources": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "accelerators": TEXT,
                "cpus": TEXT,
                "memory": TEXT,
                "use_spot": {"type": "boolean"},
            },
        },
        "envs": {
            "type": "object",
            "patternProperties": {"^[a-zA-Z_][a-zA-Z0-9_]*$": {"type": ["string", "null"]}},
            "additionalProperties": False,
        },
        "file_mounts": {"type": "object", "additionalProperties": {"anyOf": [TEXT, STORAGE]}},
        "setup": TEXT,
        "run": TEXT,
    },
}


def planned(workspace: Workspace, *words: str) -> dict[str, object]:
    """What `enigma cloud plan` writes, read and checked."""
    parser = argparse.ArgumentParser()
    cloud.add(parser.add_subparsers(required=True))
    out = workspace.home / "task.yaml"
    args = parser.parse_args(["cloud", "plan", *words, "--home", str(workspace.home), "--out", str(out)])
    args.command(args)
    made: dict[str, object] = yaml.safe_load(out.read_text(encoding="utf-8"))
    jsonschema.validate(made, SCHEMA)
    assert str(workspace.home) not in out.read_text()
    assert not re.search(r"KEY|TOKEN|SECRET|/home/|/tmp/", out.read_text())
    return made


def test_the_rented_machine_gets_the_same_options_and_the_rows_that_they_name(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small_talk(workspace, tmp_path)
    small_talk(workspace, tmp_path, "older")
    options = ("--data", "talk", "--task", "chat", "--size", "small", "--rate", "0.0003", "--old", "older")
    made = planned(workspace, *options, "--name", "big", "--gpus", "H100:8", "--shard", "--spot", "--bucket", "my-runs")
    assert made["resources"] == {"accelerators": "H100:8", "use_spot": True}
    mounts = made["file_mounts"]
    assert mounts == {
        "~/enigma/data/talk": "${ENIGMA_HOME_HERE}/data/talk",
        "~/enigma/data/older": "${ENIGMA_HOME_HERE}/data/older",
        "~/enigma-out": {"name": "my-runs", "mode": "MOUNT"},
    }
    begin, command, copy = str(made["run"]).splitlines()
    assert (begin, copy) == ("set -e", "cp -r ~/enigma/runs/big ~/enigma-out/")
    # The command is one that `enigma train` reads, with the same values.
    parser = argparse.ArgumentParser()
    train.add(parser.add_subparsers(required=True))
    read, wanted = parser.parse_args(shlex.split(command)[1:]), parser.parse_args(["train", *options, "--name", "big"])
    wanted.devices, wanted.shard, wanted.home = 8, True, Path("~/enigma")
    assert vars(read) == vars(wanted)
    assert "sky launch --cluster enigma-big --env ENIGMA_HOME_HERE=" in capsys.readouterr().out


def test_a_graph_student_needs_no_gpu_and_comes_back_by_rsync(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    easy_dataset(workspace, tmp_path)
    made = planned(workspace, "--data", "easy")
    assert made["resources"] == {"cpus": "4+", "memory": "16+"}
    assert "--devices" not in str(made["run"])
    assert f"rsync -a enigma-easy:~/enigma/runs/easy {workspace.runs}/" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--gpus", "A100:0"), "--gpus is a kind and how many"),
        (("--gpus", "A100:1; rm -rf ~"), "--gpus is a kind and how many"),
        (("--gpus", "A100", "--shard"), "Only several GPUs"),
        (("--bucket", "My_Bucket"), "can't be a bucket's name"),
        (("--size", "huge"), "There is no size 'huge'"),
        (("--task", "math"), "teaches the task chat"),
        (("--init", "."), "lies on this machine alone"),
        (("--name", "$(rm)"), "can't be a name"),
    ],
)
def test_a_plan_that_cant_be_is_one_sentence_and_no_file(
    workspace: Workspace, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    small_talk(workspace, tmp_path)
    with pytest.raises(TrainerError, match=sentence):
        planned(workspace, "--data", "talk", *words)
    assert not (workspace.home / "task.yaml").exists()


def test_what_is_written_is_what_is_read_whatever_the_texts_hold() -> None:
    strange = ("train", "--name=a b", "--x='\"${y}: #\\ é\u2028", "--off=yes")
    task = task_of(CloudPlan("r", strange, ("data/talk",)))
    assert yaml.safe_load(task_yaml(task)) == task
    assert yaml.safe_load(task_yaml({"a": {}, "b": "no", "c": 1, "d": "1e3", "e": True})) == {
        "a": {},
        "b": "no",
        "c": 1,
        "d": "1e3",
        "e": True,
    }
