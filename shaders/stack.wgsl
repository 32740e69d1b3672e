// y[to + i] = a[from_a + i] + b[from_b + i], or without b: vectors of trained rows to those of a
// table.
//
// a, b, y: f32 vectors of four. A workgroup does 64; the grid is 2-D.

struct Params {
    count: u32,
    to: u32,
    from_a: u32,
    from_b: u32,
    added: u32, // whether there is a b
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        var v = a[p.from_a + i];
        if p.added == 1u {
            v += b[p.from_b + i];
        }
        y[p.to + i] = v;
    }
}
