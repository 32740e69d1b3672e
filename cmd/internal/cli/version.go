package cli

import (
	"fmt"
	"runtime"

	"saccade/gpu"
)

// Version is that of the program and the library, semantic: see CHANGELOG.md.
const Version = "0.2.0"

// VersionText is what -version prints.
func VersionText() string {
	return fmt.Sprintf("saccade %s, %s, %s %s/%s", Version, gpu.Binding(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
