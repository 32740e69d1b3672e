// view: one rectangle of a window, drawn straight from storage buffers.
//
// The rectangle stands at x, y, w, h in the window's pixels, y downwards, and
// shows the part part_x, part_y, part_w, part_h of a picture, in the picture's
// pixels. Colours are premultiplied by their alpha and blended over what is
// there. By KIND the picture is
//
//	0  the plain colour red, green, blue, alpha
//	1  an activation of halves: columns × rows pixels, stride elements apart,
//	   from element first on; one or three CHANNELS from low to high
//	2  the same of floats
//	3  pixels of four bytes: red, green, blue, alpha
//
// If HEAT is not 0, heat_columns × heat_rows values of that kind, heat_step
// elements apart from element heat_first on, are interpolated over the whole
// picture and laid on it in viridis from heat_low to heat_high; the picture is
// grey there.
//
// bindings: 1 data, the picture; 2 heat, the values. A draw is four vertices, a
// triangle strip.
const KIND = 0u;
const CHANNELS = 3u;
const SMOOTH = 0u; // 1: interpolate between pixels
const AVERAGE = 0u; // 1: the picture is shown smaller than it is
const HEAT = 0u;
const LINEAR = 0u; // 1: the window stores linear light, in an sRGB format

struct Params {
    window_w: f32, window_h: f32,
    x: f32, y: f32, w: f32, h: f32,
    part_x: f32, part_y: f32, part_w: f32, part_h: f32,
    red: f32, green: f32, blue: f32, alpha: f32,
    low: f32, high: f32,
    first: u32, columns: u32, rows: u32, stride: u32,
    heat_first: u32, heat_step: u32, heat_columns: u32, heat_rows: u32,
    heat_low: f32, heat_high: f32,
}
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read> data: array<u32>;
@group(0) @binding(2) var<storage, read> heat: array<u32>;

const OPACITY = 0.6; // of the heat map

@vertex
fn corner(@builtin(vertex_index) i: u32) -> @builtin(position) vec4<f32> {
    let at = vec2<f32>(p.x + p.w * f32(i & 1u), p.y + p.h * f32(i >> 1u));
    return vec4<f32>(2.0 * at.x / p.window_w - 1.0, 1.0 - 2.0 * at.y / p.window_h, 0.0, 1.0);
}

// halves are the three from element i on.
fn halves(i: u32) -> vec3<f32> {
    let a = unpack2x16float(data[i >> 1u]);
    if CHANNELS == 1u { return vec3<f32>(select(a.x, a.y, (i & 1u) == 1u)); }
    let b = unpack2x16float(data[(i >> 1u) + 1u]);
    return select(vec3<f32>(a, b.x), vec3<f32>(a.y, b), (i & 1u) == 1u);
}

// floats are the three from element i on.
fn floats(i: u32) -> vec3<f32> {
    let a = bitcast<f32>(data[i]);
    if CHANNELS == 1u { return vec3<f32>(a); }
    return vec3<f32>(a, bitcast<f32>(data[i + 1u]), bitcast<f32>(data[i + 2u]));
}

// pixel x, y, the outermost beyond the edges.
fn pixel(x: i32, y: i32) -> vec4<f32> {
    let column = u32(clamp(x, 0, i32(p.columns) - 1));
    let row = u32(clamp(y, 0, i32(p.rows) - 1));
    let at = p.first + (row * p.columns + column) * p.stride;
    if KIND == 3u { return unpack4x8unorm(data[at]); }
    var c: vec3<f32>;
    if KIND == 1u { c = halves(at); } else { c = floats(at); }
    return vec4<f32>(clamp((c - vec3<f32>(p.low)) / (p.high - p.low), vec3<f32>(0.0), vec3<f32>(1.0)), 1.0);
}

// sample is the picture at a place in its pixels.
fn sample(at: vec2<f32>) -> vec4<f32> {
    if SMOOTH == 0u { return pixel(i32(floor(at.x)), i32(floor(at.y))); }
    let base = floor(at - vec2<f32>(0.5));
    let f = at - vec2<f32>(0.5) - base;
    let x = i32(base.x);
    let y = i32(base.y);
    let top = mix(pixel(x, y), pixel(x + 1, y), f.x);
    return mix(top, mix(pixel(x, y + 1), pixel(x + 1, y + 1), f.x), f.y);
}

// average samples the pixels of the picture under one of the window, which is
// span wide and high, at most 8 a side.
fn average(at: vec2<f32>, span: vec2<f32>) -> vec4<f32> {
    if AVERAGE == 0u { return sample(at); }
    let n = vec2<i32>(clamp(ceil(span - vec2<f32>(0.001)), vec2<f32>(1.0), vec2<f32>(8.0)));
    var sum = vec4<f32>(0.0);
    for (var y = 0; y < n.y; y += 1) {
        for (var x = 0; x < n.x; x += 1) {
            let share = (vec2<f32>(f32(x), f32(y)) + vec2<f32>(0.5)) / vec2<f32>(n);
            sum += sample(at + (share - vec2<f32>(0.5)) * span);
        }
    }
    return sum / f32(n.x * n.y);
}

fn cell(x: i32, y: i32) -> f32 {
    let i = p.heat_first + (u32(y) * p.heat_columns + u32(x)) * p.heat_step;
    if HEAT == 1u {
        let both = unpack2x16float(heat[i >> 1u]);
        return select(both.x, both.y, (i & 1u) == 1u);
    }
    return bitcast<f32>(heat[i]);
}

// warmth is the heat map, bilinear between the centres of its cells, at a place
// from 0 to 1; the answer is between 0 and 1 too.
fn warmth(at: vec2<f32>) -> f32 {
    let last = vec2<f32>(f32(p.heat_columns) - 1.0, f32(p.heat_rows) - 1.0);
    let c = clamp(at * (last + vec2<f32>(1.0)) - vec2<f32>(0.5), vec2<f32>(0.0), last);
    let x = i32(c.x);
    let y = i32(c.y);
    let x1 = min(x + 1, i32(last.x));
    let y1 = min(y + 1, i32(last.y));
    let f = c - vec2<f32>(f32(x), f32(y));
    let v = mix(mix(cell(x, y), cell(x1, y), f.x), mix(cell(x, y1), cell(x1, y1), f.x), f.y);
    if p.heat_high <= p.heat_low { return 0.0; }
    return clamp((v - p.heat_low) / (p.heat_high - p.heat_low), 0.0, 1.0);
}

// viridis by polynomials of degree 6: see figure.Viridis.
fn viridis(t: f32) -> vec3<f32> {
    var c = vec3<f32>(-5.435455855934631, 4.645852612178535, 26.3124352495832);
    c = c * t + vec3<f32>(4.776384997670288, -13.74514537774601, -65.35303263337234);
    c = c * t + vec3<f32>(6.228269936347081, 14.17993336680509, 56.69055260068105);
    c = c * t + vec3<f32>(-4.634230498983486, -5.799100973351585, -19.33244095627987);
    c = c * t + vec3<f32>(-0.3308618287255563, 0.214847559468213, 0.09509516302823659);
    c = c * t + vec3<f32>(0.1050930431085774, 1.404613529898575, 1.384590162594685);
    c = c * t + vec3<f32>(0.2777273272234177, 0.005407344544966578, 0.3340998053353061);
    return clamp(c, vec3<f32>(0.0), vec3<f32>(1.0));
}

// light undoes sRGB's curve of a premultiplied colour.
fn light(c: vec4<f32>) -> vec4<f32> {
    let v = c.rgb / max(c.a, 1e-6);
    let low = v / 12.92;
    let high = pow((v + vec3<f32>(0.055)) / 1.055, vec3<f32>(2.4));
    return vec4<f32>(select(high, low, v <= vec3<f32>(0.04045)) * c.a, c.a);
}

@fragment
fn paint(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    var c = vec4<f32>(p.red, p.green, p.blue, p.alpha);
    if KIND != 0u {
        let part = vec2<f32>(p.part_w, p.part_h);
        let span = part / vec2<f32>(p.w, p.h);
        let at = vec2<f32>(p.part_x, p.part_y) + (position.xy - vec2<f32>(p.x, p.y)) * span;
        c = average(at, span);
        if HEAT != 0u {
            let grey = dot(c.rgb, vec3<f32>(0.299, 0.587, 0.114));
            let map = viridis(warmth(at / vec2<f32>(f32(p.columns), f32(p.rows))));
            c = vec4<f32>(mix(vec3<f32>(grey), map, OPACITY), c.a);
        }
    }
    if LINEAR != 0u { c = light(c); }
    return c;
}
