// y[m, c] = x[m, first + c]: some columns of an activation, the adjoint of concat.
//
// x, y: rows of `wide` and `vectors` vectors of four elements, x in words of one element or two,
// y a Packed each; columns of y from `width` on are padding and stay zero. A workgroup does 64
// Packed of y; the grid is 2-D.

alias Packed = vec2<u32>;
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// element is number i of x.
fn element(i: u32) -> f32 { return unpack2x16float(x[i / 2u])[i % 2u]; }
// form f32
alias Packed_f32 = vec4<f32>;
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
fn element_f32(i: u32) -> f32 { return bitcast<f32>(x[i]); }
// end

struct Params {
    count: u32,   // Packed in all of y
    vectors: u32, // of a row of y
    wide: u32,    // of a row of x
    first: u32,   // column
    width: u32,   // columns of y
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<u32>;
@group(0) @binding(2) var<storage, read_write> y: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i >= p.count {
        return;
    }
    let vectors = max(p.vectors, 1u);
    let column = i % vectors * 4u;
    let at = i / vectors * p.wide * 4u + p.first + column;
    let values = vec4<u32>(column) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(p.width);
    // Beyond the last column of x, which may be its last row's, element 0 stands in.
    let safe = select(vec4<u32>(0u), vec4<u32>(at) + vec4<u32>(0u, 1u, 2u, 3u), values);
    y[i] = pack(select(vec4<f32>(0.0), vec4<f32>(element(safe.x), element(safe.y), element(safe.z), element(safe.w)), values));
}
