// y[i] = x[index[i] − base]: rows gathered by their numbers; a number below base or from
// base + p.rows on gives zeros, or in form over the row over[i].
//
// x: [rows, stride], y and over: [..., stride], four elements in a Packed; index: u32 in rows
// of `columns`, from one to the next `pitch`. In form floats x is f32, a vector in place of a
// Packed.
// A workgroup does 64 Packed of y; the grid is 2-D.

alias Packed = vec2<u32>;
alias Row = Packed;
fn stored(v: Row) -> Packed { return v; }
// form f32
alias Packed_f32 = vec4<f32>;
// end
// form floats
alias Row_floats = vec4<f32>;
fn stored_floats(v: Row_floats) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// end

struct Params {
    count: u32,   // Packed in all of y
    vectors: u32, // Packed a row
    rows: u32,    // of x
    first: u32,   // element of index that belongs to the first row of y
    columns: u32, // of index
    pitch: u32,
    base: u32,    // number of the first row of x
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Row>;
@group(0) @binding(2) var<storage, read> index: array<u32>;
@group(0) @binding(3) var<storage, read> over: array<Packed>;
@group(0) @binding(4) var<storage, read_write> y: array<Packed>;

// under is what y[i] is where no row is taken.
fn under(i: u32) -> Packed { return Packed(); }
// form over
fn under_over(i: u32) -> Packed { return over[i]; }
// end

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let at = p.first + i / p.vectors;
        let row = index[at / p.columns * p.pitch + at % p.columns] - p.base; // below base it wraps beyond all rows
        let inside = row < p.rows;
        if inside {
            y[i] = stored(x[row * p.vectors + i % p.vectors]);
        } else {
            y[i] = under(i);
        }
    }
}
