"""Picture files, and what Pillow reads of them: see generate.py."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import PIL
import timm
import torch
import torchvision
import transformers
from PIL import Image, ImageDraw, ImageOps
from PIL.PngImagePlugin import PngInfo
from transformers.image_transforms import convert_to_rgb

HERE = Path(__file__).parent
SRC, WANT = HERE / "src", HERE / "want"
cases = {
    "made_with": {m.__name__: m.__version__ for m in (PIL, timm, torch, torchvision, transformers)},
    "decode": [],
    "resize": [],
    "canny": [],
    "process": [],
    "defaults": {},
    "sizes": [],
    "grids": [],
}


def draw(w, h, seed=0):
    """A picture with soft gradients, hard edges, fine texture and every colour."""
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    u, v = x / max(w - 1, 1), y / max(h - 1, 1)
    a = np.stack([255 * u, 255 * v, 127.5 + 127.5 * np.sin(7 * u + 5 * v + seed)], -1)
    r2 = (x - 0.7 * w) ** 2 + (y - 0.4 * h) ** 2
    rings = 127.5 + 127.5 * np.cos(r2 / (0.05 * w * h) ** 0.5 / 3)  # finer and finer
    inside = r2 < (0.3 * min(w, h)) ** 2
    a[inside] = np.stack([rings, rings, 255 - rings], -1)[inside]
    m = Image.fromarray(a.round().astype(np.uint8))
    d = ImageDraw.Draw(m)
    d.rectangle([w // 10, h // 2, w // 3, h - h // 8], fill=(250, 30, 20), outline=(0, 0, 0))
    d.ellipse([w // 5, h // 8, w // 2, h // 2], fill=(20, 200, 240))
    for i in range(6):
        d.line([0, i * h // 7, w, (6 - i) * h // 9], fill=(255 * (i % 2), 255, 40 * i))
    return m


def muted(w, h):
    """The same with colours as pale as a photograph's, for JPEG."""
    m = draw(w, h)
    return Image.blend(m, m.convert("L").convert("RGB"), 0.5)


def alpha(m):
    """The picture with transparency from none to full."""
    w, h = m.size
    ramp = np.add.outer(np.arange(h), np.arange(w)) * 300 // (w + h)
    m = m.convert("RGBA")
    m.putalpha(Image.fromarray(np.clip(ramp - 20, 0, 255).astype(np.uint8)))
    return m


def raw_png(a, colour, depth, extra=b""):
    """A PNG that Pillow cannot write: a is [H, W, channels] of depth 8 or 16."""
    h, w = a.shape[:2]
    rows = a.astype(">u2" if depth == 16 else np.uint8).reshape(h, -1)
    data = zlib.compress(b"".join(b"\0" + r.tobytes() for r in rows), 9)

    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def reference(data):
    """The picture as transformers' pipelines see it: upright, over white."""
    m = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    return Image.fromarray(convert_to_rgb(m, return_numpy=True))


def save_png(path, m):
    m.save(path, optimize=True)


def decode_case(name, data, want=None, **more):
    """want is the expected picture where Pillow's is not the one we follow."""
    (SRC / name).write_bytes(data)
    save_png(WANT / f"{name}.png", want or reference(data))
    cases["decode"].append({"src": name, "want": f"{name}.png", **more})


def encoded(m, kind, **options):
    b = io.BytesIO()
    m.save(b, kind, **options)
    return b.getvalue()


def exif(orientation):
    e = Image.Exif()
    e[0x0112] = orientation
    return e


def decode_png():
    m = draw(37, 23)
    decode_case("rgb.png", encoded(m, "PNG"))
    decode_case("grey.png", encoded(m.convert("L"), "PNG"))
    decode_case("bilevel.png", encoded(m.convert("1"), "PNG"))
    decode_case("palette.png", encoded(m.quantize(37), "PNG"))
    decode_case("palette4.png", encoded(m.quantize(13), "PNG", bits=4))
    decode_case("palette_alpha.png", encoded(alpha(m).quantize(50), "PNG"))
    decode_case("rgba.png", encoded(alpha(m), "PNG"))
    decode_case("grey_alpha.png", encoded(alpha(m).convert("LA"), "PNG"))
    r, g, b = m.getpixel((3, 20))
    key = struct.pack(">HHH", r, g, b)
    trns = struct.pack(">I", 6) + b"tRNS" + key + struct.pack(">I", zlib.crc32(b"tRNS" + key))
    decode_case("colour_key.png", raw_png(np.asarray(m), 2, 8, trns))

    # 16 bits: rounded to the nearest of 8, by definition. (Pillow takes the high byte of colours.)
    wide = np.asarray(m).astype(np.int64) * 257 + np.arange(37 * 23 * 3).reshape(23, 37, 3) % 509 - 254
    wide = np.clip(wide, 0, 65535)
    a16 = np.clip(np.asarray(alpha(m))[..., 3:].astype(np.int64) * 257 + 77, 0, 65535)
    rounded = lambda a: Image.fromarray(np.floor(a * 255 / 65535 + 0.5).astype(np.uint8))
    decode_case("rgb16.png", raw_png(wide, 2, 16), rounded(wide))
    grey = wide[..., :1]
    decode_case("grey16.png", raw_png(grey, 0, 16), rounded(np.repeat(grey, 3, 2)))
    over = wide * a16 / 65535 + (65535 - a16)
    decode_case("rgba16.png", raw_png(np.concatenate([wide, a16], 2), 6, 16), rounded(over))

    for o in range(1, 9):
        decode_case(f"turn{o}.png", encoded(draw(9, 6), "PNG", exif=exif(o)))
    shift = Image.alpha_composite(Image.new("RGBA", m.size, (10, 120, 200, 255)), alpha(m)).convert("RGB")
    decode_case("rgba_over_blue.png", encoded(alpha(m), "PNG"), shift, background=[10, 120, 200])


def swap_sampling(data, old, new, size=None):
    """Change the luma sampling factors in a JPEG's SOF segment, and its size."""
    at = data.index(b"\xff\xc0")
    b = bytearray(data)
    assert b[at + 11] == old
    b[at + 11] = new
    if size:
        b[at + 5 : at + 9] = struct.pack(">HH", *size)
    return bytes(b)


def drop_adobe(data):
    at = data.index(b"\xff\xee")
    return data[:at] + data[at + 2 + struct.unpack(">H", data[at + 2 : at + 4])[0] :]


def decode_jpeg():
    cmyk = muted(31, 17).convert("CMYK")
    decode_case("cmyk_420.jpg", encoded(cmyk, "JPEG", quality=75, subsampling=2))
    for name, sub in (("444", 0), ("422", 1), ("420", 2)):
        for w, h in ((1, 1), (2, 2), (3, 5), (5, 4), (31, 17), (64, 48), (73, 45)):
            decode_case(f"{name}_{w}x{h}.jpg", encoded(muted(w, h), "JPEG", quality=75, subsampling=sub))
    m = muted(61, 43)
    decode_case("coarse.jpg", encoded(m, "JPEG", quality=25, subsampling=2))
    decode_case("progressive.jpg", encoded(m, "JPEG", quality=75, subsampling=2, progressive=True))
    decode_case("restarts.jpg", encoded(m, "JPEG", quality=75, subsampling=2, restart_marker_blocks=3))
    decode_case("grey.jpg", encoded(m.convert("L"), "JPEG", quality=75))
    decode_case("rgb.jpg", encoded(m, "JPEG", quality=75, keep_rgb=True, subsampling=0))
    # The same number of blocks per unit, so that the stream stays valid; the picture is scrambled.
    square = muted(64, 64)
    decode_case("440.jpg", swap_sampling(encoded(square, "JPEG", quality=75, subsampling=1), 0x21, 0x12))
    decode_case("411.jpg", swap_sampling(encoded(square, "JPEG", quality=75, subsampling=2), 0x22, 0x41))
    cmyk = m.convert("CMYK")
    k = np.asarray(cmyk).copy()
    k[..., 3] = np.arange(61) * 2  # Pillow's conversion leaves black empty
    cmyk = encoded(Image.fromarray(k, "CMYK"), "JPEG", quality=75)
    decode_case("cmyk.jpg", cmyk)
    decode_case("cmyk_plain.jpg", drop_adobe(cmyk))
    at = cmyk.index(b"Adobe") + 11
    decode_case("ycck.jpg", cmyk[:at] + b"\x02" + cmyk[at + 1 :])
    decode_case("turn6.jpg", encoded(muted(24, 16), "JPEG", quality=95, subsampling=0, exif=exif(6)))


def decode_damaged_jpeg():
    """What libjpeg makes of files that are damaged, and Pillow accepts."""
    m = muted(31, 17)
    data = bytearray(encoded(m, "JPEG", quality=90, subsampling=1))
    at = data.index(b"\xff\xdb")
    n = struct.unpack(">H", data[at + 2 : at + 4])[0]
    data[at + 5 : at + 2 + n] = b"\xfa" * (n - 3)  # steps so large that the transform overflows
    decode_case("overflow.jpg", bytes(data))
    whole = encoded(muted(61, 43), "JPEG", quality=75, subsampling=2, restart_marker_blocks=3)
    scan = whole.index(b"\xff\xda")
    first, second, third = (whole.index(bytes([0xFF, 0xD0 + i]), scan) for i in range(3))
    decode_case("lost_restart.jpg", whole[:second] + whole[third:])
    decode_case("lost_data.jpg", whole[: first - 20] + whole[first:])
    decode_case("wrong_code.jpg", whole[: first + 4] + b"\xfe\xfe\xfe" + whole[first + 7 :])
    decode_case("early_end.jpg", whole[: len(whole) * 2 // 3] + b"\xff\xd9")
    decode_case("no_end.jpg", whole[:-2] + b"\xff\xd9\0\0")
    rgb = encoded(muted(31, 17), "JPEG", quality=75, subsampling=2)
    at, scan = rgb.index(b"\xff\xc4"), rgb.index(b"\xff\xda")
    decode_case("no_tables.jpg", rgb[:at] + rgb[scan:])  # as frames of Motion JPEG


def bmp(header, masks, palette, pixels):
    """A BMP of a header without its size."""
    size = len(header) + 4
    offset = 14 + size + len(masks) + len(palette)
    return b"BM" + struct.pack("<IHHII", offset + len(pixels), 0, 0, offset, size) + header + masks + palette + pixels


def bmp_info(w, h, bits, compression=0, colours=0, more=b""):
    return struct.pack("<iiHHIIiiII", w, h, 1, bits, compression, 0, 0, 0, colours, 0) + more


def decode_bmp():
    m = draw(23, 15)
    a = np.asarray(m).astype(np.uint32)
    flipped = a[::-1]

    def rows(values, dtype):
        """Rows padded to four bytes."""
        b = values.astype(dtype).tobytes()
        n = len(b) // 15
        return b"".join(b[i * n : (i + 1) * n] + b"\0" * (-n % 4) for i in range(15))

    bgr = rows(flipped[..., ::-1], np.uint8)
    decode_case("top_down.bmp", bmp(bmp_info(23, -15, 24), b"", b"", rows(a[..., ::-1], np.uint8)))
    decode_case("palette_24.bmp", bmp(bmp_info(23, 15, 24, 0, 7), b"", bytes(range(28)), bgr))
    decode_case("os2.bmp", bmp(struct.pack("<HHHH", 23, 15, 1, 24), b"", b"", bgr))
    r, g, b = (flipped[..., i] for i in range(3))
    decode_case("555.bmp", bmp(bmp_info(23, 15, 16), b"", b"", rows(r >> 3 << 10 | g >> 3 << 5 | b >> 3, "<u2")))
    masks = struct.pack("<III", 0xF800, 0x7E0, 0x1F)
    decode_case("565.bmp", bmp(bmp_info(23, 15, 16, 3), masks, b"", rows(r >> 3 << 11 | g >> 2 << 5 | b >> 3, "<u2")))
    decode_case("x888.bmp", bmp(bmp_info(23, 15, 32), b"", b"", rows(r << 16 | g << 8 | b | 0x55000000, "<u4")))
    masks = struct.pack("<IIII", 0xFF000000, 0xFF0000, 0xFF00, 0xFF)
    ramp = np.add.outer(np.arange(15), np.arange(23)).astype(np.uint32) * 7
    decode_case("rgba.bmp", bmp(bmp_info(23, 15, 32, 3, more=masks), b"", b"", rows(r << 24 | g << 16 | b << 8 | ramp, "<u4")))

    p = np.asarray(m.quantize(16))[::-1]
    colours = m.quantize(16).getpalette()[:48]
    quads = b"".join(bytes([colours[i + 2], colours[i + 1], colours[i], 0]) for i in range(0, 48, 3))
    triples = b"".join(bytes([colours[i + 2], colours[i + 1], colours[i]]) for i in range(0, 48, 3))
    wide = np.concatenate([p, np.zeros((15, 1), np.uint8)], 1)
    packed = (wide[:, ::2] << 4 | wide[:, 1::2]).astype(np.uint8)
    decode_case("palette4.bmp", bmp(bmp_info(23, 15, 4, 0, 16), b"", quads, rows(packed, np.uint8)))
    decode_case("os2_palette4.bmp", bmp(struct.pack("<HHHH", 23, 15, 1, 4), b"", triples, rows(packed, np.uint8)))
    bits = np.packbits(np.concatenate([p & 1, np.zeros((15, 9), np.uint8)], 1), axis=1)
    decode_case("palette1.bmp", bmp(bmp_info(23, 15, 1, 0, 2), b"", quads[:8], rows(bits, np.uint8)))
    decode_case("rle8.bmp", bmp(bmp_info(23, 15, 8, 1, 16), b"", quads, runs(p, False)))
    decode_case("rle4.bmp", bmp(bmp_info(23, 15, 4, 2, 16), b"", quads, runs(p, True)))
    # A step of two to the right and one up leaves the first colour behind it.
    some = runs(p[:5], False)[:-2] + b"\0\2\2\1" + runs(p[6:, 2:], False)
    decode_case("rle8_step.bmp", bmp(bmp_info(23, 15, 8, 1, 16), b"", quads, some))


def runs(p, four):
    """Run lengths: even rows as runs, odd ones as they are."""
    out = b""
    for y, row in enumerate(p):
        if y % 2:
            values = row if not four else np.append(row, 0)[: len(row) + len(row) % 2]
            if four:
                values = values[::2] << 4 | values[1::2]
            out += bytes([0, len(row)]) + values.astype(np.uint8).tobytes() + b"\0" * (len(values) % 2)
        else:
            x = 0
            while x < len(row):
                n = 1
                while x + n < len(row) and row[x + n] == row[x]:
                    n += 1
                out += bytes([n, row[x] << 4 | row[x] if four else row[x]])
                x += n
        out += b"\0\0"
    return out + b"\0\1"


def decode_tiff():
    m = draw(23, 15)
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
        decode_case(f"rgb_{compression}.tif", encoded(m, "TIFF", compression=compression))
    decode_case("rgba.tif", encoded(alpha(m), "TIFF"))
    dimmed = encoded(Image.fromarray(np.asarray(alpha(m).convert("RGBa"))), "TIFF")
    extra = struct.pack("<HHIH", 338, 3, 1, 2)  # alpha that has not dimmed the colours
    assert extra in dimmed
    decode_case("dimmed.tif", dimmed.replace(extra, extra[:-2] + b"\1\0"))
    decode_case("grey.tif", encoded(m.convert("L"), "TIFF"))
    decode_case("palette.tif", encoded(m.quantize(20), "TIFF"))
    decode_case("bilevel.tif", encoded(m.convert("1"), "TIFF"))
    decode_case("fax4.tif", encoded(m.convert("1"), "TIFF", compression="group4"))
    decode_case("turn6.tif", encoded(draw(9, 6), "TIFF", exif=exif(6)))
    decode_case("predictor.tif", encoded(m, "TIFF", compression="tiff_lzw", tiffinfo={317: 2}))


def xmp(orientation, element=False):
    prop = f"><tiff:Orientation>{orientation}</tiff:Orientation" if element else f' tiff:Orientation="{orientation}"'
    return f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description{prop}></rdf:Description></x:xmpmeta>'


def decode_orientation():
    """Where else than in its own EXIF field a file says how to turn the picture."""
    m, text = draw(9, 6), muted(24, 16)
    decode_case("xmp3.jpg", encoded(text, "JPEG", quality=95, subsampling=0, xmp=xmp(3).encode()))
    decode_case("exif1_xmp6.jpg", encoded(text, "JPEG", quality=95, subsampling=0, exif=exif(1), xmp=xmp(6).encode()))
    decode_case("exif9_xmp6.jpg", encoded(text, "JPEG", quality=95, subsampling=0, exif=exif(9), xmp=xmp(6).encode()))
    decode_case("xmp5.webp", encoded(m, "WEBP", lossless=True, xmp=xmp(5, True).encode()))
    decode_case("xmp8.tif", encoded(m, "TIFF", tiffinfo={700: xmp(8).encode()}))

    def png(key, value, kind="text", after=False):
        info = PngInfo()
        if kind == "itxt":
            info.add_itxt(key, value, zip=True)
        else:
            info.add_text(key, value, zip=kind == "ztxt")
        data = encoded(m, "PNG", pnginfo=info)
        if after:  # Pillow writes text first: move it behind the pixels
            at, n = 33, struct.unpack(">I", data[33:37])[0] + 12
            data = data[:at] + data[at + n : -12] + data[at : at + n] + data[-12:]
        return data

    tiff = exif(6).tobytes()
    profile = f"\nexif\n{len(tiff):8}\n" + "\n".join(tiff.hex()[i : i + 36] for i in range(0, 2 * len(tiff), 36)) + "\n"
    decode_case("xmp7.png", png("XML:com.adobe.xmp", xmp(7, True), "itxt"))
    decode_case("xmp2_behind.png", png("XML:com.adobe.xmp", xmp(2), "itxt", True))
    decode_case("magick6.png", png("Raw profile type exif", profile, "ztxt"))
    decode_case("magick6_plain.png", png("Raw profile type exif", profile))
    decode_case("magick_app1.png", png("Raw profile type APP1", profile.replace("exif", "APP1", 1)))


def decode_damaged_png():
    data = encoded(draw(37, 23), "PNG")
    decode_case("no_end.png", data[:-12])
    at = data.index(b"IDAT")
    n = struct.unpack(">I", data[at - 4 : at])[0]
    decode_case("wrong_checksum.png", data[: at + 4 + n] + b"\1\2\3\4" + data[at + 8 + n :])


def given_files():
    """Files of two sources. Pillow's test suite (HPND licence): issue_2811.gif,
    no_palette.gif, xmp_tags_orientation_exiftool.png. The rest is muted(37, 29),
    written with the programs of libjpeg-turbo 2.1.5:
        cjpeg -quality 80 -sample 3x1,1x1,1x1        3x1_1x1_1x1.jpg, and so on
        jpegtran -arithmetic (-progressive)          arithmetic.jpg (arithmetic_progressive.jpg)
        jpegtran -arithmetic -restart 2B             arithmetic_restarts.jpg
        cjpeg -progressive, without its last scans   scans_N.jpg, the first N remain
    """
    for f in sorted((HERE / "given").iterdir()):
        save_png(WANT / f"{f.name}.png", reference(f.read_bytes()))
        cases["decode"].append({"src": f"../given/{f.name}", "want": f"{f.name}.png"})


def decode_others():
    m = draw(45, 33)
    decode_case("rgb.bmp", encoded(m, "BMP"))
    decode_case("palette.bmp", encoded(m.quantize(20), "BMP"))
    decode_case("grey.bmp", encoded(m.convert("L"), "BMP"))

    decode_case("palette.gif", encoded(m.quantize(60), "GIF"))
    decode_case("interlaced.gif", encoded(m.quantize(60), "GIF", interlace=1))
    decode_case("transparent.gif", encoded(m.quantize(60), "GIF", transparency=7))
    decode_case("animated.gif", encoded(m.quantize(60), "GIF", save_all=True, append_images=[draw(45, 33, 2).quantize(60)]))
    small = bytearray(encoded(m.quantize(60), "GIF"))
    small[6:10] = struct.pack("<HH", 60, 50)  # the canvas outgrows the frame
    decode_case("canvas.gif", bytes(small))
    small = bytearray(encoded(m.quantize(60), "GIF", transparency=7))
    small[6:10] = struct.pack("<HH", 60, 50)
    decode_case("canvas_transparent.gif", bytes(small))

    for w, h in ((1, 1), (2, 3), (45, 33), (64, 48)):
        decode_case(f"lossy_{w}x{h}.webp", encoded(draw(w, h), "WEBP", quality=80))
    decode_case("lossless.webp", encoded(m, "WEBP", lossless=True))
    decode_case("lossy_alpha.webp", encoded(alpha(m), "WEBP", quality=70))
    decode_case("lossless_alpha.webp", encoded(alpha(m), "WEBP", lossless=True, exact=True))
    decode_case("turn8.webp", encoded(m, "WEBP", quality=80, exif=exif(8)))
    frames = [draw(45, 33, s) for s in (0, 2)]
    decode_case("animated.webp", encoded(frames[0], "WEBP", quality=80, save_all=True, append_images=frames[1:]))
