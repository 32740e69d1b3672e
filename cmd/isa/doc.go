// Command isa has AMD's compiler in Mesa translate every kernel in use for GPUs that
// are not there, prints what it says of each, and fails on a spill or on an
// occupancy that fell since the last accepted table (accepted.tsv). `make isa` builds
// what it needs and runs it; `make isa-accept` rewrites the table.
//
// Kernels in use are those that recordings choose for the class of AMD's GPUs: of
// the standard architectures for one picture and for eight, and of the registry of
// operations, in halves and in floats; and what a tuner would try beside. Nothing is
// run and no weights are made. Those in need of an extension of WGSL (f16, subgroups) are among
// them with BINDING=29, on an adapter that has it; else they are named as left out.
//
// How a kernel gets there: gpu compiles it on whatever Vulkan adapter is found,
// under a Vulkan layer (scripts/isa/layer.c) that keeps the SPIR-V that wgpu hands to
// the driver; scripts/isa/radv.c makes a pipeline of it on the null device of Mesa's
// RADV. So the bounds checks and the zeroed workgroup memory are wgpu's own. They
// are those for the adapter at hand: an adapter without robust buffers or without
// zeroed workgroup memory gets code that AMD's would not get.
//
// The chips are NAVI21 (RDNA2), NAVI31 (RDNA3; up to Mesa 22 called GFX1100, with
// 128 registers at most) and VEGA10. The last lines say what compiled. Another Mesa
// gives other figures, so the accepted table says which one it is of.
//
// What the columns mean:
//
//   - vgprs, sgprs: vector and scalar registers, as they are given out. RDNA gives
//     every subgroup 128 scalar ones.
//   - spills: registers of both kinds that go to memory. scratch: bytes of memory
//     of an invocation, for spills and for arrays that are indexed at run time.
//   - lds: bytes of workgroup memory.
//   - occupancy: subgroups that a SIMD holds at once, which hide each other's
//     waiting. RADV counts subgroups of 32 invocations on RDNA, where the kernels run
//     in subgroups of 64, so that figures are even there: at most 32, and 10 on Vega.
//   - latency: cycles of a subgroup alone. throughput: the inverse of it, cycles that
//     one SIMD takes for 64 invocations while others run, by the busiest of its units
//     or, where too few subgroups are there to hide the latency, by that.
//   - cycles/fma: throughput by multiply-adds, the score of kernels that consist of
//     those. At best it is 2 on RDNA (64 invocations on 32 lanes) and 4 on Vega; a
//     newer Mesa knows RDNA3's dual issue, then it is 1 there.
//
// The compiler does not know how often loops run: it supposes 8 times for an outer
// loop, 4 times for one inside, twice for deeper ones, and that a branch is taken
// half of the time. Arithmetic by a dispatch's size would not match, so the
// multiply-adds are counted in the compiler's own code (ACO IR) with the same
// supposition. A score is sound where inner loops do run about 4 times, as over
// a tile, and a bit too high, since 8 turns of the outer loop leave more weight to what
// comes before and after it than dozens do. Every access to workgroup memory or to
// a buffer counts as one instruction: bandwidth is not in these figures, nor caches.
//
// It is no benchmark: the order of two variants of one kernel is what to read from
// it, and that registers are enough.
package main
