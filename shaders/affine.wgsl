// y = scale·x + shift, element by element.
//
// x, y: rows of `stride` elements, four in a Packed; columns from `width`
// on, within each group of `group` elements, are padding and stay zero.
// A workgroup does 64 Packed; the grid is 2-D.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32, // Packed in all
    group: u32, // elements a group, padding included
    width: u32, // elements a group, without padding
    scale: f32,
    shift: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read_write> y: array<Packed>;

// Ones for the columns c … c+3 of a group that hold values, zeros for padding.
fn inside(c: u32) -> vec4<f32> {
    let column = vec4<u32>(c, c + 1u, c + 2u, c + 3u);
    return select(vec4<f32>(0.0), vec4<f32>(1.0), column < vec4<u32>(p.width));
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        y[i] = pack((p.scale * unpack(x[i]) + vec4<f32>(p.shift)) * inside((i * 4u) % p.group));
    }
}
