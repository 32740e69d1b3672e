// y = activate(x), element by element: the activations, as functions of four
// values, that other kernels take out of this file to fuse.
//
// x, y: rows of `stride` elements, four in a Packed; columns from `width`
// on, within each group of `group` elements, are padding and stay zero.
// A workgroup does 64 Packed; the grid is 2-D.

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32, // Packed in all
    group: u32, // elements a group, padding included
    width: u32, // elements a group, without padding
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read_write> y: array<Packed>;

// 1 − erf(a) for a ≥ 0, within 1.2e-7 of its value however small: the Chebyshev
// fit of Numerical Recipes (erfcc).
fn erfc(a: vec4<f32>) -> vec4<f32> {
    let t = vec4<f32>(1.0) / (vec4<f32>(1.0) + 0.5 * a);
    let high = 0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277)));
    let q = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 + t * high))));
    return t * exp(q - a * a);
}

// torch.nn.GELU: x·Φ(x). Φ of negative numbers is half of erfc itself, not one
// less a number near one.
fn gelu(x: vec4<f32>) -> vec4<f32> {
    let tail = 0.5 * erfc(abs(x) * 0.70710678);
    return x * select(tail, vec4<f32>(1.0) - tail, x > vec4<f32>(0.0));
}

// tanh whose argument is kept where exp does not overflow.
fn safe_tanh(x: vec4<f32>) -> vec4<f32> {
    return keep_nan(x, tanh(clamp(x, vec4<f32>(-10.0), vec4<f32>(10.0))));
}

// torch.nn.GELU(approximate="tanh"), transformers' gelu_new. (1 + tanh u)/2 is
// σ(2u), which keeps its digits where it is small.
fn gelu_tanh(x: vec4<f32>) -> vec4<f32> {
    return x * sigmoid(1.59576912 * (x + 0.044715 * x * x * x));
}

// y, but NaN where x is: min, max, clamp and comparisons do not promise it on
// every driver. An overflow of halves is noticed at the end by its NaN.
fn keep_nan(x: vec4<f32>, y: vec4<f32>) -> vec4<f32> {
    return select(y, x, (bitcast<vec4<u32>>(x) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u));
}

// The logistic function; exp overflows to infinity where the result is zero.
fn sigmoid(x: vec4<f32>) -> vec4<f32> {
    return keep_nan(x, vec4<f32>(1.0) / (vec4<f32>(1.0) + exp(clamp(-x, vec4<f32>(-80.0), vec4<f32>(80.0)))));
}

// transformers' quick_gelu: x·σ(1.702·x).
fn quick_gelu(x: vec4<f32>) -> vec4<f32> {
    return x * sigmoid(1.702 * x);
}

// torch.nn.SiLU: x·σ(x).
fn silu(x: vec4<f32>) -> vec4<f32> {
    return x * sigmoid(x);
}

fn relu(x: vec4<f32>) -> vec4<f32> {
    return keep_nan(x, max(x, vec4<f32>(0.0)));
}

fn relu6(x: vec4<f32>) -> vec4<f32> {
    return keep_nan(x, clamp(x, vec4<f32>(0.0), vec4<f32>(6.0)));
}

// torch.nn.Hardswish: x·relu6(x+3)/6.
fn hard_swish(x: vec4<f32>) -> vec4<f32> {
    return x * clamp(x * 0.16666667 + vec4<f32>(0.5), vec4<f32>(0.0), vec4<f32>(1.0));
}

// torch.nn.Hardsigmoid: relu6(x+3)/6.
fn hard_sigmoid(x: vec4<f32>) -> vec4<f32> {
    return keep_nan(x, clamp(x * 0.16666667 + vec4<f32>(0.5), vec4<f32>(0.0), vec4<f32>(1.0)));
}

// PaddlePaddle's hardsigmoid.
fn hard_sigmoid_of(x: vec4<f32>, slope: f32) -> vec4<f32> {
    return keep_nan(x, clamp(slope * x + vec4<f32>(0.5), vec4<f32>(0.0), vec4<f32>(1.0)));
}

// torch.nn.LeakyReLU. A comparison with NaN is false, and slope·NaN is NaN.
fn leaky_relu(x: vec4<f32>, slope: f32) -> vec4<f32> {
    return select(slope * x, x, x > vec4<f32>(0.0));
}

// torch.nn.ELU. Near zero exp(x) − 1 has few digits left: there, its series.
fn elu(x: vec4<f32>, alpha: f32) -> vec4<f32> {
    let low = min(x, vec4<f32>(0.0));
    let series = low * (1.0 + low * (0.5 + low * (0.16666667 + low * (0.041666668 + low * 0.008333334))));
    let below = select(exp(low) - 1.0, series, low > vec4<f32>(-0.25));
    return keep_nan(x, select(alpha * below, x, x > vec4<f32>(0.0)));
}

// torch.nn.Hardtanh between −limit and limit.
fn hard_tanh(x: vec4<f32>, limit: f32) -> vec4<f32> {
    return keep_nan(x, clamp(x, vec4<f32>(-limit), vec4<f32>(limit)));
}

// TAESD's clamp of latents.
fn soft_clamp(x: vec4<f32>) -> vec4<f32> {
    return 3.0 * safe_tanh(x * 0.33333334);
}

// Pictures of [−1, 1] as those of [0, 1], and back.
fn signed_to_unit(x: vec4<f32>) -> vec4<f32> {
    return 0.5 * x + vec4<f32>(0.5);
}

fn unit_to_signed(x: vec4<f32>) -> vec4<f32> {
    return 2.0 * x - vec4<f32>(1.0);
}

fn activate(x: vec4<f32>) -> vec4<f32> { return gelu(x); }

// Ones for the columns c … c+3 of a group that hold values, zeros for padding.
fn inside(c: u32) -> vec4<f32> {
    let column = vec4<u32>(c, c + 1u, c + 2u, c + 3u);
    return select(vec4<f32>(0.0), vec4<f32>(1.0), column < vec4<u32>(p.width));
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        y[i] = pack(activate(unpack(x[i])) * inside((i * 4u) % p.group));
    }
}
