"""Goldens of the package sound: reading, resampling and Whisper's features.

Run by hand, with the versions of golden/requirements.txt:

    python golden/sound/generate.py

It writes, beside itself,
    src/    sound files
    want/   what the references make of them: *.f32.gz, gzip of little-endian float32
    cases.json  which belongs to which, with the settings
The references are soundfile (libsndfile) for reading, the mean over the channels,
torchaudio.functional.resample in float64, and transformers' WhisperFeatureExtractor by
its NumPy arithmetic. Sounds are seeded.
"""

import gzip
import json
import shutil
import struct
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio
import transformers
from transformers import WhisperFeatureExtractor

HERE = Path(__file__).parent
SRC, WANT = HERE / "src", HERE / "want"
cases = {"made_with": {m.__name__: m.__version__ for m in (soundfile, torch, torchaudio, transformers, np)}, "read": [], "features": []}


def tones(rate, frames, channels, seed):
    """A chirp, a low hum and noise that swells, another in each channel: [frames, channels]."""
    t = np.arange(frames) / rate
    rng = np.random.default_rng(seed)
    out = []
    for c in range(channels):
        chirp = np.sin(2 * np.pi * (150 + 90 * c + 0.2 * rate * t) * t)
        hum = np.sin(2 * np.pi * 61 * t + c)
        noise = rng.standard_normal(frames) * t / t[-1]
        out.append(0.4 * chirp + 0.2 * hum + 0.05 * noise)
    return np.clip(np.stack(out, 1), -0.999, 0.999)


def chunk(name, data):
    return name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


def extensible(path, rate, samples, bits):
    """PCM in WAVE_FORMAT_EXTENSIBLE, with chunks of odd lengths around it."""
    channels, width = samples.shape[1], bits // 8
    whole = np.round(samples * 2 ** (bits - 1)).astype("<i4")
    data = b"".join(struct.pack("<i", v)[:width] for v in whole.reshape(-1))
    guid = struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
    fmt = struct.pack("<HHIIHHHHI", 0xFFFE, channels, rate, rate * channels * width, channels * width, bits, 22, bits, 0) + guid
    body = b"WAVE" + chunk(b"JUNK", b"odd") + chunk(b"fmt ", fmt) + chunk(b"LIST", b"INFOx") + chunk(b"data", data) + chunk(b"LIST", b"after the samples")
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)


def store(name, array):
    data = np.ascontiguousarray(array, dtype="<f4").tobytes()
    (WANT / name).write_bytes(gzip.compress(data, 9, mtime=0))
    return name


def read(src, rate):
    """What the file is at a rate, 0 its own: float64 [samples], and the rate."""
    samples, own = soundfile.read(SRC / src, dtype="float64", always_2d=True)
    mono = torch.from_numpy(samples.mean(1))
    if rate and rate != own:
        mono = torchaudio.functional.resample(mono, own, rate)
    return mono.numpy(), rate or own


# name, subtype, rate, frames, channels, rates to resample to
FILES = [
    ("u8", "PCM_U8", 8000, 801, 1, [0, 16000]),
    ("s16_stereo", "PCM_16", 44100, 4411, 2, [0, 16000, 48000]),
    ("s24_three", "PCM_24", 48000, 1203, 3, [0, 16000]),
    ("s32", "PCM_32", 22050, 907, 1, [16000]),
    ("f32", "FLOAT", 16000, 701, 2, [0, 11025, 7999]),
    ("f64", "DOUBLE", 96000, 1501, 1, [16000]),
    ("ext_s16_six", 16, 32000, 333, 6, [0, 16000]),
    ("ext_s24", 24, 11025, 445, 1, [16000]),
    ("rf64", "PCM_16", 16000, 257, 2, [0]),
]

# name, file, rate, constructor arguments
FEATURES = [
    ("tiny", "s16_stereo.wav", 16000, {"chunk_length": 30}),
    ("large", "s24_three.wav", 16000, {"feature_size": 128, "chunk_length": 1}),
    ("whole_second", "second.wav", 16000, {"chunk_length": 1}),
    ("cut", "second.wav", 16000, {"chunk_length": 1, "feature_size": 20, "hop_length": 333}),
    ("odd", "u8.wav", 8000, {"feature_size": 13, "sampling_rate": 8000, "n_fft": 255, "hop_length": 77, "chunk_length": 1, "padding_value": 0.25}),
]


def main():
    for folder in (SRC, WANT):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    for seed, (name, subtype, rate, frames, channels, rates) in enumerate(FILES):
        path = SRC / f"{name}.wav"
        samples = tones(rate, frames, channels, seed)
        if isinstance(subtype, int):
            extensible(path, rate, samples, subtype)
        else:
            soundfile.write(path, samples, rate, subtype, format="RF64" if name == "rf64" else "WAV")
        for to in rates:
            got, at = read(path.name, to)
            cases["read"].append({"src": path.name, "rate": to, "at": at, "want": store(f"{name}_{to}.f32.gz", got)})
    soundfile.write(SRC / "second.wav", tones(16000, 18001, 1, 99), 16000, "PCM_16")
    for name, src, rate, arguments in FEATURES:
        extractor = WhisperFeatureExtractor(**arguments)
        samples = np.zeros(extractor.n_samples, np.float32) + np.float32(extractor.padding_value)
        given = read(src, rate)[0].astype(np.float32)[: extractor.n_samples]
        samples[: len(given)] = given
        want = extractor._np_extract_fbank_features(samples[None], "cpu")[0]
        with_torch = extractor(given, sampling_rate=rate, return_tensors="np").input_features[0]
        assert want.shape == with_torch.shape and np.abs(want - with_torch).max() < 2e-4, np.abs(want - with_torch).max()
        cases["features"].append({"name": name, "src": src, "rate": rate, "padding": extractor.padding_value, "samples": extractor.n_samples,
                                  "fft": extractor.n_fft, "hop": extractor.hop_length, "shape": list(want.shape), "want": store(f"features_{name}.f32.gz", want)})
    (HERE / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")


if __name__ == "__main__":
    main()
