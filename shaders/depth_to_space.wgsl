// A map of blocks of pixels, or a part of it: y[r, c] = x[i, j, a·block_w + b] where
// top + r = block_h·i + a and left + c = block_w·j + b.
//
// x: [items, height, width, blocks, stride], y: [items, out_height, out_width, stride], four
// elements in a Packed.
// A workgroup does 64 Packed; the grid is 2-D.

alias Packed = vec2<u32>;

// form f32
alias Packed_f32 = vec4<f32>;
// end

struct Params {
    count: u32,   // Packed in all of y
    vectors: u32, // Packed a pixel of y
    height: u32,  // lines of x
    width: u32,   // pixels a line of x
    block_h: u32,
    block_w: u32,
    out_height: u32,
    out_width: u32,
    top: u32,
    left: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read_write> y: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let pixel = i / p.vectors;
        let line = pixel / p.out_width;
        let row = line % p.out_height + p.top;
        let column = pixel % p.out_width + p.left;
        let at = (line / p.out_height * p.height + row / p.block_h) * p.width + column / p.block_w;
        let block = row % p.block_h * p.block_w + column % p.block_w;
        y[i] = x[(at * p.block_h * p.block_w + block) * p.vectors + i % p.vectors];
    }
}
