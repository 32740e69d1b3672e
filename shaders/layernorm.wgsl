// y = (x − mean)/√(variance + eps)·gamma + beta over each row: torch.nn.LayerNorm.
// Mean and variance (two passes, biased) are of the row's `width` values; its
// padding is not counted and stays zero, as gamma and beta are zero there.
//
// x, y: rows of `stride` elements, four in a Packed; gamma, beta: f32 [stride].
// A workgroup does one row; the grid is 2-D.

const W = 64u; // threads of a workgroup

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }

struct Params {
  rows: u32,
  stride: u32, // elements a row
  width: u32,  // of which hold values
  eps: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> gamma: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> beta: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<Packed>;

var<workgroup> partial: array<f32, W>;

// The sum of v over the workgroup, the same on every thread and every run.
fn total(v: vec4<f32>, lane: u32) -> f32 {
  partial[lane] = v.x + v.y + v.z + v.w;
  workgroupBarrier();
  for (var half = W / 2u; half > 0u; half = half / 2u) {
    if (lane < half) {
      partial[lane] = partial[lane] + partial[lane + half];
    }
    workgroupBarrier();
  }
  let sum = partial[0];
  workgroupBarrier();
  return sum;
}

// Ones for the columns of vector i that hold values, zeros for padding.
fn inside(i: u32) -> vec4<f32> {
  let column = vec4<u32>(i * 4u, i * 4u + 1u, i * 4u + 2u, i * 4u + 3u);
  return select(vec4<f32>(0.0), vec4<f32>(1.0), column < vec4<u32>(p.width));
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let row = id.x + id.y * groups.x;
  if (row >= p.rows) { // the same for the whole workgroup
    return;
  }
  let vectors = p.stride / 4u;
  let start = row * vectors;
  var sum = vec4<f32>(0.0);
  for (var i = lane; i < vectors; i = i + W) {
    sum = sum + unpack(x[start + i]);
  }
  let mean = total(sum, lane) / f32(p.width);
  sum = vec4<f32>(0.0);
  for (var i = lane; i < vectors; i = i + W) {
    let d = (unpack(x[start + i]) - mean) * inside(i);
    sum = sum + d * d;
  }
  let scale = inverseSqrt(total(sum, lane) / f32(p.width) + p.eps);
  for (var i = lane; i < vectors; i = i + W) {
    y[start + i] = pack((unpack(x[start + i]) - mean) * scale * gamma[i] + beta[i]);
  }
}
