// grad[n, iy, ix] = Σ dy over the windows of a pooling that contain the pixel: with MAX of those
// whose first largest pixel it is, else each divided by what its mean is divided by. The adjoint
// of pool2d.
//
// x, grad: [N, H, W, C], dy: [N, OH, OW, C], four channels in a Packed, `vectors` of them a pixel.
// A workgroup does 64 Packed of grad; the grid is 2-D.

const KH = 1u; // size of the window
const KW = 1u;
const MAX = 0u;

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32,   // Packed in all of grad
    vectors: u32, // of a pixel
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
    stride_y: u32,
    stride_x: u32,
    pad_y: u32, // at the top
    pad_x: u32, // at the left
    counted_y: u32, // of the padding on either side in a mean: pad_y or none
    counted_x: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> dy: array<Packed>;
@group(0) @binding(3) var<storage, read_write> grad: array<Packed>;

// The pixels by which a mean divides along a side, of a window that starts at start, counted
// from the padding's first.
fn divisor(start: u32, kernel: u32, size: u32, pad: u32, counted: u32) -> u32 {
    return min(start + kernel, size + pad + counted) - max(start, pad - counted);
}

// Ones for the channels of which pixel (iy, ix) is the first largest of the window that starts at
// (top, left), counted from the padding's first.
fn largest(line: u32, iy: u32, ix: u32, top: u32, left: u32, c: u32) -> vec4<f32> {
    let own = unpack(x[((line + iy) * p.width + ix) * p.vectors + c]);
    var first = vec4<bool>(true);
    for (var v = 0u; v < KH; v += 1u) {
        for (var u = 0u; u < KW; u += 1u) {
            let y = top + v - p.pad_y; // wraps above and left of the map
            let z = left + u - p.pad_x;
            if y < p.height && z < p.width {
                let other = unpack(x[((line + y) * p.width + z) * p.vectors + c]);
                let before = y < iy || (y == iy && z < ix);
                first = first & select(other <= own, other < own, vec4<bool>(before));
            }
        }
    }
    return select(vec4<f32>(0.0), vec4<f32>(1.0), first);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i >= p.count {
        return;
    }
    let c = i % p.vectors;
    let ix = i / p.vectors % p.width;
    let iy = i / p.vectors / p.width % p.height;
    let n = i / p.vectors / p.width / p.height;
    var sum = vec4<f32>(0.0);
    for (var v = 0u; v < KH; v += 1u) {
        for (var u = 0u; u < KW; u += 1u) {
            let top = iy + p.pad_y - v; // wraps where no window has the pixel there
            let left = ix + p.pad_x - u;
            let oy = top / p.stride_y;
            let ox = left / p.stride_x;
            if top % p.stride_y == 0u && left % p.stride_x == 0u && oy < p.out_height && ox < p.out_width {
                let g = unpack(dy[((n * p.out_height + oy) * p.out_width + ox) * p.vectors + c]);
                if MAX == 1u {
                    sum += g * largest(n * p.height, iy, ix, top, left, c);
                } else {
                    sum += g / f32(divisor(top, KH, p.height, p.pad_y, p.counted_y) * divisor(left, KW, p.width, p.pad_x, p.counted_x));
                }
            }
        }
    }
    grad[i] = pack(sum);
}
