"""Where the robot is: an extended Kalman filter of wheel odometry, a gyro and poses that scans were matched to.

State: x, y (m), heading (rad), speed v (m/s), turn rate w (rad/s), bias of the gyro (rad/s). Thrun, Burgard, Fox: Probabilistic
Robotics, chapter 3. Each sensor is optional, and one that falls silent is named by `missing`.
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
Pose = tuple[float, float, float]
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
        """Time went by until `now`, s; going back is left out."""
        dt = 0.0 if self._at is None else now - self._at
        if self._at is not None and not dt > 0:
            return
        self._at = now
        if not dt:
            return
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
        self.step(now)
        self._seen["odometry"] = now
        self._wheels = (now, w)
        rows = np.zeros((2, 6))
        rows[0, 3] = rows[1, 4] = 1
        # In turns wheels err the same way for seconds, so that many readings say little more than one beside a gyro's.
        readings = READINGS if now - self._gyro_at < SILENT else 1
        turn = (TURN_PART * w) ** 2 * readings + TURN_LEAST**2
        noise = np.diag([(WHEEL_PART * abs(v) + WHEEL_LEAST) ** 2, turn])
        self._correct(rows, np.array([v, w]) - rows @ self.state, noise)

    def gyro(self, now: float, rate: float) -> None:
        """The turn rate about the vertical axis, rad/s; a robot that stands tells its bias."""
        if not math.isfinite(rate):
            return
        self.step(now)
        self._seen["gyro"] = now
        odd = rate - float(self.state[5]) - self._wheels[1]
        if now - self._wheels[0] < SILENT and abs(odd) > ODD + ODD_PART * abs(self._wheels[1]):
            # Wheels slip, or one of both is broken: which one can't be told, so the heading is as doubtful as they differ.
            self._odd_at = now
            self.covariance[2, 2] += (odd * min(now - self._gyro_at, SILENT)) ** 2
        self._gyro_at = now
        rows = np.zeros((1, 6))
        rows[0, 4] = rows[0, 5] = 1
        self._correct(rows, np.array([rate]) - rows @ self.state, np.array([[GYRO**2]]))

    def matched(self, now: float, x: float, y: float, heading: float, covariance: np.ndarray) -> bool:
        """A pose from a scan; covariance: float64 [3, 3]. False where it is too far off to be believed."""
        if not (math.isfinite(x + y + heading) and np.isfinite(covariance).all()):
            return False
        self.step(now)
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
        return True

    def _correct(self, rows: np.ndarray, off: np.ndarray, noise: np.ndarray) -> None:
        spread = rows @ self.covariance @ rows.T + noise
        gain = np.linalg.solve(spread, rows @ self.covariance).T
        self.state = self.state + gain @ off
        kept = np.eye(6) - gain @ rows
        self.covariance = kept @ self.covariance @ kept.T + gain @ noise @ gain.T  # Joseph's form stays symmetric


def between_frames(there: Pose, here: Pose) -> Pose:
    """The pose of the frame in which something is at `here`, in the frame in which it is at `there`."""
    turn = wrap(there[2] - here[2])
    x = there[0] - math.cos(turn) * here[0] + math.sin(turn) * here[1]
    y = there[1] - math.sin(turn) * here[0] - math.cos(turn) * here[1]
    return x, y, turn


def wrap(angle: float) -> float:
    """The same angle from -pi to pi."""
    return (angle + math.pi) % (2 * math.pi) - math.pi
