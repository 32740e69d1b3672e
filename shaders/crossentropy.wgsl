// loss[n] = log Σ_c e^x[n, c] − x[n, label[n]], or with BACK its gradient by x, of the mean of
// the rows: dx[n, c] = (softmax(x[n])[c] − (c = label[n]))·seed/N. torch.nn.CrossEntropyLoss.
//
// x, dx: rows of `vectors` vectors of four elements, a Packed each; loss: f32 [N, 8] of which the
// first holds a value. A thread does a row. Padding is left out of the sum and stays zero.

const BACK = 0u;

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    rows: u32,
    vectors: u32,
    width: u32, // columns that hold values
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> labels: array<u32>;
@group(0) @binding(3) var<storage, read> seed: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<Stored>;

alias Stored = vec4<f32>;
fn store(v: vec4<f32>) -> Stored { return v; }
// form back
alias Stored_back = Packed;
fn store_back(v: vec4<f32>) -> Stored_back { return pack(v); }
// end

// Whether the columns of vector i hold values.
fn inside(i: u32) -> vec4<bool> {
    return vec4<u32>(i * 4u, i * 4u + 1u, i * 4u + 2u, i * 4u + 3u) < vec4<u32>(p.width);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let n = id.x;
    let vectors = select(0u, p.vectors, n < p.rows);
    let start = n * vectors;
    var top = vec4<f32>(-3.0e38);
    for (var i = 0u; i < vectors; i += 1u) {
        top = max(top, select(vec4<f32>(-3.0e38), unpack(x[start + i]), inside(i)));
    }
    let most = max(max(top.x, top.y), max(top.z, top.w));
    var sum = vec4<f32>(0.0);
    for (var i = 0u; i < vectors; i += 1u) {
        sum += select(vec4<f32>(0.0), exp(unpack(x[start + i]) - most), inside(i));
    }
    let total = sum.x + sum.y + sum.z + sum.w;
    let label = labels[min(n, max(p.rows, 1u) - 1u)];
    if BACK == 0u && n < p.rows {
        let v = unpack(x[start + label / 4u]);
        y[2u * n] = store(vec4<f32>(log(total) + most - v[label % 4u], 0.0, 0.0, 0.0));
        y[2u * n + 1u] = store(vec4<f32>(0.0));
    }
    if BACK == 1u {
        let scale = seed[0] / f32(p.rows);
        for (var i = 0u; i < vectors; i += 1u) {
            let one = select(vec4<f32>(0.0), vec4<f32>(1.0), vec4<u32>(i * 4u, i * 4u + 1u, i * 4u + 2u, i * 4u + 3u) == vec4<u32>(label));
            let d = (exp(unpack(x[start + i]) - most) / total - one) * scale;
            y[start + i] = store(select(vec4<f32>(0.0), d, inside(i)));
        }
    }
}
