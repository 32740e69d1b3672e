"""OpenAI's own client against the server: openai_client.py URL PICTURE."""
import base64
import struct
import sys

import openai

url, picture = sys.argv[1:]
client = openai.OpenAI(base_url=url + "/v1", api_key="none", max_retries=0)
with open(picture, "rb") as f:
    data = f.read()
image = "data:image/jpeg;base64," + base64.b64encode(data).decode()

models = [m.id for m in client.models.list()]
assert {"clip", "sd", "blip", "blip_vqa"} <= set(models), models

# vectors: the client asks for base64 by itself
both = client.embeddings.create(model="clip", input=["a cat", "a dog"])
numbers = client.embeddings.create(model="clip", input="a cat", encoding_format="float")
floats = [struct.pack(f"<{len(v)}f", *v) for v in (both.data[0].embedding, numbers.data[0].embedding)]
assert floats[0] == floats[1] and len(both.data) == 2
seen = client.embeddings.create(model="clip", input=[image], extra_body={"modality": "image"})
assert abs(sum(x * x for x in seen.data[0].embedding) - 1) < 1e-3

# images, whole and as they become
one = client.images.generate(model="sd", prompt="red apple", extra_body={"seed": 7, "steps": 4})
png = base64.b64decode(one.data[0].b64_json)
assert png.startswith(b"\x89PNG")
kinds = []
for event in client.images.generate(model="sd", prompt="red apple", stream=True, partial_images=2, extra_body={"seed": 7, "steps": 4}):
    kinds.append(event.type)
assert kinds == ["image_generation.partial_image"] * 2 + ["image_generation.completed"], kinds
assert base64.b64decode(event.b64_json) == png
edited = client.images.edit(model="sd", image=("a.png", png, "image/png"), prompt="green apple", extra_body={"seed": 1, "steps": 4, "strength": 0.6})
assert base64.b64decode(edited.data[0].b64_json) != png

# words
messages = [{"role": "user", "content": [{"type": "text", "text": "what is it?"}, {"type": "image_url", "image_url": {"url": image}}]}]
whole = client.chat.completions.create(model="blip", messages=messages)
parts = [c.choices[0].delta.content or "" for c in client.chat.completions.create(model="blip", messages=messages, stream=True)]
assert "".join(parts) == whole.choices[0].message.content and len(parts) > 3, parts
answer = client.chat.completions.create(model="blip_vqa", messages=messages)
assert answer.choices[0].message.content, answer

# errors are the client's own
for kind, call in [
    (openai.NotFoundError, lambda: client.embeddings.create(model="clipp", input="a")),
    (openai.BadRequestError, lambda: client.images.generate(model="sd", prompt="a", size="65x65")),
    (openai.BadRequestError, lambda: client.chat.completions.create(model="blip", messages=messages, stop="x")),
]:
    try:
        call()
    except kind as e:
        assert e.body["message"], e
    else:
        raise AssertionError(kind)
print("fine")
