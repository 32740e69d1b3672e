package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A message of several lines is one; what the layers say of themselves is none.
func TestMessages(t *testing.T) {
	found, err := messages(strings.NewReader(`Validation Error: [ SYNC-HAZARD-READ-AFTER-WRITE ] | MessageID = 0xe4d96472
vkQueueSubmit(): pSubmits[0].pCommandBuffers[0] READ_AFTER_WRITE hazard.
    Objects: 1

Validation Warning: [ WARNING-Setting-Limit-Adjusted ] | MessageID = 0x86fe6721
vkCreateDevice(): Warning that validation is adjusting settings:
	Forcing shaderInt64 to VK_TRUE

Validation Warning: [ x ] | MessageID = 1
another
`))
	require.NoError(t, err)
	require.Len(t, found, 2)
	assert.Contains(t, found[0], "SYNC-HAZARD-READ-AFTER-WRITE")
	assert.Contains(t, found[0], "READ_AFTER_WRITE hazard. Objects: 1")
	assert.Equal(t, "Validation Warning: [ x ] | MessageID = 1 another", found[1])
}

// A control must be found out, whatever else is; the others must be silent.
func TestJudge(t *testing.T) {
	control := round{fault: "barriers", finds: "SYNC-HAZARD"}
	assert.Contains(t, control.judge(nil), "SYNC-HAZARD")
	assert.Contains(t, control.judge([]string{"another"}), "SYNC-HAZARD")
	assert.Empty(t, control.judge([]string{"another", "SYNC-HAZARD-READ-AFTER-WRITE"}))
	assert.NotEmpty(t, round{}.judge([]string{"another"}))
	assert.Empty(t, round{}.judge(nil))
}

// What is missing is said by name.
func TestLoader(t *testing.T) {
	v := layers{root: t.TempDir()}
	_, err := v.loader()
	assert.ErrorContains(t, err, "scripts/proof/khronos")
	libraries := filepath.Join(v.root, "usr/lib/x86_64-linux-gnu")
	require.NoError(t, os.MkdirAll(libraries, 0o777))
	ld := filepath.Join(libraries, "ld-linux-x86-64.so.2")
	require.NoError(t, os.WriteFile(ld, nil, 0o777))
	words, err := v.loader()
	require.NoError(t, err)
	assert.Equal(t, []string{ld, "--library-path", libraries}, words)
}
