// y = Σ factors[k]·x_k over up to six arrays, clipped to ±the seventh factor if that is
// not 0: the steps of a diffusion scheduler, guidance, the scaling of a model's input.
//
// factors: of one combination seven in a row, from p.at on. A factor 0 leaves its array
// unread, which may hold anything. x_k, y: four elements of a row in a vector, `vectors`
// of them a row; x_k begins at vector first_k and begins again after size_k vectors, so
// that it may have fewer rows than y; an x_k that is not there has size 0. Here all are
// f32; an x_k may be halves or dense rows, y halves. A workgroup does 64 vectors; the
// grid is 2-D.

struct Params {
  count: u32,   // vectors of y
  vectors: u32, // of a row
  width: u32,   // elements of a row, without padding
  at: u32,      // first factor
  first0: u32,
  first1: u32,
  first2: u32,
  first3: u32,
  first4: u32,
  first5: u32,
  size0: u32,
  size1: u32,
  size2: u32,
  size3: u32,
  size4: u32,
  size5: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> factors: array<f32>;
@group(0) @binding(2) var<storage, read> x0: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x1: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> x2: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> x3: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> x5: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> y: array<vec4<f32>>;

fn load0(i: u32) -> vec4<f32> { return x0[i]; }
fn load1(i: u32) -> vec4<f32> { return x1[i]; }
fn load2(i: u32) -> vec4<f32> { return x2[i]; }
fn load3(i: u32) -> vec4<f32> { return x3[i]; }
fn load4(i: u32) -> vec4<f32> { return x4[i]; }
fn load5(i: u32) -> vec4<f32> { return x5[i]; }
fn pack(v: vec4<f32>) -> vec4<f32> { return v; }

// Whether x_k counts, by its size and its factor k.
fn counts(size: u32, k: u32) -> bool { return size > 0u && factors[p.at + k] != 0.0; }

// NaN stays: clamp does not promise it on every driver.
fn clip(v: vec4<f32>, most: f32) -> vec4<f32> {
  let nan = (bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
  return select(clamp(v, vec4<f32>(-most), vec4<f32>(most)), v, nan);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
  let i = id.x + id.y * groups.x * 64u;
  if (i < p.count) {
    var sum = vec4<f32>(0.0);
    if (counts(p.size0, 0u)) { sum = factors[p.at] * load0((p.first0 + i) % p.size0); }
    if (counts(p.size1, 1u)) { sum = sum + factors[p.at + 1u] * load1((p.first1 + i) % p.size1); }
    if (counts(p.size2, 2u)) { sum = sum + factors[p.at + 2u] * load2((p.first2 + i) % p.size2); }
    if (counts(p.size3, 3u)) { sum = sum + factors[p.at + 3u] * load3((p.first3 + i) % p.size3); }
    if (counts(p.size4, 4u)) { sum = sum + factors[p.at + 4u] * load4((p.first4 + i) % p.size4); }
    if (counts(p.size5, 5u)) { sum = sum + factors[p.at + 5u] * load5((p.first5 + i) % p.size5); }
    if (factors[p.at + 6u] > 0.0) { sum = clip(sum, factors[p.at + 6u]); }
    y[i] = pack(sum);
  }
}
