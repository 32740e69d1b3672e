"""Goldens of tracking: golden/track/<case>.json, frames of detections with the number of each
one's track, by ByteTrack's rule (Zhang et al. 2021) written down anew: the filter with whole
matrices, the matchings by SciPy. Overlaps are of continuous boxes, without the pixel that the
authors' code adds to each side.
"""

import json
import zlib
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

HERE = Path(__file__).resolve().parent
STEP = np.eye(8) + np.eye(8, k=4)
SEE = np.eye(4, 8)


def to_xyah(b):
    w, h = b[2] - b[0], b[3] - b[1]
    return np.array([b[0] + w / 2, b[1] + h / 2, w / h, h])


class Track:
    def __init__(self, box, number, frame):
        self.mean = np.concatenate([to_xyah(box), np.zeros(4)])
        h = self.mean[3]
        deviation = [2 * h / 20, 2 * h / 20, 1e-2, 2 * h / 20, 10 * h / 160, 10 * h / 160, 1e-5, 10 * h / 160]
        self.covariance = np.diag(np.square(deviation))
        self.number, self.state, self.confirmed = number, "tracked", frame == 1
        self.start = self.frame = frame

    def predict(self):
        if self.state != "tracked":
            self.mean[7] = 0
        h = self.mean[3]
        noise = np.diag(np.square([h / 20, h / 20, 1e-2, h / 20, h / 160, h / 160, 1e-5, h / 160]))
        self.mean = STEP @ self.mean
        self.covariance = STEP @ self.covariance @ STEP.T + noise

    def update(self, box, frame):
        h = self.mean[3]
        noise = np.diag(np.square([h / 20, h / 20, 1e-1, h / 20]))
        seen = SEE @ self.covariance @ SEE.T + noise
        gain = self.covariance @ SEE.T @ np.linalg.inv(seen)
        self.mean = self.mean + gain @ (to_xyah(box) - SEE @ self.mean)
        self.covariance = self.covariance - gain @ seen @ gain.T
        self.state, self.confirmed, self.frame = "tracked", True, frame

    @property
    def box(self):
        x, y, a, h = self.mean[:4]
        return np.array([x - a * h / 2, y - h / 2, x + a * h / 2, y + h / 2])


def overlap(a, b):
    w, h = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = max(w, 0) * max(h, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def matched(tracks, detections, most, scored):
    """Pairs at the least sum, of which each costs less than most; who is alone costs half of it."""
    n, m = len(tracks), len(detections)
    cost = np.full((n + m, n + m), most / 2)
    cost[n:, m:] = 0
    for i, t in enumerate(tracks):
        for j, d in enumerate(detections):
            cost[i, j] = 1 - overlap(t.box, d["box"]) * (d["score"] if scored else 1)
    return [(i, j) for i, j in zip(*linear_sum_assignment(cost)) if i < n and j < m]


def byte_track(frames, sure=0.5, unsure=0.1, most=0.8, buffer=30):
    tracked, lost, count, out = [], [], 0, []
    for frame, detections in enumerate(frames, 1):
        detections = [{"box": np.array(d[:4]), "score": d[4], "at": i} for i, d in enumerate(detections)]
        numbers = [0] * len(detections)

        def associate(tracks, detections, most, scored):
            pairs = matched(tracks, detections, most, scored)
            for i, j in pairs:
                tracks[i].update(detections[j]["box"], frame)
                numbers[detections[j]["at"]] = tracks[i].number
            rows, columns = {i for i, _ in pairs}, {j for _, j in pairs}
            return [t for i, t in enumerate(tracks) if i not in rows], [d for j, d in enumerate(detections) if j not in columns]

        high = [d for d in detections if d["score"] > sure]
        low = [d for d in detections if unsure < d["score"] < sure]
        followed, fresh = [t for t in tracked if t.confirmed], [t for t in tracked if not t.confirmed]
        pool = followed + lost
        for t in pool:
            t.predict()
        left, high = associate(pool, high, most, True)
        left, _ = associate([t for t in left if t.state == "tracked"], low, 0.5, False)
        for t in left:
            t.state = "lost"
        left, high = associate(fresh, high, 0.7, True)
        for t in left:
            t.state = "gone"
        begins = []
        for d in high:
            if d["score"] >= sure + 0.1:
                count += 1
                begins.append(Track(d["box"], count, frame))
                if frame == 1:
                    numbers[d["at"]] = count
        found = [t for t in lost if t.state == "tracked"]
        lost = [t for t in lost if t.state == "lost" and frame - t.frame <= buffer] + [t for t in tracked if t.state == "lost"]
        tracked = [t for t in tracked if t.state == "tracked"] + begins + found
        drop = set()
        for a in tracked:
            for b in lost:
                if 1 - overlap(a.box, b.box) < 0.15:
                    drop.add(id(b) if a.frame - a.start > b.frame - b.start else id(a))
        tracked, lost = [t for t in tracked if id(t) not in drop], [t for t in lost if id(t) not in drop]
        out.append(numbers)
    return out


def scene(name, length, things, noise, doubtful, blind, false):
    """Things that move evenly through a frame of 320×200, seen with noise; some stretches with
    little certainty, others not at all; and what is nothing."""
    g = np.random.default_rng(zlib.crc32(name.encode()))
    frames = [[] for _ in range(length)]
    for _ in range(things):
        at, speed, size = g.uniform([20, 20], [300, 180]), g.normal(0, 2.5, 2), g.uniform(14, 60, 2)
        first = int(g.integers(0, length // 3))
        hidden, dim = [np.zeros(length, bool) for _ in range(2)]
        for stretch, count in ((hidden, blind), (dim, doubtful)):
            for _ in range(count):
                start = int(g.integers(0, length))
                stretch[start : start + int(g.integers(1, 40))] = True
        for t in range(first, length):
            centre = at + speed * (t - first) + g.normal(0, noise, 2)
            box = np.concatenate([centre - size / 2, centre + size / 2]) + g.normal(0, noise, 4)
            score = g.uniform(0.12, 0.48) if dim[t] else g.uniform(0.55, 0.98)
            if not hidden[t]:
                frames[t].append([*box, score])
    for frame in frames:
        for _ in range(g.poisson(false)):
            corner, size = g.uniform([0, 0], [280, 170]), g.uniform(8, 40, 2)
            frame.append([*corner, *(corner + size), g.uniform(0.05, 0.9)])
        g.shuffle(frame)
    return [[[float(f"{v:.4g}") for v in d] for d in frame] for frame in frames]


def main():
    for name, options, scenery in (
        ("even", {}, dict(length=40, things=4, noise=0.3, doubtful=0, blind=0, false=0)),
        ("hidden", {}, dict(length=90, things=5, noise=0.8, doubtful=2, blind=2, false=0.3)),
        ("crowded", {"sure": 0.6, "buffer": 12, "most": 0.9}, dict(length=60, things=14, noise=1.2, doubtful=1, blind=1, false=1.5)),
    ):
        frames = scene(name, **scenery)
        numbers = byte_track(frames, **options)
        found = len({n for frame in numbers for n in frame if n})
        text = json.dumps({"options": options, "frames": [{"detections": f, "tracks": n} for f, n in zip(frames, numbers)]}, separators=(",", ":"))
        path = HERE / "track" / f"{name}.json"
        path.write_text(text + "\n")
        print(f"{path}: {len(text) / 1024:.0f} KiB, {found} tracks")


if __name__ == "__main__":
    main()
