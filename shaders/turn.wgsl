// y = w with rows and columns exchanged, both in panels; of a convolution's taps each on its own, and
// the taps in reverse: row (t, o), column i of y is row (taps − 1 − t, i), column o of w.
//
// A panel is eight lanes of a 16-byte vector each: vector (panel·rows + row)·8 + lane is EDGE columns
// of a row. w has taps·`inner` rows, y taps·`outer`; y's columns beyond `inner` are zero. A thread
// turns EDGE × EDGE values; the grid is 2-D. Values are moved as they are, bit by bit.

// edge is the values of a vector.
fn edge() -> u32 { return 8u; }

// even and odd are two rows of y: of the words of a column of w's vectors the low and high halves.
fn even(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return (a & vec4<u32>(0xffffu)) | (b << vec4<u32>(16u)); }
fn odd(a: vec4<u32>, b: vec4<u32>) -> vec4<u32> { return (a >> vec4<u32>(16u)) | (b & vec4<u32>(0xffff0000u)); }

// block writes the vectors of y from `to` on, eight apart, of those of w from `at` on.
fn block(at: u32, to: u32, inside: bool) {
    let a = fetch(at, inside);
    let b = fetch(at + 8u, inside);
    let c = fetch(at + 16u, inside);
    let d = fetch(at + 24u, inside);
    let e = fetch(at + 32u, inside);
    let f = fetch(at + 40u, inside);
    let g = fetch(at + 48u, inside);
    let h = fetch(at + 56u, inside);
    y[to] = even(vec4<u32>(a.x, c.x, e.x, g.x), vec4<u32>(b.x, d.x, f.x, h.x));
    y[to + 8u] = odd(vec4<u32>(a.x, c.x, e.x, g.x), vec4<u32>(b.x, d.x, f.x, h.x));
    y[to + 16u] = even(vec4<u32>(a.y, c.y, e.y, g.y), vec4<u32>(b.y, d.y, f.y, h.y));
    y[to + 24u] = odd(vec4<u32>(a.y, c.y, e.y, g.y), vec4<u32>(b.y, d.y, f.y, h.y));
    y[to + 32u] = even(vec4<u32>(a.z, c.z, e.z, g.z), vec4<u32>(b.z, d.z, f.z, h.z));
    y[to + 40u] = odd(vec4<u32>(a.z, c.z, e.z, g.z), vec4<u32>(b.z, d.z, f.z, h.z));
    y[to + 48u] = even(vec4<u32>(a.w, c.w, e.w, g.w), vec4<u32>(b.w, d.w, f.w, h.w));
    y[to + 56u] = odd(vec4<u32>(a.w, c.w, e.w, g.w), vec4<u32>(b.w, d.w, f.w, h.w));
}
// form f32
fn edge_f32() -> u32 { return 4u; }
fn block_f32(at: u32, to: u32, inside: bool) {
    let a = fetch(at, inside);
    let b = fetch(at + 8u, inside);
    let c = fetch(at + 16u, inside);
    let d = fetch(at + 24u, inside);
    y[to] = vec4<u32>(a.x, b.x, c.x, d.x);
    y[to + 8u] = vec4<u32>(a.y, b.y, c.y, d.y);
    y[to + 16u] = vec4<u32>(a.z, b.z, c.z, d.z);
    y[to + 24u] = vec4<u32>(a.w, b.w, c.w, d.w);
}
// end

struct Params {
    count: u32, // blocks of y
    lanes: u32, // of a row of y, in all panels
    taps: u32,
    inner: u32, // rows of w for a tap
    outer: u32, // rows of y for one
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> w: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> y: array<vec4<u32>>;

fn fetch(at: u32, inside: bool) -> vec4<u32> {
    return select(vec4<u32>(0u), w[select(0u, at, inside)], inside);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i >= p.count {
        return;
    }
    let n = edge();
    let lanes = max(p.lanes, 1u);
    let outer = max(p.outer, 1u);
    let lane = i % lanes; // of y: columns lane·n to n more
    let row = i / lanes * n;
    let o = row % outer;
    let from_row = (p.taps - 1u - row / outer) * p.inner + lane * n;
    let from_lane = o / n;
    let at = ((from_lane / 8u) * p.taps * p.inner + from_row) * 8u + from_lane % 8u;
    let to = ((lane / 8u) * p.taps * outer + row) * 8u + lane % 8u;
    block(at, to, lane * n < p.inner);
}
