// winograd_output: y = act(Aᵀ·m·A + bias) + residual, the last step of a 3×3
// convolution as F(T×T, 3×3): m are the A × A products of a tile, A = T + 2.
//
// Bindings
//   m         A·A matrices of p.tiles rows of p.stride Products (four channels each)
//   bias      f32
//   residual  like y; read if p.residual_tiles is p.tiles
//   y         pictures [H, W] of p.stride Packed a pixel
//
// An invocation does four channels of one tile; 64 of them a workgroup; the
// grid is 2-D.
//
// Constants: T, A; AFTER = 1 has the activation follow the residual; MASK = 1
// stores zero in columns from p.real on. Decl transform is Aᵀ for a line of A
// products.

const T = 2u;
const A = 4u;
const AFTER = 0u;
const MASK = 0u;

alias Packed = vec2<u32>;
alias Product = vec4<f32>;
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
@group(0) @binding(1) var<storage, read> m: array<Product>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> residual: array<Packed>;
@group(0) @binding(4) var<storage, read_write> y: array<Packed>;

fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
fn product(v: Product) -> vec4<f32> { return v; }
fn activate(x: vec4<f32>) -> vec4<f32> { return x; }
fn transform(m: Line) -> Out { return Out(m[0] + m[1] + m[2], m[1] - m[2] - m[3]); }

fn store(picture: u32, row: u32, column: u32, c: u32, sum: vec4<f32>) {
    if row >= p.height || column >= p.width {
        return;
    }
    let to = ((picture * p.height + row) * p.width + column) * p.stride + c;
    var v = sum;
    if AFTER == 0u {
        v = activate(v);
    }
    if row < p.residual_tiles * p.height {
        v += unpack(residual[to]);
    }
    if AFTER == 1u {
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
    // unroll j A
    let down_j = transform(Line(
        // unroll i A
        product(m[(0u /*i*/ * A + 0u /*j*/) * p.tiles * p.stride + at]),
        // end
    ));
    // end
    // unroll i T
    let line_i = transform(Line(
        // unroll j A
        down_j[0u /*i*/],
        // end
    ));
    // unroll j T
    store(picture, top + 0u /*i*/, left + 0u /*j*/, c, line_i[0u /*j*/] + shift);
    // end
    // end
}
