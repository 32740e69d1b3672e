"""Muon (Jordan et al. 2024): momentum, made orthogonal by Newton-Schulz steps."""

import torch


def orthogonal(g, steps=5):
    """Roughly the nearest (semi-)orthogonal matrices to g [..., m, n]."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = g.bfloat16()
    tall = x.size(-2) > x.size(-1)
    if tall:
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        s = x @ x.mT
        x = a * x + (b * s + c * s @ s) @ x
    return x.mT if tall else x


class Muon(torch.optim.Optimizer):
    """For weights of two or more dimensions; a convolution counts as [out, in*kh*kw].

    An update's singular values are all about lr * sqrt(max(1, rows / columns)).
    Weights of one shape are orthogonalised together.
    """

    def __init__(self, params, lr=0.02, momentum=0.95, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                if "momentum" not in self.state[p]:
                    self.state[p]["momentum"] = torch.zeros_like(p)
                buf = self.state[p]["momentum"]
                buf.lerp_(p.grad, 1 - group["momentum"])
                g = p.grad.lerp(buf, group["momentum"]).flatten(1)
                shapes.setdefault(g.shape, []).append((p, g))
            for (rows, columns), members in shapes.items():
                scale = max(1, rows / columns) ** 0.5
                updates = orthogonal(torch.stack([g for _, g in members]))
                for (p, _), u in zip(members, updates):
                    p.mul_(1 - group["lr"] * group["weight_decay"])
                    p.add_(u.reshape(p.shape).to(p.dtype), alpha=-group["lr"] * scale)
