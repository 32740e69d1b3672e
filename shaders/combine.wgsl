// y = Σ factors[k]·x_k over up to six arrays, clipped to ±the seventh factor if that is
// not 0: the steps of a diffusion scheduler, guidance, the scaling of a model's input.
//
// factors: of one combination seven in a row, from p.at on. A factor 0 leaves its array
// unread, which may hold anything. x_k, y: four elements of a row in a vector, `vectors`
// of them a row; x_k begins at vector first_k and begins again after size_k vectors, so
// that it may have fewer rows than y; an x_k that is not there has size 0. Here all are
// f32; in the forms halves<k> and dense<k> x_k is halves or dense rows, in to16 y is
// halves. A workgroup does 64 vectors; the grid is 2-D.

struct Params {
    count: u32,   // vectors of y
    vectors: u32, // of a row
    width: u32,   // elements of a row, without padding
    at: u32,      // first factor
    first0: u32,
    first1: u32,
    first2: u32,
    first3: u32,
    first4: u32,
    first5: u32,
    size0: u32,
    size1: u32,
    size2: u32,
    size3: u32,
    size4: u32,
    size5: u32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> factors: array<f32>;
@group(0) @binding(2) var<storage, read> x0: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> x1: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> x2: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> x3: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> x4: array<vec4<f32>>;
@group(0) @binding(7) var<storage, read> x5: array<vec4<f32>>;
@group(0) @binding(8) var<storage, read_write> y: array<vec4<f32>>;

fn load0(i: u32) -> vec4<f32> { return x0[i]; }
fn load1(i: u32) -> vec4<f32> { return x1[i]; }
fn load2(i: u32) -> vec4<f32> { return x2[i]; }
fn load3(i: u32) -> vec4<f32> { return x3[i]; }
fn load4(i: u32) -> vec4<f32> { return x4[i]; }
fn load5(i: u32) -> vec4<f32> { return x5[i]; }
fn pack(v: vec4<f32>) -> vec4<f32> { return v; }
// form to16
@group(0) @binding(8) var<storage, read_write> y_to16: array<vec2<u32>>;
fn pack_to16(v: vec4<f32>) -> vec2<u32> { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// end

// form halves0
@group(0) @binding(2) var<storage, read> x0_halves0: array<vec2<u32>>;
fn load0_halves0(i: u32) -> vec4<f32> { return vec4<f32>(unpack2x16float(x0_halves0[i].x), unpack2x16float(x0_halves0[i].y)); }
// end

// form dense0
@group(0) @binding(2) var<storage, read> x0_dense0: array<f32>;
fn load0_dense0(i: u32) -> vec4<f32> { let at = elements(i); return inside(vec4<f32>(x0_dense0[at.x], x0_dense0[at.y], x0_dense0[at.z], x0_dense0[at.w]), i); }
// end

// form halves1
@group(0) @binding(3) var<storage, read> x1_halves1: array<vec2<u32>>;
fn load1_halves1(i: u32) -> vec4<f32> { return vec4<f32>(unpack2x16float(x1_halves1[i].x), unpack2x16float(x1_halves1[i].y)); }
// end

// form dense1
@group(0) @binding(3) var<storage, read> x1_dense1: array<f32>;
fn load1_dense1(i: u32) -> vec4<f32> { let at = elements(i); return inside(vec4<f32>(x1_dense1[at.x], x1_dense1[at.y], x1_dense1[at.z], x1_dense1[at.w]), i); }
// end

// form halves2
@group(0) @binding(4) var<storage, read> x2_halves2: array<vec2<u32>>;
fn load2_halves2(i: u32) -> vec4<f32> { return vec4<f32>(unpack2x16float(x2_halves2[i].x), unpack2x16float(x2_halves2[i].y)); }
// end

// form dense2
@group(0) @binding(4) var<storage, read> x2_dense2: array<f32>;
fn load2_dense2(i: u32) -> vec4<f32> { let at = elements(i); return inside(vec4<f32>(x2_dense2[at.x], x2_dense2[at.y], x2_dense2[at.z], x2_dense2[at.w]), i); }
// end

// form halves3
@group(0) @binding(5) var<storage, read> x3_halves3: array<vec2<u32>>;
fn load3_halves3(i: u32) -> vec4<f32> { return vec4<f32>(unpack2x16float(x3_halves3[i].x), unpack2x16float(x3_halves3[i].y)); }
// end

// form dense3
@group(0) @binding(5) var<storage, read> x3_dense3: array<f32>;
fn load3_dense3(i: u32) -> vec4<f32> { let at = elements(i); return inside(vec4<f32>(x3_dense3[at.x], x3_dense3[at.y], x3_dense3[at.z], x3_dense3[at.w]), i); }
// end

// form halves4
@group(0) @binding(6) var<storage, read> x4_halves4: array<vec2<u32>>;
fn load4_halves4(i: u32) -> vec4<f32> { return vec4<f32>(unpack2x16float(x4_halves4[i].x), unpack2x16float(x4_halves4[i].y)); }
// end

// form dense4
@group(0) @binding(6) var<storage, read> x4_dense4: array<f32>;
fn load4_dense4(i: u32) -> vec4<f32> { let at = elements(i); return inside(vec4<f32>(x4_dense4[at.x], x4_dense4[at.y], x4_dense4[at.z], x4_dense4[at.w]), i); }
// end

// form halves5
@group(0) @binding(7) var<storage, read> x5_halves5: array<vec2<u32>>;
fn load5_halves5(i: u32) -> vec4<f32> { return vec4<f32>(unpack2x16float(x5_halves5[i].x), unpack2x16float(x5_halves5[i].y)); }
// end

// form dense5
@group(0) @binding(7) var<storage, read> x5_dense5: array<f32>;
fn load5_dense5(i: u32) -> vec4<f32> { let at = elements(i); return inside(vec4<f32>(x5_dense5[at.x], x5_dense5[at.y], x5_dense5[at.z], x5_dense5[at.w]), i); }
// end

// elements are the four of vector i in dense rows, beyond the end of a row its last;
// inside is what lies before that.
fn elements(i: u32) -> vec4<u32> { return vec4<u32>(i / p.vectors * p.width) + min(vec4<u32>(i % p.vectors * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(p.width - 1u)); }
fn inside(v: vec4<f32>, i: u32) -> vec4<f32> { return select(vec4<f32>(0.0), v, vec4<u32>(i % p.vectors * 4u) + vec4<u32>(0u, 1u, 2u, 3u) < vec4<u32>(p.width)); }

// Whether x_k counts, by its size and its factor k.
fn counts(size: u32, k: u32) -> bool { return size > 0u && factors[p.at + k] != 0.0; }

// NaN stays: clamp does not promise it on every driver.
fn clip(v: vec4<f32>, most: f32) -> vec4<f32> {
    let nan = (bitcast<vec4<u32>>(v) & vec4<u32>(0x7fffffffu)) > vec4<u32>(0x7f800000u);
    return select(clamp(v, vec4<f32>(-most), vec4<f32>(most)), v, nan);
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        var sum = vec4<f32>(0.0);
        if counts(p.size0, 0u) { sum = factors[p.at] * load0((p.first0 + i) % p.size0); }
        if counts(p.size1, 1u) { sum += factors[p.at + 1u] * load1((p.first1 + i) % p.size1); }
        if counts(p.size2, 2u) { sum += factors[p.at + 2u] * load2((p.first2 + i) % p.size2); }
        if counts(p.size3, 3u) { sum += factors[p.at + 3u] * load3((p.first3 + i) % p.size3); }
        if counts(p.size4, 4u) { sum += factors[p.at + 4u] * load4((p.first4 + i) % p.size4); }
        if counts(p.size5, 5u) { sum += factors[p.at + 5u] * load5((p.first5 + i) % p.size5); }
        if factors[p.at + 6u] > 0.0 { sum = clip(sum, factors[p.at + 6u]); }
        y[i] = pack(sum);
    }
}
