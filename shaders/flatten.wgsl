// y = x: the pixels of a picture [H, W, C] as one row of H·W groups of C
// columns, each padded as it was.
//
// x, y: four elements in a Packed. A workgroup does 64 Packed; the grid is 2-D.

alias Packed = vec2<u32>;
// form f32
alias Packed_f32 = vec4<f32>;
// end

struct Params {
    count: u32, // Packed in all
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read_write> y: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        y[i] = x[i];
    }
}
