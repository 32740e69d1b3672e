"""Goldens of convolutional networks: golden/models/<case>/, as generate_models.py
makes those of transformers.

The libraries' own classes with narrow layers. Where a library fixes the widths,
its parts are put together here with other ones; what depends on the
architecture alone (strides, padding, pooling, eps) stays as it is.
"""

import json
import shutil
import sys
from functools import partial

import timm
import torch
import torchvision
import transformers
from collections import OrderedDict
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock, Bottleneck

from generate_io import generator, halves
from generate_models import best, redraw, save, zoo_pictures

TORCHVISION = f"torchvision {torchvision.__version__.split('+')[0]}"
TIMM = f"timm {timm.__version__}"


def calibrate(model, g, size, blocks=(), channels=3):
    """Draw the running statistics anew, norm after norm: those of 16 random
    pictures, so that no layer's numbers die or explode, but with means a third
    of the deviation off and variances times 0.5 to 2. With the blocks of a
    deep network, what each adds to its input is small, the mean is taken for zero, and
    no channel's deviation is far below the others': after many layers pictures differ
    less than halves round them, some channels hardly pass an activation, and norms would
    blow up the roundings."""

    def draw(norm, inputs):
        deviation, mean = torch.std_mean(inputs[0].transpose(0, 1).flatten(1), 1)
        if blocks:
            deviation, mean = torch.hypot(deviation, mean), torch.zeros_like(mean)
            deviation = torch.hypot(deviation, deviation.square().mean().sqrt())
        norm.running_mean = mean + deviation * torch.randn(len(mean), generator=g) / 3
        norm.running_var = deviation**2 * 4 ** (torch.rand(len(mean), generator=g) - 0.5)
        norm.num_batches_tracked.fill_(int(torch.randint(1000, 9000, (), generator=g)))

    def norms_of(module):
        return [m for m in module.modules() if isinstance(m, nn.BatchNorm2d)]

    norms = norms_of(model)
    for block in blocks:
        norms_of(block)[-1].weight.data *= 0.3
        norms_of(block)[-1].bias.data *= 0.3
    hooks = [m.register_forward_pre_hook(draw) for m in norms]
    with torch.no_grad():
        model(torch.randn(16, channels, *size, generator=g))
    for hook in hooks:
        hook.remove()


def taps(blocks, head):
    """Where the intermediates are: "stem" is what the first block gets,
    "layer.i" what block i gives, "pooled" what the head gets."""
    between = {f"layer.{i}": (block, "output") for i, block in enumerate(blocks)}
    return {"stem": (blocks[0], "input")} | between | {"pooled": (head, "input")}


def blocks_of(places):
    """The blocks at the places that taps gives."""
    return [block for name, (block, _) in places.items() if name.startswith("layer.")]


def record(model, places, pixel_values):
    """The model's output and the tensors at the places, in their order."""
    seen, hooks = {}, []
    for name, (module, side) in places.items():
        if side == "input":
            hook = lambda _, x, name=name: seen.update({name: x[0].clone()})
            hooks.append(module.register_forward_pre_hook(hook))
        else:
            hook = lambda _, x, y, name=name: seen.update({name: (y[0] if isinstance(y, tuple) else y).clone()})
            hooks.append(module.register_forward_hook(hook))
    with torch.no_grad():
        output = model(pixel_values)
    for hook in hooks:
        hook.remove()
    return output, {name: seen[name] for name in places}


def empty(root, name):
    """The case's folder, new."""
    shutil.rmtree(root / name, ignore_errors=True)
    (root / name).mkdir(parents=True)
    return root / name


def as_safetensors(folder, state):
    save_file(state, folder / "model.safetensors")


def as_pth(folder, state, file="model.pth", wrap=lambda state: state, **options):
    torch.save(wrap(OrderedDict(state)), folder / file, **options)


legacy = partial(as_pth, _use_new_zipfile_serialization=False)


def cnn_case(
    root, name, family, architecture, source, build, batch, size, write=as_safetensors, dtype=None, gain=1.0, deep=False
):
    """One case. build gives the model and its taps; write saves a state_dict
    in the case's folder, rounded to dtype, and the reference runs these
    values in float32."""
    g = generator(name)
    model, places = build()
    redraw(model, g, gain)
    calibrate(model, g, size, blocks_of(places) if deep else ())
    if dtype:
        model.to(dtype)
    write(empty(root, name), model.state_dict())
    model.float()
    x = torch.randn(batch, 3, *size, generator=g)
    logits, layers = record(model, places, x)
    outputs = {"logits": logits}
    exact = halves(model, lambda model, cast: (model(cast(x)),), outputs)
    save(root, name, family, source, architecture, x, layers, outputs, halves=exact)


def transformers_places(model):
    """Where the intermediates of a model of transformers are."""
    if isinstance(model, transformers.ResNetForImageClassification):
        blocks = [block for stage in model.resnet.encoder.stages for block in stage.layers]
    else:
        blocks = list(model.efficientnet.encoder.blocks)
    head = model.classifier[-1] if isinstance(model.classifier, nn.Sequential) else model.classifier
    return taps(blocks, head)


def transformers_case(root, name, cls, config, batch, size, places=transformers_places, model_family=None, dtype=None, deep=False, prepare=None):
    """One case of a model of transformers, saved by save_pretrained, rounded to dtype;
    prepare changes what was drawn."""
    g = generator(name)
    model = redraw(cls(config), g)
    if prepare:
        prepare(model)
    calibrate(model, g, size, blocks_of(places(model)) if deep else ())
    if dtype:
        model.to(dtype)
    model.save_pretrained(empty(root, name))
    model.float()
    x = torch.randn(batch, 3, *size, generator=g)
    out, layers = record(model, places(model), x)
    source = f"transformers {transformers.__version__} {cls.__name__}"
    outputs = {"logits": out.logits}
    exact = halves(model, lambda model, cast: (model(cast(x)).logits,), outputs)
    save(root, name, model_family or config.model_type, source, cls.__name__, x, layers, outputs, halves=exact)


def timm_case(root, name, family, architecture, model, blocks, batch, size, deep=False, stem=None, **arguments):
    """One case of a model of timm, saved as its hub folders are; arguments are those
    that its config names, stem is a module whose output is not what the first block gets."""
    g = generator(name)
    redraw(model, g)
    calibrate(model, g, size, blocks if deep else ())
    options = {"model_args": arguments} if arguments else {}
    timm.models.save_for_hf(model, empty(root, name), safe_serialization=True, **options)
    x = torch.randn(batch, 3, *size, generator=g)
    places = taps(blocks, model.get_classifier()) | ({"stem": (stem, "output")} if stem else {})
    logits, layers = record(model, places, x)
    outputs = {"logits": logits}
    exact = halves(model, lambda model, cast: (model(cast(x)),), outputs)
    save(root, name, family, f"{TIMM} {architecture}", architecture, x, layers, outputs, halves=exact)


def torchvision_resnet(block, depths, widths, classes, stem, groups=1, width_per_group=64):
    """torchvision's ResNet with other widths, made by its own _make_layer."""
    model = torchvision.models.ResNet(block, [1, 1, 1, 1], classes, groups=groups, width_per_group=width_per_group)
    model.inplanes = stem
    model.conv1 = nn.Conv2d(3, stem, 7, 2, 3, bias=False)
    model.bn1 = nn.BatchNorm2d(stem)
    blocks = []
    for i, (depth, width) in enumerate(zip(depths, widths)):
        layer = model._make_layer(block, width, depth, stride=2 if i else 1)
        setattr(model, f"layer{i + 1}", layer)
        blocks += layer
    model.fc = nn.Linear(widths[-1] * block.expansion, classes)
    return model, taps(blocks, model.fc)


def resnet_basic(root):
    """Basic blocks of odd widths, a stem as wide as the first stage (no
    projection there), an odd picture that is not square."""
    build = lambda: torchvision_resnet(BasicBlock, [1, 2, 1, 1], [9, 14, 19, 24], 11, 9)
    cnn_case(root, "resnet_basic", "resnet", "resnet18", f"{TORCHVISION} ResNet", build, 3, (45, 37))


def resnet_bottleneck(root):
    """Bottlenecks, a file of torch.save as it is today, in halves."""
    build = lambda: torchvision_resnet(Bottleneck, [2, 1, 2, 1], [5, 7, 9, 11], 9, 13)
    cnn_case(
        root,
        "resnet_bottleneck",
        "resnet",
        "resnet50",
        f"{TORCHVISION} ResNet",
        build,
        2,
        (39, 51),
        write=as_pth,
        dtype=torch.float16,
    )


def resnext(root):
    """Grouped convolutions: 4 groups of 3, 6, 9 and 12 channels."""
    build = lambda: torchvision_resnet(Bottleneck, [1, 2, 1, 1], [4, 8, 12, 16], 7, 10, 4, 48)
    cnn_case(root, "resnext", "resnet", "resnext50_32x4d", f"{TORCHVISION} ResNet", build, 2, (33, 47))


def resnet_wide(root):
    """Bottlenecks whose 3x3 convolutions are twice as wide."""
    build = lambda: torchvision_resnet(Bottleneck, [1, 1, 2, 1], [3, 5, 7, 9], 5, 11, 1, 128)
    cnn_case(root, "resnet_wide", "resnet", "wide_resnet50_2", f"{TORCHVISION} ResNet", build, 2, (61, 35))


class CIFARBlock(nn.Module):
    """A basic block with the parameterless shortcut (option A of He et al. 2015)."""

    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.widened = (n_out - n_in) // 2

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.widened:  # every second pixel, channels of zeros on both sides
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.widened, self.widened))
        return F.relu(y + x)


class CIFARResNet(nn.Module):
    """The ResNet for 32x32 pictures, its tensors named as in Idelbayev's checkpoints."""

    def __init__(self, depth, widths, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        for i, width in enumerate(widths):
            n_in = widths[max(0, i - 1)]
            blocks = [CIFARBlock(n_in if j == 0 else width, width, 2 if i and j == 0 else 1) for j in range(depth)]
            setattr(self, f"layer{i + 1}", nn.Sequential(*blocks))
        self.linear = nn.Linear(widths[-1], classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def resnet_cifar(root):
    """Option A shortcuts on odd maps; saved as Idelbayev's files are: the old
    format, below state_dict, with the prefix of DataParallel."""

    def build():
        model = CIFARResNet(3, [6, 12, 24], 10)
        return model, taps([*model.layer1, *model.layer2, *model.layer3], model.linear)

    def write(folder, state):
        prefixed = {"module." + k: v for k, v in state.items()}
        legacy(folder, prefixed, "model.th", lambda s: {"state_dict": s, "best_prec1": 81.25})

    cnn_case(root, "resnet_cifar", "resnet", "resnet20", "own code, names of Idelbayev 2018", build, 2, (17, 13), write)


def resnet_transformers(root):
    """transformers' naming, basic blocks, a stem of 7 channels."""
    config = transformers.ResNetConfig(
        embedding_size=7,
        hidden_sizes=[9, 15, 20],
        depths=[2, 1, 1],
        layer_type="basic",
        downsample_in_first_stage=True,
        num_labels=6,
    )
    transformers_case(root, "resnet_transformers", transformers.ResNetForImageClassification, config, 2, (37, 50))


def resnet_transformers_silu(root):
    """transformers' hidden_act, which is not that within its blocks."""
    config = transformers.ResNetConfig(
        embedding_size=5, hidden_sizes=[8, 12], depths=[1, 1], layer_type="bottleneck", hidden_act="silu", num_labels=3
    )
    transformers_case(root, "resnet_transformers_silu", transformers.ResNetForImageClassification, config, 1, (23, 18))


def resnet_transformers_bottleneck(root):
    """Bottlenecks that take their stride in the first 1x1 convolution."""
    config = transformers.ResNetConfig(
        embedding_size=11,
        hidden_sizes=[20, 28, 36, 44],
        depths=[1, 2, 1, 1],
        layer_type="bottleneck",
        downsample_in_bottleneck=True,
        id2label={i: s for i, s in enumerate("ash birch cedar elm fir".split())},
    )
    transformers_case(
        root, "resnet_transformers_bottleneck", transformers.ResNetForImageClassification, config, 3, (47, 33)
    )


def resnet_timm(root):
    """timm's folder: the names are torchvision's, the widths in the config.
    Its stem is 64 wide whatever the stages are."""
    model = timm.create_model("resnet18", layers=(1, 1, 2, 1), channels=(10, 13, 17, 21), num_classes=8)
    blocks = [*model.layer1, *model.layer2, *model.layer3, *model.layer4]
    timm_case(root, "resnet_timm", "resnet", "resnet18", model, blocks, 2, (31, 43))


def resnet_timm_deep(root):
    """timm's resnet…t: a stem of three convolutions, shortcuts that take means first
    (of maps with odd sides), and another activation."""
    model = timm.create_model("resnet10t", layers=(1, 1, 1, 1), channels=(6, 8, 9, 7), stem_width=8, act_layer="silu", num_classes=4)
    blocks = [*model.layer1, *model.layer2, *model.layer3, *model.layer4]
    timm_case(root, "resnet_timm_deep", "resnet", "resnet10t", model, blocks, 1, (38, 51))


def after_pools(model):
    """The taps of a VGG or an AlexNet: there is no stem, "layer.i" is what max
    pooling i gives, and "pooled" what the adaptive pooling gives."""
    pools = [m for m in model.features if isinstance(m, nn.MaxPool2d)]
    return {f"layer.{i}": (m, "output") for i, m in enumerate(pools)} | {"pooled": (model.avgpool, "output")}


def torchvision_vgg(cfg, hidden, classes, batch_norm):
    """torchvision's VGG with other widths."""
    model = torchvision.models.VGG(nn.Identity(), 2, init_weights=False)
    model.features = torchvision.models.vgg.make_layers(cfg, batch_norm)
    inputs = [n for n in cfg if n != "M"][-1] * 49
    for i, (n, k) in {0: (inputs, hidden), 3: (hidden, hidden), 6: (hidden, classes)}.items():
        model.classifier[i] = nn.Linear(n, k)
    return model, after_pools(model)


def vgg(root):
    """VGG-13's layers without norms; a last map of 1x2 becomes 7x7."""
    cfg = [5, 5, "M", 7, 7, "M", 9, 9, "M", 11, 11, "M", 10, 10, "M"]
    build = lambda: torchvision_vgg(cfg, 17, 9, False)
    cnn_case(root, "vgg", "vgg", "vgg13", f"{TORCHVISION} VGG", build, 2, (43, 67), gain=2**0.5)


def vgg_bn(root):
    """VGG-11's layers with norms, a file of torch.save's old format, in bfloat16."""
    cfg = [6, "M", 9, "M", 11, 13, "M", 12, 15, "M", 14, 9, "M"]
    build = lambda: torchvision_vgg(cfg, 21, 7, True)
    options = dict(write=legacy, dtype=torch.bfloat16)
    cnn_case(root, "vgg_bn", "vgg", "vgg11_bn", f"{TORCHVISION} VGG", build, 2, (69, 41), **options)


def alexnet(root):
    """AlexNet's strides and poolings, narrow; a last map of 1x2 becomes 6x6."""

    def build():
        model = torchvision.models.AlexNet()
        for layers, widths in (
            (model.features, {0: (3, 7), 3: (7, 10), 6: (10, 13), 8: (13, 11), 10: (11, 9)}),
            (model.classifier, {1: (9 * 36, 19), 4: (19, 15), 6: (15, 6)}),
        ):
            for i, (n, k) in widths.items():
                old = layers[i]
                if isinstance(old, nn.Conv2d):
                    layers[i] = nn.Conv2d(n, k, old.kernel_size, old.stride, old.padding)
                else:
                    layers[i] = nn.Linear(n, k)
        return model, after_pools(model)

    cnn_case(root, "alexnet", "alexnet", "alexnet", f"{TORCHVISION} AlexNet", build, 2, (67, 95), gain=2**0.5)


def squeezenet(root):
    """SqueezeNet 1.1's places of the poolings with 1.0's filter; maps of odd sizes."""

    def build():
        model = torchvision.models.SqueezeNet("1_1", num_classes=11)
        fire = torchvision.models.squeezenet.Fire
        model.features[0] = nn.Conv2d(3, 10, 7, stride=2)
        widths = {3: (10, 3, 5, 7), 4: (12, 3, 5, 7), 6: (12, 4, 9, 6), 7: (15, 4, 9, 6), 9: (15, 5, 8, 11), 10: (19, 5, 8, 11)}
        for i, w in widths.items():
            model.features[i] = fire(*w)
        model.features = model.features[:11]
        model.classifier[1] = nn.Conv2d(19, 11, 1)
        fires = [m for m in model.features if isinstance(m, fire)]
        return model, {f"layer.{i}": (m, "output") for i, m in enumerate(fires)}

    cnn_case(root, "squeezenet", "squeezenet", "squeezenet", f"{TORCHVISION} SqueezeNet", build, 2, (61, 45), gain=2**0.5)


def zoo_resnet(root, zoo):
    """The trained model of zoo/resnet on pictures of zoo/pictures, as zoo_vit:
    the first picture's intermediates of some blocks, weights in the zoo."""
    sys.path.insert(0, str(zoo))
    from resnet import ResNet

    folder = zoo / "resnet"
    config = json.loads((folder / "config.json").read_text())
    model = ResNet(config["depths"], config["hidden_sizes"]).eval()
    model.load_state_dict({k: v.float() for k, v in load_file(folder / "model.safetensors").items()}, strict=False)
    files, x = zoo_pictures(zoo, folder)
    blocks = [*model.layer1, *model.layer2, *model.layer3]
    logits, seen = record(model, taps(blocks, model.fc), x)
    save(
        root,
        "zoo_resnet",
        "resnet",
        "own code, zoo/resnet.py",
        "ResNet",
        x,
        {name: seen[name][:1] for name in ("layer.0", "layer.3", "layer.5", "pooled")},
        {"logits": logits},
        weights="zoo/resnet",
        layer_images=1,
        images=best(files, logits, [config["id2label"][str(i)] for i in range(config["num_labels"])]),
    )


MODELS = {
    f.__name__: f
    for f in (
        resnet_basic,
        resnet_bottleneck,
        resnext,
        resnet_wide,
        resnet_cifar,
        resnet_transformers,
        resnet_transformers_silu,
        resnet_transformers_bottleneck,
        resnet_timm,
        resnet_timm_deep,
        vgg,
        vgg_bn,
        alexnet,
        squeezenet,
    )
}
