// y = x, but for ids in lists: copied with ranges of ids banned (STEP 0), then the
// penalty of repetitions (1) and bans (2), each by one thread for each number of a list.
// A banned score becomes IMPOSSIBLE, which stands for −∞.
//
// x: rows of `vectors` Loaded of four elements; list: dense u32; y: f32 in x's layout.
// Numbers from `width` on stand for nothing. The list of repeated ids has each once, so
// that no two threads write to one place. A workgroup does 64 vectors or numbers; the
// grid is 2-D.

const STEP = 0u;

alias Loaded = vec2<u32>;
fn unpack(v: Loaded) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
// form f32
alias Loaded_f32 = vec4<f32>;
fn unpack_f32(v: Loaded_f32) -> vec4<f32> { return v; }
// end

struct Params {
    count: u32,   // threads
    row: u32,     // of a row
    vectors: u32, // of a row
    width: u32,   // elements of a row that hold values
    length: u32,  // numbers of a list
    each: u32,    // from one row's list to the next's; 0: there is one for all
    first: u32,   // number of the list that belongs to the first row of x
    penalty: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Loaded>;
@group(0) @binding(2) var<storage, read> list: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<vec4<f32>>;

const IMPOSSIBLE = -3.0e38;
const LIMIT = -1.0e38; // scores below are impossible already

fn copied(i: u32, row: u32) {
    let v = unpack(x[i]);
    let c = i % p.vectors * 4u;
    let columns = vec4<u32>(c, c + 1u, c + 2u, c + 3u);
    var banned = vec4<bool>(false);
    for (var k = 0u; k < p.length; k += 2u) {
        let at = p.first + row * p.each + k;
        banned = banned | ((columns >= vec4<u32>(list[at])) & (columns < vec4<u32>(min(list[at + 1u], p.width))));
    }
    y[i] = select(v, vec4<f32>(IMPOSSIBLE), banned);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i >= p.count {
        return;
    }
    let row = i / p.row;
    if STEP == 0u {
        copied(i, row);
        return;
    }
    let token = list[p.first + row * p.each + i % p.row];
    if token >= p.width {
        return;
    }
    let at = row * p.vectors + token / 4u;
    let c = token % 4u;
    if STEP == 2u {
        y[at][c] = IMPOSSIBLE;
        return;
    }
    let v = y[at][c];
    if v > LIMIT {
        y[at][c] = select(v / p.penalty, v * p.penalty, v < 0.0);
    }
}
