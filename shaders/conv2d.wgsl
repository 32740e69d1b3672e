// conv2d: C[s][m,n] = Σ_tap Σ_c A[pixel(m) + tap, c]·W[tap, c, n], K in slices s
//
// Convolution as an implicit matmul (torch.nn.Conv2d, NHWC): row m is an output
// pixel, column n an output channel, and K runs over the filter's taps, the
// channels innermost. For software adapters: eight lanes gather the rows of A,
// a 16-byte vector each at a time, for a whole slice of K into workgroup
// memory; then all lanes read all of it, while their sums stay in registers.
// matmul_reduce adds the slices, the bias and what else belongs to the result.
//
// Bindings
//   a         pixels of 16-byte vectors, p.lda of them apart
//   b         W in panels of 16-byte vectors: b[(panel·K + k)·8 + i] holds the
//             panel's i-th 8 columns (f16; 4 columns for f32) at k
//   c         f32 sums [slices][p.rows][p.ldc]
//
// The lanes are LX by 8/LX, LX = 2^p.across: lane (x, y) computes TM rows, from
// (8/LX)·TM·block + y·TM on, of TG vectors of columns, LX apart. workgroup_id: x
// counts blocks of rows, y of columns, z the slices of K of the groups of a
// grouped convolution, or of the matrices of a batch: each begins p.step_a vectors
// further in a, p.step_b in b, p.step_c elements in c.
//
// Constants: TM rows and TG vectors a lane; ORIGINS, a multiple of 8, are room for
// the rows of a workgroup, TILE vectors for a slice of K of them; TH vec4 in a
// vector of b (f16 2, f32 1); TK elements in a word (f16 2, f32 1).
//
// What lavapipe taught. It keeps what lives over a barrier in memory: a kernel
// that staged K piece by piece took three times as long, so both barriers come
// before the sums begin. Loads from workgroup memory are the dearest part of
// the inner loop, hence a whole vector at a time, of which a turn takes one
// word. A bound of uniforms alone makes it compile the kernel anew for each
// value. In naga 0.13 a `break if` is right only if it compares with a `let`
// from before the loop.

const TM = 1u;
const TG = 1u;
const ORIGINS = 8u;
const TILE = 64u;
const TH = 2u;
const TK = 2u;

alias Panel = vec4<u32>;
alias Word = u32;

struct Params {
    M: u32,       // output pixels
    first: u32,   // pixels before them
    N: u32,       // physical columns to store, a multiple of 8
    K: u32,       // taps · physical channels of A, a multiple of 8
    depth: u32,   // elements of K in one slice, a multiple of 8 (K if unsplit)
    slices: u32,
    rows: u32,    // of a slice of c
    across: u32,  // log2 of the lanes along the columns
    along: u32,   // log2 of the lanes along K that gather a row together
    staged: u32,  // rows of the tile: TM·8/LX, rounded up to what all lanes gather at once
    tile: u32,    // 16-byte vectors of a row of the tile, a multiple of 2^along
    vectors: u32, // 16-byte vectors of a pixel of A that a group reads
    lda: u32,     // 16-byte vectors from pixel to pixel of A
    ldc: u32,     // elements from row to row
    height: u32,  // of A, pixels, upsampled
    width: u32,
    up: u32,      // A's pixels are read twice in each direction if 1, else 0
    out_height: u32,
    out_width: u32,
    kernel_width: u32,
    stride_y: u32,
    stride_x: u32,
    dilation_y: u32,
    dilation_x: u32,
    pad_y: u32,   // at the top
    pad_x: u32,   // at the left
    step_a: u32,
    step_b: u32,
    step_c: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<Panel>;
@group(0) @binding(2) var<storage, read> b: array<Panel>;
@group(0) @binding(3) var<storage, read_write> c: array<vec4<f32>>;

var<workgroup> origin: array<vec4<i32>, ORIGINS>; // first pixel of the picture, row and column of tap 0
var<workgroup> tile: array<Panel, TILE>;       // [p.staged][p.tile]

// element is a word's value at k, columns the h-th vec4 of a panel vector, turns as in
// winograd_input.
fn element(v: Word, k: u32) -> f32 { return unpack2x16float(v)[k]; }
fn columns(v: Panel, h: u32) -> vec4<f32> { return vec4<f32>(unpack2x16float(v[2u * h]), unpack2x16float(v[2u * h + 1u])); }
fn turns(n: u32, at: u32) -> u32 { return n; }
// form f32
const TH_f32 = 1u;
const TK_f32 = 1u;
alias Panel_f32 = vec4<f32>;
alias Word_f32 = f32;
fn element_f32(v: Word_f32, k: u32) -> f32 { return v; }
fn columns_f32(v: Panel_f32, h: u32) -> vec4<f32> { return v; }
// end

// form looped
fn turns_looped(n: u32, at: u32) -> u32 { return min(n, n + at); }
// end

// divide is n / d for n below 2²⁴, without the driver's integer division.
fn divide(n: u32, d: u32) -> u32 {
    let q = u32(f32(n) / f32(d));
    let rest = i32(n) - i32(q * d);
    return q + select(0u, 1u, rest >= i32(d)) - select(0u, 1u, rest < 0);
}

@compute @workgroup_size(8, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let lane = local.x;
    let slices = max(p.slices, 1u);
    let matrix = group.z / slices;
    let first = group.z % slices * p.depth;
    let first_row = group.x * (TM * 8u >> p.across);

    // Rows beyond the end repeat the last one: they are never stored.
    let out_width = max(p.out_width, 1u);
    let stored_width = (p.width + p.up) >> p.up;
    let out_area = out_width * max(p.out_height, 1u);
    let staged = turns(p.staged, group.x);
    for (var i = 0u; i < staged; i += 8u) {
        let m = p.first + min(first_row + i + lane, max(p.M, 1u) - 1u);
        let picture = divide(m, out_area);
        let y = divide(m - picture * out_area, out_width);
        let x = m - picture * out_area - y * out_width;
        origin[i + lane] = vec4<i32>(i32(picture * ((p.height + p.up) >> p.up) * stored_width), i32(y * p.stride_y) - i32(p.pad_y), i32(x * p.stride_x) - i32(p.pad_x), 0);
    }
    workgroupBarrier();

    let depth = min(p.depth, p.K - first);
    let pixel = max(p.vectors, 1u);
    let kernel_width = max(p.kernel_width, 1u);
    let along = 1u << p.along;
    let filled = min(p.tile, depth / (4u * TK) + along - 1u);
    for (var i = 0u; i < filled; i += along) {
        let v = i + (lane & (along - 1u));
        let at_k = first / (4u * TK) + v;
        let there = at_k * (4u * TK) < p.K;
        let tap = divide(at_k, pixel);
        let down = divide(tap, kernel_width);
        let dy = i32(down * p.dilation_y);
        let dx = i32((tap - down * kernel_width) * p.dilation_x);
        let from_a = matrix * p.step_a + at_k - tap * pixel;
        for (var j = 0u; j < staged; j += 8u >> p.along) {
            let row = j + (lane >> p.along);
            let y = u32(origin[row].y + dy); // what is negative has wrapped
            let x = u32(origin[row].z + dx);
            let inside = there && y < p.height && x < p.width;
            let at = (u32(origin[row].x) + (y >> p.up) * stored_width + (x >> p.up)) * p.lda + from_a;
            tile[row * p.tile + v] = select(Panel(), a[select(0u, at, inside)], inside);
        }
    }
    workgroupBarrier();

    let column = group.y * (TG << p.across) + (lane & ((1u << p.across) - 1u)); // in vectors of 4·TH columns
    // unroll g TG
    let column_g = column + (0u /*g*/ << p.across);
    var from_g = (min(column_g, max(p.N, 8u) / (4u * TH) - 1u) / 8u * p.K + first) * 8u + min(column_g, max(p.N, 8u) / (4u * TH) - 1u) % 8u + matrix * p.step_b;
    // end
    // unroll r TM
    // unroll g TG
    // unroll h TH
    var acc_r_g_h = vec4<f32>(0.0);
    // end
    // end
    // end
    let from_a = (lane >> p.across) * TM * p.tile;
    let steps = depth / (4u * TK);
    let quarter = min(depth, 4u);
    var v = 0u;
    var w = 0u;
    loop {
        // unroll r TM
        let q_r = tile[from_a + p.tile * 0u /*r*/ + v];
        // end
        w = 0u;
        loop {
            // unroll r TM
            let a_r = q_r[w];
            // end
            // unroll k TK
            // unroll g TG
            let b_g_k = b[from_g + 8u * 0u /*k*/];
            // end
            // end
            // unroll g TG
            // unroll h TH
            // unroll k TK
            let w_g_h_k = columns(b_g_k, 0u /*h*/);
            // end
            // unroll r TM
            // unroll k TK
            acc_r_g_h = fma(vec4<f32>(element(a_r, 0u /*k*/)), w_g_h_k, acc_r_g_h);
            // end
            // end
            // end
            // end
            // unroll g TG
            from_g += 8u * TK;
            // end
            continuing {
                w += 1u;
                break if w >= quarter;
            }
        }
        continuing {
            v += 1u;
            break if v >= steps;
        }
    }

    // One row a turn, so that the code that stores is there once. The bound is
    // no constant, or drivers would unroll it, and not of uniforms alone.
    let row = first_row + (lane >> p.across) * TM;
    let to = group.z % slices * p.rows;
    let rows = min(TM, p.M + group.x);
    var r = 0u;
    loop {
        // unroll g TG
        if row + r < p.M && column_g * 4u * TH < p.N {
            // unroll h TH
            var x_g_h = acc_0_g_h;
            // unroll r TM
            x_g_h = select(x_g_h, acc_r_g_h, r == 0u /*r*/);
            // end
            c[((to + row + r) * p.ldc + matrix * p.step_c) / 4u + column_g * TH + 0u /*h*/] = x_g_h;
            // end
        }
        // end
        continuing {
            r += 1u;
            break if r >= rows;
        }
    }
}
