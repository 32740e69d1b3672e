// dw[t] = Σ x[n, oy·stride − pad + ky·dilation, …]·dy[n, oy, ox] over the pixels of dy, channel by
// channel, in f32: the gradient of a depthwise convolution's weight.
//
// x: [N, height, width, vectors], dy: [N, out_height, out_width, vectors] of four elements, a
// Packed each; dw: f32 [taps, vectors] vectors. A thread has a vector, for one of the slices of
// the rows of pixels of all items; slice s stands at row s·taps of dw, to be summed. The grid is 2-D.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
// end

struct Params {
    lines: u32,      // rows of pixels of dy, of all items
    slice: u32,      // of a slice
    slices: u32,
    vectors: u32,    // of a pixel
    height: u32,     // of the input
    width: u32,
    out_height: u32, // of the output
    out_width: u32,
    kernel_height: u32,
    kernel_width: u32,
    stride_y: u32,
    stride_x: u32,
    dilation_y: u32,
    dilation_x: u32,
    pad_y: u32,
    pad_x: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> dy: array<Packed>;
@group(0) @binding(3) var<storage, read_write> dw: array<vec4<f32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    let vectors = max(p.vectors, 1u);
    let taps = max(p.kernel_height * p.kernel_width, 1u);
    let out_height = max(p.out_height, 1u);
    let c = i % vectors;
    let tap = i / vectors % taps;
    let s = i / vectors / taps;
    let inside = s < p.slices;
    let end = select(0u, min(p.lines, (s + 1u) * p.slice), inside);
    var sum = vec4<f32>(0.0);
    for (var line = s * p.slice; line < end; line += 1u) {
        // Above or left of the map these wrap to numbers beyond its other end.
        let row = line % out_height * p.stride_y + tap / max(p.kernel_width, 1u) * p.dilation_y - p.pad_y;
        let pixels = select(0u, p.out_width, row < p.height);
        let start = (line / out_height * p.height + row) * p.width;
        for (var ox = 0u; ox < pixels; ox += 1u) {
            let column = ox * p.stride_x + tap % max(p.kernel_width, 1u) * p.dilation_x - p.pad_x;
            if column < p.width {
                sum += unpack(x[(start + column) * vectors + c]) * unpack(dy[(line * p.out_width + ox) * vectors + c]);
            }
        }
    }
    if inside {
        dw[i] = sum;
    }
}
