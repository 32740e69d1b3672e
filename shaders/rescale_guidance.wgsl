// y[n] = cfg[n]·(r·std(cond[n])/std(cfg[n]) + 1 − r), where std is the unbiased
// standard deviation of all values of an item.
//
// cfg, cond, y: f32 [N, T, stride], four elements in a vector; factors: f32, r at
// p.at. A workgroup does an item, and reads it three times: the means, then the
// squared differences from them, so that a mean far from zero costs no digits, then
// the product. Padding is not counted, and is zero in y. The grid is 2-D.

struct Params {
    count: u32,   // items
    vectors: u32, // of a row
    item: u32,    // vectors of an item
    width: u32,   // elements of a row that are values
    values: u32,  // of an item
    at: u32,      // element of factors
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> cfg: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> cond: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> factors: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

const W = 128u; // threads, a power of two

var<workgroup> partial: array<vec2<f32>, W>;

// The sum of v over the threads, the same on every run.
fn total(v: vec2<f32>, lane: u32) -> vec2<f32> {
    partial[lane] = v;
    workgroupBarrier();
    for (var half = W / 2u; half > 0u; half /= 2u) {
        if lane < half {
            partial[lane] += partial[lane + half];
        }
        workgroupBarrier();
    }
    let sum = partial[0];
    workgroupBarrier();
    return sum;
}

// values says which elements of vector i are no padding.
fn values(i: u32) -> vec4<bool> {
    let c = i % p.vectors * 4u;
    return vec4<u32>(c, c + 1u, c + 2u, c + 3u) < vec4<u32>(p.width);
}

fn sum4(v: vec4<f32>) -> f32 { return v.x + v.y + v.z + v.w; }

@compute @workgroup_size(128, 1, 1)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let n = id.x + id.y * groups.x;
    // Workgroups beyond the last item have nothing to do but reach the barriers.
    let item = select(0u, p.item, n < p.count);
    let start = n * p.item;
    var sums = vec2<f32>(0.0);
    for (var i = lane; i < item; i += W) {
        sums += vec2<f32>(sum4(cfg[start + i]), sum4(cond[start + i]));
    }
    let means = total(sums, lane) / f32(p.values);
    var squares = vec2<f32>(0.0);
    for (var i = lane; i < item; i += W) {
        let inside = values(i);
        let a = select(vec4<f32>(0.0), cfg[start + i] - means.x, inside);
        let b = select(vec4<f32>(0.0), cond[start + i] - means.y, inside);
        squares += vec2<f32>(dot(a, a), dot(b, b));
    }
    let variances = total(squares, lane) / f32(p.values - 1u);
    let r = factors[p.at];
    let scale = r * sqrt(variances.y) / sqrt(variances.x) + 1.0 - r;
    for (var i = lane; i < item; i += W) {
        y[start + i] = select(vec4<f32>(0.0), cfg[start + i] * scale, values(i));
    }
}
