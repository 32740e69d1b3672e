// Pairs of a head's elements turned by the angles of a position (RoPE):
// y[i] = x[i]·cos[i] − x[i + K]·sin[i], y[i + K] = x[i]·sin[i] + x[i + K]·cos[i] for
// i < K = p.pairs; elements from 2·K on, and heads from p.heads on, stay.
//
// x, y: rows of p.vectors Packed, four elements each, a head p.head of them; table: f32
// [positions, p.stride], of a position K cosines and K sines; at: in the form at the
// position of each row, else that is its number among p.tokens.
// A workgroup does 64 Packed of y; the grid is 2-D.

const WHOLE = 1u; // 1 where K is a multiple of four

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }

// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32,   // Packed in all
    vectors: u32, // Packed a row
    head: u32,    // Packed a head
    heads: u32,   // that are turned
    pairs: u32,   // K
    tokens: u32,  // of an item
    first: u32,   // row of all that is x's first
    stride: u32,  // elements a row of the table
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> table: array<f32>;
@group(0) @binding(3) var<storage, read> at: array<u32>;
@group(0) @binding(4) var<storage, read_write> y: array<Packed>;

fn position(row: u32) -> u32 { return row % p.tokens; }

// form at
fn position_at(row: u32) -> u32 { return at[row]; }
// end

// element is number c of the head that begins with Packed start.
fn element(start: u32, c: u32) -> f32 {
    var v = unpack(x[start + c / 4u]);
    return v[c % 4u];
}

// angles are four of a row of the table, from element i on.
fn angles(i: u32) -> vec4<f32> { return vec4<f32>(table[i], table[i + 1u], table[i + 2u], table[i + 3u]); }

// turned is element c of a head, angles begin at element from of the table.
fn turned(start: u32, c: u32, angle: u32) -> f32 {
    let own = element(start, c);
    if c >= 2u * p.pairs {
        return own;
    }
    let low = c < p.pairs;
    let i = select(c - p.pairs, c, low);
    let other = element(start, select(i, i + p.pairs, low));
    return own * table[angle + i] + select(other, -other, low) * table[angle + p.pairs + i];
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let row = p.first + i / p.vectors;
        let within = i % p.vectors;
        let v = within % p.head;
        let angle = position(row) * p.stride;
        if within / p.head >= p.heads || v * 4u >= 2u * p.pairs {
            y[i] = x[i];
        } else if WHOLE == 1u {
            let low = v * 4u < p.pairs;
            let half = p.pairs / 4u;
            let own = unpack(x[i]);
            let other = unpack(x[select(i - half, i + half, low)]);
            let at_pair = angle + select(v - half, v, low) * 4u;
            y[i] = pack(own * angles(at_pair) + select(other, -other, low) * angles(at_pair + p.pairs));
        } else {
            let start = i - v;
            let c = v * 4u;
            y[i] = pack(vec4<f32>(turned(start, c, angle), turned(start, c + 1u, angle), turned(start, c + 2u, angle), turned(start, c + 3u, angle)));
        }
    }
}
