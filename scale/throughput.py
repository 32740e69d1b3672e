"""Images a second of `run embed` and of PyTorch's DataLoader with onnxruntime, in turn in one run.

    python scale/throughput.py bin/run WORK [--cifar FOLDER] [--model resnet18]

Both put the same network of random weights, ResNet-50 unless another is named, over the same files:
1,000 JPEGs of 3 megapixels, made in WORK from scikit-image's photographs by random crop, scale and noise,
and those of FOLDER if it is given. The vectors of the first turn are compared. Needs torch, torchvision, onnx,
onnxscript, onnxruntime, pyarrow and scikit-image.
"""
import argparse, json, os, subprocess, sys, time
import numpy as np, onnxruntime, pyarrow.parquet, torch, torchvision
from PIL import Image
from skimage import data

arg = argparse.ArgumentParser(description=__doc__)
arg.add_argument("run"), arg.add_argument("work"), arg.add_argument("--cifar"), arg.add_argument("--model", default="resnet50")
arg.add_argument("--photographs", type=int, default=1000), arg.add_argument("--turns", type=int, default=3)
a = arg.parse_args()
run, work = a.run, a.work
cores = len(os.sched_getaffinity(0))
os.makedirs(work, exist_ok=True)

def photographs(folder, count):
    """JPEGs of 2048×1536 pixels that are like photographs, the same for everybody."""
    rng = np.random.default_rng(1)
    sources = [Image.fromarray(f()).convert("RGB") for f in (data.astronaut, data.coffee, data.chelsea, data.rocket)]
    os.makedirs(folder, exist_ok=True)
    for i in range(count):
        path = os.path.join(folder, f"{i:05d}.jpg")
        if os.path.exists(path):
            continue
        m = sources[i % len(sources)]
        share = rng.uniform(0.5, 1)
        w, h = int(m.width * share), int(min(m.height, m.width * 3 / 4) * share)
        x, y = rng.integers(m.width - w + 1), rng.integers(m.height - h + 1)
        m = np.asarray(m.crop((x, y, x + w, y + h)).resize((2048, 1536), Image.BICUBIC), np.int16)
        m = np.clip(m + rng.normal(0, 4, m.shape), 0, 255).astype(np.uint8)
        Image.fromarray(m).save(path + ".part", "JPEG", quality=90)
        os.rename(path + ".part", path)
    return folder

class Files(torch.utils.data.Dataset):
    def __init__(self, paths):
        t = torchvision.transforms
        self.paths = paths
        self.transform = t.Compose([t.Resize(256), t.CenterCrop(224), t.ToTensor(), t.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])])
    def __len__(self):
        return len(self.paths)
    def __getitem__(self, i):
        return self.transform(Image.open(self.paths[i]).convert("RGB"))

def network():
    """The weights as torchvision saves them, and as ONNX up to the pooled features."""
    weights, onnx = (os.path.join(work, a.model + end) for end in (".pth", ".onnx"))
    if not os.path.exists(onnx):
        torch.manual_seed(1)
        model = torchvision.models.get_model(a.model)
        with torch.no_grad(): # norms that fit the weights: of those drawn alone what is left at the end may be nothing
            for m in model.modules():
                if isinstance(m, torch.nn.BatchNorm2d):
                    m.momentum = None
            model.train()(torch.randn(16, 3, 224, 224))
        model.eval()
        torch.save(model.state_dict(), weights)
        setattr(model, "fc" if hasattr(model, "fc") else "classifier", torch.nn.Identity())
        torch.onnx.export(model, torch.zeros(2, 3, 224, 224), onnx, input_names=["x"], dynamic_axes={"x": {0: "n"}}, dynamo=False)
    return weights, onnx

def peer(onnx, paths):
    wanted = [p for p in ("CUDAExecutionProvider", "CPUExecutionProvider") if p in onnxruntime.get_available_providers()]
    session = onnxruntime.InferenceSession(onnx, providers=wanted)
    loader = torch.utils.data.DataLoader(Files(paths), batch_size=64, num_workers=cores)
    began, vectors = time.time(), []
    for x in loader:
        v = session.run(None, {"x": x.numpy()})[0]
        vectors.append(v / np.linalg.norm(v, axis=1, keepdims=True))
    return len(paths) / (time.time() - began), session.get_providers()[0], np.concatenate(vectors)

def ours(weights, folder, *flags):
    out = os.path.join(work, "out.parquet")
    if os.path.exists(out):
        os.remove(out)
    done = subprocess.run([run, "embed", "-model", a.model, "-weights", weights, "-in", folder, "-out", out, "-json", *flags], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    table = pyarrow.parquet.read_table(out, columns=["path", "vector"]).sort_by("path")
    return json.loads(done.stdout), np.array(table["vector"].to_pylist(), np.float32)

def main():
    weights, onnx = network()
    folders = {"3 megapixels": photographs(os.path.join(work, "photographs"), a.photographs)}
    if a.cifar:
        folders["CIFAR"] = a.cifar
    for name, folder in folders.items():
        paths = sorted(os.path.join(d, f) for d, _, files in os.walk(folder) for f in files if f.lower().endswith((".jpg", ".jpeg", ".png")))
        for turn in range(a.turns):
            rate, provider, theirs = peer(onnx, paths)
            print(f"{name}, {len(paths)} files, {cores} cores: DataLoader, onnxruntime ({provider}) {rate:.1f} a second", flush=True)
            for flags in ([], ["-fast-decode"]):
                doc, vectors = ours(weights, folder, *flags)
                if turn == 0:
                    print(f"{name}: cosines of the vectors {(vectors * theirs).sum(1).min():.4f} at least", flush=True)
                ms = {k: round(v) for k, v in doc["ms"].items()}
                print(f"{name}: run embed {' '.join(flags)} ({doc['adapter']['name']}) {doc['images_per_s']:.1f} a second; ms {ms}", flush=True)

if __name__ == "__main__":
    main()
