"""The client tritonclient against the server: triton_client.py URL PICTURE."""
import sys

import numpy as np
import tritonclient.http as triton

url, _ = sys.argv[1:]
client = triton.InferenceServerClient(url.removeprefix("http://"))
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("vit")
about = client.get_model_metadata("vit")
assert about["inputs"][0]["name"] == "pixel_values", about
pixels = np.random.default_rng(1).standard_normal((2, 3, 32, 32)).astype(np.float32)
results = []
for binary in True, False:
    x = triton.InferInput("pixel_values", list(pixels.shape), "FP32")
    x.set_data_from_numpy(pixels, binary_data=binary)
    wish = [triton.InferRequestedOutput("logits", binary_data=binary)]
    results.append(client.infer("vit", [x], outputs=wish, request_id="5").as_numpy("logits"))
results.append(client.infer("vit", [x]).as_numpy("logits"))
assert results[0].shape == (2, 10)
assert all((r == results[0]).all() for r in results)
ids = triton.InferInput("input_ids", [1, 4], "INT64")
ids.set_data_from_numpy(np.array([[1, 5, 6, 2]], np.int64))
assert client.infer("clip", [ids]).as_numpy("text_embeds").shape == (1, 128)
try:
    client.infer("vit", [ids])
except triton.InferenceServerException as e:
    assert "input_ids" in str(e), e
else:
    raise AssertionError("an input that is not there")
print("fine")
