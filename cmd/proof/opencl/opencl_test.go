package opencl

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// reversed is a kernel as naga writes it: the numbers of a workgroup in reverse, by workgroup memory.
const reversed = `#version 430 core
#extension GL_ARB_compute_shader : require
layout(local_size_x = 8, local_size_y = 1, local_size_z = 1) in;

struct Params {
    uint count;
    float scale;
};
const uint W = 8u;

layout(std140) uniform Params_block_0Compute { Params _group_0_binding_0_cs; };

layout(std430) readonly buffer type_1_block_1Compute { uint _group_0_binding_1_cs[]; };

layout(std430) buffer type_2_block_2Compute { vec2 _group_0_binding_3_cs[]; };

shared vec2 local[8];


struct Two {
    vec2 both;
    uint word;
};

Two taken(uint x) {
    return Two(unpackHalf2x16(x), x);
}

vec2 unpack(uint x) {
    Two _e1 = taken(x);
    return (_e1.both * 0.5);
}

float zero() {
    return 0.0;
}

void main() {
    if (gl_LocalInvocationID == uvec3(0u)) {
        local = vec2[8](vec2(0.0), vec2(0.0), vec2(0.0), vec2(0.0), vec2(0.0), vec2(0.0), vec2(0.0), vec2(0.0));
    }
    memoryBarrierShared();
    barrier();
    uvec3 id = gl_LocalInvocationID;
    uint _e4 = _group_0_binding_1_cs[id.x];
    vec2 _e5 = unpack(_e4);
    float _e6 = zero();
    local[id.x] = (_e5 + vec2(_e6));
    memoryBarrierShared();
    barrier();
    vec2 _e9 = local[((W - 1u) - id.x)];
    float _e12 = _group_0_binding_0_cs.scale;
    _group_0_binding_3_cs[id.x] = mix(vec2(0.0), (_e9 * _e12), lessThan(uvec2(id.x), uvec2(_group_0_binding_0_cs.count)));
    return;
}
`

// Its buffers are named by their bindings, of which naga left one out, and the zeroing of
// workgroup memory is not a barrier of the kernel's.
func TestTranslate(t *testing.T) {
	k, err := Translate(reversed, 0)
	require.NoError(t, err)
	assert.Equal(t, []int{0, 1, 3}, k.Bindings)
	assert.Equal(t, 1, k.Barriers)
	assert.NotContains(t, k.Source, "vec2[8]")
	_, err = Translate("void main() {}", 0)
	assert.ErrorContains(t, err, "no compute shader")
	_, err = Translate(strings.ReplaceAll(reversed, "_group_0_binding_3_cs", "other"), 0)
	assert.ErrorContains(t, err, "other")
}

// Oclgrind compiles and runs it without a race, and finds the one that a missing barrier makes.
func TestOclgrind(t *testing.T) {
	if _, err := exec.LookPath("oclgrind-kernel"); err != nil {
		t.Skip("oclgrind is not installed")
	}
	run := func(without int) string {
		k, err := Translate(reversed, without)
		require.NoError(t, err)
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "k.cl"), []byte(k.Source), 0o600))
		// 0x42004000 are 2 and 3: halved, scaled by 2 and in reverse 2 and 3 again.
		sim := "k.cl\nentry\n8 1 1\n8 1 1\n<size=16 uint>\n8 1073741824 0 0\n<size=32 uint fill=1107312640>\n<size=64 float fill=0 dump>\n"
		require.NoError(t, os.WriteFile(filepath.Join(dir, "k.sim"), []byte(sim), 0o600))
		cmd := exec.Command("oclgrind-kernel", "--data-races", "--build-options", "-w", "k.sim")
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		return string(out)
	}
	out := run(0)
	assert.NotContains(t, out, "race")
	assert.Contains(t, out, "= 2\n")
	assert.Contains(t, out, "= 3\n")
	assert.Contains(t, run(1), "data race at local")
}

// A member that is called as workgroup memory is another thing.
func TestMembersStandApart(t *testing.T) {
	glsl := "struct Params {\n    uint tile;\n    uint tiles;\n};\nshared vec4 tile[8];\nvoid main() { tile[p.tile] = tile[p.tiles]; }"
	assert.Equal(t, "struct Params {\n    uint its_tile;\n    uint tiles;\n};\nshared vec4 tile[8];\nvoid main() { tile[p.its_tile] = tile[p.tiles]; }", apart(glsl))
}
