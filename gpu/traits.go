package gpu

import (
	"math"
	"runtime"
	"slices"
)

// Traits are what decides between the ways to compute an operation: what things
// cost on an adapter, and how much it has of them. Operations test these reasons,
// never the vendor or the class.
type Traits struct {
	// CheapBarriers: threads of a workgroup wait for each other at little cost, so
	// that it pays to share what they load and to add up together. Software adapters
	// run a workgroup on one core and end the loop over its lanes at each barrier.
	CheapBarriers bool
	// ManyThreads: thousands of threads are needed to keep the adapter busy. Else a
	// few dozen are, and each had better do more, as finding its place costs it as
	// much as loading some values.
	ManyThreads bool
	// SlowCompiler: the driver takes up to a third of a second for each kernel, the
	// longer the more straight code there is: fewer and shorter kernels are worth
	// more than the fastest.
	SlowCompiler bool
	// CheapSpills: a lane that takes many registers keeps no other from running.
	CheapSpills bool
	// NarrowTiles: large matmuls of halves in registers are fastest with one panel a lane.
	NarrowTiles bool

	// Halves: kernels may compute in halves, and keep them in workgroup memory.
	Halves bool
	// Subgroups: threads that run together add up without workgroup memory.
	Subgroups bool
	// Eights: eight threads in a row are a subgroup, so that each reads at little cost what
	// another has loaded.
	Eights bool

	// Sums is how many sums a thread of a matmul by tiles holds without spilling.
	Sums int
	// Cores are those among which a dispatch is divided by workgroups, where they are
	// so few that an unequal division counts; else 0.
	Cores int
	// Cache is the memory in bytes in which one dispatch should leave what the next
	// reads; 0: any.
	Cache int64
	// Turns is how many turns an invocation's loops may take, all together.
	Turns int

	// Limits are the adapter's own, or those that Options lowered, or less where more does not pay:
	// in the table, what pays, or 0.
	Limits
}

// UniformWindows says whether kernels may bind windows of [UniformWindow] bytes as
// uniform arrays.
func (t Traits) UniformWindows() bool { return t.MaxUniform >= UniformWindow }

// traits has a row for each class of adapters. Those of software adapters are
// measured, those of AMD's compiler are read in `make isa`; the others follow
// what is published of kernels of this kind (docs/tuning.md).
var traits = map[Class]Traits{
	ClassCPU:      {SlowCompiler: true, CheapSpills: true, Sums: 64, Cores: runtime.NumCPU(), Cache: 6 << 20},
	ClassNVIDIA:   {CheapBarriers: true, ManyThreads: true, Sums: 64},
	ClassAMD:      {CheapBarriers: true, ManyThreads: true, Sums: 64},
	ClassIntel:    {CheapBarriers: true, ManyThreads: true, Sums: 64},
	ClassApple:    {CheapBarriers: true, ManyThreads: true, Sums: 32},
	ClassQualcomm: {CheapBarriers: true, ManyThreads: true, Sums: 64},
	ClassOther:    {CheapBarriers: true, ManyThreads: true, Sums: 64},
	ClassFXC:      {ManyThreads: true, SlowCompiler: true, Limits: Limits{MaxWorkgroupStorage: clearedStorage}}, // barriers are cheap, but what is shared across them is not
}

// clearedStorage is how much workgroup memory, in bytes, a kernel may have where FXC compiles it.
// The compiler unrolls how the memory is cleared, which no binding turns off, and takes the
// square of its size for that: 1.5 KiB take two seconds, the 8 KiB of a tile 40.
const clearedStorage = 1280

// newMesa is a version of which lavapipe takes 0.7 of the time for large matmuls of
// halves with one panel a lane, where 22 takes 1.3 times as long. Measured are 22.3
// and 25.0; the line between them is a guess.
const newMesa = 24

// Traits are those of the adapter's class, its driver and its limits.
func (i Info) Traits() Traits {
	t, ok := traits[i.Class]
	if !ok {
		t = traits[ClassOther]
	}
	d := i.driver()
	t.NarrowTiles = !t.CheapBarriers && d.mesa >= newMesa
	t.Turns = math.MaxInt
	if d.llvmpipe { // leaves loops without a word after so many turns (LP_MAX_TGSI_LOOP_ITERATIONS), as if they had ended
		t.Turns = 1<<16 - 1
	}
	t.Halves, t.Subgroups = slices.Contains(i.Extensions, "f16"), slices.Contains(i.Extensions, "subgroups")
	t.Eights = t.Subgroups && d.lanes == 8
	pays := t.MaxWorkgroupStorage
	if t.Limits = i.Limits; pays > 0 {
		t.MaxWorkgroupStorage = min(t.MaxWorkgroupStorage, pays)
	}
	return t
}
