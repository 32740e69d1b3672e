// Package scheduler plans how a diffusion model's noise becomes a picture.
//
// [Parse] reads a scheduler_config.json of diffusers; [Config.Plan] says, for a
// number of steps, what happens at each evaluation of the model: the timestep,
// the factor of the model's input, and the updates that follow. An [Update] is
// a linear combination of tensors that are all of the latents' shape, with an
// optional clip, so that one small operation executes every scheduler where the
// latents are and nothing is read back. Predicted samples and the outputs of
// earlier steps are kept in tensors of the plan's own.
//
// A loop over a plan, with the guidance of a prompt where there is one:
//
//	latents = noise·plan.InitSigma              or, of a picture,
//	latents = picture·start.Image + noise·start.Noise, start = plan.Steps[0].Level
//	for i, s := range plan.Steps {
//		output = model(latents·s.InputScale, s.Timestep)
//		output = Guidance(g) of the output without and with the prompt
//		noise = noise.i, if s.Noise
//		for _, u := range s.Updates {
//			tensors[u.To] = Σ u.Terms, clipped to ±u.Clip if that is not 0
//		}
//	}
//
// All steps of a plan store the same tensors in the same order, so that the body
// of the loop is recorded once, an ops.Combine for every line, and replayed with
// the factors of each step: see [Plan.Operands].
//
// Inpainting replaces, after step i, what the mask keeps by the picture at
// Steps[i+1].Known, and after the last step by the picture itself.
//
// Timesteps, tables and formulas are those of diffusers 0.42.1, in whose f32
// the tables are; coefficients are computed in f64. Sources: Ho et al. 2020
// (DDPM), Song et al. 2021 (DDIM), Liu et al. 2022 (PNDM), Karras et al. 2022
// (Euler, Heun, DPM-Solver-2, sigmas), Lu et al. 2022 (DPM-Solver++), Zhang and
// Chen 2023 (DEIS), Zhao et al. 2023 (UniPC), Luo et al. 2023 (LCM), Zheng et al.
// 2024 (TCD), Lin et al. 2024 (zero terminal SNR), and k-diffusion (LMS, the
// one-step SDE).
//
// It is not what runs a plan: it knows no GPU, no model and no random numbers.
// Learned variances, dynamic thresholding and flow matching are not supported.
package scheduler
