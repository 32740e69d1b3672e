// grad[n, t] = dy[n] at the token that at names of each item, else zero: the adjoint of take.
//
// grad: [N, tokens, vectors], dy: [N, vectors] of four elements, a Packed each; at: u32 [N]. A
// workgroup does 64 Packed of grad; the grid is 2-D.

alias Packed = vec2<u32>;
// form f32
alias Packed_f32 = vec4<f32>;
// end

struct Params {
    count: u32,   // Packed in all of grad
    vectors: u32, // of a token
    tokens: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> dy: array<Packed>;
@group(0) @binding(2) var<storage, read> at: array<u32>;
@group(0) @binding(3) var<storage, read_write> grad: array<Packed>;

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let token = i / p.vectors;
        let n = token / p.tokens;
        var v = Packed();
        if token % p.tokens == min(at[n], p.tokens - 1u) {
            v = dy[n * p.vectors + i % p.vectors];
        }
        grad[i] = v;
    }
}
