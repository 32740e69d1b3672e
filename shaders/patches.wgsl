// y[n, oy, ox, t] = x[n, oy·stride − pad + ky·dilation, …], zeros outside: the pixels that each
// window of a convolution sees, tap t = ky·kernel_width + kx after tap (torch.nn.Unfold with its
// channels innermost).
//
// x: [N, height, width, vectors], y: [N, out_height, out_width, taps, vectors] of four elements,
// a Packed each. A workgroup does 64 Packed of y; the grid is 2-D.

alias Packed = vec2<u32>;
// form f32
alias Packed_f32 = vec4<f32>;
// end

struct Params {
    count: u32,      // Packed in all of y
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
@group(0) @binding(2) var<storage, read_write> y: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i >= p.count {
        return;
    }
    let vectors = max(p.vectors, 1u);
    let columns = max(p.kernel_width, 1u);
    let rows = max(p.kernel_height, 1u);
    let out_width = max(p.out_width, 1u);
    let out_height = max(p.out_height, 1u);
    let tap = i / vectors % (rows * columns);
    let pixel = i / vectors / (rows * columns);
    let item = pixel / out_width / out_height;
    // Above or left of the map these wrap to numbers beyond its other end.
    let row = pixel / out_width % out_height * p.stride_y + tap / columns * p.dilation_y - p.pad_y;
    let column = pixel % out_width * p.stride_x + tap % columns * p.dilation_x - p.pad_x;
    var v = Packed();
    if row < p.height && column < p.width {
        v = x[((item * p.height + row) * p.width + column) * vectors + i % vectors];
    }
    y[i] = v;
}
