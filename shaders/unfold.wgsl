// y[n·oh·ow + i·ow + j, (c·kh + u)·kq + v] = x[n, c, i·sy + u·dy − top, j·sx + v·dx − left],
// zero outside the picture and for v from kw on: the windows of pictures as
// rows (torch.nn.Unfold, with the rows of a window rounded up to kq, a multiple
// of four), so that a convolution of an input becomes a matmul. The patches of
// a vision transformer are such windows.
//
// x: dense f32 [N, C, H, W]; y: rows of `stride` elements, four in a Packed.
// An invocation does a Packed, four columns of a window's row; 64 of them a
// workgroup; the grid is 2-D.

alias Packed = vec2<u32>;
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32,    // Packed in all
    first: u32,    // line of windows, of all pictures of x, that is y's first
    stride: u32,   // Packed a row of y
    channels: u32,
    height: u32,   // of the picture
    width: u32,
    kernel_height: u32,
    kernel_width: u32,
    quads: u32,    // kq / 4
    out_height: u32, // windows in a column
    out_width: u32,  // windows in a row
    stride_y: u32,
    stride_x: u32,
    dilation_y: u32,
    dilation_x: u32,
    pad_y: u32,    // at the top
    pad_x: u32,    // at the left
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<Packed>;

// value is column v of a window's row, which begins at x[start] if that is in
// the picture, with its first column left; what is negative has wrapped.
fn value(start: u32, left: u32, v: u32, row: bool) -> f32 {
    let column = left + v * p.dilation_x;
    let inside = row && v < p.kernel_width && column < p.width;
    return select(0.0, x[select(0u, start + column, inside)], inside);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i >= p.count {
        return;
    }
    let window = i / p.stride;
    let quad = i % p.stride;
    let line = quad / p.quads; // of all channels
    let v = quad % p.quads * 4u;
    let c = line / p.kernel_height;
    let down = p.first + window / p.out_width;
    let n = down / p.out_height;
    let top = down % p.out_height * p.stride_y + line % p.kernel_height * p.dilation_y - p.pad_y;
    let left = window % p.out_width * p.stride_x - p.pad_x;
    let row = c < p.channels && top < p.height;
    let start = ((n * p.channels + c) * p.height + top) * p.width;
    y[i] = pack(vec4<f32>(value(start, left, v, row), value(start, left, v + 1u, row), value(start, left, v + 2u, row), value(start, left, v + 3u, row)));
}
