"""Where the robot is: an extended Kalman filter of wheel odometry, a gyro and poses that scans were matched to.

State: x, y (m), heading (rad), speed v (m/s), turn rate w (rad/s), bias of the gyro (rad/s). Thrun, Burgard, Fox: Probabilistic
Robotics, chapter 3. Each sensor is optional, and one that falls silent is named by `missing`. What is measured may be told late:
it counts from the last measurement on, whatever was reckoned ahead since.
"""

from __future__ import annotations

import math

import numpy as np

SILENT = 0.5  # seconds after which a sensor that was there is missing
GATE = 16.3  # of the squared Mahalanobis distance of three numbers: 0.1 % of right ones are beyond
# Standard deviations. What a person's push or a slip does to speeds in a second, of wheels (part of the speed, and at least),
# of a gyro like the MPU-6050 and of its bias's walk in a second.
SPEED_WALK, TURN_WALK = 1.0, 3.0
WHEEL_PART, WHEEL_LEAST = 0.05, 0.01
TURN_PART, TURN_LEAST, SAME, READINGS = 0.15, 0.02, 2.0, 40
GYRO, BIAS_WALK = 0.01, 0.0005
ODD, ODD_PART = 0.2, 0.4  # rad/s, and part of it, by which wheels and gyro may differ
PIECE, MOST_PIECES = 0.1, 100  # seconds that are reckoned ahead at once, but for long times
BENT = 0.3  # of way times turn: how far beside an arc a way may end of which only both ends were counted
ROLLED_LEAST = 0.002  # metres and rad: what counters can't tell
RESTS = 1e-3  # seconds for which somebody may have pushed a robot whose wheels stood
Pose = tuple[float, float, float]
Moment = tuple[float | None, np.ndarray, np.ndarray, Pose, tuple[float, float]]
SLIP = 0.03  # of the way goes astray whatever wheels say: metres for the square root of a metre


class Estimate:
    """The filter. state: float64 [6]; covariance: float64 [6, 6].

    odom: x, y, heading by speeds alone, which no matched pose moves: it drifts, and never jumps (REP 105). odom_doubt: its
    variances, m2 and rad2.
    """

    def __init__(self, x: float, y: float, heading: float, doubt: float = 0.02, turn_doubt: float = 0.02) -> None:
        self.state = np.array([x, y, heading, 0.0, 0.0, 0.0])
        self.covariance = np.diag([doubt**2, doubt**2, turn_doubt**2, 0.01, 0.01, 0.02**2])
        self.odom, self.odom_doubt = (x, y, heading), (1e-4, 1e-4)  # 0 would mean unknown to ROS
        self.refused = 0  # poses that were too far off to be believed
        self._at: float | None = None
        # As it was after the last measurement, and after the last of the wheels: until they told something, as it was said to be.
        self._measured: Moment | None = None
        self._rolled: Moment | None = self._moment()
        self._wheels = (-math.inf, 0.0)  # when they told which turn rate
        self._gyro_at = self._odd_at = -math.inf
        self._seen: dict[str, float] = {}

    @property
    def pose(self) -> tuple[float, float, float]:
        """x, y, heading."""
        return float(self.state[0]), float(self.state[1]), float(self.state[2])

    @property
    def doubt(self) -> tuple[float, float]:
        """Two standard deviations: metres in the worst direction, rad."""
        place = self.covariance[:2, :2]
        half = (place[0, 0] + place[1, 1]) / 2
        worst = half + math.hypot((place[0, 0] - place[1, 1]) / 2, place[0, 1])
        return 2 * math.sqrt(max(worst, 0.0)), 2 * math.sqrt(max(self.covariance[2, 2], 0.0))

    def missing(self, now: float) -> list[str]:
        """What told something before, and fell silent: odometry, gyro, scan; and whether wheels and gyro disagree."""
        silent = sorted(name for name, at in self._seen.items() if now - at > SILENT)
        return [*silent, "agreement of gyro and wheels"] if now - self._odd_at < SILENT else silent

    def step(self, now: float) -> None:
        """Time went by until `now`, s; going back is left out, and so is what went before wheels or a scan told something."""
        if self._at is None:
            return
        piece = max(PIECE, (now - self._at) / MOST_PIECES)
        while now > self._at:
            self._piece(min(now, self._at + piece))

    def _piece(self, now: float) -> None:
        assert self._at is not None
        dt, self._at = now - self._at, now
        x, y, heading, v, w, bias = self.state
        middle = heading + w * dt / 2
        along, across = math.cos(middle), math.sin(middle)
        self.state = np.array([x + v * dt * along, y + v * dt * across, heading + w * dt, v, w, bias])
        ox, oy, turn = self.odom
        middle = turn + w * dt / 2
        self.odom = (float(ox + v * dt * math.cos(middle)), float(oy + v * dt * math.sin(middle)), float(turn + w * dt))
        jacobian = np.eye(6)
        jacobian[0, 2], jacobian[0, 3], jacobian[0, 4] = -v * dt * across, dt * along, -v * dt * dt / 2 * across
        jacobian[1, 2], jacobian[1, 3], jacobian[1, 4] = v * dt * along, dt * across, v * dt * dt / 2 * along
        jacobian[2, 4] = dt
        slip = SLIP**2 * abs(v) * dt
        # Without a gyro turns are as wrong as the wheels', which err the same way for seconds.
        turned = (TURN_PART * w) ** 2 * dt * SAME if now - self._gyro_at > SILENT else 0.0
        wide, bent = self.odom_doubt
        self.odom_doubt = float(wide + slip + bent * (v * dt) ** 2), float(bent + slip / 4 + turned)
        walk = [slip, slip, slip / 4 + turned, SPEED_WALK**2 * dt, TURN_WALK**2 * dt, BIAS_WALK**2 * dt]
        self.covariance = jacobian @ self.covariance @ jacobian.T + np.diag(walk)

    def odometry(self, now: float, v: float, w: float) -> None:
        """Speeds of the wheels."""
        if not math.isfinite(v + w):
            return
        self._to(now, begin=True)
        self._seen["odometry"] = now
        self._wheels = (now, w)
        rows = np.zeros((2, 6))
        rows[0, 3] = rows[1, 4] = 1
        # In turns wheels err the same way for seconds, so that many readings say little more than one beside a gyro's.
        readings = READINGS if now - self._gyro_at < SILENT else 1
        turn = (TURN_PART * w) ** 2 * readings + TURN_LEAST**2
        noise = np.diag([(WHEEL_PART * abs(v) + WHEEL_LEAST) ** 2, turn])
        self._correct(rows, np.array([v, w]) - rows @ self.state, noise)
        self._rolled = self._measured

    def rolled(self, now: float, along: float, turn: float, seconds: float) -> None:
        """What wheels counted in so many seconds until `now` of which nothing else was heard: metres along, rad about."""
        if not (math.isfinite(along + turn) and seconds > 0):
            return
        if self._rolled is None:  # a scan told the place since: nothing to go on from
            self.odometry(now, along / seconds, turn / seconds)
            return
        began, self.state, self.covariance, self.odom, self.odom_doubt = self._rolled
        self._seen["odometry"] = self._at = now
        self._wheels = (-math.inf, 0.0)
        x, y, heading, *_, bias = self.state
        dx, dy = along * math.cos(heading + turn / 2), along * math.sin(heading + turn / 2)
        self.state = np.array([x + dx, y + dy, heading + turn, 0.0, 0.0, bias])
        ox, oy, turned = self.odom
        middle = turned + turn / 2
        self.odom = (float(ox + along * math.cos(middle)), float(oy + along * math.sin(middle)), float(turned + turn))
        jacobian = np.diag([1.0, 1.0, 1.0, 0.0, 0.0, 1.0])  # how fast it is now isn't known any more
        jacobian[0, 2], jacobian[1, 2] = -dy, dx
        place = (SLIP**2 + WHEEL_PART**2 * abs(along)) * abs(along) + (BENT * along * turn) ** 2 + ROLLED_LEAST**2
        bent = SLIP**2 / 4 * abs(along) + (TURN_PART * turn) ** 2 + ROLLED_LEAST**2
        wide, before = self.odom_doubt
        self.odom_doubt = float(wide + place + before * along**2), float(before + bent)
        since = min(seconds, 1.0) if abs(along) + abs(turn) > ROLLED_LEAST else RESTS
        speeds = (SPEED_WALK**2 * since + (along / seconds) ** 2, TURN_WALK**2 * since + (turn / seconds) ** 2)
        noise = np.diag([place, place, bent, *speeds, BIAS_WALK**2 * seconds])
        if began is None:  # it went before it was said where it is, or after that
            noise[:3, :3] += np.diag([along**2, along**2, turn**2])
            self.state[:3] = x, y, heading
        self.covariance = jacobian @ self.covariance @ jacobian.T + noise
        self._rolled = self._measured = self._moment()

    def gyro(self, now: float, rate: float) -> None:
        """The turn rate about the vertical axis, rad/s; a robot that stands tells its bias."""
        if not math.isfinite(rate):
            return
        self._to(now)
        self._seen["gyro"] = now
        odd = rate - float(self.state[5]) - self._wheels[1]
        if now - self._wheels[0] < SILENT and abs(odd) > ODD + ODD_PART * abs(self._wheels[1]):
            # Wheels slip, or one of both is broken: which one can't be told, so the heading is as doubtful as they differ.
            self._odd_at = now
            turned = (odd * max(0.0, min(now - self._gyro_at, SILENT))) ** 2
            self.covariance = self.covariance + np.diag([0.0, 0.0, turned, 0.0, 0.0, 0.0])
        self._gyro_at = now
        rows = np.zeros((1, 6))
        rows[0, 4] = rows[0, 5] = 1
        self._correct(rows, np.array([rate]) - rows @ self.state, np.array([[GYRO**2]]))

    def matched(self, now: float, x: float, y: float, heading: float, covariance: np.ndarray) -> bool:
        """A pose from a scan; covariance: float64 [3, 3]. False where it is too far off to be believed."""
        if not (math.isfinite(x + y + heading) and np.isfinite(covariance).all()):
            return False
        self._to(now, begin=True)
        rows = np.zeros((3, 6))
        rows[0, 0] = rows[1, 1] = rows[2, 2] = 1
        off = np.array([x, y, heading]) - self.state[:3]
        off[2] = wrap(off[2])
        spread = self.covariance[:3, :3] + covariance
        if float(off @ np.linalg.solve(spread, off)) > GATE:
            self.refused += 1
            return False
        self._seen["scan"] = now
        self._correct(rows, off, covariance)
        self._rolled = None
        return True

    def _to(self, now: float, begin: bool = False) -> None:
        """To the moment of a measurement, from the last one on: what was reckoned ahead meanwhile adds no doubt."""
        if self._measured is not None:
            self._at, self.state, self.covariance, self.odom, self.odom_doubt = self._measured
        if begin and self._at is None:
            self._at = now
        self.step(now)

    def _moment(self) -> Moment:
        return self._at, self.state, self.covariance, self.odom, self.odom_doubt

    def _correct(self, rows: np.ndarray, off: np.ndarray, noise: np.ndarray) -> None:
        spread = rows @ self.covariance @ rows.T + noise
        gain = np.linalg.solve(spread, rows @ self.covariance).T
        self.state = self.state + gain @ off
        kept = np.eye(6) - gain @ rows
        self.covariance = kept @ self.covariance @ kept.T + gain @ noise @ gain.T  # Joseph's form stays symmetric
        self._measured = self._moment()


def between_frames(there: Pose, here: Pose) -> Pose:
    """The pose of the frame in which something is at `here`, in the frame in which it is at `there`."""
    turn = wrap(there[2] - here[2])
    x = there[0] - math.cos(turn) * here[0] + math.sin(turn) * here[1]
    y = there[1] - math.sin(turn) * here[0] - math.cos(turn) * here[1]
    return x, y, turn


def wrap(angle: float) -> float:
    """The same angle from -pi to pi."""
    return (angle + math.pi) % (2 * math.pi) - math.pi
