"""Goldens of Whisper: a spectrogram and given tokens, and what generate writes."""


import json
import shutil

import soundfile
import torch
import torchaudio
import transformers
from transformers.convert_slow_tokenizer import bytes_to_unicode

from generate_clip import hooked
from generate_defaults import strike
from generate_io import generator, halves, write
from generate_models import fields, redraw


def whisper_case(root, name, batch, tokens, absent=(), attentions=False, **config):
    """A model, its logits of given tokens; absent are keys that config.json is to lack."""
    g = generator(name)
    vocab = config["vocab_size"]
    special = dict(pad_token_id=vocab - 1, bos_token_id=vocab - 1, eos_token_id=vocab - 1, decoder_start_token_id=vocab - 2, begin_suppress_tokens=None)
    config = transformers.WhisperConfig(**(special | config))
    config._attn_implementation = "eager"
    cls = transformers.WhisperForConditionalGeneration
    model = redraw(cls(config), g)
    with torch.no_grad():
        model.proj_out.weight.mul_(2)  # logits apart from each other, so that halves choose the same
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    strike(folder, *absent)
    (folder / "generation_config.json").unlink(missing_ok=True)
    x = torch.randn(batch, config.num_mel_bins, 2 * config.max_source_positions, generator=g) * 0.5
    ids = torch.randint(0, vocab - 2, (batch, tokens), generator=g, dtype=torch.int32)
    ids[:, 0] = config.decoder_start_token_id
    inputs = {"input_features": x, "decoder_input_ids": ids}
    encoder, decoder = model.model.encoder, model.model.decoder
    modules = {f"encoder_layer.{i}": b for i, b in enumerate(encoder.layers)} | {f"layer.{i}": b for i, b in enumerate(decoder.layers)}
    call = lambda model, x, **options: model(input_features=x, decoder_input_ids=ids.long(), use_cache=False, **options)  # noqa: E731
    out, layers = hooked(modules, lambda: call(model, x, output_attentions=attentions))
    if attentions:
        for kind, field in (("encoder_attentions",) * 2, ("attentions", "decoder_attentions"), ("cross_attentions",) * 2):
            layers |= {f"{kind}.{i}": a for i, a in enumerate(out[field])}
    names = ["encoder_last_hidden_state", "logits"]
    got = {o: out[o] for o in names}
    exact = halves(model, lambda model, cast: fields(call(model, cast(x)), names), got)
    metadata = {
        "model": "whisper",
        "source": f"transformers {transformers.__version__} {cls.__name__}; torch {torch.__version__.split('+')[0]}",
        "architecture": cls.__name__,
        "inputs": list(inputs),
        "layers": list(layers),
        "outputs": list(got),
        "options": {},
        "halves": exact,
    }
    write(folder / "golden.safetensors", inputs | layers | got, metadata)


def whisper_heads(root):
    """80 bins; heads of 10 in the encoder and of 15 in the decoder; an odd number of states; attention probabilities."""
    whisper_case(
        root, "whisper_heads", 2, 7, attentions=True, vocab_size=97, num_mel_bins=80, d_model=30, encoder_layers=2, decoder_layers=3,
        encoder_attention_heads=3, decoder_attention_heads=2, encoder_ffn_dim=41, decoder_ffn_dim=50, max_source_positions=13, max_target_positions=40,
    )  # fmt: skip


def whisper_large(root):
    """128 bins, as from version 3 on; more layers above than below; another activation."""
    whisper_case(
        root, "whisper_large", 1, 11, vocab_size=211, num_mel_bins=128, d_model=28, encoder_layers=3, decoder_layers=1, activation_function="gelu_new",
        encoder_attention_heads=4, decoder_attention_heads=7, encoder_ffn_dim=60, decoder_ffn_dim=33, max_source_positions=20, max_target_positions=24,
    )  # fmt: skip


def whisper_defaults(root):
    """No word of the heads, the bins, the activation."""
    whisper_case(
        root, "whisper_defaults", 1, 5, absent=["encoder_attention_heads", "decoder_attention_heads", "num_mel_bins", "activation_function"], vocab_size=61, d_model=24,
        encoder_layers=1, decoder_layers=1, encoder_ffn_dim=30, decoder_ffn_dim=31, max_source_positions=9, max_target_positions=12,
    )  # fmt: skip


# The vocabulary of whisper_speech: bytes, special tokens, times.
SPECIAL = "endoftext startoftranscript en ko de translate transcribe startoflm startofprev nospeech notimestamps".split()
IDS = {name: 256 + i for i, name in enumerate(SPECIAL)}
LANGUAGES = {f"<|{name}|>": IDS[name] for name in ("en", "ko", "de")}
TASKS = {name: IDS[name] for name in ("translate", "transcribe")}
TIMES = 14
SPEECH = dict(lang_to_id=LANGUAGES, task_to_id=TASKS, no_timestamps_token_id=IDS["notimestamps"], is_multilingual=True, max_initial_timestamp_index=3,
              suppress_tokens=[1, 2, 7, *range(257, 266)], begin_suppress_tokens=[32, 256], max_length=20)  # fmt: skip
# What generate is asked for: generation config, arguments and what it hears.
ASKS = [
    ("short", {}, {}),
    ("short", {}, {"language": "Korean", "task": "translate"}),
    ("short", {"no_repeat_ngram_size": 2}, {"language": "<|de|>"}),
    ("short", {"forced_decoder_ids": [[1, None], [2, IDS["transcribe"]]], "max_length": 9}, {}),
    ("short", {"forced_decoder_ids": [[1, IDS["de"]], [2, IDS["translate"]], [3, IDS["notimestamps"]]], "repetition_penalty": 1.5}, {}),
    ("short", {"language": "en", "task": "translate", "max_new_tokens": 6}, {}),
    ("short", {"lang_to_id": None, "task_to_id": None, "no_timestamps_token_id": None, "is_multilingual": False}, {}),
    ("short", {"num_beams": 3, "max_length": 10}, {"language": "ko"}),
    ("short", {"no_repeat_ngram_size": 2}, {"language": "ko", "return_timestamps": True}),
    ("short", {"return_timestamps": True, "max_initial_timestamp_index": None, "repetition_penalty": 2.0}, {"language": "ko"}),
    ("short", {"num_beams": 2, "no_repeat_ngram_size": 3}, {"language": "ko", "return_timestamps": True}),
    ("long", {"no_repeat_ngram_size": 2}, {}),
    ("long", {"no_repeat_ngram_size": 1, "max_length": 12}, {"language": "ko", "task": "transcribe"}),
    ("long", {"num_beams": 3, "no_repeat_ngram_size": 2, "max_length": 9}, {"language": "de"}),
    # The last are of files, and with the config that lies beside the checkpoint.
    ("s16_stereo.wav", {"no_repeat_ngram_size": 2}, {"language": "en"}),
    ("u8.wav", {"no_repeat_ngram_size": 2}, {"return_timestamps": True}),
    ("second.wav", {"no_repeat_ngram_size": 2}, {"task": "translate"}),  # 1.1 seconds: two windows
]


def speech_tokenizer(folder):
    letters = bytes_to_unicode()
    t = transformers.WhisperTokenizer(vocab={letters[i]: i for i in range(256)}, merges=[])
    t.add_special_tokens({"additional_special_tokens": [f"<|{name}|>" for name in SPECIAL[1:]]})
    t.add_tokens([transformers.AddedToken(f"<|{0.02 * i:.2f}|>", special=False) for i in range(TIMES)])
    assert t.convert_tokens_to_ids([f"<|{name}|>" for name in SPECIAL]) == list(IDS.values())
    t.save_pretrained(folder)
    return t


def features_of(extractor, path):
    """The features of a file as transformers' pipeline makes them, of long ones too."""
    samples, own = soundfile.read(path, dtype="float64", always_2d=True)
    mono = torchaudio.functional.resample(torch.from_numpy(samples.mean(1)), own, extractor.sampling_rate).float().numpy()
    how = {"truncation": False, "padding": "longest"} if len(mono) > extractor.n_samples else {}
    return extractor(mono, sampling_rate=extractor.sampling_rate, return_tensors="pt", **how).input_features


def whisper_speech(root):
    """Texts written: languages asked for and found out, tasks, times, beams, windows of a long spectrogram; of sound files too."""
    name, end = "whisper_speech", IDS["endoftext"]
    whisper_case(
        root, name, 1, 6, vocab_size=256 + len(SPECIAL) + TIMES, num_mel_bins=8, d_model=36, encoder_layers=1, decoder_layers=2, encoder_attention_heads=4,
        decoder_attention_heads=6, encoder_ffn_dim=40, decoder_ffn_dim=53, max_source_positions=13, max_target_positions=40, pad_token_id=end, bos_token_id=end,
        eos_token_id=end, decoder_start_token_id=IDS["startoftranscript"],
    )  # fmt: skip
    g = generator(name + " sounds")
    sounds = {"short": torch.randn(2, 8, 26, generator=g), "long": torch.randn(1, 8, 117, generator=g)}
    cls, folder = transformers.WhisperForConditionalGeneration, root / name
    tokenizer = speech_tokenizer(folder)
    extractor = transformers.WhisperFeatureExtractor(feature_size=8, chunk_length=1, hop_length=615)
    extractor.save_pretrained(folder)
    texts = []
    for sound, config, arguments in ASKS:
        model = cls.from_pretrained(folder, attn_implementation="eager").eval()
        for key, value in (SPEECH | config).items():
            if value is not None or hasattr(model.generation_config, key):
                setattr(model.generation_config, key, value)
        file = json.loads(model.generation_config.to_json_string())
        features = sounds[sound] if sound in sounds else features_of(extractor, root.parent / "sound" / "src" / sound)
        with torch.no_grad():
            out = model.generate(features, return_segments=True, **arguments)
        segments = [
            [{"start": float(s["start"]), "end": float(s["end"]), "tokens": s["tokens"].tolist(), "text": tokenizer.decode(s["tokens"], skip_special_tokens=True)} for s in one]
            for one in out["segments"]
        ]
        words = tokenizer.batch_decode(out["sequences"], skip_special_tokens=True)
        texts.append({"sound": sound, "config": file, "arguments": arguments, "text": words, "segments": segments})
        print(sound, config, arguments, *out["sequences"].tolist(), *words, sep="\n  ")
    (folder / "generation_config.json").write_text(json.dumps(texts[-1]["config"], indent=1) + "\n")
    write(folder / "speech.safetensors", sounds, {"texts": texts})


MODELS = {f.__name__: f for f in (whisper_heads, whisper_large, whisper_defaults, whisper_speech)}
