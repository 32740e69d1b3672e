package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Version is that of the program and the library, semantic: see CHANGELOG.md.
const Version = "0.2.0"

// Binding is the path and the version of what speaks to the GPU's drivers.
func Binding() (path, version string) {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if strings.HasSuffix(d.Path, "/wgpu") {
				return d.Path, d.Version
			}
		}
	}
	return "", ""
}

// VersionText is what -version prints.
func VersionText() string {
	path, version := Binding()
	return fmt.Sprintf("saccade %s, %s %s, %s %s/%s", Version, path, version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
