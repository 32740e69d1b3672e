// grad[j] = Σ dy[i] over the i whose index is base + j, in their order, in f32: the gradient of rows
// that are gathered by their numbers.
//
// dy: [count, vectors] of four elements, a Packed each; index: dense u32 [count]; grad: f32
// [rows, vectors] vectors. A thread has a vector of grad; the grid is 2-D.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
// end

struct Params {
    rows: u32,
    vectors: u32, // of a row
    count: u32,   // of the index
    base: u32,    // number of the first row
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<Packed>;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read_write> grad: array<vec4<f32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    let vectors = max(p.vectors, 1u);
    let row = p.base + i / vectors;
    let inside = i < p.rows * vectors;
    let count = select(0u, p.count, inside);
    var sum = vec4<f32>(0.0);
    for (var k = 0u; k < count; k += 1u) {
        if index[k] == row {
            sum += unpack(dy[k * vectors + i % vectors]);
        }
    }
    if inside {
        grad[i] = sum;
    }
}
