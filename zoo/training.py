"""What the trainings share: the clock, the checkpoint and the log; optimisers, their rates, the running average."""

import os
import random
import time

import numpy as np
import torch


class Training:
    """A training by the clock, which a later call goes on with. Iterates over (step, progress), progress from 0 to 1 of the
    minutes, or of the steps where those are done sooner, with random numbers that depend on the step alone. Every two
    minutes the parts are saved, which have state_dict and load_state_dict; every so many seconds export is called; and
    both at the end."""

    def __init__(self, path, parts, minutes, steps=None, resume=True, seed=0, clock=time.time, export=lambda: None, every=120):
        self.path, self.parts, self.minutes, self.steps, self.seed = path, parts, minutes, steps, seed
        self.clock, self.export, self.every = clock, export, every
        self.step, self.spent, self.seen = 0, 0.0, []
        if resume and os.path.exists(path):
            kept = torch.load(path)
            self.step, self.spent = kept["step"], kept["spent"]
            for name, part in parts.items():
                part.load_state_dict(kept[name])

    def progress(self):
        return max(self.spent / 60 / self.minutes if self.minutes else 0.0, self.step / self.steps if self.steps else 0.0)

    def __iter__(self):
        saved = exported = self.spent
        while (progress := self.progress()) < 1:
            began, number = self.clock(), self.seed * 1000000 + self.step
            random.seed(number), torch.manual_seed(number)
            yield self.step, progress
            self.step, self.spent = self.step + 1, self.spent + min(self.clock() - began, 20)  # a pause does not count
            if self.spent - saved >= 120:
                self.save()
                saved = self.spent
            if self.spent - exported >= self.every:
                self.export()
                exported = self.spent
        self.save(), self.export()

    def save(self):
        kept = {name: part.state_dict() for name, part in self.parts.items()} | {"step": self.step, "spent": self.spent}
        torch.save(kept, self.path + ".new")
        os.replace(self.path + ".new", self.path)

    def log(self, every, line, *values):
        """Every so many steps print the line with the means of its values since the last; returns whether it did."""
        self.seen.append([torch.as_tensor(v).item() for v in values])
        if told := (self.step + 1) % every == 0:
            print(f"step {self.step + 1} {line.format(*np.nanmean(self.seen, 0))}, {self.spent:.0f} s", flush=True)
            self.seen = []
        return told


class Optimisers:
    """Optimisers, each with its highest rate, that step as one."""

    def __init__(self, *pairs):
        self.pairs = pairs

    def step(self, factor):
        """A step at that part of the rates, after which there are no gradients."""
        for o, lr in self.pairs:
            o.param_groups[0]["lr"] = lr * factor
            o.step(), o.zero_grad()

    def state_dict(self):
        return [o.state_dict() for o, _ in self.pairs]

    def load_state_dict(self, states):
        for (o, _), state in zip(self.pairs, states):
            o.load_state_dict(state)


def schedule(progress, step, warm, decay):
    """A linear rise over warm steps, a plateau, a linear fall over the last part of the progress from 0 to 1."""
    return max(0.0, min(1.0, (step + 1) / warm, (1 - progress) / decay))


@torch.no_grad()
def follow(average, model, step, most):
    """Move the running average of the weights, which keeps most of itself, towards the model's after its step 0, 1 …"""
    keep = min(most, (step + 1) / (step + 10))
    for k, v in model.state_dict().items():
        if v.is_floating_point():
            average[k].lerp_(v, 1 - keep)


class Average:
    """The running average of a model's weights: its state."""

    def __init__(self, model, most=0.998):
        self.model, self.most = model, most
        self.state = {k: v.clone() for k, v in model.state_dict().items()}

    def follow(self, step):
        follow(self.state, self.model, step, self.most)

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = state


class Halves:
    """A copy of the master, model, of which parts compute in bf16, without autocast's conversions of everything. The
    master learns: the copy follows it before a step, and hands over its gradients and running statistics after it."""

    def __init__(self, master, model):
        self.master, self.model = master, model

    @torch.no_grad()
    def follow(self):
        torch._foreach_copy_(list(self.model.parameters()), list(self.master.parameters()))

    @torch.no_grad()
    def hand_over(self):
        for mine, its in zip(self.model.parameters(), self.master.parameters()):
            its.grad, mine.grad = None if mine.grad is None else mine.grad.float(), None
        for mine, its in zip(self.model.buffers(), self.master.buffers()):
            its.copy_(mine)
