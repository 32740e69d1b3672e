// winograd_input: V[i·A + j][tile, c] = (Bᵀ·d·B)[i, j], the first step of a 3×3
// convolution as F(T×T, 3×3) (Lavin & Gray 2015): d are the A × A pixels, A =
// T + 2, that the T × T output pixels of a tile depend on, zero outside.
//
// Bindings
//   x  pictures [H, W] of p.stride Packed a pixel
//   v  A·A matrices of p.tiles rows of p.stride Packed, for conv2d to multiply
//
// An invocation does the channels of a Packed, four or two, of one tile; 64 of them
// a workgroup; the grid is 2-D. Its 36 values of F(4,3) take 144 registers with
// four channels, with which few invocations run at once on a GPU.
//
// Constants: T, A. transform is Bᵀ for a line of A values. Forms: f4 is F(4,3), pair
// has two channels a Packed. Loops over lines choose among named values, so that a
// driver that unrolls them, by their bound A, gets straight code; for those that take
// long to compile it there is the form looped, whose turns they can't know.

const T = 2u;
const A = 4u;

alias Packed = vec2<u32>;
alias Vec = vec4<f32>;
alias Line = array<Vec, A>;

struct Params {
    tiles: u32,  // tiles computed
    first: u32,  // the number of the first, in pictures of rows × columns tiles
    stride: u32, // Packed a pixel
    height: u32, // upsampled
    width: u32,
    up: u32,     // pixels are read twice in each direction if 1, else 0
    rows: u32,   // of tiles
    columns: u32,
    pad_y: u32,  // at the top
    pad_x: u32,  // at the left
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read_write> v: array<Packed>;

fn unpack(v: Packed) -> Vec { return Vec(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: Vec) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
fn transform(d: Line) -> Line { return Line(d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]); }
fn turns(n: u32, at: u32) -> u32 { return n; }
// form f4
const T_f4 = 4u;
const A_f4 = 6u;
alias Line_f4 = array<Vec, A_f4>;
fn transform_f4(d: Line_f4) -> Line_f4 { return Line_f4(0.5 * (d[0] + d[4]) - 1.3472222 * d[2], (0.5 * d[4] - 1.125 * d[2]) + (0.33333334 * d[3] - 0.75 * d[1]), (0.5 * d[4] - 1.125 * d[2]) - (0.33333334 * d[3] - 0.75 * d[1]), (0.5 * d[4] - 0.22222222 * d[2]) + (0.75 * d[3] - 0.33333334 * d[1]), (0.5 * d[4] - 0.22222222 * d[2]) - (0.75 * d[3] - 0.33333334 * d[1]), 0.5 * (d[1] + d[5]) - 1.3472222 * d[3]); }
// end

// form f32
alias Packed_f32 = vec4<f32>;
alias Packed_pair_f32 = vec2<f32>;
fn unpack_f32(v: Packed_f32) -> Vec { return v; }
fn unpack_pair_f32(v: Packed_pair_f32) -> Vec_pair { return v; }
fn pack_f32(v: Vec) -> Packed_f32 { return v; }
fn pack_pair_f32(v: Vec_pair) -> Packed_pair_f32 { return v; }
// end

// form pair
alias Vec_pair = vec2<f32>;
alias Packed_pair = u32;
fn unpack_pair(v: Packed_pair) -> Vec_pair { return unpack2x16float(v); }
fn pack_pair(v: Vec_pair) -> Packed_pair { return pack2x16float(v); }
// end

// form looped
fn turns_looped(n: u32, at: u32) -> u32 { return min(n, n + at); }
// end

// pixel is the channels of row y and column x of a picture; what is negative has wrapped.
fn pixel(picture: u32, y: u32, column: u32, c: u32) -> Vec {
    let inside = y < p.height && column < p.width;
    let at = ((picture * ((p.height + p.up) >> p.up) + (y >> p.up)) * ((p.width + p.up) >> p.up) + (column >> p.up)) * p.stride + c;
    return select(Vec(), unpack(x[select(0u, at, inside)]), inside);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = id.x + id.y * groups.x * 64u;
    if at >= p.tiles * p.stride {
        return;
    }
    let c = at % p.stride;
    let tile = p.first + at / p.stride;
    let picture = tile / (p.rows * p.columns);
    let y = tile / p.columns % p.rows * T - p.pad_y;
    let left = tile % p.columns * T - p.pad_x;
    let lines = turns(A, at);
    // unroll j A
    var down_j: Line; // the transformed column j
    // end
    for (var j = 0u; j < lines; j += 1u) {
        let column = transform(Line(
            // unroll i A
            pixel(picture, y + 0u /*i*/, left + j, c),
            // end
        ));
        // unroll j A
        // unroll i A
        down_j[0u /*i*/] = select(down_j[0u /*i*/], column[0u /*i*/], j == 0u /*j*/);
        // end
        // end
    }
    for (var i = 0u; i < lines; i += 1u) {
        // unroll j A
        var value_j = down_j[0];
        // unroll i A
        value_j = select(value_j, down_j[0u /*i*/], i == 0u /*i*/);
        // end
        // end
        let line = transform(Line(
            // unroll j A
            value_j,
            // end
        ));
        // unroll j A
        v[(i * A + 0u /*j*/) * p.tiles * p.stride + at] = pack(line[0u /*j*/]);
        // end
    }
}
