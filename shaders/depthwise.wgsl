// y[n, oy, ox] = Σ_t x[n, oy·stride − pad + ky·dilation, …]·w[t] + bias, channel by channel: a
// depthwise convolution whose weight is trained, f32 and not packed.
//
// x: [N, height, width, vectors], y: [N, out_height, out_width, vectors] of four elements, a
// Packed each; w: f32 [taps, vectors], bias: [vectors] vectors. A workgroup does 64 Packed of y;
// the grid is 2-D.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32,      // Packed in all of y
    biased: u32,     // whether there is a bias
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
@group(0) @binding(2) var<storage, read> w: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> y: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    let vectors = max(p.vectors, 1u);
    let out_width = max(p.out_width, 1u);
    let out_height = max(p.out_height, 1u);
    let c = i % vectors;
    let pixel = i / vectors;
    let item = pixel / out_width / out_height;
    var sum = vec4<f32>(0.0);
    // Were the bounds uniforms alone, lavapipe would compile anew for each value.
    let rows = select(0u, p.kernel_height, i < p.count);
    for (var ky = 0u; ky < rows; ky += 1u) {
        // Above or left of the map these wrap to numbers beyond its other end.
        let row = pixel / out_width % out_height * p.stride_y + ky * p.dilation_y - p.pad_y;
        let columns = select(0u, p.kernel_width, row < p.height);
        for (var kx = 0u; kx < columns; kx += 1u) {
            let column = pixel % out_width * p.stride_x + kx * p.dilation_x - p.pad_x;
            if column < p.width {
                sum += unpack(x[((item * p.height + row) * p.width + column) * vectors + c]) * w[(ky * p.kernel_width + kx) * vectors + c];
            }
        }
    }
    if i < p.count {
        if p.biased == 1u {
            sum += bias[c];
        }
        y[i] = pack(sum);
    }
}
