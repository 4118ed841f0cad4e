"""The options of commands that join a graph of ROS 2: which way, and where."""

from __future__ import annotations

import argparse

from firmware_bridge.ros2.names import WAYS


def ways(parser: argparse.ArgumentParser) -> None:
    """Adds --over, --domain and --interface, as `RosGraph.open` takes them."""
    parser.add_argument(
        "--over", choices=WAYS, default="auto", help="the way to ROS 2 (default: ENIGMA_ROS_OVER, else auto)"
    )
    parser.add_argument("--domain", type=int, metavar="N", help="the domain (default: ROS_DOMAIN_ID, else 0)")
    parser.add_argument(
        "--interface",
        metavar="WHERE",
        help="a network or its address, zenoh's router, rosbridge's ws://HOST:9090, or environment"
        " (default: ENIGMA_ROS_INTERFACE, else this machine only)",
    )
