// attention_probs: P[b,h,i,j] = softmax_j(scale·Q[i,:]·K[j,:]), the weights
// that attention forms and throws away, for looking at them.
//
// Bindings
//   q     rows [batch·Tq], head h at element p.q_offset + h·p.width
//   k     rows [batch·Tk], likewise at p.k_offset, a head for p.repeat of q
//   lengths  u32 [batch] where items have padded keys
//   table, places  where scores have a bias, or regions: see below
//   prob  a window of the rows [batch·heads·Tq], from p.first_row to
//         p.end_row, p.p_stride elements apart; the columns from Tk up to the
//         stride become zero
//
// An invocation computes one row, in two passes over the keys. A workgroup does
// 64 rows; the grid is 2-D.

const TH = 2u; // vec4 in a Wide (f16 2, f32 1)

const LOG2E = 1.4426950408889634;
alias Wide = vec4<u32>;
alias Packed = vec2<u32>;

struct Params {
    heads: u32,    // of q
    repeat: u32,   // of those to one of k
    width: u32,    // elements of a head, padded to a multiple of 8
    Tq: u32,
    Tk: u32,
    first_row: u32, // of the window; windows are what fits a binding
    end_row: u32,
    q_stride: u32, // elements from row to row, multiples of 8
    k_stride: u32,
    p_stride: u32,
    q_offset: u32, // elements to head 0, multiples of 8
    k_offset: u32,
    flags: u32,    // bit 0: causal, query i sees the keys up to i + Tk - Tq; bit 1: limit in place of Tk
    scale: f32,    // of q·k, times log2(e)
    first: u32,    // item of places that belongs to the first of the batch
    windows: u32,  // of places, that items have in turn
    bias_stride: u32, // vec4 from row to row of table
    map_w: u32,    // columns of the map that the tokens are
    map_step: f32, // 1 / map_w
    map_rows: u32, // rows of table for each head, the first map_first for rows of the map
    map_first: u32,
    map_turn: u32, // rows of the map until keys stand so again, less 1
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> q: array<Wide>;
@group(0) @binding(2) var<storage, read> k: array<Wide>;
@group(0) @binding(3) var<storage, read_write> prob: array<Packed>;
@group(0) @binding(4) var<storage, read> lengths: array<u32>;
@group(0) @binding(5) var<storage, read> table: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> places: array<u32>;

fn part(x: Wide, h: u32) -> vec4<f32> { return vec4<f32>(unpack2x16float(x[2u * h]), unpack2x16float(x[2u * h + 1u])); }
fn pack(x: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(x.xy), pack2x16float(x.zw)); }

// limit is how many keys of an item are seen: all, or lengths of it.
fn limit(item: u32) -> u32 { return p.Tk; }
// form f32
const TH_f32 = 1u;
alias Wide_f32 = vec4<f32>;
alias Packed_f32 = vec4<f32>;
fn part_f32(x: Wide_f32, h: u32) -> vec4<f32> { return x; }
fn pack_f32(x: vec4<f32>) -> Packed_f32 { return x; }
// end

// form lengths
fn limit_lengths(item: u32) -> u32 { return lengths[item]; }
// end

// bias is what is added to the scores of keys j to j + 3 to query i, j being a multiple of
// 4; anything for keys beyond the last. By default it is nothing.
fn bias(item: u32, head: u32, i: u32, j: u32) -> vec4<f32> { return vec4<f32>(0.0); }

// table_bias has table in rows of a head's queries, one element a key.
fn table_bias(item: u32, head: u32, i: u32, j: u32) -> vec4<f32> { return table[(head * p.Tq + i) * p.bias_stride + j / 4u]; }

// region_bias keeps tokens of different regions apart: places has that of every token of
// a window.
fn region_bias(item: u32, head: u32, i: u32, j: u32) -> vec4<f32> {
    let at = (p.first + item) % max(p.windows, 1u) * p.Tk;
    let key = vec4<u32>(at) + min(vec4<u32>(j) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(p.Tk - 1u));
    let regions = vec4<u32>(places[key.x], places[key.y], places[key.z], places[key.w]);
    return select(vec4<f32>(-100.0), vec4<f32>(0.0), regions == vec4<u32>(places[at + i]));
}

fn window_bias(item: u32, head: u32, i: u32, j: u32) -> vec4<f32> { return table_bias(item, head, i, j) + region_bias(item, head, i, j); }

// map_row is the row of a token on the map: exact below 2^21, and no division.
fn map_row(token: u32) -> u32 { return u32((f32(token) + 0.5) * p.map_step); }

// row_bias and column_bias are what a query gives, of tokens on a map, the row of key j and
// the columns of four keys of a row from j on: table is that of relative_position, in which
// a row has a vec4 for each query, so that neighbours read neighbours, and places has its
// numbers one by one.
fn row_bias(item: u32, head: u32, i: u32, j: u32) -> vec4<f32> {
    let row = map_row(j);
    let at = ((item * p.heads + head) * p.map_rows + row / 4u) * p.bias_stride + i;
    return vec4<f32>(bitcast<f32>(places[at * 4u + row % 4u]));
}

fn column_bias(item: u32, head: u32, i: u32, j: u32) -> vec4<f32> {
    let row = map_row(j);
    let column = (row & p.map_turn) * p.map_w + j - row * p.map_w;
    return table[((item * p.heads + head) * p.map_rows + p.map_first + column / 4u) * p.bias_stride + i];
}

// relative_bias is that of maps whose rows are of a multiple of four.
fn relative_bias(item: u32, head: u32, i: u32, j: u32) -> vec4<f32> { return column_bias(item, head, i, j) + row_bias(item, head, i, j); }

// ragged_bias is that of other maps, of two columns or more: four keys may be of two rows.
fn ragged_bias(item: u32, head: u32, i: u32, j: u32) -> vec4<f32> {
    let end = (map_row(j) + 1u) * p.map_w;
    let rows = select(row_bias(item, head, i, j + 3u), row_bias(item, head, i, j), vec4<u32>(j) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(end));
    return column_bias(item, head, i, j) + rows;
}

// score is the scaled product of a query and a key, given their first vectors.
fn score(query: u32, key: u32) -> f32 {
    var sum = vec4<f32>(0.0);
    for (var d = 0u; d < p.width / (4u * TH); d += 1u) {
        let x = q[query + d];
        let y = k[key + d];
        // unroll h TH
        sum = fma(part(x, 0u /*h*/), part(y, 0u /*h*/), sum);
        // end
    }
    return ((sum.x + sum.y) + (sum.z + sum.w)) * p.scale;
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let line = p.first_row + id.x + id.y * groups.x * 64u;
    if line >= p.end_row {
        return;
    }
    let i = line % p.Tq;
    let head = line / p.Tq % p.heads;
    let item = line / p.Tq / p.heads;
    let wide = 4u * TH;
    let query = ((item * p.Tq + i) * p.q_stride + p.q_offset + head * p.width) / wide;
    let key = (item * p.Tk * p.k_stride + p.k_offset + head / max(p.repeat, 1u) * p.width) / wide;
    let step = p.k_stride / wide;
    let most = min(limit(item), p.Tk);
    let end = select(p.Tk, most, (p.flags & 2u) != 0u);
    let keys = min(most, select(p.Tk, max(i + 1u + end, p.Tq) - p.Tq, (p.flags & 1u) != 0u));

    var best = -1e30;
    var total = 0.0;
    for (var j = 0u; j < keys; j += 4u) {
        let shift = LOG2E * bias(item, head, i, j);
        for (var n = 0u; n < min(4u, keys - j); n += 1u) {
            let s = score(query, key + (j + n) * step) + shift[n];
            let highest = max(best, s);
            total = total * exp2(best - highest) + exp2(s - highest);
            best = highest;
        }
    }
    let share = 1.0 / select(total, 1e-30, total < 1e-30);

    let row = (line - p.first_row) * (p.p_stride / 4u);
    for (var j = 0u; j < p.p_stride; j += 4u) {
        let shift = LOG2E * bias(item, head, i, j);
        var x = vec4<f32>(0.0);
        for (var n = 0u; n < min(4u, max(keys, j) - j); n += 1u) {
            let one = exp2(score(query, key + (j + n) * step) + shift[n] - best) * share;
            x = select(x, vec4<f32>(one), vec4<u32>(n) == vec4<u32>(0u, 1u, 2u, 3u)); // x[n] = one, which FXC refuses
        }
        prob[row + j / 4u] = pack(x);
    }
}
