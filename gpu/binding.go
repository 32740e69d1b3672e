package gpu

import (
	"runtime/debug"
	"sync"

	"saccade/gpu/internal/wgpu"
)

// Binding is the Go module that speaks to the adapters' drivers and translates kernels, and its
// version: one of two, as the program was built.
var Binding = sync.OnceValue(func() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if d.Path == wgpu.Module {
				return d.Path + " " + d.Version
			}
		}
	}
	return wgpu.Module // a test's program
})
