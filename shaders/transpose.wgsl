// A matrix with rows and columns exchanged, in the precision of activations: row o of y is column
// o of x.
//
// x: `rows` rows of `stride` vectors of four elements, of which `columns` from `first` on become rows of
// y. y: 16-byte vectors of EDGE elements, vector v of row o at v/8·panel + o·line + v%8: in panels,
// as a matmul reads its second operand, or rows. Elements beyond x's rows are zero. A thread turns
// EDGE rows of four columns; the grid is 2-D.

alias Source = vec2<u32>;
fn unpack(v: Source) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn edge() -> u32 { return 8u; }
// turn writes vector `to` of y and those of the next three rows.
fn turn(row: u32, column: u32, to: u32) {
    let a = fetch(row, column);
    let b = fetch(row + 1u, column);
    let c = fetch(row + 2u, column);
    let d = fetch(row + 3u, column);
    let e = fetch(row + 4u, column);
    let f = fetch(row + 5u, column);
    let g = fetch(row + 6u, column);
    let h = fetch(row + 7u, column);
    y[to] = pack(vec4<f32>(a.x, b.x, c.x, d.x), vec4<f32>(e.x, f.x, g.x, h.x));
    y[to + p.line] = pack(vec4<f32>(a.y, b.y, c.y, d.y), vec4<f32>(e.y, f.y, g.y, h.y));
    y[to + 2u * p.line] = pack(vec4<f32>(a.z, b.z, c.z, d.z), vec4<f32>(e.z, f.z, g.z, h.z));
    y[to + 3u * p.line] = pack(vec4<f32>(a.w, b.w, c.w, d.w), vec4<f32>(e.w, f.w, g.w, h.w));
}
// form f32
alias Source_f32 = vec4<f32>;
fn unpack_f32(v: Source_f32) -> vec4<f32> { return v; }
fn edge_f32() -> u32 { return 4u; }
fn turn_f32(row: u32, column: u32, to: u32) {
    let a = fetch(row, column);
    let b = fetch(row + 1u, column);
    let c = fetch(row + 2u, column);
    let d = fetch(row + 3u, column);
    y[to] = bitcast<vec4<u32>>(vec4<f32>(a.x, b.x, c.x, d.x));
    y[to + p.line] = bitcast<vec4<u32>>(vec4<f32>(a.y, b.y, c.y, d.y));
    y[to + 2u * p.line] = bitcast<vec4<u32>>(vec4<f32>(a.z, b.z, c.z, d.z));
    y[to + 3u * p.line] = bitcast<vec4<u32>>(vec4<f32>(a.w, b.w, c.w, d.w));
}
// end
// form state
alias Source_state = vec4<f32>;
fn unpack_state(v: Source_state) -> vec4<f32> { return v; }
// end

struct Params {
    count: u32,   // threads
    rows: u32,
    columns: u32, // vectors of four
    stride: u32,
    first: u32,
    panel: u32,   // vectors of y
    line: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Source>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<u32>>;

fn pack(a: vec4<f32>, b: vec4<f32>) -> vec4<u32> {
    return vec4<u32>(pack2x16float(a.xy), pack2x16float(a.zw), pack2x16float(b.xy), pack2x16float(b.zw));
}

fn fetch(row: u32, column: u32) -> vec4<f32> {
    let v = unpack(x[min(row, max(p.rows, 1u) - 1u) * p.stride + column]);
    return select(vec4<f32>(0.0), v, row < p.rows);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let columns = max(p.columns, 1u);
        let v = i / columns;
        let column = i % columns;
        turn(v * edge(), p.first + column, v / 8u * p.panel + v % 8u + 4u * column * p.line);
    }
}
