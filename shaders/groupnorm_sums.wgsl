// The mean and the sum of squared differences from it of strips of pixels,
// channel by channel: the first pass of a group norm.
//
// x: [N, T, stride], four channels in a Packed, or a part of one item; sums: f32 [N, strips, 2·stride],
// of each strip the means, then the squared differences.
// A thread does four channels of a strip, of which neighbours read neighbours. A
// strip's first pixel is taken off all its pixels before they are squared, so
// that a mean far from zero costs no digits. A workgroup has 64 threads; the grid
// is 2-D.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
// end

struct Params {
    count: u32,   // threads in all: N·strips·vectors
    vectors: u32, // Packed of a pixel
    pixels: u32,  // T
    strip: u32,   // pixels of a strip, but for an item's last
    strips: u32,  // of an item
    first: u32,   // strip of sums that belongs to the first of x
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read_write> sums: array<vec4<f32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let v = i % p.vectors;
        let strip = i / p.vectors;
        let begin = strip % p.strips * p.strip;
        let n = min(p.strip, p.pixels - begin);
        var at = (strip / p.strips * p.pixels + begin) * p.vectors + v;
        let origin = unpack(x[at]);
        var sum = vec4<f32>(0.0);
        var squares = vec4<f32>(0.0);
        for (var t = 1u; t < n; t += 1u) {
            at += p.vectors;
            let d = unpack(x[at]) - origin;
            sum += d;
            squares += d * d;
        }
        let mean = sum / f32(n);
        let to = (p.first + strip) * 2u * p.vectors + v;
        sums[to] = origin + mean;
        let rest = squares - sum * mean;
        sums[to + p.vectors] = select(rest, vec4<f32>(0.0), rest < vec4<f32>(0.0)); // NaN stays
    }
}
