// The sequence of a vision transformer: y[n, t] = table[t] for the first
// `prefix` tokens (class and distillation tokens, position embedding added),
// x[n, t − prefix] + table[t] for the patches (table: their position embedding).
//
// x: [N·(T − prefix), stride], y: [N·T, stride], four elements in a Packed;
// table: f32 [T, stride].
// A workgroup does 64 Packed; the grid is 2-D.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32,  // Packed in all of y
    stride: u32, // elements a row
    tokens: u32, // T
    prefix: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> table: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let vectors = p.stride / 4u;
        let row = i / vectors;
        let t = row % p.tokens;
        let patch_row = row / p.tokens * (p.tokens - p.prefix) + max(t, p.prefix) - p.prefix;
        let embedded = unpack(x[patch_row * vectors + i % vectors]);
        y[i] = pack(table[t * vectors + i % vectors] + select(vec4<f32>(0.0), embedded, t >= p.prefix));
    }
}
