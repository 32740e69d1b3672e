// y is, of each distribution softmax(x), its TOP largest probabilities, the largest first, and
// their mean behind them.
//
// x: f32 [rows, sides·bins] in rows of `stride`; y: [rows, sides·(TOP + 1)] in rows of VECTORS
// Packed of four elements.
// An invocation does a row; a workgroup has 64; the grid is 2-D.

const TOP = 4u;
const VECTORS = 6u;   // of a row of y
const ELEMENTS = 24u; // four times as many

alias Packed = vec2<u32>;
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32,  // rows
    stride: u32, // of x
    sides: u32,
    bins: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        var row: array<f32, ELEMENTS>;
        for (var side = 0u; side < p.sides; side += 1u) {
            let first = i * p.stride + side * p.bins;
            var best: array<f32, TOP>;
            for (var j = 0u; j < TOP; j += 1u) {
                best[j] = -3.4028234e38;
            }
            for (var k = 0u; k < p.bins; k += 1u) { // each sinks to its place
                var v = x[first + k];
                for (var j = 0u; j < TOP; j += 1u) {
                    let higher = max(best[j], v);
                    v = min(best[j], v);
                    best[j] = higher;
                }
            }
            var sum = 0.0;
            for (var k = 0u; k < p.bins; k += 1u) {
                sum += exp(x[first + k] - best[0]);
            }
            var total = 0.0;
            for (var j = 0u; j < TOP; j += 1u) {
                let probability = exp(best[j] - best[0]) / sum;
                total += probability;
                row[side * (TOP + 1u) + j] = probability;
            }
            row[side * (TOP + 1u) + TOP] = total / f32(TOP);
        }
        for (var v = 0u; v < VECTORS; v += 1u) {
            y[i * VECTORS + v] = pack(vec4<f32>(row[4u * v], row[4u * v + 1u], row[4u * v + 2u], row[4u * v + 3u]));
        }
    }
}
