// y[n·gh·gw + i·gw + j, c·ph·pw + u·pw + v] = x[n, c, i·ph + u, j·pw + v]:
// the patches of pictures as rows, so that torch.nn.Conv2d with kernel = stride
// becomes a matmul with its weight as it is stored. What does not fill a patch
// at the right and the bottom is left out, as the convolution does.
//
// x: dense f32 [N, C, H, W]; y: rows of `stride` elements, four in a Packed.
// A workgroup does 64 Packed; the grid is 2-D.

alias Packed = vec2<u32>;
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }

struct Params {
  count: u32,  // Packed in all
  stride: u32, // elements a row of y
  channels: u32,
  height: u32, // of the picture
  width: u32,
  ph: u32, // of a patch
  pw: u32,
  gh: u32, // patches in a column
  gw: u32, // patches in a row
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<Packed>;

fn value(row: u32, k: u32) -> f32 {
  let area = p.ph * p.pw;
  let c = min(k / area, p.channels - 1u);
  let n = row / (p.gh * p.gw);
  let top = (row / p.gw % p.gh) * p.ph + k % area / p.pw;
  let left = (row % p.gw) * p.pw + k % p.pw;
  return select(0.0, x[((n * p.channels + c) * p.height + top) * p.width + left], k < p.channels * area);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let i = id.x + id.y * groups.x * 64u;
  if (i < p.count) {
    let row = i * 4u / p.stride;
    let k = i * 4u % p.stride;
    y[i] = pack(vec4<f32>(value(row, k), value(row, k + 1u), value(row, k + 2u), value(row, k + 3u)));
  }
}
