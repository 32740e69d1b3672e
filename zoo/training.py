"""A training by the clock, which a later call goes on with."""

import os
import random
import time

import numpy as np
import torch


class Training:
    """Iterates over (step, progress), progress from 0 to 1 of the minutes, with random numbers that depend on the
    step alone. The parts, which have state_dict and load_state_dict, are saved at times and at the end."""

    def __init__(self, path, minutes, resume, **parts):
        self.path, self.minutes, self.parts = path, minutes, parts
        self.step, self.spent, self.saved = 0, 0.0, 0.0
        if resume and os.path.exists(path):
            kept = torch.load(path)
            self.step, self.spent = kept["step"], kept["spent"]
            for name, part in parts.items():
                part.load_state_dict(kept[name])
            self.saved = self.spent

    def __iter__(self):
        last = time.time()
        while (progress := self.spent / 60 / self.minutes) < 1:
            random.seed(self.step), np.random.seed(self.step), torch.manual_seed(self.step)
            yield self.step, progress
            now = time.time()
            self.step, self.spent, last = self.step + 1, self.spent + min(now - last, 20), now  # a pause does not count
            if self.spent - self.saved >= 150:
                self.save()
        self.save()

    def save(self):
        self.saved = self.spent
        torch.save({name: part.state_dict() for name, part in self.parts.items()} | {"step": self.step, "spent": self.spent}, self.path + ".new")
        os.replace(self.path + ".new", self.path)
