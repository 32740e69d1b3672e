// y[n, t] = table[ids[n, t]] + position[t], for the ids of one window of rows
// of the table: torch.nn.Embedding. Tables larger than a binding take several
// dispatches, each of which writes the rows whose ids it holds.
//
// ids: dense u32 [N, T]; table: [rows of the window, stride] and y: [N·T, stride],
// four elements in a Packed; position: f32 [T, stride].
// A workgroup does 64 Packed; the grid is 2-D.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end


// place is the position embedding of a token, which form plain does without.
fn place(token: u32, vectors: u32, at: u32) -> vec4<f32> { return position[token * vectors + at]; }
// form plain
fn place_plain(token: u32, vectors: u32, at: u32) -> vec4<f32> { return vec4<f32>(0.0); }
// end

struct Params {
    count: u32,  // Packed in all of y
    stride: u32, // elements a row
    tokens: u32, // T
    first: u32,  // the table's row at the window's start
    rows: u32,   // in the window
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> ids: array<u32>;
@group(0) @binding(2) var<storage, read> table: array<Packed>;
@group(0) @binding(3) var<storage, read> position: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let vectors = p.stride / 4u;
        let row = i / vectors;
        let token = ids[row];
        if token >= p.first && token - p.first < p.rows {
            let v = unpack(table[(token - p.first) * vectors + i % vectors]);
            y[i] = pack(v + place(row % p.tokens, vectors, i % vectors));
        }
    }
}
