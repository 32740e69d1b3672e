package gpu

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
)

// dxc is the paths of DirectX 12's newer shader compiler, dxcompiler.dll and dxil.dll, or "" where
// they are not both found or the system is not Windows. FXC, which every Windows has, takes minutes for kernels with much
// workgroup memory, since it unrolls how naga clears that: it gets others ([ClassFXC]).
var dxc = sync.OnceValues(func() (compiler, validator string) {
	if runtime.GOOS != "windows" {
		return "", ""
	}
	var folders []string
	if program, err := os.Executable(); err == nil {
		folders = append(folders, filepath.Dir(program))
	}
	if root := os.Getenv("SystemRoot"); root != "" {
		folders = append(folders, filepath.Join(root, "System32"))
	}
	return findDXC(append(folders, filepath.SplitList(os.Getenv("PATH"))...))
})

// findDXC is the libraries in the first of the folders that has both.
func findDXC(folders []string) (compiler, validator string) {
	for _, folder := range folders {
		paths := []string{filepath.Join(folder, "dxcompiler.dll"), filepath.Join(folder, "dxil.dll")}
		if !slices.ContainsFunc(paths, func(path string) bool { _, err := os.Stat(path); return err != nil }) {
			return paths[0], paths[1]
		}
	}
	return "", ""
}

// Slow says in one line why an adapter is slower than it could be and what to do; "" where it is not.
func (i Info) Slow() string {
	if i.ShaderCompiler != "fxc" {
		return ""
	}
	return "DirectX 12 compiles by its old compiler, whose kernels do without shared memory and are slower: install the adapter's Vulkan driver, or put dxcompiler.dll and dxil.dll of Microsoft's DirectXShaderCompiler beside the program"
}
