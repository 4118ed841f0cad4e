"""SLAM on the Intel Research Lab's scans: trajectory error beside raw odometry's, how much faster than real time, and the map.

    python benchmarks/slam.py --map intel.png

The data (scans, raw odometry, and the poses of a published particle-filter SLAM as the yardstick) are in ../shared/data/slam
beside the repository, or in the folder that ENIGMA_SLAM names. Nothing was tuned on them.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from firmware_bridge.robot.grid import Grid
from firmware_bridge.robot.slam import Slam, points_of, trajectory_error

DATA = Path(os.environ.get("ENIGMA_SLAM") or Path(__file__).resolve().parents[2] / "shared" / "data" / "slam")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--map", type=Path, metavar="PNG", help="draw the map and the way there")
    args = parser.parse_args()
    with np.load(DATA / "intel_lab.npz") as kept:
        stamp, ranges, odometry, reference = (kept[name] for name in ("stamp", "ranges", "odom", "reference"))
    slam, told, which = Slam(), [], []
    begun = time.process_time()
    for at, (pose, away) in enumerate(zip(odometry, ranges, strict=True)):
        before = len(slam.scans)
        told.append(slam.add(tuple(pose), points_of(-math.pi / 2, math.pi / 180, away)))
        if len(slam.scans) > before:
            which.append(at)
    online = time.process_time() - begun
    loops = slam.loops
    slam.finish()
    whole = time.process_time() - begun
    lasts = float(stamp[-1] - stamp[0])
    print(f"{len(stamp)} scans of {lasts:.0f} s, {len(which)} kept; absolute trajectory error, m:")
    print(f"  raw odometry                  {trajectory_error(odometry, reference):.3f}")
    print(f"  as told at each moment        {trajectory_error(np.array(told), reference):.3f}")
    error = trajectory_error(np.array(slam.poses), reference[which])
    print(f"  in the end                    {error:.3f}")
    print(f"{loops} loops on the way: {online:.1f} CPU s, {lasts / online:.0f} times real time")
    print(f"{slam.loops} with those of the end: {whole:.1f} CPU s, {lasts / whole:.0f} times real time")
    if args.map is not None:
        grid = Grid.of((pose, scan.points) for pose, scan in zip(slam.poses, slam.scans, strict=True))
        grid.picture(args.map, np.array(slam.poses))


if __name__ == "__main__":
    main()
