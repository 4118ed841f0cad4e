"""The closed vocabulary of pack `robot-en`: what a clause asks a robot for, and the words of its speeds."""

from __future__ import annotations

PACK = "robot-en"

# What a clause asks for. "none": nothing that may move a robot, as a question or a remark.
ACTIONS = ("none", "go", "follow", "fetch", "place", "find", "stop", "patrol", "dock", "speed")

# The names of the orders, by the action that says them.
ORDERS = {
    "go": "go_to", "follow": "follow", "fetch": "fetch", "place": "place", "find": "find", "stop": "stop",
    "patrol": "patrol", "dock": "dock", "speed": "set_speed",
}  # fmt: skip

# Looked through in this order: "in no rush" and "slow down" are slow.
SPEEDS = {
    "slow": frozenset({
        "slow", "slowly", "slower", "gently", "gentle", "careful", "carefully", "cautiously", "calmly", "leisurely",
        "easy", "creep", "crawl", "steady", "softly", "quietly", "down", "low", "cautious", "unhurried", "no",
    }),
    "fast": frozenset({
        "fast", "faster", "quick", "quickly", "quicker", "hurry", "rapidly", "swiftly", "speedily", "rush", "asap",
        "immediately", "up", "full", "top", "maximum",
    }),
    "normal": frozenset({"normal", "normally", "usual", "usually", "regular", "ordinary", "default"}),
}  # fmt: skip

# Without one of these an order to dock isn't believed: places that nobody knows would be the dock. The second kind counts as "your ...".
DOCK = frozenset({
    "dock", "docking", "docked", "charge", "charging", "charger", "recharge", "recharging", "home", "base", "rest", "resting",
    "sleep", "bed", "nap", "park", "parking", "power", "juice", "battery", "batteries", "plug", "socket", "refuel", "fuel", "fill",
})  # fmt: skip
YOUR_DOCK = frozenset({"station", "garage", "spot", "place"})
