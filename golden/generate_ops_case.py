"""What the cases of operations have in common: see generate_ops.py."""

import torch
import torch.nn.functional as F

ACTIVATIONS = {
    "gelu": F.gelu,
    "gelu_tanh": lambda x: F.gelu(x, approximate="tanh"),
    "quick_gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "silu": F.silu,
    "relu": F.relu,
    "relu6": F.relu6,
    "sigmoid": torch.sigmoid,
    "hard_swish": F.hardswish,
    "hard_sigmoid": F.hardsigmoid,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "elu": lambda x: F.elu(x, 0.75),
    "hard_sigmoid_of": lambda x: (0.2 * x + 0.5).clamp(0, 1),
    "hard_tanh": lambda x: F.hardtanh(x, -2.5, 2.5),
}


def normal(g, *shape, std=1.0):
    """Normal numbers, rounded to halves, kept as float32."""
    return (torch.randn(*shape, generator=g) * std).half().float()


def case(name, params, inputs, outputs, half=True):
    """One case: params are numbers and words, inputs and outputs tensors by
    their role. Outputs may be float64."""
    return {
        "name": name,
        "params": params,
        "half": half,
        "inputs": inputs,
        "outputs": {k: v.float() for k, v in outputs.items()},
    }
