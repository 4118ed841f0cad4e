"""`enigma export --format` and `enigma upload`: language models in other forms, for programs and for people."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from trainer_host.commands.options import Commands, command, workspace_of
from trainer_host.errors import DataError
from trainer_host.presentation import presenter_for

TFLITE = "tflite"
FORMATS = ("hf", "gguf", TFLITE)


def add_options(made: argparse.ArgumentParser) -> None:
    """The options of `enigma export` that are for language models."""
    text = made.add_argument_group("language models, in other forms")
    text.add_argument(
        "--format",
        choices=FORMATS,
        help="a Hugging Face folder; .gguf files for llama.cpp and for devices; .tflite files for devices",
    )
    text.add_argument(
        "--precision",
        metavar="P",
        help="hf: fp32 (default), bf16, fp16; gguf: f16, q8_0, q4_0 (default: all three), f32; tflite: fp32, int8 "
        "(default: both)",
    )
    text.add_argument(
        "--to",
        type=Path,
        metavar="PATH",
        help="for other programs: where to write it (default: in the run; .gguf and .tflite files there go to the gate)",
    )
    text.add_argument("--licence", default="", metavar="ID", help="where the model's lineage says none")
    text.add_argument("--task", metavar="TASK", help="of a combo: the task that other programs use it for")


def add_upload(commands: Commands[argparse.ArgumentParser]) -> None:
    """`enigma upload`."""
    made = command(commands, "upload", upload, "Send a run's language model to a hub; its key is read from HF_TOKEN.")
    made.add_argument("run", metavar="RUN", help="the run's name")
    made.add_argument("--to", required=True, metavar="OWNER/NAME", help="the model's name on the hub")
    made.add_argument("--precision", metavar="P", help="fp32 (default), bf16 or fp16")
    made.add_argument("--licence", default="", metavar="ID", help="where the model's lineage says none")
    made.add_argument("--task", metavar="TASK", help="of a combo: the task that others use it for")
    made.add_argument("--private", action="store_true", help="only its owner sees it")
    made.add_argument("--dry-run", action="store_true", help="list what would be sent, and send nothing")


def export_for_others(args: argparse.Namespace) -> None:
    """A run as a folder or as .gguf files; what `enigma export` does where `--format` is given."""
    from trainer_host.compress.language_files import rounded_weights
    from trainer_host.export.language_run import GGUF, PRECISIONS, export_language, read_language_run
    from trainer_host.training.run import open_run

    if args.adapter or args.adapters:
        raise DataError("--adapter and --adapters are of the ONNX files; leave --format out, or them.")
    if args.cache is not None and (args.format not in (TFLITE, GGUF) or args.to):
        raise DataError(
            "--cache says what our devices keep while they write; other programs are told so themselves, so leave it out."
        )
    if args.format == TFLITE and (args.to or args.licence or args.task):
        raise DataError(
            "A .tflite file has no tokenizer and no licence in it, so it stays in the run; leave --to, --licence and "
            "--task out. For other programs there are --format gguf and hf."
        )
    if args.format == TFLITE or (args.format == GGUF and args.to is None):
        _export_beside(args)
        return
    run = open_run(workspace_of(args).run(args.run))
    show = presenter_for()
    precision = args.precision or PRECISIONS[args.format][0]
    to: Path = args.to or run.folder / "hf"
    if args.format == GGUF and to.is_dir():
        to = to / f"{run.name}.{precision}.gguf"
    if args.format != GGUF and to.is_dir() and any(to.iterdir()) and not (to / "config.json").is_file():
        raise DataError(f"{to} is a folder with other things in it, and would be replaced; name another with --to.")
    model = read_language_run(run.folder)
    rounded = rounded_weights(run, model) if args.format == GGUF else {}
    with show.working("exporting"):
        export_language(model, to, args.format, args.precision, licence=args.licence, task=args.task, rounded=rounded)
    size = to.stat().st_size if to.is_file() else sum(path.stat().st_size for path in to.iterdir())
    show.say(f"Wrote {to} ({size / 1e6:.1f} MB)")


def _export_beside(args: argparse.Namespace) -> None:
    """Files beside the run's others, which its gate and its bundle take as well."""
    from trainer_host.compress.language_files import GGUF_PRECISIONS, TFLITE_PRECISIONS, add_gguf, add_tflite
    from trainer_host.export.language_run import GGUF
    from trainer_host.training.run import dataset_of, open_run

    workspace, show = workspace_of(args), presenter_for()
    run = open_run(workspace.run(args.run))
    usual = GGUF_PRECISIONS if args.format == GGUF else TFLITE_PRECISIONS
    precisions, cache = (args.precision,) if args.precision else usual, args.cache or "float"
    with show.working("exporting") as step:
        if args.format == GGUF:
            about = {"licence": args.licence, "task": args.task, "cache": cache}
            made = add_gguf(run, lambda: dataset_of(workspace, run), step, precisions, **about)
        else:
            made = add_tflite(run, lambda: dataset_of(workspace, run), step, precisions, cache)
    rows = [[item.file, f"{item.bytes / 1e6:.2f} MB", f"{item.error:.2g}"] for item in made]
    show.table(["file", "size", "largest difference"], rows)
    show.say(f"Next: enigma gate {run.name}")


def upload(args: argparse.Namespace) -> None:
    """A model on a hub."""
    from trainer_host.export.hub import plan_upload
    from trainer_host.export.hub import upload as send
    from trainer_host.export.language_run import HF, export_language, read_language_run
    from trainer_host.training.run import open_run

    show = presenter_for()
    run = open_run(workspace_of(args).run(args.run))
    model = read_language_run(run.folder)
    if not (model.licence or args.licence):
        raise DataError("Nobody may use a model without a licence; say which with --licence, as in Apache-2.0.")
    with tempfile.TemporaryDirectory(prefix="enigma-upload-") as name:
        folder = Path(name) / "model"
        export_language(model, folder, HF, args.precision, licence=args.licence, task=args.task)
        planned = plan_upload(folder, args.to)
        show.table(["file", "size"], [[file, f"{size / 1e6:.2f} MB"] for file, size in planned.files])
        if args.dry_run:
            show.say(f"Nothing was sent; without --dry-run this goes to {planned.address}")
            return
        with show.working("uploading"):
            send(folder, args.to, private=args.private)
    show.say(f"Uploaded to {planned.address}")
