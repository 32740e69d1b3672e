// winograd_output: y = act(Aᵀ·m·A + bias + residual), the last step of a 3×3
// convolution as F(T×T, 3×3): m are the A × A products of a tile, A = T + 2.
//
// Bindings
//   m         A·A matrices of p.tiles rows of p.stride vec4 (four channels each)
//   bias      f32
//   residual  like y; read if p.residual_tiles is p.tiles
//   y         pictures [H, W] of p.stride Packed a pixel
//
// An invocation does four channels of one tile; 64 of them a workgroup; the
// grid is 2-D.
//
// Constants: T, A; BEFORE = 1 has the activation precede the residual; MASK = 1
// stores zero in columns from p.real on. Decl transform is Aᵀ for a line of A
// products, turns as in winograd_input.

const T = 2u;
const A = 4u;
const BEFORE = 0u;
const MASK = 0u;

alias Packed = vec2<u32>;
alias Line = array<vec4<f32>, A>;
alias Out = array<vec4<f32>, T>;

struct Params {
    tiles: u32,  // tiles computed
    first: u32,  // the number of the first, in pictures of rows × columns tiles
    stride: u32, // Packed a pixel
    height: u32,
    width: u32,
    rows: u32,   // of tiles
    columns: u32,
    real: u32,   // channels that are not padding (MASK only)
    residual_tiles: u32, // tiles, or 0 without residual
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> m: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> residual: array<Packed>;
@group(0) @binding(4) var<storage, read_write> y: array<Packed>;

fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
fn activate(x: vec4<f32>) -> vec4<f32> { return x; }
fn transform(m: Line) -> Out { return Out(m[0] + m[1] + m[2], m[1] - m[2] - m[3]); }
fn turns(n: u32, at: u32) -> u32 { return n; }

fn store(picture: u32, row: u32, column: u32, c: u32, sum: vec4<f32>) {
    if row >= p.height || column >= p.width {
        return;
    }
    let to = ((picture * p.height + row) * p.width + column) * p.stride + c;
    var v = sum;
    if BEFORE == 1u {
        v = activate(v);
    }
    if row < p.residual_tiles * p.height {
        v += unpack(residual[to]);
    }
    if BEFORE == 0u {
        v = activate(v);
    }
    if MASK == 1u {
        v = select(v, vec4<f32>(0.0), vec4<u32>(c * 4u) + vec4<u32>(0u, 1u, 2u, 3u) >= vec4<u32>(p.real));
    }
    y[to] = pack(v);
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
