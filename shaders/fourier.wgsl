// Random Fourier features of points: with turns = (2·point − 1)·matrix, y[n] is the sines
// of all 2π·turns, then the cosines.
//
// points: f32 [N, 2] in 0 to 1; matrix: f32 [2, features]; y: [N, 2·features], four
// elements in a Packed. Whole turns are taken off before sines are computed, which
// are exact then.
// A workgroup does 64 Packed of y; the grid is 2-D.

alias Packed = vec2<u32>;
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32,    // Packed of y in all
    vectors: u32,  // Packed a row of y
    features: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> points: array<f32>;
@group(0) @binding(2) var<storage, read> matrix: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<Packed>;

// sine is that of x plus so many quarter turns: sinusoid's.
fn sine(x: f32, quarters: u32) -> f32 { return sin(x + 1.5707964 * f32(quarters)); }

fn element(n: u32, column: u32) -> f32 {
    let inside = column < 2u * p.features;
    let c = column % p.features;
    let u = 2.0 * points[2u * n] - 1.0;
    let v = 2.0 * points[2u * n + 1u] - 1.0;
    let turns = u * matrix[c] + v * matrix[p.features + c];
    return select(0.0, sine(6.2831855 * (turns - round(turns)), u32(column >= p.features)), inside);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let n = i / p.vectors;
        let c = i % p.vectors * 4u;
        y[i] = pack(vec4<f32>(element(n, c), element(n, c + 1u), element(n, c + 2u), element(n, c + 3u)));
    }
}
