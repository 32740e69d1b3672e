// A matrix in panels, as a matmul reads its second operand: row k of y is row k of x, in the
// precision of activations.
//
// x: rows of `stride` 16-byte vectors of y's, of which y has `vectors`, from `first` on, and
// `rows` rows; a vector is EDGE columns. y: `depth` rows of `lanes` vectors, in panels of eight:
// vector (panel·depth + k)·8 + lane. What x does not have is zero. A thread has a vector of y;
// the grid is 2-D.

alias Source = vec4<u32>;
// fetch is vector i of x: as it is, or halves of two vectors of floats.
fn fetch(i: u32) -> vec4<u32> { return x[i]; }
// form state
alias Source_state = vec4<f32>;
fn fetch_state(i: u32) -> vec4<u32> {
    let a = vec4<f32>(x[2u * i]);
    let b = vec4<f32>(x[2u * i + 1u]);
    return vec4<u32>(pack2x16float(a.xy), pack2x16float(a.zw), pack2x16float(b.xy), pack2x16float(b.zw));
}
// end

struct Params {
    count: u32, // vectors of y
    rows: u32,
    vectors: u32,
    stride: u32,
    first: u32,
    depth: u32,
    lanes: u32, // a multiple of 8
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Source>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<u32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let lanes = max(p.lanes, 1u);
        let k = i / lanes;
        let lane = i % lanes;
        let inside = k < p.rows && lane < p.vectors;
        let v = fetch(select(0u, k * p.stride + p.first + lane, inside));
        y[(lane / 8u * p.depth + k) * 8u + lane % 8u] = select(vec4<u32>(0u), v, inside);
    }
}
