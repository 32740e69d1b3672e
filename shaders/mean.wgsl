// y[n] = mean of x[n, t] over first ≤ t < end: pooling over tokens. A range of
// one token takes that token out.
//
// x: [N·T, stride], y: [N, stride], four elements in a Packed.
// A workgroup does 64 Packed of y; the grid is 2-D.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }

struct Params {
  count: u32,  // Packed in all of y
  stride: u32, // elements a row
  tokens: u32, // T
  first: u32,
  end: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read_write> y: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let i = id.x + id.y * groups.x * 64u;
  if (i < p.count) {
    let vectors = p.stride / 4u;
    let start = i / vectors * p.tokens * vectors + i % vectors;
    var sum = vec4<f32>(0.0);
    for (var t = p.first; t < p.end; t = t + 1u) {
      sum = sum + unpack(x[start + t * vectors]);
    }
    y[i] = pack(sum / f32(p.end - p.first));
  }
}
