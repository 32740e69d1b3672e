"""A ViT for training: the arithmetic of transformers' ViTForImageClassification, less waste.

The logits depend on the last block's class token alone, so the last block
computes its queries, projection and MLP for that token only.
"""

import torch
from torch import nn
from torch.nn.functional import gelu, linear


class Block(nn.Module):
    def __init__(self, width, heads, mlp, eps):
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(width, eps)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.proj = nn.Linear(width, width)
        self.norm2 = nn.LayerNorm(width, eps)
        self.fc1 = nn.Linear(width, mlp)
        self.fc2 = nn.Linear(mlp, width)

    def split(self, x):
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)

    def forward(self, x, first=None):
        """first: compute only that many leading tokens of the output."""
        h = self.norm1(x)
        if first is None:
            weight = torch.cat([self.query.weight, self.key.weight, self.value.weight])
            bias = torch.cat([self.query.bias, self.key.bias, self.value.bias])
            q, k, v = linear(h, weight, bias).chunk(3, 2)
        else:
            x = x[:, :first]
            q, k, v = self.query(h[:, :first]), self.key(h), self.value(h)
        q, k, v = self.split(q), self.split(k), self.split(v)
        weights = (q * q.size(3) ** -0.5 @ k.transpose(2, 3)).softmax(3)  # on a CPU faster than the fused call
        x = x + self.proj((weights @ v).transpose(1, 2).flatten(2))
        return x + self.fc2(gelu(self.fc1(self.norm2(x))))


class ViT(nn.Module):
    def __init__(self, layers=6, width=192, heads=3, mlp=768, image=32, patch=4, classes=10, eps=1e-6):
        super().__init__()
        self.config = dict(layers=layers, width=width, heads=heads, mlp=mlp, image=image, patch=patch, classes=classes, eps=eps)
        self.patches = nn.Conv2d(3, width, patch, patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.positions = nn.Parameter(torch.zeros(1, 1 + (image // patch) ** 2, width))
        self.blocks = nn.ModuleList(Block(width, heads, mlp, eps) for _ in range(layers))
        self.norm = nn.LayerNorm(width, eps)
        self.head = nn.Linear(width, classes)
        self.initialise()

    def forward(self, x, taps=()):
        """The logits and, for each n in taps, the patch tokens after n blocks."""
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.positions
        tapped = []
        for i, block in enumerate(self.blocks):
            x = block(x, None if i + 1 < len(self.blocks) else 1)
            if i + 1 in taps:
                tapped.append(x[:, 1:])
        return self.head(self.norm(x)[:, 0]), tapped

    @torch.no_grad()
    def initialise(self):
        """Mimetic initialisation (Trockman & Kolter 2023) and sinusoidal positions."""
        width = self.config["width"]
        for name, p in self.named_parameters():
            if name.endswith("bias"):
                p.zero_()
            elif p.ndim == 2:
                nn.init.trunc_normal_(p, std=0.02)
        nn.init.trunc_normal_(self.cls_token, std=0.02)
        nn.init.trunc_normal_(self.patches.weight, std=self.patches.weight[0].numel() ** -0.5)
        self.positions[0, 1:] = 0.5 * sinusoids(self.config["image"] // self.config["patch"], width)
        for block in self.blocks:
            block.fc1.weight.normal_(0, width**-0.5)
            size, eye = width // block.heads, torch.eye(width)
            for h in range(block.heads):
                u, s, vt = torch.linalg.svd(0.7 * torch.randn(width, width) / width**0.5 + 0.7 * eye)
                rows, root = slice(h * size, (h + 1) * size), s[:size].sqrt()
                block.query.weight[rows] = (u[:, :size] * root).T
                block.key.weight[rows] = vt[:size] * root[:, None]
            u, s, vt = torch.linalg.svd(0.4 * torch.randn(width, width) / width**0.5 - 0.4 * eye)
            block.value.weight.copy_(s.sqrt()[:, None] * vt)
            block.proj.weight.copy_(u * s.sqrt())

    def state_for_transformers(self):
        """The tensors under their names in a ViTForImageClassification checkpoint."""
        names = {
            "patches": "embeddings.patch_embeddings.projection",
            "cls_token": "embeddings.cls_token",
            "positions": "embeddings.position_embeddings",
            "norm": "layernorm",
            "norm1": "layernorm_before",
            "query": "attention.attention.query",
            "key": "attention.attention.key",
            "value": "attention.attention.value",
            "proj": "attention.output.dense",
            "norm2": "layernorm_after",
            "fc1": "intermediate.dense",
            "fc2": "output.dense",
        }
        state = {}
        for name, tensor in self.state_dict().items():
            part = name.split(".")
            if part[0] == "head":
                key = "classifier." + part[1]
            elif part[0] == "blocks":
                key = ".".join(["vit.encoder.layer", part[1], names[part[2]], part[3]])
            else:
                key = ".".join(["vit", names[part[0]]] + part[1:])
            state[key] = tensor
        return state


def sinusoids(side, width):
    """Two-dimensional sine and cosine position embeddings [side*side, width]."""
    frequency = 100.0 ** -torch.linspace(0, 1, width // 4)
    angle = torch.arange(side)[:, None] * frequency
    one = torch.cat([angle.sin(), angle.cos()], 1)
    rows, cols = one[:, None].expand(-1, side, -1), one[None].expand(side, -1, -1)
    return torch.cat([rows, cols], 2).flatten(0, 1)
