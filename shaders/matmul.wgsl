// matmul: C[m,n] = act((Σ_k A[m,k]·W[k,n])·scale + bias[n] + residual[m,n])
//
// Register-tiled and barrier-free: for software adapters and for GPUs that
// gain nothing from staging in workgroup memory.
//
// Bindings
//   a         rows of A, K elements each, p.lda elements apart
//   b         W in panels of 16-byte vectors: b[(panel·K + k)·8 + lane] holds
//             the lane's 8 columns (f16; 4 columns for f32) at row k
//   bias      f32, zero padded to a multiple of 128 columns
//   residual  like c with p.ldr between rows; read for the first p.residual_rows rows
//   c         rows of C, p.ldc elements apart
//
// A workgroup is 8 lanes by WY. Eight lanes compute TM rows of TG panels: lane
// l owns the l-th vector of each. workgroup_id: x counts blocks of WY·TM rows,
// y column blocks, z slices of K or matrices of a batch, each of them step_a, step_b
// and step_c behind the one before. A batch has one bias, zero, and no residual.
//
// Constants: TM = TE·TR rows, of which a lane loads TE: all of them (TR = 1), or in the form
// subgroups, where eight lanes are a subgroup, one of every TR = 8, which it gives the others; TG
// panels; TH vec4 in a panel vector (f16 2, f32 1);
// TK elements of A loaded at once (a divisor of 8, and what Chunk holds, in the forms
// x4 and x8 four and eight); WY;
// SPLIT = 1 stores plain sums instead, f32: slices for matmul_reduce, of which none
// may be empty, or a batch; the form either does so where p.sums_rows says; BEFORE = 1 has the activation precede the residual;
// MASK = 1 stores zero in columns from p.real on, for an activation that is not
// zero at zero.
//
// What lavapipe taught (Mesa 22.3 and 25.0, halves, 512×768×768, share of the
// fma peak). It makes a loop over the lanes of every load from storage in a
// loop, 19 fma a word for each lane, uniform address or not. So the rate is
// that of fma a loaded word, until the unrolled body leaves the instruction
// cache at about 800 fma: TM×TG×TK = 8×1×8 27 %, 8×2×4 33 %, 16×2×2 36 %,
// 8×3×4 37 %, 16×3×2 28 %, 12×3×4 31 %. A load from a uniform buffer costs
// half, as there is no such loop: in the form window, where `a` is a uniform array
// of 64 KiB bound in windows of rows, 12×2×2 41 %, 16×2×2 45 %, 20×2×2 48 %. What
// another lane has loaded costs next to nothing: in the form subgroups 16×1×4 52 %
// (Mesa 25.0: 43 %, from storage 26 %).
// Variables that live over a turn are stored masked: sums want at least two
// fma a turn each. A loop that breaks at its start runs once more, masked:
// loops end at their end. The epilogue is a loop over rows since its code,
// once a vector, took three times as long to compile as all the rest.

const TM = 1u;
const TE = 1u;
const TR = 1u;
const TG = 1u;
const TH = 2u;
const TK = 2u;
const WY = 1u;
const SPLIT = 0u;
const BEFORE = 0u;
const MASK = 0u;

alias Chunk = u32;
alias Panel = vec4<u32>;
alias Packed = vec2<u32>;
alias Stored = vec2<u32>;

struct Params {
    M: u32,      // rows of C
    N: u32,      // physical columns of C to store, a multiple of 8
    K: u32,      // physical columns of A, a multiple of 8
    lda: u32,    // elements from row to row, multiples of 8
    ldc: u32,
    ldr: u32,
    column: u32, // first column computed: that of b's first panel
    depth: u32,  // elements of K in one slice, a multiple of 8 (K if unsplit)
    step_k: u32, // from slice to slice of K: depth, 0 in a batch
    step_a: u32, // elements of A from z to z, a multiple of 8
    step_b: u32, // vectors of b
    step_c: u32, // elements of C
    real: u32,   // columns that are not padding (MASK only)
    residual_rows: u32, // M, or 0 without residual; a test of a uniform alone
                        // makes lavapipe compile the kernel anew for each value
    sums_rows: u32, // M if plain sums are stored, else 0 (either only)
    scale: f32,
    activates: u32, // 1: the activation is applied, where fuse made it optional
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<Chunk>;
@group(0) @binding(2) var<storage, read> b: array<Panel>;
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> residual: array<Packed>;
@group(0) @binding(5) var<storage, read_write> c: array<Stored>;

// chunk is the i-th of A, element its value at k, columns the h-th vec4 of a panel vector.
fn chunk(i: u32) -> Chunk { return a[i]; }
fn element(v: Chunk, k: u32) -> f32 { return unpack2x16float(v)[k]; }
fn columns(v: Panel, h: u32) -> vec4<f32> { return vec4<f32>(unpack2x16float(v[2u * h]), unpack2x16float(v[2u * h + 1u])); }
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Stored { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// activate is replaced by a function of activation.wgsl, epilogue by matmul_reduce's.
fn activate(x: vec4<f32>) -> vec4<f32> { return x; }
fn epilogue(x: vec4<f32>, row: u32, column: u32, at: u32) -> vec4<f32> { return x; }
fn turns(n: u32, at: u32) -> u32 { return n; }
// store writes result as the at-th vector of c, or in the form either sum, if that is wanted.
fn store(at: u32, sum: vec4<f32>, result: vec4<f32>, plain: bool) { c[at] = pack(result); }
// of_r is the r-th row's element of a load of TR rows.
// unroll r TR
fn of_r(own: f32) -> f32 { return own; }
// end
// form f32
const TH_f32 = 1u;
alias Chunk_f32 = vec2<f32>;
alias Chunk_x4_f32 = vec4<f32>;
alias Panel_f32 = vec4<f32>;
alias Packed_f32 = vec4<f32>;
@group(0) @binding(1) var<uniform> a_window_f32: array<vec4<f32>, 4096>;
fn element_f32(v: Chunk_f32, k: u32) -> f32 { return v[k]; }
fn element_x4_f32(v: Chunk_x4_f32, k: u32) -> f32 { return v[k]; }
fn chunk_window_f32(i: u32) -> Chunk_f32 { return vec2<f32>(a_window_f32[i / 2u][i % 2u * 2u], a_window_f32[i / 2u][i % 2u * 2u + 1u]); }
fn chunk_window_x4_f32(i: u32) -> Chunk_x4_f32 { return a_window_f32[i]; }
fn columns_f32(v: Panel_f32, h: u32) -> vec4<f32> { return v; }
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn store_either_f32(at: u32, sum: vec4<f32>, result: vec4<f32>, plain: bool) { c[at] = pack(select(result, sum, plain)); }
// end

// form x4
alias Chunk_x4 = vec2<u32>;
fn element_x4(v: Chunk_x4, k: u32) -> f32 { return unpack2x16float(v[k / 2u])[k % 2u]; }
fn chunk_window_x4(i: u32) -> Chunk_x4 { return vec2<u32>(a_window[i / 2u][i % 2u * 2u], a_window[i / 2u][i % 2u * 2u + 1u]); }
// end

// form x8
alias Chunk_x8 = vec4<u32>;
fn element_x8(v: Chunk_x8, k: u32) -> f32 { return unpack2x16float(v[k / 2u])[k % 2u]; }
// end

// form window
@group(0) @binding(1) var<uniform> a_window: array<vec4<u32>, 4096>;
fn chunk_window(i: u32) -> Chunk { return a_window[i / 4u][i % 4u]; }
// end

// form floats
alias Stored_floats = vec4<f32>;
fn pack_floats(v: vec4<f32>) -> Stored_floats { return v; }
// end

// form either
fn store_either(at: u32, sum: vec4<f32>, result: vec4<f32>, plain: bool) {
    if plain {
        c[2u * at] = bitcast<vec2<u32>>(sum.xy);
        c[2u * at + 1u] = bitcast<vec2<u32>>(sum.zw);
    } else {
        c[at] = pack(result);
    }
}
// end

// form subgroups enables subgroups
fn of_r_subgroups(own: f32) -> f32 { return subgroupBroadcast(own, 0u /*r*/); }
// end

// form looped
fn turns_looped(n: u32, at: u32) -> u32 { return min(n, n + at); }
// end

@compute @workgroup_size(8, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let lane = local.x;
    let row = (group.x * WY + local.y % WY) * TM;
    let panel = group.y * TG;
    let last = min(p.depth, p.K - group.z * p.step_k);

    // Rows and panels beyond the end repeat the last one: they are never stored.
    // unroll e TE
    var at_e = min(row + 0u /*e*/ * TR + lane % TR, max(p.M, 1u) - 1u) * (p.lda / TK) + group.z * p.step_a / TK;
    // end
    let panels = max((p.N - p.column + 32u * TH - 1u) / (32u * TH), 1u);
    // unroll g TG
    var from_g = min(panel + 0u /*g*/, panels - 1u) * p.K * 8u + group.z * p.step_b + lane;
    // end
    // unroll e TE
    // unroll r TR
    // unroll g TG
    // unroll h TH
    var acc_e_r_g_h = vec4<f32>(0.0);
    // end
    // end
    // end
    // end

    var k = 0u;
    loop {
        // unroll e TE
        let own_e = chunk(at_e);
        at_e += 1u;
        // unroll k TK
        let own_e_k = element(own_e, 0u /*k*/);
        // unroll r TR
        let a_e_r_k = of_r(own_e_k);
        // end
        // end
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
        // unroll e TE
        // unroll r TR
        // unroll k TK
        acc_e_r_g_h = fma(vec4<f32>(a_e_r_k), w_g_h_k, acc_e_r_g_h);
        // end
        // end
        // end
        // end
        // end
        // unroll g TG
        from_g += 8u * TK;
        // end
        continuing {
            k += TK;
            break if k >= last;
        }
    }

    // One row a turn, on software adapters one vector of it, so that the code of the
    // epilogue is there once. The bound of rows is neither a constant, which drivers
    // would unroll, nor of uniforms alone.
    // unroll g TG
    // unroll h TH
    let bias_g_h = bias[(p.column + (panel + 0u /*g*/) * 32u * TH) / 4u + lane * TH + 0u /*h*/];
    // end
    // end
    let rows = min(TM, p.M + group.x);
    let parts = turns(TG * TH, group.x);
    var r = 0u;
    loop {
        // unroll g TG
        // unroll h TH
        var x_g_h = acc_0_0_g_h;
        // unroll e TE
        // unroll r TR
        x_g_h = select(x_g_h, acc_e_r_g_h, r == 0u /*e*/ * TR + 0u /*r*/);
        // end
        // end
        // end
        // end
        var part = 0u;
        loop {
            var x = x_0_0;
            var shift = bias_0_0;
            // unroll g TG
            // unroll h TH
            x = select(x, x_g_h, part == 0u /*g*/ * TH + 0u /*h*/);
            shift = select(shift, bias_g_h, part == 0u /*g*/ * TH + 0u /*h*/);
            // end
            // end
            let column = p.column + (panel + part / TH) * 32u * TH + (lane * TH + part % TH) * 4u;
            if row + r < p.M && column < p.N {
                var y = x;
                if SPLIT == 0u {
                    y = epilogue(fma(x, vec4<f32>(p.scale), shift), row + r, column, ((row + r) * p.ldr + column) / 4u);
                }
                store((group.z * p.step_c + (row + r) * p.ldc + column) / 4u, x, y, row + r < p.sums_rows);
            }
            continuing {
                part += 1u;
                break if part >= parts;
            }
        }
        continuing {
            r += 1u;
            break if r >= rows;
        }
    }
}
