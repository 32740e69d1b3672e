// y[n] = mean of x[n, t] over first ≤ t < end: pooling over tokens or pixels. A
// range of one token takes that token out. In form lengths the end of each item is
// its length, if that is before end.
//
// x: [N·T, stride], y: [N, stride], four elements in a Packed; lengths: u32 [N].
// A workgroup does LX Packed of y, each by LT threads that sum every LT-th token
// and then add their sums up in pairs; the grid is 2-D. With one thread there
// are no barriers, which software adapters pay dearly for. Tokens are taken four
// at a time while there are four, so that their loads overlap.

const LX = 64u;  // Packed of y
const LT = 1u;   // threads of one, a power of two
const LXT = 64u; // LX·LT

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

// last is the end of an item's tokens.
fn last(item: u32) -> u32 { return p.end; }
// form lengths
fn last_lengths(item: u32) -> u32 { return min(p.end, lengths[p.item + item]); }
// end

struct Params {
    count: u32,  // Packed in all of y
    stride: u32, // elements a row
    tokens: u32, // T
    first: u32,
    end: u32,
    item: u32, // the first of x
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> lengths: array<u32>;
@group(0) @binding(3) var<storage, read_write> y: array<Packed>;

var<workgroup> partial: array<vec4<f32>, LXT>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(local_invocation_id) local: vec3<u32>, @builtin(workgroup_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = (id.x + id.y * groups.x) * LX + local.x;
    let vectors = max(p.stride / 4u, 1u);
    let start = i / vectors * p.tokens * vectors + i % vectors;
    // Threads beyond the last Packed have nothing to do but reach the barriers.
    let most = last(i / vectors);
    let end = select(0u, most, i < p.count);
    var sum = vec4<f32>(0.0);
    var t = p.first + local.y;
    for (; t + 3u * LT < end; t += 4u * LT) {
        for (var k = 0u; k < 4u; k += 1u) {
            sum += unpack(x[start + (t + k * LT) * vectors]);
        }
    }
    for (; t < end; t += LT) {
        sum += unpack(x[start + t * vectors]);
    }
    if LT > 1u {
        let mine = local.y * LX + local.x;
        partial[mine] = sum;
        workgroupBarrier();
        for (var half = LT / 2u; half > 0u; half /= 2u) {
            if local.y < half {
                partial[mine] += partial[mine + half * LX];
            }
            workgroupBarrier();
        }
        sum = partial[local.x];
    }
    if i < p.count && local.y == 0u {
        y[i] = pack(sum / f32(most - p.first));
    }
}
