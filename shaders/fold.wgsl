// x[n, iy, ix] = Σ_t y[n, oy, ox, t] over the windows of a convolution that see the pixel, in the
// order of their taps (torch.nn.Fold): the adjoint of patches. With WEIGHED it is
// Σ_t y[n, oy, ox]·w[t], that of a depthwise convolution.
//
// y: [N, out_height, out_width, taps or 1, vectors], x: [N, height, width, vectors] of four
// elements, a Packed each; w: f32 [taps, vectors] vectors. A workgroup does 64 Packed of x; the
// grid is 2-D.

const WEIGHED = 0u;

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32,      // Packed in all of x
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
@group(0) @binding(1) var<storage, read> y: array<Packed>;
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> x: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    let vectors = max(p.vectors, 1u);
    let width = max(p.width, 1u);
    let height = max(p.height, 1u);
    let stride_y = max(p.stride_y, 1u);
    let stride_x = max(p.stride_x, 1u);
    let item = i / vectors / width / height;
    let taps = p.kernel_height * p.kernel_width;
    var sum = vec4<f32>(0.0);
    // Were the bounds uniforms alone, lavapipe would compile anew for each value.
    let rows = select(0u, p.kernel_height, i < p.count);
    for (var ky = 0u; ky < rows; ky += 1u) {
        // Before the first window these wrap to numbers beyond the last.
        let at_y = i / vectors / width % height + p.pad_y - ky * p.dilation_y;
        let oy = at_y / stride_y;
        let columns = select(0u, p.kernel_width, at_y % stride_y == 0u && oy < p.out_height);
        for (var kx = 0u; kx < columns; kx += 1u) {
            let at_x = i / vectors % width + p.pad_x - kx * p.dilation_x;
            let ox = at_x / stride_x;
            if at_x % stride_x == 0u && ox < p.out_width {
                let pixel = (item * p.out_height + oy) * p.out_width + ox;
                let tap = ky * p.kernel_width + kx;
                if WEIGHED == 1u {
                    sum += unpack(y[pixel * vectors + i % vectors]) * w[tap * vectors + i % vectors];
                } else {
                    sum += unpack(y[(pixel * taps + tap) * vectors + i % vectors]);
                }
            }
        }
    }
    if i < p.count {
        x[i] = pack(sum);
    }
}
