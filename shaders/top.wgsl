// y[n, rank of s] = n·S + s for the `most` largest of x[n, :], of equal ones the first: an
// element's rank is how many stand before it. Each is compared with all, which needs no
// barrier and no order of the invocations.
//
// x: f32 [N, S] in rows of `vectors` vec4, y: u32 [N, most] in rows of `stride`, padded with
// zeros.
// An invocation does one element; a workgroup has 64; the grid is 2-D.

struct Params {
    count: u32,   // invocations in all: N · span
    span: u32,    // of an item: as many as the longer of its rows has
    tokens: u32,  // S
    vectors: u32, // a row of x
    most: u32,
    stride: u32,  // of y
    first: u32,   // the item that is the first of x
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<u32>;

// before is how many of the four elements from c on stand before element s of value own.
fn before(v: vec4<f32>, c: u32, own: f32, s: u32) -> u32 {
    let at = vec4<u32>(c, c + 1u, c + 2u, c + 3u);
    let ahead = (v > vec4<f32>(own)) | ((v == vec4<f32>(own)) & (at < vec4<u32>(s)));
    let ones = select(vec4<u32>(0u), vec4<u32>(1u), ahead & (at < vec4<u32>(p.tokens)));
    return ones.x + ones.y + ones.z + ones.w;
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let n = i / p.span;
        let s = i % p.span;
        if s < p.tokens {
            let row = n * p.vectors;
            let own = x[row + s / 4u][s % 4u];
            var rank = 0u;
            for (var c = 0u; c < p.tokens; c += 4u) {
                rank += before(x[row + c / 4u], c, own, s);
            }
            if rank < p.most {
                y[n * p.stride + rank] = (p.first + n) * p.tokens + s;
            }
        }
        if s >= p.most && s < p.stride {
            y[n * p.stride + s] = 0u;
        }
    }
}
