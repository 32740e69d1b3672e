package ops

import (
	"context"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/gpu"
	"saccade/gpu/gputest"
)

// Devices are shared by the tests, because the driver compiles every kernel
// anew for each. They end with the process.
var (
	plainDevice  = gputest.Share(gpu.Options{})
	poisonDevice = gputest.Share(gpu.Options{Debug: gpu.Debug{Poison: true}})
	// smallDevice has bindings of 64 KiB, so that tensors of a test are cut up as large ones are elsewhere.
	smallDevice = gputest.Share(gpu.Options{MaxBinding: 64 << 10, Debug: gpu.Debug{Poison: true}})
)

func TestMain(m *testing.M) { os.Exit(gputest.Main(m)) }

// precisions are those that activations and weights can have.
var precisions = []gpu.DType{gpu.F16, gpu.F32}

// built is a case ready to run.
type built struct {
	program *gpu.Program
	builder *Builder
	in      map[string]any
}

func build(t require.TestingT, d *gpu.Device, precision gpu.DType, c Case) *built {
	x := &built{builder: NewBuilder(d, precision)}
	r := d.Record(precision)
	var err error
	x.in, err = c.Build(x.builder, r)
	require.NoError(t, err, "%s", c)
	x.program, err = r.Finish()
	require.NoError(t, err, "%s", c)
	return x
}

func (x *built) close() {
	x.program.Close()
	x.builder.Close()
}

// verify compares every operation with its twin.
func (x *built) verify(t require.TestingT) {
	checks, err := x.program.Verify(context.Background(), x.in, false)
	require.NoError(t, err)
	for _, c := range checks {
		require.NoError(t, c.Err)
	}
}

// run gives the case's result.
func (x *built) run(t require.TestingT) []float32 {
	out, err := x.program.Run(context.Background(), x.in)
	require.NoError(t, err)
	return out["y"]
}

// verified verifies a case on d and gives its result.
func verified(t require.TestingT, d *gpu.Device, precision gpu.DType, c Case) []float32 {
	x := build(t, d, precision, c)
	defer x.close()
	x.verify(t)
	return x.run(t)
}

// result only runs a case.
func result(t require.TestingT, d *gpu.Device, precision gpu.DType, c Case) []float32 {
	x := build(t, d, precision, c)
	defer x.close()
	return x.run(t)
}
