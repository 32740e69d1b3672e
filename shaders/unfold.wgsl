// y[n·oh·ow + i·ow + j, c·kh·kw + u·kw + v] = x[n, c, i·sy + u·dy − top, j·sx + v·dx − left],
// zero outside the picture: the windows of pictures as rows (torch.nn.Unfold),
// so that a convolution of an input becomes a matmul with its weight as it is
// stored. The patches of a vision transformer are such windows.
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
  kernel_height: u32,
  kernel_width: u32,
  out_height: u32, // windows in a column
  out_width: u32,  // windows in a row
  stride_y: u32,
  stride_x: u32,
  dilation_y: u32,
  dilation_x: u32,
  pad_y: u32, // at the top
  pad_x: u32, // at the left
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<Packed>;

fn value(row: u32, k: u32) -> f32 {
  let area = p.kernel_height * p.kernel_width;
  let c = min(k / area, p.channels - 1u);
  let n = row / (p.out_height * p.out_width);
  let top = (row / p.out_width % p.out_height) * p.stride_y + k % area / p.kernel_width * p.dilation_y - p.pad_y;
  let left = (row % p.out_width) * p.stride_x + k % p.kernel_width * p.dilation_x - p.pad_x;
  let inside = k < p.channels * area && top < p.height && left < p.width; // what is negative has wrapped
  return select(0.0, x[select(0u, ((n * p.channels + c) * p.height + top) * p.width + left, inside)], inside);
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
