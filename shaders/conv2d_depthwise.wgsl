// conv2d_depthwise: y[oy, ox, c] = act(Σ_ky Σ_kx x[oy·sy + ky·dy − top, ox·sx + kx·dx − left, c]·w[ky, kx, c] + bias[c] + residual)
//
// A convolution in which every channel has a filter of its own (torch.nn.Conv2d
// with groups = channels), NHWC.
//
// Bindings
//   x         pictures [H, W] of p.stride Packed (four channels each) a pixel
//   w         filters [KH·KW] of p.stride Packed
//   bias      f32
//   residual  like y; added if p.residual_rows is p.out_height
//   y         pictures [OH, OW] of p.stride Packed a pixel
//
// An invocation does four channels of TX neighbouring outputs of a row, so that
// they share what they read; 64 of them a workgroup, channels first; the grid
// is 2-D.
//
// Constants: TX; KH, KW; SX, DX the stride and dilation along x; SPAN =
// (TX − 1)·SX + (KW − 1)·DX + 1 pixels read of a row; BEFORE = 1 has the
// activation precede the residual; MASK = 1 stores zero in channels from p.real
// on. The form looped is as in winograd_input.

const TX = 1u;
const KH = 1u;
const KW = 1u;
const SX = 1u;
const DX = 1u;
const SPAN = 1u;
const BEFORE = 0u;
const MASK = 0u;

alias Packed = vec2<u32>;

struct Params {
    count: u32,  // invocations with something to do
    stride: u32, // Packed a pixel
    height: u32,
    width: u32,
    out_height: u32,
    out_width: u32,
    stride_y: u32,
    dilation_y: u32,
    pad_y: u32,  // at the top
    pad_x: u32,  // at the left
    real: u32,   // channels that are not padding (MASK only)
    residual_rows: u32, // out_height, or 0 without residual
    activates: u32, // as in matmul
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> w: array<Packed>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> residual: array<Packed>;
@group(0) @binding(5) var<storage, read_write> y: array<Packed>;

fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// activate is replaced by a function of activation.wgsl, epilogue by matmul_reduce's.
fn activate(x: vec4<f32>) -> vec4<f32> { return x; }
fn epilogue(x: vec4<f32>, row: u32, column: u32, at: u32) -> vec4<f32> { return x; }
fn turns(n: u32, at: u32) -> u32 { return n; }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

// form looped
fn turns_looped(n: u32, at: u32) -> u32 { return min(n, n + at); }
// end

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let at = id.x + id.y * groups.x * 64u;
    if at >= p.count {
        return;
    }
    let columns = (p.out_width + TX - 1u) / TX;
    let c = at % p.stride;
    let block = at / p.stride;
    let left = block % columns * TX;
    let row = block / columns; // of all pictures
    let picture = row / p.out_height;
    let oy = row % p.out_height;

    // unroll t TX
    var acc_t = bias[c];
    // end
    var line: array<vec4<f32>, SPAN>;
    let rows = turns(KH, at);
    for (var i = 0u; i < rows; i += 1u) {
        let yi = oy * p.stride_y + i * p.dilation_y - p.pad_y; // what is negative has wrapped
        let from_row = (picture * p.height + yi) * p.width;
        // unroll s SPAN
        let x_s = left * SX + 0u /*s*/ - p.pad_x;
        let inside_s = yi < p.height && x_s < p.width;
        line[0u /*s*/] = select(vec4<f32>(0.0), unpack(x[select(0u, (from_row + x_s) * p.stride + c, inside_s)]), inside_s);
        // end
        // unroll j KW
        let w_j = unpack(w[(i * KW + 0u /*j*/) * p.stride + c]);
        // unroll t TX
        acc_t = fma(line[0u /*t*/ * SX + 0u /*j*/ * DX], w_j, acc_t);
        // end
        // end
    }

    // One output a turn, so that the code of the epilogue is there once.
    let outputs = turns(TX, at);
    for (var n = 0u; n < outputs; n += 1u) {
        if left + n < p.out_width {
            var sum = acc_0;
            // unroll t TX
            sum = select(sum, acc_t, n == 0u /*t*/);
            // end
            let to = (row * p.out_width + left + n) * p.stride + c;
            y[to] = pack(epilogue(sum, oy, c * 4u, to));
        }
    }
}
