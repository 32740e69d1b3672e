// grad of y = x/|x| over each row: (dy − y·(y·dy))/|x|, with |x| at least 1e-12.
//
// x, grad: rows of `stride` elements, four in a Packed; dy: f32 rows of the same stride.
// W threads (y) do a row and a workgroup R rows (x); the grid is 2-D. With one thread a
// row there are no barriers, which software adapters pay dearly for.

const W = 64u;  // threads of a row
const R = 1u;   // rows of a workgroup
const WR = 64u; // W·R

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    rows: u32,
    stride: u32, // elements a row
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> dy: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> grad: array<Packed>;

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
    let sum = partial[first];
    workgroupBarrier();
    return sum;
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
    var products = vec4<f32>(0.0);
    for (var i = lane; i < vectors; i += W) {
        let v = unpack(x[start + i]);
        squares += v * v;
        products += v * dy[start + i];
    }
    let root = sqrt(total(squares, lane, first));
    let length = select(root, 1e-12, root < 1e-12); // NaN stays
    let along = total(products, lane, first) / length / length;
    for (var i = lane; i < vectors; i += W) {
        grad[start + i] = pack((dy[start + i] - unpack(x[start + i]) * along) / length);
    }
}
