package nearest

import (
	"os"
	"testing"

	"saccade/gpu/gputest"
)

func TestMain(m *testing.M) { os.Exit(gputest.Main(m)) }
