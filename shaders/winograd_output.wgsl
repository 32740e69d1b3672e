// winograd_output: y = act(Aᵀ·m·A + bias + residual), the last step of a 3×3
// convolution as F(T×T, 3×3): m are the A × A products of a tile, A = T + 2.
//
// Bindings
//   m         A·A matrices of p.tiles rows of p.stride Vec
//   bias      f32
//   residual  like y; added if p.residual_rows is p.height
//   y         pictures [H, W] of p.stride Packed a pixel
//
// An invocation does the channels of a Vec, WIDE = 4 or 2, of one tile; 64 of them a
// workgroup; the grid is 2-D. Fewer channels take fewer registers, as in
// winograd_input.
//
// Constants: T, A; WIDE; BEFORE = 1 has the activation precede the residual; MASK = 1
// stores zero in columns from p.real on. transform is Aᵀ for a line of A products,
// whole a Vec as a vec4 and own the inverse. Forms as in winograd_input.

const T = 2u;
const A = 4u;
const WIDE = 4u;
const BEFORE = 0u;
const MASK = 0u;

alias Packed = vec2<u32>;
alias Vec = vec4<f32>;
alias Line = array<Vec, A>;
alias Out = array<Vec, T>;

struct Params {
    tiles: u32,  // tiles computed
    first: u32,  // the number of the first, in pictures of rows × columns tiles
    stride: u32, // Packed a pixel
    height: u32,
    width: u32,
    rows: u32,   // of tiles
    columns: u32,
    real: u32,   // channels that are not padding (MASK only)
    residual_rows: u32, // height, or 0 without residual
    activates: u32, // as in matmul
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> m: array<Vec>;
@group(0) @binding(2) var<storage, read> bias: array<Vec>;
@group(0) @binding(3) var<storage, read> residual: array<Packed>;
@group(0) @binding(4) var<storage, read_write> y: array<Packed>;

fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: Vec) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
fn whole(v: Vec) -> vec4<f32> { return v; }
fn own(v: vec4<f32>) -> Vec { return v; }
// activate is replaced by a function of activation.wgsl, epilogue by matmul_reduce's.
fn activate(x: vec4<f32>) -> vec4<f32> { return x; }
fn epilogue(x: vec4<f32>, row: u32, column: u32, at: u32) -> vec4<f32> { return x; }
fn transform(m: Line) -> Out { return Out(m[0] + m[1] + m[2], m[1] - m[2] - m[3]); }
fn turns(n: u32, at: u32) -> u32 { return n; }
// form f4
const T_f4 = 4u;
const A_f4 = 6u;
alias Line_f4 = array<Vec, A_f4>;
alias Out_f4 = array<Vec, T_f4>;
fn transform_f4(m: Line_f4) -> Out_f4 { return Out_f4(m[0] + (m[1] + m[2]) + (m[3] + m[4]), 0.6666667 * (m[1] - m[2]) + 1.5 * (m[3] - m[4]), 0.44444445 * (m[1] + m[2]) + 2.25 * (m[3] + m[4]), 0.2962963 * (m[1] - m[2]) + 3.375 * (m[3] - m[4]) + m[5]); }
// end

// form f32
alias Packed_f32 = vec4<f32>;
alias Packed_pair_f32 = vec2<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn unpack_pair_f32(v: Packed_pair_f32) -> vec4<f32> { return whole_pair(v); }
fn pack_f32(v: Vec) -> Packed_f32 { return v; }
fn pack_pair_f32(v: Vec_pair) -> Packed_pair_f32 { return v; }
// end

// form pair
const WIDE_pair = 2u;
alias Vec_pair = vec2<f32>;
alias Packed_pair = u32;
fn unpack_pair(v: Packed_pair) -> vec4<f32> { return whole_pair(unpack2x16float(v)); }
fn pack_pair(v: Vec_pair) -> Packed_pair { return pack2x16float(v); }
fn whole_pair(v: Vec_pair) -> vec4<f32> { return vec4<f32>(v, v); }
fn own_pair(v: vec4<f32>) -> Vec_pair { return v.xy; }
// end

// form looped
fn turns_looped(n: u32, at: u32) -> u32 { return min(n, n + at); }
// end

fn store(picture: u32, row: u32, column: u32, c: u32, sum: Vec) {
    if row >= p.height || column >= p.width {
        return;
    }
    let to = ((picture * p.height + row) * p.width + column) * p.stride + c;
    y[to] = pack(own(epilogue(whole(sum), row, c * WIDE, to)));
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
    let top = tile / p.columns % p.rows * T;
    let left = tile % p.columns * T;
    let shift = bias[c];
    let columns = turns(A, at);
    let lines = turns(T, at);
    // unroll j A
    var down_j: Out; // the transformed column j
    // end
    for (var j = 0u; j < columns; j += 1u) {
        let column = transform(Line(
            // unroll i A
            m[(0u /*i*/ * A + j) * p.tiles * p.stride + at],
            // end
        ));
        // unroll j A
        // unroll i T
        down_j[0u /*i*/] = select(down_j[0u /*i*/], column[0u /*i*/], j == 0u /*j*/);
        // end
        // end
    }
    for (var i = 0u; i < lines; i += 1u) {
        // unroll j A
        var value_j = down_j[0];
        // unroll i T
        value_j = select(value_j, down_j[0u /*i*/], i == 0u /*i*/);
        // end
        // end
        let line = transform(Line(
            // unroll j A
            value_j,
            // end
        ));
        // unroll j T
        store(picture, top + i, left + 0u /*j*/, c, line[0u /*j*/] + shift);
        // end
    }
}
