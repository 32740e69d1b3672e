"""Spoken words: digits and commands in English and Korean as espeak-ng's voices say them, and rooms and noises for them.

The program espeak-ng speaks them (Debian's package of that name); flite's voices, if it is there, are a trial.
"""

import io
import os
import re
import subprocess
import wave

import numpy as np
import torch
from scipy.fft import irfft, rfft
from scipy.signal import fftconvolve, resample_poly

RATE = 16000
ENGLISH = "zero one two three four five six seven eight nine yes no up down left right on off stop go".split()
KOREAN = "영 일 이 삼 사 오 육 칠 팔 구 네 아니요 위 아래 왼쪽 오른쪽 켜 꺼 정지 시작".split()
LABELS = ENGLISH + KOREAN + ["another word", "nothing said"]
OTHER, NOTHING = len(LABELS) - 2, len(LABELS) - 1
# What is heard as another word; those after the bar are kept for the trial.
OTHERS = {
    "en": "apple water house tree bird table window music paper garden happy cat morning people number open hello winter "
    "river money school monday seventy eleven twenty because never again please close lift sound little doctor bottle "
    "forty train under letter yesterday orange | mother kitchen thirty bicycle silver always",
    "ko": "사과 물 집 나무 새 책상 창문 음악 종이 정원 고양이 아침 사람 번호 안녕 겨울 강 돈 학교 월요일 열하나 스물 왜냐하면 "
    "다시 제발 닫아 소리 작은 의사 병 기차 밑 편지 어제 주황 하나 둘 셋 넷 다섯 | 어머니 부엌 자전거 은색 항상 여섯",
}
# The ways of speaking; the last of English is kept for the trial.
ACCENTS = {"en": ["en-gb", "en-us", "en-gb-x-rp", "en-gb-x-gbclan", "en-gb-x-gbcwmd", "en-029", "en-us-nyc", "en-gb-scotland"], "ko": ["ko"]}
FLITE = ["awb", "rms", "slt", "kal16"]


def samples_of(data):
    """The samples of WAV data, float32 at RATE, without the silence around them."""
    with wave.open(io.BytesIO(data)) as w:
        x, rate = np.frombuffer(w.readframes(len(data)), np.int16), w.getframerate()
    x = resample_poly(x.astype(np.float32) / 32768, RATE, rate) if rate != RATE else x.astype(np.float32) / 32768
    loud = np.flatnonzero(np.abs(x) > 0.01 * max(np.abs(x).max(), 1e-3))
    return x[max(0, loud[0] - 160) : loud[-1] + 480] if len(loud) else x[:0]


def say(word, voice, speed, pitch):
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", word]
    return samples_of(subprocess.run(command, check=True, capture_output=True).stdout)


def say_by_flite(word, voice, folder):
    path = os.path.join(folder, "flite.wav")
    subprocess.run(["flite", "-voice", voice, "-t", word, "-o", path], check=True, capture_output=True)
    with open(path, "rb") as f:
        return samples_of(f.read())


def variants():
    """The names of espeak-ng's variants of voices: those that teach, and every eighth, which is kept for the trial."""
    told = subprocess.run(["espeak-ng", "--voices=variant"], check=True, capture_output=True, text=True).stdout
    names = sorted(set(re.findall(r"!v/(.+?)\s*$", told, re.M)))
    names = [n for n in names if " " not in n]
    order = np.random.default_rng(0).permutation(len(names))
    return [names[i] for i in order[len(names) // 8 :]], [names[i] for i in order[: len(names) // 8]]


def spoken(work, trial, each):
    """What is said each times by the voices that teach or by those of the trial: a list of (samples, label, voice)."""
    path = os.path.join(work, "trial.npz" if trial else "taught.npz")
    if not os.path.exists(path):
        rng = np.random.default_rng(2 if trial else 1)
        names = variants()[trial]
        made = []
        for language, words in (("en", ENGLISH), ("ko", KOREAN)):
            ways = ACCENTS[language]
            if language == "en":
                ways = ways if trial else ways[:-1]
            others = OTHERS[language].split("|")[trial].split()
            for word in words + ["?"] * 3:
                for _ in range(each):
                    said = rng.choice(others) if word == "?" else word
                    voice = f"{rng.choice(ways)}+{rng.choice(names)}"
                    x = say(said, voice, int(rng.integers(120, 230)), int(rng.integers(15, 90)))
                    if len(x) > 800:
                        made.append((x, OTHER if word == "?" else LABELS.index(word), voice))
            print(f"{language}: {len(made)} said", flush=True)
        ends = np.cumsum([len(m[0]) for m in made])
        sound = (np.concatenate([m[0] for m in made]) * 32767).astype(np.int16)
        np.savez(path, sound=sound, ends=ends, labels=[m[1] for m in made], voices=[m[2] for m in made])
    with np.load(path) as z:
        parts = np.split(z["sound"], z["ends"][:-1])
        return list(zip(parts, z["labels"].tolist(), z["voices"].tolist()))


def coloured(rng, n):
    """Noise of n samples and of deviation 1, whose power falls with a power of the frequency, or a hum."""
    if rng.random() < 0.15:
        base, t = rng.uniform(45, 400), np.arange(n) / RATE
        x = sum(np.sin(2 * np.pi * base * k * t + rng.uniform(0, 6.3)) / k ** rng.uniform(0.3, 2) for k in range(1, 12))
    else:
        f = np.fft.rfftfreq(n, 1 / RATE)
        x = irfft(rfft(rng.standard_normal(n, np.float32)) * np.maximum(f, 40) ** -np.float32(rng.uniform(0, 1)), n)
    if rng.random() < 0.3:  # it comes and goes
        x = x * (0.3 + np.abs(np.interp(np.arange(n), np.linspace(0, n, 12), rng.standard_normal(12))))
    return (x / (x.std() + 1e-9)).astype(np.float32)


class Maker:
    """Puts words into rooms and noises."""

    def __init__(self, said, length):
        self.said, self.length = said, length  # length: samples that the network hears
        self.by = [[i for i, s in enumerate(said) if s[1] == label] for label in range(NOTHING)]

    def word(self, rng, label):
        x = self.said[rng.choice(self.by[label])][0].astype(np.float32) / 32768
        rate = np.exp(rng.uniform(-0.16, 0.16))  # a shorter or longer throat
        return np.interp(np.arange(0, len(x) - 1, rate), np.arange(len(x)), x).astype(np.float32)

    def put(self, rng, x, hard):
        """A sound with samples x somewhere in it: in a room, through a microphone, with noise, of which each is as likely
        as hard says, 0 to 1."""
        n = int(rng.uniform(0.6, 1.5) * RATE)
        room = max(n - len(x), 1600)
        at = int(rng.uniform(0, hard * min(room, max(self.length - len(x), 800))))
        out = np.zeros((max(n, at + len(x)) // 400 + 1) * 400, np.float32)  # FFTs of such lengths are fast
        out[at : at + len(x)] = x
        if rng.random() < 0.5 * hard:
            tail = int(rng.uniform(0.03, 0.35) * RATE)
            echo = rng.standard_normal(tail) * np.exp(-np.arange(tail) * 6.9 / tail) * rng.uniform(0.02, 0.12)
            echo[0] = 1
            out = fftconvolve(out, echo.astype(np.float32))[: len(out)]
        if rng.random() < 0.6 * hard:
            spectrum, f = rfft(out), np.fft.rfftfreq(len(out), 1 / RATE)
            gain = np.interp(f, np.linspace(0, RATE / 2, 9), rng.normal(0, 6, 9))  # dB
            if rng.random() < 0.2:
                gain -= 40 * ((f < rng.uniform(100, 350)) | (f > rng.uniform(3200, 5000)))
            out = irfft(spectrum * (10 ** (gain / 20)).astype(np.float32), len(out))
        if rng.random() < 0.85 * hard or not out.any():
            level = np.abs(out).max() / 4 if out.any() else 0.02
            out = out + coloured(rng, len(out)) * level * 10 ** (-rng.uniform(2, 45) / 20)
        if rng.random() < 0.1 * hard:
            other = self.word(rng, rng.integers(NOTHING))[: len(out)]
            out[: len(other)] += other * np.abs(out).max() * 10 ** (-rng.uniform(18, 35) / 20)
        return (out / max(np.abs(out).max(), 1e-6) * np.exp(rng.uniform(np.log(0.02), 0))).astype(np.float32)

    def example(self, rng, label, hard):
        if label != NOTHING:
            return self.put(rng, self.word(rng, label), hard)
        if rng.random() < 0.1:
            return np.zeros(int(rng.uniform(0.3, 2) * RATE), np.float32)
        return self.put(rng, np.zeros(800, np.float32), hard)

    def batch(self, rng, n, hard=1.0):
        labels = rng.integers(len(LABELS) + 3, size=n)
        labels = np.where(labels < len(LABELS), labels, OTHER)
        return [self.example(rng, label, hard) for label in labels], torch.from_numpy(labels)


class Fbank:
    """ASTFeatureExtractor's spectrograms of many sounds at once."""

    def __init__(self, bins, frames, mean, std):
        from torchaudio.compliance.kaldi import get_mel_banks

        self.frames, self.mean, self.std = frames, mean, std
        banks, _ = get_mel_banks(bins, 512, RATE, 20, 0, 100, -500, 1)
        self.banks = torch.nn.functional.pad(banks, (0, 1)).T  # [257 bins]
        self.window = torch.hann_window(400, periodic=False)

    def __call__(self, sounds):
        """Spectrograms [n, frames, bins]."""
        most = 400 + 160 * (self.frames - 1)
        x, counts = torch.zeros(len(sounds), most), []
        for i, s in enumerate(sounds):
            s = s[:most]
            x[i, : len(s)] = torch.from_numpy(s)
            counts.append((len(s) - 400) // 160 + 1)
        w = x.unfold(1, 400, 160)
        w = w - w.mean(2, keepdim=True)
        w = w - 0.97 * torch.cat([w[..., :1], w[..., :-1]], 2)
        power = torch.fft.rfft(w * self.window, 512).abs() ** 2
        out = (power @ self.banks).clamp(min=torch.finfo(torch.float32).eps).log()
        out *= torch.arange(self.frames)[None, :, None] < torch.tensor(counts)[:, None, None]
        return (out - self.mean) / (2 * self.std)
