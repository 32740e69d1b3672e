// y[n, q, h, :] = Σ over levels l and their points k of a[k]·v_l(place), where a is the
// softmax of the query's and head's logits over all of them and v_l(place) the map of a level
// between pixels: multi-scale deformable attention.
//
// A point's place in parts of the map is the query's box's: centre + offset·size·scale/points,
// or, with POINTS, of a query that is a point, point + offset/(W, H); with PIXELS too, the
// points are the middles of the pixels of all maps, and boxes is not read. Its value is bilinear
// over 2×2 pixels with zeros beyond the map, or, with DISCRETE, that of the nearest pixel.
//
// x: [N, S, heads·C], the maps' pixels one level after the other, y: [N, Q, heads·C], both in
// rows of `vectors` Packed, `head` of them a head's. boxes: f32 [N, Q, 4], stride 8, or with
// POINTS [N, Q, 2]; offsets: f32 [N, Q, heads·K·2], logits: f32 [N, Q, heads·K], where K is
// the points of all levels; levels: height, width, first pixel and points of each.
// A workgroup does 64 Packed of y; the grid is 2-D.

const POINTS = 0u;
const PIXELS = 0u;
const DISCRETE = 0u;

alias Packed = vec2<u32>;
fn unpack(v: Packed) -> vec4<f32> { return vec4<f32>(unpack2x16float(v.x), unpack2x16float(v.y)); }
fn pack(v: vec4<f32>) -> Packed { return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw)); }
// form f32
alias Packed_f32 = vec4<f32>;
fn unpack_f32(v: Packed_f32) -> vec4<f32> { return v; }
fn pack_f32(v: vec4<f32>) -> Packed_f32 { return v; }
// end

struct Params {
    count: u32,   // Packed of y in all
    vectors: u32, // Packed a row
    head: u32,    // of which a head has
    heads: u32,
    queries: u32,
    pixels: u32,  // S
    levels: u32,
    points: u32,  // K
    offset_stride: u32,
    logit_stride: u32,
    scale: f32,
}

@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> x: array<Packed>;
@group(0) @binding(2) var<storage, read> boxes: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> offsets: array<f32>;
@group(0) @binding(4) var<storage, read> logits: array<f32>;
@group(0) @binding(5) var<storage, read> levels: array<vec4<u32>>;
@group(0) @binding(6) var<storage, read_write> y: array<Packed>;

// pixel is the value at a pixel of a level from `first` on, zero beyond its borders; c is the
// vector of the row.
fn pixel(first: u32, level: vec4<u32>, at: vec2<i32>, c: u32) -> vec4<f32> {
    let inside = at.x >= 0 && at.y >= 0 && at.x < i32(level.y) && at.y < i32(level.x);
    let near = vec2<u32>(clamp(at, vec2<i32>(0), vec2<i32>(i32(level.y), i32(level.x)) - 1));
    return select(vec4<f32>(0.0), unpack(x[(first + near.y * level.y + near.x) * p.vectors + c]), inside);
}

// sample is the map at a place in parts of it.
fn sample(first: u32, level: vec4<u32>, place: vec2<f32>, c: u32) -> vec4<f32> {
    let size = vec2<f32>(f32(level.y), f32(level.x));
    if DISCRETE == 1u {
        let at = clamp(place * size + 0.5, vec2<f32>(0.0), size - 1.0);
        return pixel(first, level, vec2<i32>(at), c);
    }
    let at = clamp(place * size - 0.5, vec2<f32>(-2.0), size + 1.0);
    let low = floor(at);
    let part = at - low;
    let i = vec2<i32>(low);
    let above = mix(pixel(first, level, i, c), pixel(first, level, i + vec2<i32>(1, 0), c), part.x);
    let below = mix(pixel(first, level, i + vec2<i32>(0, 1), c), pixel(first, level, i + vec2<i32>(1, 1), c), part.x);
    return mix(above, below, part.y);
}

// middle is that of a pixel of all maps in parts of its own.
fn middle(pixel: u32) -> vec2<f32> {
    var own = levels[0];
    for (var l = 1u; l < p.levels; l += 1u) {
        let level = levels[l];
        if pixel >= level.z {
            own = level;
        }
    }
    let at = pixel - own.z;
    return (vec2<f32>(f32(at % own.y), f32(at / own.y)) + 0.5) / vec2<f32>(f32(own.y), f32(own.x));
}

@compute @workgroup_size(64, 1, 1)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let i = id.x + id.y * groups.x * 64u;
    if i < p.count {
        let row = i / p.vectors;
        let c = i % p.vectors;
        let head = c / p.head;
        if head >= p.heads { // padding
            y[i] = Packed();
            return;
        }
        let item = row / p.queries * p.pixels;
        var box: vec4<f32>;
        if PIXELS == 1u {
            box = vec4<f32>(middle(row % p.queries), 0.0, 0.0);
        } else {
            box = boxes[row * 2u];
        }
        let logit = row * p.logit_stride + head * p.points;
        let offset = row * p.offset_stride + head * p.points * 2u;
        var most = logits[logit];
        for (var k = 1u; k < p.points; k += 1u) {
            most = max(most, logits[logit + k]);
        }
        var sum = 0.0;
        var acc = vec4<f32>(0.0);
        var k = 0u;
        for (var l = 0u; l < p.levels; l += 1u) {
            let level = levels[l];
            var reach = box.zw * (p.scale / f32(level.w));
            if POINTS == 1u {
                reach = 1.0 / vec2<f32>(f32(level.y), f32(level.x));
            }
            for (var j = 0u; j < level.w; j += 1u) {
                let place = box.xy + vec2<f32>(offsets[offset + 2u * k], offsets[offset + 2u * k + 1u]) * reach;
                let weight = exp(logits[logit + k] - most);
                sum += weight;
                acc += weight * sample(item + level.z, level, place, c);
                k += 1u;
            }
        }
        y[i] = pack(acc / sum);
    }
}
