"""The client webuiapi against the server: webui_client.py URL PICTURE."""
import sys
from urllib.parse import urlparse

import webuiapi
from PIL import Image

url, picture = sys.argv[1:]
at = urlparse(url)
client = webuiapi.WebUIApi(host=at.hostname, port=at.port, sampler="Euler a", steps=4)
assert client.util_get_current_model() == "sd"
assert "sd" in client.util_get_model_names()
assert any(s["name"] == "euler-a" for s in client.get_samplers())
first = client.txt2img(prompt="red apple", seed=7, cfg_scale=3, width=64, height=64)
again = client.txt2img(prompt="red apple", seed=7, cfg_scale=3, width=64, height=64)
assert first.image.size == (64, 64) and first.image.tobytes() == again.image.tobytes()
assert first.info["seed"] == 7, first.info
two = client.txt2img(prompt="red (apple:1.2)", negative_prompt="blue", seed=7, cfg_scale=3, width=64, height=64, n_iter=2)
assert len(two.images) == 2 and two.info["all_seeds"] == [7, 8]
mask = Image.new("L", (64, 64), 0)
mask.paste(255, (0, 0, 64, 20))
over = client.img2img(images=[first.image], prompt="green apple", seed=1, denoising_strength=0.7, mask_image=mask, mask_blur=0, width=64, height=64, inpaint_full_res=False)
assert over.image.size == (64, 64)
assert client.get_progress()["progress"] == 0
client.util_set_model("sd")
try:
    client.txt2img(prompt="x", sampler_name="nonsense")
except RuntimeError as e:
    assert "nonsense" in str(e), e
else:
    raise AssertionError("a sampler that is not there")
print("fine")
