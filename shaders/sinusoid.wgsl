// y[n, v·W + c] = sin or cos(t[n, v]·frequencies[i]): the embedding of a time, or of a place.
//
// t: f32 [N, values] in rows of `stride`, frequencies: f32 [W/2]; y: [N, values·W], four
// elements in a Packed. The sines of W/2 columns come first, or the cosines, i = c mod W/2, or
// both by turns, i = c/2; an odd W ends in zero.
// A workgroup does 64 Packed of y; the grid is 2-D.
//
// WGSL's own sin is good to 2⁻¹¹ only, and only for small arguments: here the
// quarter turns are taken off first (Cody & Waite, exact up to 2¹⁶ of them),
// then Taylor's series does for a part of ±π/4.

alias Packed = vec2<u32>;
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32,   // Packed of y in all
    vectors: u32, // Packed a row of y
    stride: u32,  // of t
    values: u32,  // of t a row
    width: u32,   // W
    half: u32,    // W / 2
    cos_first: u32, // 0 or 1
    by_turns: u32,  // 0 or 1
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> t: array<f32>;
@group(0) @binding(2) var<storage, read> frequencies: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<Packed>;

// sine is that of x plus so many quarter turns.
fn sine(x: f32, quarters: u32) -> f32 {
    let turns = round(x * 0.63661975);
    let r = ((x - turns * 1.5703125) - turns * 4.837512969970703e-4) - turns * 7.549790e-8;
    let q = (u32(i32(turns)) + quarters) % 4u;
    let s = r * r;
    let sin = r * (1.0 + s * (-0.16666667 + s * (8.3333333e-3 + s * (-1.9841270e-4 + s * 2.7557319e-6))));
    let cos = 1.0 + s * (-0.5 + s * (4.1666668e-2 + s * (-1.3888889e-3 + s * 2.4801587e-5)));
    let value = select(sin, cos, q % 2u == 1u);
    return select(value, -value, q >= 2u);
}

fn element(n: u32, column: u32) -> f32 {
    let value = column / p.width;
    let c = column % p.width;
    let inside = value < p.values && c < 2u * p.half;
    let pairs = p.by_turns == 1u;
    let i = select(c % p.half, min(c / 2u, p.half - 1u), pairs);
    let phase = t[n * p.stride + select(0u, value, inside)] * frequencies[i];
    let is_cos = select(u32(c < p.half) == p.cos_first, c % 2u == 1u, pairs);
    return select(0.0, sine(phase, u32(is_cos)), inside);
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
