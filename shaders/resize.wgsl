// y[n, i, j, c] = x[n, ·, ·, c] at the place of pixel (i, j), between pixels:
// torch.nn.functional.interpolate without antialias. Pixel i of `out` stands at
// (i + ½)·in/out − ½ of `in`, or, with CORNERS, at i·(in − 1)/(out − 1). CUBIC is mode
// "bicubic", a = −0.75, over 4×4 pixels, else "bilinear" over 2×2. Beyond the border
// the border's pixels go on.
//
// Places are fractions of whole numbers, so that neighbours and their distances are
// exact up to one rounding at any size.
//
// x: [N, H, W, C], y: [N, OH, OW, C], four channels in a Packed, `vectors` of them a pixel.
// A thread does p.rows rows of one column of y. A workgroup has 64; the grid is 2-D.

const CUBIC = 0u;
const CORNERS = 0u;
const NEAREST = 0u; // mode "nearest": pixel ⌊i·in/out⌋ alone
const TAPS = 2u; // pixels a side: 4 with CUBIC, 1 with NEAREST

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
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
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read_write> y: array<Packed>;

// The pixel before the place of pixel i, and how far behind it that is, 0 to 1.
struct Place { first: i32, part: f32 }

fn place(i: u32, size: u32, out: u32) -> Place {
    if NEAREST == 1u {
        return Place(i32(i * size / out), 0.0);
    }
    if CORNERS == 1u {
        let all = max(out, 2u) - 1u;
        let at = i * (size - 1u);
        return Place(i32(at / all), f32(at % all) / f32(all));
    }
    // (2i + 1)·size/(2·out) − ½, counted in 1/(2·out) from a whole pixel before the first.
    let at = (2u * i + 1u) * size + out;
    return Place(i32(at / (2u * out)) - 1, f32(at % (2u * out)) / f32(2u * out));
}

// near is Keys' kernel within a pixel, far that within the next.
fn near(t: f32) -> f32 { return (1.25 * t - 2.25) * t * t + 1.0; }
fn far(t: f32) -> f32 { return ((-0.75 * t + 3.75) * t - 6.0) * t + 3.0; }

// The weights of the pixels from first − 1 (CUBIC) or first on.
fn weights(part: f32) -> vec4<f32> {
    if CUBIC == 1u {
        return vec4<f32>(far(part + 1.0), near(part), near(1.0 - part), far(2.0 - part));
    }
    return vec4<f32>(1.0 - part, part, 0.0, 0.0);
}

// Pixel k of those that a place takes.
fn pixel(a: Place, k: u32, size: u32) -> u32 {
    return u32(clamp(a.first + i32(k) - i32(CUBIC), 0, i32(size) - 1));
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let c = i % p.vectors;
        let column = i / p.vectors % p.out_width;
        let block = i / p.vectors / p.out_width;
        let n = block / p.blocks;
        let first = block % p.blocks * p.rows;
        let end = min(first + p.rows, p.out_height);
        let across = place(column, p.width, p.out_width);
        var wx = weights(across.part);
        for (var row = first; row < end; row += 1u) {
            let down = place(row, p.height, p.out_height);
            var wy = weights(down.part);
            var acc = vec4<f32>(0.0);
            for (var v = 0u; v < TAPS; v += 1u) {
                let line = (n * p.height + pixel(down, v, p.height)) * p.width;
                var sum = vec4<f32>(0.0);
                for (var u = 0u; u < TAPS; u += 1u) {
                    sum += wx[u] * unpack(x[(line + pixel(across, u, p.width)) * p.vectors + c]);
                }
                acc += wy[v] * sum;
            }
            y[((n * p.out_height + row) * p.out_width + column) * p.vectors + c] = pack(acc);
        }
    }
}
