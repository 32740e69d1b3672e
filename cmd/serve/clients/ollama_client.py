"""Ollama's own client against the server: ollama_client.py URL PICTURE."""
import sys

import ollama

url, picture = sys.argv[1:]
client = ollama.Client(host=url)
assert {"blip", "blip_vqa"} <= {m.model for m in client.list().models}
whole = client.generate(model="blip", prompt="Describe it.", images=[picture])
parts = [p.response for p in client.generate(model="blip", prompt="Describe it.", images=[picture], stream=True)]
assert whole.done and whole.response and "".join(parts) == whole.response, (whole, parts)
answer = client.chat(model="blip_vqa", messages=[{"role": "user", "content": "what is it?", "images": [picture]}], options={"temperature": 0})
assert answer.message.content, answer
assert "vision" in client.show("blip").capabilities
vectors = client.embed(model="clip", input=["a cat", "a dog"]).embeddings
assert len(vectors) == 2 and len(vectors[0]) == 128
try:
    client.generate(model="llava", prompt="x")
except ollama.ResponseError as e:
    assert e.status_code == 404 and "llava" in e.error, e
else:
    raise AssertionError("a model that is not there")
print("fine")
