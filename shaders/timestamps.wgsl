// y = x, but for columns below `first` of rows where ln Σ e^x of those from `first` on is
// more than each of the others: those become IMPOSSIBLE, which stands for −∞.
//
// x: rows of `vectors` Loaded of four elements; y: f32 of the same layout, whose padding
// is zero. A workgroup does a row; the grid is 2-D.

const W = 64u; // threads, a power of two

alias Loaded = vec2<u32>;
fn unpack(v: Loaded) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
// form f32
alias Loaded_f32 = vec4<f32>;
fn unpack_f32(v: Loaded_f32) -> vec4<f32> { return v; }
// end

struct Params {
    rows: u32,
    vectors: u32, // of a row
    width: u32,   // elements of a row that hold values
    first: u32,   // column
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Loaded>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<f32>>;

var<workgroup> partial: array<f32, W>;

const IMPOSSIBLE = -3.0e38;
const LOG2E = 1.4426950408889634;
const LN2 = 0.6931471805599453;

// The largest value of v over the threads.
fn largest(v: vec4<f32>, lane: u32) -> f32 {
    partial[lane] = max(max(v.x, v.y), max(v.z, v.w));
    workgroupBarrier();
    for (var half = W / 2u; half > 0u; half /= 2u) {
        if lane < half {
            partial[lane] = max(partial[lane], partial[lane + half]);
        }
        workgroupBarrier();
    }
    let top = partial[0];
    workgroupBarrier();
    return top;
}

// The sum of v over the threads, the same on every run.
fn total(v: vec4<f32>, lane: u32) -> f32 {
    partial[lane] = (v.x + v.y) + (v.z + v.w);
    workgroupBarrier();
    for (var half = W / 2u; half > 0u; half /= 2u) {
        if lane < half {
            partial[lane] += partial[lane + half];
        }
        workgroupBarrier();
    }
    return partial[0];
}

fn columns(i: u32) -> vec4<u32> { return vec4<u32>(i * 4u, i * 4u + 1u, i * 4u + 2u, i * 4u + 3u); }

// Whether the columns of vector i are times.
fn times(i: u32) -> vec4<bool> {
    return (columns(i) >= vec4<u32>(p.first)) & (columns(i) < vec4<u32>(p.width));
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(local_invocation_index) lane: u32, @builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let row = id.x + id.y * groups.x;
    // Workgroups beyond the last row have nothing to do but reach the barriers.
    // (Were the loops' bound a uniform alone, lavapipe would compile anew for each value.)
    let vectors = select(0u, p.vectors, row < p.rows);
    let start = row * vectors;
    var text = vec4<f32>(IMPOSSIBLE);
    var time = vec4<f32>(IMPOSSIBLE);
    for (var i = lane; i < vectors; i += W) {
        let v = unpack(x[start + i]);
        text = max(text, select(vec4<f32>(IMPOSSIBLE), v, columns(i) < vec4<u32>(p.first)));
        time = max(time, select(vec4<f32>(IMPOSSIBLE), v, times(i)));
    }
    let most = largest(text, lane);
    let offset = largest(time, lane);
    var sum = vec4<f32>(0.0);
    for (var i = lane; i < vectors; i += W) {
        sum += select(vec4<f32>(0.0), exp2((unpack(x[start + i]) - offset) * LOG2E), times(i));
    }
    let banned = offset + log2(total(sum, lane)) * LN2 > most;
    for (var i = lane; i < vectors; i += W) {
        y[start + i] = select(unpack(x[start + i]), vec4<f32>(IMPOSSIBLE), (columns(i) < vec4<u32>(p.first)) & vec4<bool>(banned));
    }
}
