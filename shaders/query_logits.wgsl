// y[n, p, q] = (x[n, p, q] + shift[n, p])·(1 + ELU(scale[n, p])), or the lowest number
// where query q of item n is not one: the logits of an OWL-ViT's patches and texts, of
// their cosines.
//
// x, y: f32 [N, P, Q], affine: f32 [N, P, 2], shift then scale, seen: dense u32 [N, Q];
// four elements in a vector, `vectors` of them a row of x.
// A workgroup does 64 vectors of y; the grid is 2-D.

struct Params {
    count: u32,   // vectors of y in all
    vectors: u32, // a row
    rows: u32,    // P
    queries: u32, // Q
    first: u32,   // row of affine that belongs to the first of x
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> affine: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> seen: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<vec4<f32>>;

// elu near zero keeps its digits: there, its series.
fn elu(v: f32) -> f32 {
    let low = min(v, 0.0);
    let series = low * (1.0 + low * (0.5 + low * (0.16666667 + low * (0.041666668 + low * 0.008333334))));
    return select(select(exp(low) - 1.0, series, low > -0.25), v, v > 0.0);
}

// logit is that of a query, padding 0.
fn logit(cosine: f32, shift: f32, scale: f32, n: u32, q: u32) -> f32 {
    let inside = q < p.queries;
    let shown = seen[n * p.queries + min(q, p.queries - 1u)] != 0u;
    return select(0.0, select(-3.4028234e38, (cosine + shift) * scale, shown), inside);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let row = p.first + i / p.vectors;
        let q = i % p.vectors * 4u;
        let n = row / p.rows;
        let a = affine[row * 2u];
        let scale = 1.0 + elu(a.y);
        let v = x[i];
        y[i] = vec4<f32>(logit(v.x, a.x, scale, n, q), logit(v.y, a.x, scale, n, q + 1u), logit(v.z, a.x, scale, n, q + 2u), logit(v.w, a.x, scale, n, q + 3u));
    }
}
