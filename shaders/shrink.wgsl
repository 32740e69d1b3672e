// y[n, h, w] = the sum of x over the pixels that are y's after it is upsampled by nearest
// neighbours: rows 2h and 2h + 1, columns likewise, as far as there are any. The adjoint of
// upsampling.
//
// x: [N, x_h, x_w, vectors], y: [N, h, w, vectors] of four elements, a Packed each. A workgroup
// does 64 Packed of y; the grid is 2-D.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32,   // Packed in all of y
    vectors: u32, // of a pixel
    h: u32,
    w: u32,
    x_h: u32,     // 2h or 2h - 1
    x_w: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read_write> y: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i >= p.count {
        return;
    }
    let vectors = max(p.vectors, 1u);
    let w = max(p.w, 1u);
    let h = max(p.h, 1u);
    let column = i / vectors % w * 2u;
    let row = i / vectors / w % h * 2u;
    let start = i / vectors / w / h * p.x_h;
    var sum = vec4<f32>(0.0);
    for (var k = 0u; k < 4u; k += 1u) {
        let r = row + k / 2u;
        let c = column + k % 2u;
        if r < p.x_h && c < p.x_w {
            sum += unpack(x[((start + r) * p.x_w + c) * vectors + i % vectors]);
        }
    }
    y[i] = pack(sum);
}
