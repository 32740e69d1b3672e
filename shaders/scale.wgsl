// y[n, t, c] = x[n, t, c]·gates[n, c]: the gates of squeeze and excitation.
//
// x, y: [N, T, C], gates: [N, C], four channels in a Packed, `vectors` of them a pixel.
// A thread does every p.step-th Packed of an item, PIXELS at most, which all have one
// gate; neighbours read neighbours. A workgroup has 64 threads; the grid is 2-D.

const PIXELS = 1u;

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

// turns as in winograd_input.
fn turns(n: u32, at: u32) -> u32 { return n; }
// form looped
fn turns_looped(n: u32, at: u32) -> u32 { return min(n, n + at); }
// end

struct Params {
    count: u32,   // threads in all: N · step
    step: u32,    // threads of an item, a multiple of vectors
    item: u32,    // Packed of an item: T · vectors
    vectors: u32, // Packed a pixel
    first: u32,   // item of gates that belongs to the first of x
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> gates: array<Packed>;
@group(0) @binding(3) var<storage, read_write> y: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let n = i / p.step;
        let start = i % p.step;
        let gate = unpack(gates[(p.first + n) * p.vectors + start % p.vectors]);
        let at = n * p.item + start;
        let pixels = turns(PIXELS, group.x);
        for (var k = 0u; k < pixels; k += 1u) {
            if start + k * p.step < p.item {
                y[at + k * p.step] = pack(unpack(x[at + k * p.step]) * gate);
            }
        }
    }
}
