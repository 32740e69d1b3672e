// grad = dy·slope(x), element by element: the adjoint of activation, whose functions have their
// derivatives here under the same names.
//
// x, dy, grad: arrays of one layout, four elements in a Packed; dy's padding is zero, and so
// stays grad's. A workgroup does 64 Packed; the grid is 2-D.

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
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> dy: array<Packed>;
@group(0) @binding(3) var<storage, read_write> grad: array<Packed>;

// 1 − erf(a) for a ≥ 0: see activation.
fn erfc_of(a: vec4<f32>) -> vec4<f32> {
    let t = vec4<f32>(1.0) / (vec4<f32>(1.0) + 0.5 * a);
    let high = 0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277)));
    let q = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806 + t * high))));
    return t * exp(q - a * a);
}

fn logistic(x: vec4<f32>) -> vec4<f32> {
    return vec4<f32>(1.0) / (vec4<f32>(1.0) + exp(clamp(-x, vec4<f32>(-80.0), vec4<f32>(80.0))));
}

// Φ(x) + x·φ(x).
fn gelu(x: vec4<f32>) -> vec4<f32> {
    let tail = 0.5 * erfc_of(abs(x) * 0.70710678);
    let below = select(tail, vec4<f32>(1.0) - tail, x > vec4<f32>(0.0));
    return below + x * 0.39894228 * exp(-0.5 * x * x);
}

// That of x·σ(u), u = 1.5957691·(x + 0.044715·x³): σ + x·σ·(1 − σ)·u'.
fn gelu_tanh(x: vec4<f32>) -> vec4<f32> {
    let s = logistic(1.59576912 * (x + 0.044715 * x * x * x));
    return s + x * s * (vec4<f32>(1.0) - s) * 1.59576912 * (vec4<f32>(1.0) + 0.134145 * x * x);
}

fn quick_gelu(x: vec4<f32>) -> vec4<f32> {
    let s = logistic(1.702 * x);
    return s + 1.702 * x * s * (vec4<f32>(1.0) - s);
}

fn silu(x: vec4<f32>) -> vec4<f32> {
    let s = logistic(x);
    return s + x * s * (vec4<f32>(1.0) - s);
}

fn relu(x: vec4<f32>) -> vec4<f32> {
    return select(vec4<f32>(0.0), vec4<f32>(1.0), x > vec4<f32>(0.0));
}

fn relu6(x: vec4<f32>) -> vec4<f32> {
    return select(vec4<f32>(0.0), vec4<f32>(1.0), (x > vec4<f32>(0.0)) & (x < vec4<f32>(6.0)));
}

fn hard_swish(x: vec4<f32>) -> vec4<f32> {
    let within = select(vec4<f32>(1.0), x * 0.33333334 + vec4<f32>(0.5), x < vec4<f32>(3.0));
    return select(within, vec4<f32>(0.0), x <= vec4<f32>(-3.0));
}

fn hard_sigmoid(x: vec4<f32>) -> vec4<f32> {
    return select(vec4<f32>(0.0), vec4<f32>(0.16666667), (x > vec4<f32>(-3.0)) & (x < vec4<f32>(3.0)));
}

fn sigmoid(x: vec4<f32>) -> vec4<f32> {
    let s = logistic(x);
    return s * (vec4<f32>(1.0) - s);
}

// That of tanh, 1 − tanh² as 4·σ(2x)·σ(−2x), which keeps its digits far out.
fn safe_tanh(x: vec4<f32>) -> vec4<f32> {
    return 4.0 * logistic(2.0 * x) * logistic(-2.0 * x);
}

fn slope(x: vec4<f32>) -> vec4<f32> { return gelu(x); }

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        grad[i] = pack(unpack(dy[i]) * slope(unpack(x[i])));
    }
}
