// y = x in the layout of activations: rows whose groups of `width` columns are
// each padded with zeros to `group`.
//
// x: f32 [rows/pixels, columns, pixels], of which rows are the first and the last together:
// pixels of pictures, or with pixels 1 the rows as they are; y: rows of `stride` elements,
// four in a Packed.
// A workgroup does 64 Packed; the grid is 2-D.

alias Packed = vec2<u32>;
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32,   // Packed in all
    stride: u32,  // elements a row of y
    columns: u32, // elements from a row of x to the next
    group: u32,   // elements a group of y
    width: u32,   // of which hold values
    pixels: u32,  // of a picture whose channels lie one after the other, or 1
    first: u32,   // the pixel of x that is y's first
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<Packed>;

fn value(row: u32, column: u32) -> f32 {
    let inGroup = column % p.group;
    let c = (column / p.group) * p.width + inGroup;
    let source = (row / p.pixels * p.columns + c) * p.pixels + row % p.pixels;
    let inside = inGroup < p.width;
    return select(0.0, x[select(0u, source, inside)], inside);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let row = p.first + i * 4u / p.stride;
        let c = i * 4u % p.stride;
        y[i] = pack(vec4<f32>(value(row, c), value(row, c + 1u), value(row, c + 2u), value(row, c + 3u)));
    }
}
