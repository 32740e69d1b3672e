// y = x/max(|x|, 1e-12) over each row: torch.nn.functional.normalize.
//
// x: rows of `stride` elements, four in a Packed; y: f32 rows of the same stride.
// W threads (y) do a row and a workgroup R rows (x); the grid is 2-D. With one thread a
// row there are no barriers, which software adapters pay dearly for.

const W = 64u;  // threads of a row
const R = 1u;   // rows of a workgroup
const WR = 64u; // W·R

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
// end

struct Params {
    rows: u32,
    stride: u32, // elements a row
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

var<workgroup> partial: array<f32, WR>;

// The sum of v over the threads of a row, the same on every run.
fn total(v: vec4<f32>, lane: u32, first: u32) -> f32 {
    let mine = v.x + v.y + v.z + v.w;
    if W == 1u {
        return mine;
    }
    partial[first + lane] = mine;
    workgroupBarrier();
    for (var half = W / 2u; half > 0u; half /= 2u) {
        if lane < half {
            partial[first + lane] += partial[first + lane + half];
        }
        workgroupBarrier();
    }
    return partial[first]; // nothing is written to it afterwards
}

@compute @workgroup_size(1, 64, 1)
fn main(@builtin(local_invocation_id) local: vec3<u32>, @builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let lane = local.y;
    let first = local.x * W;
    let wanted = (id.x + id.y * groups.x) * R + local.x;
    // Threads beyond the last row have nothing to do but reach the barriers.
    let vectors = select(0u, p.stride / 4u, wanted < p.rows);
    let start = wanted * vectors;
    var squares = vec4<f32>(0.0);
    for (var i = lane; i < vectors; i += W) {
        let v = unpack(x[start + i]);
        squares += v * v;
    }
    let root = sqrt(total(squares, lane, first));
    let length = select(root, 1e-12, root < 1e-12); // NaN stays
    for (var i = lane; i < vectors; i += W) {
        y[start + i] = unpack(x[start + i]) / length;
    }
}
