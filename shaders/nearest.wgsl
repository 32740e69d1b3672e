// y = of each row the `wanted` nearest rows of the bank: the least costs of the lists of all
// blocks, with their numbers, in order; of equal ones the lower number comes first.
//
// best: f32 pairs of a cost and a number, `stride` of them a row, of which `count` hold
// lists as nearest_blocks makes them; y: f32 rows of eight, of which six are padding,
// `wanted` of them a row: the squared distance or the product, and the number.
// A thread does a row; a workgroup does 64 rows, the grid is 2-D.

const DISTANCE = 0u; // 1: the cost is a squared distance; 0: a product, negated

struct Params {
    rows: u32,
    count: u32,
    stride: u32,
    wanted: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> best: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = id.x + id.y * groups.x * 64u;
    if row >= p.rows {
        return;
    }
    let list = row * p.wanted;
    var held = 0u;
    var worst = 0.0;
    for (var block = 0u; block < p.count; block += p.wanted) {
        // A list is in order: behind one that is too far there is none to take.
        for (var i = block; i < block + p.wanted; i += 1u) {
            let found = best[row * p.stride + i];
            if found.y < 0.0 || (held == p.wanted && found.x >= worst) {
                break;
            }
            var at = min(held, p.wanted - 1u);
            for (; at > 0u && y[2u * (list + at) - 2u].x > found.x; at -= 1u) {
                y[2u * (list + at)] = y[2u * (list + at) - 2u];
            }
            y[2u * (list + at)] = vec4<f32>(found, 0.0, 0.0);
            held = min(held + 1u, p.wanted);
            worst = y[2u * (list + held) - 2u].x;
        }
    }
    for (var i = 0u; i < p.wanted; i += 1u) {
        let v = y[2u * (list + i)];
        y[2u * (list + i)] = vec4<f32>(select(-v.x, v.x, DISTANCE == 1u), v.yzw);
        y[2u * (list + i) + 1u] = vec4<f32>(0.0);
    }
}
