// panels: the columns of heads of an activation in panels, as matmul takes its
// second operand, or in rows of a head each, for its first.
//
// Bindings
//   x  rows of tokens, head h at element p.offset + h·p.width
//   b  of each head b[(panel·K + k)·8 + lane], vectors of E columns at row k
//
// TURNED = 0: k counts tokens and the columns are the head's (values, which
// probabilities are multiplied by); were there not 8 but p.lanes = p.vectors
// lanes, a panel would be the rows of a head (queries). TURNED = 1: k counts the head's columns and
// the columns are tokens (keys, which queries are multiplied by). Tokens from T
// on are zero.
//
// An invocation reads a vector of E tokens each and stores E vectors; 64 of them
// a workgroup; the grid is 2-D.

const TURNED = 0u;
const E = 8u; // elements of a 16-byte vector (f16 8, f32 4)

alias Panel = vec4<u32>;
alias Rows = array<vec4<u32>, 8>;

struct Params {
    count: u32,   // invocations: heads · blocks · vectors
    vectors: u32, // of a head
    blocks: u32,  // of E tokens
    tokens: u32,  // T
    stride: u32,  // elements from token to token, a multiple of 8
    offset: u32,  // elements to head 0, a multiple of 8
    K: u32,       // rows of a panel
    step: u32,    // vectors of b from head to head
    lanes: u32,   // vectors of a row of a panel (TURNED = 0 only)
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Panel>;
@group(0) @binding(2) var<storage, read_write> b: array<Panel>;

// evens and odds are word w of every other row; turn is element k of E rows.
fn evens(rows: Rows, w: u32) -> Panel { return Panel(rows[0][w], rows[2][w], rows[4][w], rows[6][w]); }
fn odds(rows: Rows, w: u32) -> Panel { return Panel(rows[1][w], rows[3][w], rows[5][w], rows[7][w]); }
fn join(low: Panel, high: Panel) -> Panel { return (low & Panel(0xffffu)) | (high << Panel(16u)); }
fn turn(rows: Rows, k: u32) -> Panel { return join(evens(rows, k / 2u) >> Panel(k % 2u * 16u), odds(rows, k / 2u) >> Panel(k % 2u * 16u)); }
// form f32
const E_f32 = 4u;
fn turn_f32(rows: Rows, k: u32) -> Panel { return Panel(rows[0][k], rows[1][k], rows[2][k], rows[3][k]); }
// end

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i >= p.count {
        return;
    }
    let v = i % p.vectors;
    let block = i / p.vectors % p.blocks;
    let head = i / p.vectors / p.blocks;
    let start = p.offset / E + head * p.vectors + v;
    var rows: Rows;
    // unroll t E
    let token_t = block * E + 0u /*t*/;
    rows[0u /*t*/] = select(Panel(), x[start + min(token_t, p.tokens - 1u) * (p.stride / E)], token_t < p.tokens);
    // end
    if TURNED == 1u {
        let at = head * p.step + (block / 8u * p.K + v * E) * 8u + block % 8u;
        // unroll t E
        b[at + 0u /*t*/ * 8u] = turn(rows, 0u /*t*/);
        // end
    } else {
        let at = head * p.step + (v / p.lanes * p.K + block * E) * p.lanes + v % p.lanes;
        // unroll t E
        b[at + 0u /*t*/ * p.lanes] = rows[0u /*t*/];
        // end
    }
}
