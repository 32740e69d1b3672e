// Command proof has other compilers and checkers than this machine's drivers look at every
// kernel in use, for the GPUs that are not here. Its first argument says what is done:
//
//   - races: kernels with barriers, turned into OpenCL C (package opencl), run in Oclgrind with
//     the parameters of recorded operations; it tells of data races in workgroup memory. With
//     -without each barrier is left out in turn: one that is needed makes races.
//   - portable: Tint (Chromium's compiler, in the npm package webgpu) judges the WGSL, naga
//     translates it to SPIR-V, HLSL, Metal's language and GLSL, spirv-val judges the SPIR-V.
//   - hlsl: Microsoft's two compilers for DirectX 12 translate naga's HLSL under wine, and how
//     long they take: DXC the kernels of all classes, FXC those of its own.
//   - validation: Khronos' layers 1.4, with synchronization validation and checks on the device
//     (GPU-AV), look at programs of the project on lavapipe: a ViT, a ResNet, two steps of a
//     diffusion and two of a training. Two controls come first: without barriers, and with half of
//     each buffer, the layers must tell of it. GPU-AV's rounds are of a device without robust buffer
//     access: with it the layers are silent about accesses outside of a buffer.
//
// `make races`, `make portable`, `make hlsl` and `make validation` run it. It needs programs that
// the project does not: it names those that are missing. It fails where a check finds something.
//
// Kernels in use are those that recordings choose, and that a tuner would try beside, for a class
// of adapters (-class): of the standard architectures and of the cases of operations. Those in
// need of an extension of WGSL (f16, subgroups) are among them, whatever the binding and the
// adapter at hand; where a tool does not take an extension, the kernels are named as left out.
package main
