// attention_merge: joins the slices of the keys that attention_few has summed up each on
// its own: O = Σ_s 2^(m_s − m)·sum_s / Σ_s 2^(m_s − m)·total_s, m being the highest m_s.
//
// Bindings
//   parts  [rows][slices][heads] of p.width elements, the sum, and eight more: highest
//          score m_s, sum of weights total_s
//   o      rows of p.o_stride elements, head h at element h·p.width
//
// An invocation does four elements of a row; a workgroup does 64, the grid is 2-D.

alias Packed = vec2<u32>;

struct Params {
    count: u32,    // invocations: rows · heads · p.width/4
    width: u32,    // elements of a head, padded to a multiple of 8
    heads: u32,
    slices: u32,
    o_stride: u32, // elements, a multiple of 8
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> parts: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> o: array<Packed>;

fn pack(x: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(x.xy), pack2x16float(x.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn pack_f32(x: vec4<f32>) -> Packed_f32 { return x; }
// end

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i >= p.count {
        return;
    }
    let vectors = p.width / 4u;
    let head = i / vectors % p.heads;
    let row = i / vectors / p.heads;
    let step = p.heads * (vectors + 2u);
    let at = row * p.slices * step + head * (vectors + 2u);

    var best = -1e30;
    for (var s = 0u; s < p.slices; s += 1u) {
        best = max(best, parts[at + s * step + vectors].x);
    }
    var total = 0.0;
    var sum = vec4<f32>(0.0);
    for (var s = 0u; s < p.slices; s += 1u) {
        let note = parts[at + s * step + vectors];
        let weight = exp2(note.x - best);
        total = fma(weight, note.y, total);
        sum = fma(vec4<f32>(weight), parts[at + s * step + i % vectors], sum);
    }
    o[(row * p.o_stride + head * p.width) / 4u + i % vectors] = pack(sum * (1.0 / select(total, 1e-30, total < 1e-30)));
}
