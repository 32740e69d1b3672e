// loss[n] = weight[n]·Σ (x[n] − y[n])²/size over the values of item n, or with BACK its gradient by
// x, of the mean of the items: dx = 2·weight[n]·(x − y)·seed/(size·N). torch.nn.MSELoss.
//
// x, y, dx: [N, item] vectors of four elements, a Packed each, whose padding is zero; loss: f32
// rows of 8, of which the first holds a value. Without BACK a workgroup of W threads does an item,
// each summing every W-th vector; the sums are added up in pairs. With it a thread does a vector.

const BACK = 0u;
const W = 64u;

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32, // vectors in all
    item: u32,  // of an item
    items: u32,
    size: f32,  // values of an item
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> y: array<Packed>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> seed: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<Stored>;

alias Stored = vec4<f32>;
fn store(v: vec4<f32>) -> Stored { return v; }
// form back
alias Stored_back = Packed;
fn store_back(v: vec4<f32>) -> Stored_back { return pack(v); }
// end

var<workgroup> partial: array<f32, W>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let id = group.x + group.y * groups.x;
    if BACK == 1u {
        let i = id * W + local.x;
        if i < p.count {
            let n = i / max(p.item, 1u);
            out[i] = store((unpack(x[i]) - unpack(y[i])) * (2.0 * weight[n] * seed[0] / (p.size * f32(p.items))));
        }
        return;
    }
    let item = select(0u, p.item, id < p.items);
    var sum = vec4<f32>(0.0);
    for (var i = local.x; i < item; i += W) {
        let d = unpack(x[id * p.item + i]) - unpack(y[id * p.item + i]);
        sum += d * d;
    }
    partial[local.x] = (sum.x + sum.y) + (sum.z + sum.w);
    workgroupBarrier();
    for (var half = W / 2u; half > 0u; half /= 2u) {
        if local.x < half {
            partial[local.x] += partial[local.x + half];
        }
        workgroupBarrier();
    }
    if local.x == 0u && id < p.items {
        out[2u * id] = store(vec4<f32>(weight[id] * partial[0] / p.size, 0.0, 0.0, 0.0));
        out[2u * id + 1u] = store(vec4<f32>(0.0));
    }
}
