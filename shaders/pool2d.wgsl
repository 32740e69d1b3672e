// y[n, i, j, c] = the largest (MAX) or the mean of the pixels of x[n, ·, ·, c] that lie
// in window (i, j): torch.nn.MaxPool2d, AvgPool2d and, with ADAPTIVE, AdaptiveAvgPool2d,
// whose windows i run from ⌊i·size/out⌋ to ⌈(i+1)·size/out⌉ − 1 along a side.
//
// Only pixels of the picture are read, so that a maximum sees no padding. A mean
// divides by the window's pixels and by as much of the padding as p.counted_y and
// p.counted_x say; what ceil_mode lets a window reach beyond that never counts.
// No window is wholly in the padding.
//
// x: [N, H, W, C], y: [N, OH, OW, C], four channels in a Packed, `vectors` of them a pixel.
// A thread does p.rows rows of one column of y, so that its divisions, which software
// adapters pay as much for as for loads, are shared. A workgroup has 64; the grid is 2-D.
//
// The window's size is constant, for drivers to unroll its loops where compiling is not
// dear: lavapipe takes ten times as long with bounds that differ from thread to thread.
// Where the picture ends before the window its last pixel stands in: a maximum does not
// mind, a mean leaves it out.

const KH = 1u; // size of the (largest) window
const KW = 1u;
const MAX = 0u;
const ADAPTIVE = 0u;

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
    count: u32,   // threads in all: N · blocks · OW · vectors
    vectors: u32, // Packed a pixel
    rows: u32,    // of y, of a thread
    blocks: u32,  // ⌈OH / rows⌉
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
@group(0) @binding(2) var<storage, read_write> y: array<Packed>;

// Of window i along one side: its first pixel, the one behind its last, and the
// pixels by which a mean divides.
fn span(i: u32, size: u32, out: u32, kernel: u32, stride: u32, pad: u32, counted: u32) -> vec3<u32> {
    if ADAPTIVE == 1u {
        let first = i * size / out;
        let end = ((i + 1u) * size + out - 1u) / out;
        return vec3<u32>(first, end, end - first);
    }
    let start = i * stride; // counted from the padding's first
    let end = start + kernel;
    let divisor = min(end, size + pad + counted) - max(start, pad - counted);
    return vec3<u32>(max(start, pad) - pad, min(end, size + pad) - pad, divisor);
}

// y, but NaN where x is, as in activation.
fn keep_nan(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    return select(y, x, (bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u));
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(workgroup_id) group: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let c = i % p.vectors;
        let column = i / p.vectors % p.out_width;
        let block = i / p.vectors / p.out_width;
        let n = block / p.blocks;
        let first = block % p.blocks * p.rows;
        let end = min(first + p.rows, p.out_height);
        let across = span(column, p.width, p.out_width, KW, p.stride_x, p.pad_x, p.counted_x);
        let high = turns(KH, group.x);
        let wide = turns(KW, group.x);
        for (var row = first; row < end; row += 1u) {
            let down = span(row, p.height, p.out_height, KH, p.stride_y, p.pad_y, p.counted_y);
            var acc = vec4<f32>(select(0.0, -3.4028234e38, MAX == 1u));
            for (var v = 0u; v < high; v += 1u) {
                let line = (n * p.height + min(down.x + v, down.y - 1u)) * p.width;
                for (var u = 0u; u < wide; u += 1u) {
                    let pixel = unpack(x[(line + min(across.x + u, across.y - 1u)) * p.vectors + c]);
                    if MAX == 1u {
                        acc = keep_nan(pixel, keep_nan(acc, max(acc, pixel)));
                    } else {
                        acc += select(vec4<f32>(0.0), pixel, down.x + v < down.y && across.x + u < across.y);
                    }
                }
            }
            if MAX == 0u {
                acc = acc / f32(down.z * across.z);
            }
            y[((n * p.out_height + row) * p.out_width + column) * p.vectors + c] = pack(acc);
        }
    }
}
