package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

// tiled is a kernel with an activation, "square" unless it is replaced.
const tiled = `// a comment
struct Params { count: u32 }
@group(0) @binding(0) var<uniform> p: Params;
@group(0) @binding(1) var<storage, read_write> c: array<vec4<f32>>;

var<workgroup> tile: array<vec4<f32>, 64>;

fn activate(x: vec4<f32>) -> vec4<f32> { return square(x); }
fn square(x: vec4<f32>) -> vec4<f32> {
    return x * x;
}
fn epilogue(x: vec4<f32>, row: u32) -> vec4<f32> {
    var y = x;
    if row < p.count {
        y = activate(y);
    }
    return y;
}
fn store(row: u32, sum: vec4<f32>) {
    let x = epilogue(sum, row);
    c[row] = x;
}

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) thread: u32) {
    tile[thread] = vec4<f32>(1.0);
    workgroupBarrier();
    store(thread, tile[63u - thread]);
}
`

// Kernels that differ in their activation have one outline; in anything else they do not.
func TestOutline(t *testing.T) {
	differ := func(old, replaced string) {
		t.Helper()
		assert.Contains(t, tiled, old)
		assert.NotEqual(t, outline(tiled), outline(strings.Replace(tiled, old, replaced, 1)))
	}
	assert.Contains(t, outline(tiled), "fn epilogue")
	assert.NotContains(t, outline(tiled), "fn square")
	assert.Equal(t, outline(tiled), outline(strings.Replace(tiled, "return x * x;", "return exp(x); // another", 1)))
	assert.Equal(t, outline(tiled), outline(strings.Replace(tiled, "return square(x);", "return x;", 1)))
	differ("    workgroupBarrier();\n", "")
	differ("63u - thread", "thread")
	differ("c[row] = x", "c[row + 1u] = x")
	differ("row < p.count", "row <= p.count")
}

// An activation stays in the outline where what it gives may decide what memory is touched.
func TestOutlineKeepsWhatDecides(t *testing.T) {
	for name, change := range map[string][2]string{
		"index":              {"c[row] = x;", "c[u32(x.x)] = x;"},
		"condition":          {"c[row] = x;", "if x.x > 0.0 { c[row] = x; }"},
		"index in a call":    {"c[row] = x;", "put(u32(x.x));"},
		"kept in a variable": {"c[row] = x;", "var n = 0u; n += u32(x.x); c[n] = x;"},
		"outer index":        {"c[row] = x;", "c[u32(c[0].x) + u32(x.x)] = x;"},
		"loop":               {"c[row] = x;", "for (var n = 0.0; n < x.x; n += 1.0) { c[row] += x; }"},
		"read by others":     {"store(thread, tile[63u - thread]);", "store(thread, tile[63u - thread]); tile[u32(c[thread].x)] = vec4<f32>(2.0);"},
		"workgroup memory":   {"tile[thread] = vec4<f32>(1.0);", "tile[thread] = activate(vec4<f32>(1.0));"},
		"buffers":            {"return x * x;", "return x * c[0];"},
	} {
		text := strings.Replace(tiled, change[0], change[1], 1)
		text = strings.Replace(text, "@compute", "fn put(at: u32) { c[at] = vec4<f32>(0.0); }\n@compute", 1)
		assert.NotEqual(t, tiled, text, name)
		assert.Contains(t, outline(text), "fn activate", name)
	}
}
