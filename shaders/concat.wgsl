// y = [a, b]: the channels of two maps beside each other.
//
// a: rows of p.vectors_a Packed, b: of p.vectors_b, y: of p.vectors; a Packed is
// four elements. The padding of b follows its values into y's.
// A workgroup does 64 Packed of y; the grid is 2-D.

const WHOLE = 1u; // 1 where b begins with a vector of y: p.width_a is a multiple of four

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32,     // Packed of y in all
    vectors: u32,   // Packed a row of y
    vectors_a: u32, // and of a
    vectors_b: u32, // and of b
    width_a: u32,   // elements of a row of a, without padding
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<Packed>;
@group(0) @binding(2) var<storage, read> b: array<Packed>;
@group(0) @binding(3) var<storage, read_write> y: array<Packed>;

// from_a and from_b are Packed i of a row, zero beyond its end.
fn from_a(row: u32, i: u32) -> vec4<f32> {
    let inside = i < p.vectors_a;
    return select(vec4<f32>(0.0), unpack(a[row * p.vectors_a + select(0u, i, inside)]), inside);
}
fn from_b(row: u32, i: u32) -> vec4<f32> {
    let inside = i < p.vectors_b;
    return select(vec4<f32>(0.0), unpack(b[row * p.vectors_b + select(0u, i, inside)]), inside);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let row = i / p.vectors;
        let v = i % p.vectors;
        let whole = p.width_a / 4u; // vectors of a alone
        if WHOLE == 1u {
            if v < whole {
                y[i] = a[row * p.vectors_a + v];
            } else {
                y[i] = pack(from_b(row, v - whole));
            }
        } else {
            // Elements 4v + e − width_a of b: from two of its vectors, the first of
            // which is before its beginning where v is the last vector of a.
            let rest = p.width_a % 4u;
            let first = from_b(row, v - whole - 1u); // wraps to beyond the end
            let second = from_b(row, v - whole);
            var both = array<f32, 8>(first.x, first.y, first.z, first.w, second.x, second.y, second.z, second.w);
            let value = vec4<f32>(both[4u - rest], both[5u - rest], both[6u - rest], both[7u - rest]);
            let mine = vec4<u32>(4u * v) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(p.width_a);
            y[i] = pack(select(value, from_a(row, v), mine));
        }
    }
}
