// y = leaky(x/√sums[n, c] + noise[h, w] + bias[c]): what follows StyleGAN2's modulated
// convolution. leaky is v, or 0.2·v below zero.
//
// x, y: pixels of `vectors` Packed, four channels each, those of all items counted on; sums: f32
// of an item; noise: f32 of a map's pixels; bias: f32. Padding of x and bias is zero.
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
    count: u32,   // Packed in all
    vectors: u32, // Packed of a pixel
    width: u32,   // channels, without padding
    pixels: u32,  // of a map
    first: u32,   // the pixel, of all items', that x begins with
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> sums: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> noise: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> y: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let vectors = max(p.vectors, 1u);
        let pixels = max(p.pixels, 1u);
        let pixel = p.first + i / vectors;
        let c = i % vectors;
        // Padding has sums of zero, and stays zero whatever the noise.
        let columns = vec4<u32>(4u * c) + vec4<u32>(0u, 1u, 2u, 3u);
        let v = unpack(x[i]) * inverseSqrt(sums[pixel / pixels * vectors + c]) + vec4<f32>(noise[pixel % pixels]) + bias[c];
        let leaky = select(0.2 * v, v, v > vec4<f32>(0.0));
        y[i] = pack(select(vec4<f32>(0.0), leaky, columns < vec4<u32>(p.width)));
    }
}
