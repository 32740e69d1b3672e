"""Goldens of tracking: golden/track/<case>.json, frames of detections with the number of each
one's track, by the code of ByteTrack's authors (Zhang et al. 2021) as the package bytetracker
has it, of which three things are put right:

- boxes reach a track by their middle in place of their corner: they are moved to meet that;
- the detections of little certainty are as many as there are sure ones: they get classes of
  their own number;
- overlaps are of continuous boxes, as those of detectors are, without the pixel that the
  authors add to each side, and float64.

    pip install bytetracker==0.3.2 lap==0.5.13
    python golden/generate_track.py
"""

import inspect
import json
import zlib
from pathlib import Path

import numpy as np
import torch
from bytetracker import byte_tracker, matching
from bytetracker.basetrack import BaseTrack

HERE = Path(__file__).resolve().parent


def put_right():
    """The module of the tracker, changed as said above."""
    source = inspect.getsource(byte_tracker)
    wrong, right = "clss_second = classes[remain_inds]", "clss_second = classes[inds_second]"
    assert source.count(wrong) == 1
    exec(compile(source.replace(wrong, right), byte_tracker.__file__, "exec"), byte_tracker.__dict__)
    matching.ious = lambda a, b: np.array([[overlap(np.asarray(x), np.asarray(y)) for y in b] for x in a]).reshape(len(a), len(b))


def overlap(a, b):
    w, h = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = max(w, 0) * max(h, 0)
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def byte_track(frames, sure=0.5, most=0.8, buffer=30):
    """The number of each detection's track, 0 of those without one."""
    BaseTrack._count, out = 0, []
    tracker = byte_tracker.BYTETracker(track_thresh=sure, track_buffer=buffer, match_thresh=most)
    for frame in frames:
        found = np.array(frame, dtype=np.float64).reshape(-1, 5)
        half = (found[:, 2:4] - found[:, :2]) / 2
        moved = np.concatenate([found[:, :4] - np.tile(half, 2), found[:, 4:], np.zeros((len(found), 1))], 1)
        tracker.update(torch.from_numpy(moved), None)
        numbers = [0] * len(frame)
        for t in tracker.tracked_stracks:
            if t.is_activated and t.frame_id == tracker.frame_id:
                (at,) = [i for i, d in enumerate(frame) if d[4] == t.score]  # no two are alike
                numbers[at] = t.track_id
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
    put_right()
    for name, options, scenery in (
        ("even", {}, dict(length=40, things=4, noise=0.3, doubtful=0, blind=0, false=0)),
        ("hidden", {}, dict(length=90, things=5, noise=0.8, doubtful=2, blind=2, false=0.3)),
        ("late", {"buffer": 3}, dict(length=80, things=5, noise=0.3, doubtful=1, blind=3, false=0.2)),  # found when they were given up
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
