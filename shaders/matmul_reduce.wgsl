// matmul_reduce: the second step of a matmul whose K was split into slices.
// C[m,n] = act((Σ_s partial[s,m,n])·scale + bias[n] + residual[m,n])
// The slices are summed in order, so the result does not vary from run to run.
//
// Bindings
//   partial   f32 sums [slices][rows][ldp], as matmul stores them under SPLIT
//   bias      f32, zero padded to a multiple of 128 columns
//   residual  like c with p.ldr between rows; read for the first p.residual_rows rows
//   c         rows of C, p.ldc elements apart
//
// BEFORE and MASK are as in matmul. An invocation computes 4 columns of one row;
// a workgroup does 64 of them; the grid is 2-D.

const BEFORE = 0u;
const MASK = 0u;

alias Packed = vec2<u32>;

struct Params {
    M: u32,      // rows of C
    N: u32,      // physical columns of C, a multiple of 8
    rows: u32,   // rows of a slice
    ldp: u32,    // elements from row to row of a slice
    slices: u32,
    ldc: u32,
    ldr: u32,
    real: u32,   // columns that are not padding (MASK only)
    residual_rows: u32, // M, or 0 without residual; a test of a uniform alone
                        // makes lavapipe compile the kernel anew for each value
    scale: f32,
    activates: u32, // 1: the activation is applied, where fuse made it optional
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> partial: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> residual: array<Packed>;
@group(0) @binding(4) var<storage, read_write> c: array<Packed>;

fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end
fn activate(x: vec4<f32>) -> vec4<f32> { return x; }

// epilogue finishes 4 columns, from column on, of a scaled and biased row of a matmul
// or a convolution: the kernels that declare it have this one, with their own unpack
// and activate. residual[at] is added in the first p.residual_rows rows.
fn epilogue(x: vec4<f32>, row: u32, column: u32, at: u32) -> vec4<f32> {
    var y = x;
    if BEFORE == 1u {
        y = activate(y);
    }
    if row < p.residual_rows {
        y += unpack(residual[at]);
    }
    if BEFORE == 0u {
        y = activate(y);
    }
    if MASK == 1u {
        y = select(y, vec4<f32>(0.0), vec4<u32>(column) + vec4<u32>(0u, 1u, 2u, 3u) >= vec4<u32>(p.real));
    }
    return y;
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    let quads = max(p.N / 4u, 1u);
    let row = i / quads;
    let column = i % quads * 4u;
    if row >= p.M || column >= p.N {
        return;
    }
    var sum = vec4<f32>(0.0);
    for (var s = 0u; s < p.slices; s += 1u) {
        sum += partial[((s * p.rows + row) * p.ldp + column) / 4u];
    }
    let x = fma(sum, vec4<f32>(p.scale), bias[column / 4u]);
    c[(row * p.ldc + column) / 4u] = pack(epilogue(x, row, column, (row * p.ldr + column) / 4u));
}
