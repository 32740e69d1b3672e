package scheduler

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// planOf plans a config given as JSON without its class.
func planOf(t *testing.T, class, config string, steps int, strength float64) (*Plan, error) {
	t.Helper()
	c, err := Parse([]byte(config), class)
	if err != nil {
		return nil, err
	}
	return c.Plan(steps, strength)
}

func TestRefused(t *testing.T) {
	for _, c := range []struct {
		class, config string
		steps         int
		strength      float64
		want          string
	}{
		{"", `{}`, 5, 1, "names no _class_name, such as DDIMScheduler, EulerDiscreteScheduler"},
		{"", `{"_class_name": "FlowMatchEulerDiscreteScheduler"}`, 5, 1, `class "FlowMatchEulerDiscreteScheduler" is not supported; of diffusers' schedulers 16 are, such as DDIM`},
		{"", `{"_class_name": 3}`, 5, 1, "scheduler_config.json: _class_name is 3; expected a text"},
		{"DDIMScheduler", `[]`, 5, 1, "read scheduler config: scheduler_config.json is []; expected an object"},
		{"DDIMScheduler", `{"beta_start": "x"}`, 5, 1, `scheduler_config.json: beta_start is "x"; expected a number`},
		{"DDIMScheduler", `{`, 5, 1, "scheduler_config.json is no JSON"},
		{"DDIMScheduler", `{"num_train_timesteps": 4611686018427387904}`, 5, 1, "num_train_timesteps is 4611686018427387904; expected 1 to"},
		{"DDIMScheduler", `{"num_train_timesteps": 1e30}`, 5, 1, "num_train_timesteps is 1e30; expected a whole number"},
		{"DDIMScheduler", `{"steps_offset": 4611686018427387904}`, 5, 1, "steps_offset is 4611686018427387904"},
		{"UniPCMultistepScheduler", `{"solver_order": 4611686018427387904}`, 5, 1, "solver_order is 4611686018427387904; expected 1 to 3"},
		{"DDIMScheduler", `{"prediction_type": "flow_prediction"}`, 5, 1, `prediction_type of DDIMScheduler is "flow_prediction"; supported: ["epsilon" "v_prediction" "sample"]`},
		{"PNDMScheduler", `{"prediction_type": "sample"}`, 5, 1, `supported: ["epsilon" "v_prediction"]`},
		{"EulerAncestralDiscreteScheduler", `{"prediction_type": "sample"}`, 5, 1, `supported: ["epsilon" "v_prediction"]`},
		{"DDIMScheduler", `{"thresholding": true}`, 5, 1, "thresholding of DDIMScheduler is not supported"},
		{"DDIMScheduler", `{"beta_schedule": "sigmoid"}`, 5, 1, `beta_schedule of DDIMScheduler is "sigmoid"; supported: ["linear" "scaled_linear"`},
		{"DDIMScheduler", `{"timestep_spacing": "odd"}`, 5, 1, `timestep_spacing of DDIMScheduler is "odd"`},
		{"DDIMScheduler", `{"num_train_timesteps": 0}`, 5, 1, "num_train_timesteps is 0; expected 1 to"},
		{"DDIMScheduler", `{"beta_end": 1.5}`, 5, 1, "a beta is 1.5; expected"},
		{"DDIMScheduler", `{"trained_betas": [0.1]}`, 5, 1, "trained_betas are 1; expected one for each of the 1000"},
		{"DDIMScheduler", `{"clip_sample_range": 0}`, 5, 1, "clip_sample_range is 0"},
		{"DDIMScheduler", `{"rescale_betas_zero_snr": true, "num_train_timesteps": 1}`, 1, 1, "needs more than one training timestep"},
		{"DDIMScheduler", `{"rescale_betas_zero_snr": true, "timestep_spacing": "trailing"}`, 5, 1, "timestep 999 is noise alone, of which prediction_type epsilon tells nothing; expected v_prediction or sample"},
		{"DDPMScheduler", `{"variance_type": "learned_range"}`, 5, 1, `variance_type of DDPMScheduler is "learned_range"; supported: ["fixed_small"`},
		{"EulerDiscreteScheduler", `{"use_beta_sigmas": true, "use_karras_sigmas": true}`, 5, 1, "more than one of use_karras_sigmas"},
		{"EulerDiscreteScheduler", `{"interpolation_type": "log_linear", "timestep_type": "continuous"}`, 5, 1, "interpolation_type log_linear, timestep_type continuous of EulerDiscreteScheduler is not supported"},
		{"DPMSolverMultistepScheduler", `{"algorithm_type": "dpmsolver"}`, 5, 1, "algorithm_type dpmsolver divides by zero with final_sigmas_type zero; expected sigma_min"},
		{"DPMSolverSinglestepScheduler", `{"algorithm_type": "sde-dpmsolver"}`, 5, 1, `algorithm_type of DPMSolverSinglestepScheduler is "sde-dpmsolver"; supported: ["dpmsolver"`},
		{"DPMSolverMultistepScheduler", `{"algorithm_type": "sde-dpmsolver", "solver_order": 3, "final_sigmas_type": "sigma_min"}`, 5, 1, "sde-dpmsolver with solver_order 3"},
		{"DPMSolverMultistepScheduler", `{"solver_order": 4}`, 5, 1, "solver_order is 4; expected 1 to 3"},
		{"DEISMultistepScheduler", `{"solver_order": 0}`, 5, 1, "solver_order is 0; expected 1 to 3"},
		{"DEISMultistepScheduler", `{"use_flow_sigmas": true}`, 5, 1, "use_flow_sigmas of DEISMultistepScheduler is not supported"},
		{"KDPM2AncestralDiscreteScheduler", `{"beta_schedule": "squaredcos_cap_v2"}`, 6, 1, "in one step the noise falls from 2.03e+04 to 3.11, of which f32 keeps nothing"},
		{"KDPM2DiscreteScheduler", `{"prediction_type": "sample"}`, 5, 1, `supported: ["epsilon" "v_prediction"]`},
		{"DPMSolverMultistepScheduler", `{"final_sigmas_type": "least"}`, 5, 1, `final_sigmas_type of DPMSolverMultistepScheduler is "least"`},
		{"DPMSolverMultistepScheduler", `{"lambda_min_clipped": 100}`, 5, 1, "timestep -1 is not among the 1000"},
		{"DPMSolverMultistepScheduler", `{"lambda_min_clipped": 100, "timestep_spacing": "trailing"}`, 5, 1, "lambda_min_clipped leaves no step"},
		{"DPMSolverMultistepScheduler", `{"lambda_min_clipped": 0, "timestep_spacing": "trailing"}`, 20, 0.1, "lambda_min_clipped leaves no step"},
		{"EulerDiscreteScheduler", `{"sigma_min": 0}`, 5, 1, "sigma_min or sigma_max is 0; expected more than 0"},
		{"UniPCMultistepScheduler", `{"solver_order": 4}`, 5, 1, "solver_order is 4; expected 1 to 3"},
		{"UniPCMultistepScheduler", `{"predict_x0": false}`, 5, 1, "step 4 at timestep 200 divides by zero"},
		{"UniPCMultistepScheduler", `{"timestep_spacing": "leading"}`, 1000, 1, "leading has 1000 training timesteps for 1000 steps"},
		{"PNDMScheduler", `{}`, 3, 1, "needs 4 steps at least"},
		{"PNDMScheduler", `{}`, 8, 0.5, "begin with noise alone; expected strength 1, skip_prk_steps"},
		{"LCMScheduler", `{}`, 51, 1, "expected at most 50 steps, strength 1 of original_inference_steps 50"},
		{"LCMScheduler", `{"original_inference_steps": 0}`, 5, 1, "original_inference_steps is 0"},
		{"DDIMScheduler", `{}`, 0, 1, "plan 0 steps of DDIMScheduler: expected 1 to 1000 steps"},
		{"DDIMScheduler", `{}`, 1001, 1, "expected 1 to 1000 steps"},
		{"DDIMScheduler", `{"steps_offset": 1}`, 1000, 1, "timestep 1000 is not among the 1000 of training"},
		{"DDIMScheduler", `{}`, 5, 0, "strength 0 is out of range"},
		{"DDIMScheduler", `{}`, 5, 1.1, "strength 1.1 is out of range"},
		{"DDIMScheduler", `{}`, 5, 0.1, "strength 0.1 leaves no step; expected at least 0.2"},
	} {
		_, err := planOf(t, c.class, c.config, c.steps, c.strength)
		assert.ErrorContains(t, err, c.want, "%s %s", c.class, c.config)
	}
	_, err := (&Config{Class: "x"}).Plan(1, 1)
	assert.ErrorContains(t, err, `class "x" is not supported; of diffusers' schedulers`)
}

// Keys that a class does not have don't count, absent ones are diffusers'.
func TestKeys(t *testing.T) {
	c, err := Parse([]byte(`{"_class_name": "PNDMScheduler", "clip_sample": true, "thresholding": true, "skip_prk_steps": true}`), "")
	require.NoError(t, err)
	assert.True(t, c.SkipPRKSteps)
	assert.False(t, c.ClipSample)
	assert.Equal(t, "leading", c.TimestepSpacing)
	c, err = Parse([]byte(`{"_class_name": "PNDMScheduler", "clip_sample": false, "skip_prk_steps": true}`), "DDIMScheduler")
	require.NoError(t, err)
	assert.Equal(t, "DDIMScheduler", c.Class)
	assert.False(t, c.ClipSample)
	assert.True(t, c.SetAlphaToOne)
	all, err := signatures()
	require.NoError(t, err)
	for _, class := range Classes() {
		assert.Contains(t, all, class)
	}
}

func TestNonFinite(t *testing.T) {
	for in, want := range map[string]string{
		`{"a": -Infinity, "b": [NaN, Infinity]}`: `{"a": null, "b": [null, null]}`,
		`{"NaN": "\"Infinity"}`:                  `{"NaN": "\"Infinity"}`,
		`-Inf`:                                   `-Inf`,
		`"\`:                                     `"\`,
	} {
		assert.Equal(t, want, string(nullNonFinite([]byte(in))))
	}
}

func TestGuidance(t *testing.T) {
	uncond, cond := Guidance(7.5)
	assert.Equal(t, [2]float64{-6.5, 7.5}, [2]float64{uncond, cond})
}

// A model that knows the picture leads every scheduler to it: by numbers of
// steps, strengths, predictions and spacings of any kind.
func TestReachesPicture(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		class := rapid.SampledFrom(Classes()).Draw(t, "class")
		predictions := []string{"epsilon", "v_prediction"}
		if classes[class].sample {
			predictions = append(predictions, "sample")
		}
		config := map[string]any{
			"prediction_type":   rapid.SampledFrom(predictions).Draw(t, "prediction"),
			"timestep_spacing":  rapid.SampledFrom([]string{"leading", "trailing", "linspace"}).Draw(t, "spacing"),
			"beta_schedule":     rapid.SampledFrom([]string{"linear", "scaled_linear", "squaredcos_cap_v2"}).Draw(t, "betas"),
			"use_karras_sigmas": rapid.Bool().Draw(t, "karras"),
			"solver_order":      rapid.IntRange(1, 3).Draw(t, "order"),
			"skip_prk_steps":    true, "clip_sample": false, "set_alpha_to_one": true,
		}
		if strings.HasPrefix(class, "DPMSolver") {
			config["algorithm_type"] = rapid.SampledFrom([]string{"dpmsolver++", "sde-dpmsolver++"}).Draw(t, "algorithm")
		}
		text, err := json.Marshal(config)
		require.NoError(t, err)
		c, err := Parse(text, class)
		require.NoError(t, err)
		strength := rapid.Float64Range(0.5, 1).Draw(t, "strength")
		if class == "PNDMScheduler" || class == "LMSDiscreteScheduler" {
			strength = 1 // see plmsAlone and lms
		}
		if class == "PNDMScheduler" || class == "DDIMScheduler" {
			c.TimestepSpacing = "leading" // see stride
		}
		p, err := c.Plan(rapid.IntRange(2, 45).Draw(t, "steps"), strength)
		if class == "KDPM2AncestralDiscreteScheduler" && err != nil {
			require.ErrorContains(t, err, "of which f32 keeps nothing")
			return
		}
		require.NoError(t, err)
		checkReaches(t, p, c.PredictionType)
	})
}

// checkReaches follows a plan with one value and a model that is right about
// a picture of 0.5.
func checkReaches(t *rapid.T, p *Plan, prediction string) {
	const picture, noise = 0.5, -0.8
	tensors := make([]float64, int(Kept)+p.Kept)
	for i := range tensors {
		tensors[i] = math.NaN() // until it is written
	}
	l := p.Steps[0].Level
	tensors[Latents] = l.Image*picture + l.Noise*noise
	for i, s := range p.Steps {
		require.InDelta(t, 1, math.Hypot(s.Level.Image, s.Level.Noise)*s.InputScale, 1e-6, "the model's input is of variance 1")
		alpha, sigma := s.Level.Image*s.InputScale, s.Level.Noise*s.InputScale
		x := tensors[Latents] * s.InputScale
		epsilon := (x - alpha*picture) / sigma
		tensors[Output] = map[string]float64{"epsilon": epsilon, "sample": picture, "v_prediction": alpha*epsilon - sigma*picture}[prediction]
		tensors[Noise] = math.Sin(float64(i))
		for _, u := range s.Updates {
			require.LessOrEqual(t, len(u.Terms), MostTerms)
			y := 0.0
			for _, term := range u.Terms {
				y += term.Factor * tensors[term.Of]
			}
			tensors[u.To] = y
		}
	}
	// LCM lets some of the noise at its last timestep pass.
	require.InDelta(t, picture, tensors[Latents], 0.1)
}

func FuzzParse(f *testing.F) {
	for _, class := range Classes() {
		f.Add(fmt.Sprintf(`{"_class_name": %q, "lambda_min_clipped": -Infinity}`, class), 7, 0.5)
		f.Add(fmt.Sprintf(`{"_class_name": %q, "timestep_spacing": "trailing", "lambda_min_clipped": -5.1, "use_karras_sigmas": true}`, class), 50, 1.0)
		f.Add(fmt.Sprintf(`{"_class_name": %q, "trained_betas": [0.1, 0.5], "num_train_timesteps": 2, "skip_prk_steps": true}`, class), 2, 1.0)
	}
	f.Fuzz(func(t *testing.T, config string, steps int, strength float64) {
		c, err := Parse([]byte(config), "")
		if err != nil || c.TrainTimesteps > 2000 {
			return
		}
		p, err := c.Plan(steps, strength)
		if err == nil && len(p.Steps) == 0 {
			t.Error("a plan without steps")
		}
	})
}

// Keys are set in a config that has the numbers of Python's JSON.
func TestSet(t *testing.T) {
	config, err := Set([]byte(`{"_class_name": "DDIMScheduler", "lambda_min_clipped": -Infinity, "steps_offset": 0}`), `{"steps_offset": 1}`)
	require.NoError(t, err)
	c, err := Parse(config, "")
	require.NoError(t, err)
	require.Equal(t, 1, c.StepsOffset)
	_, err = Set([]byte(`{`), `{}`)
	require.ErrorContains(t, err, "read scheduler config")
}

// alternatives are values other than the default of the keys that schedulers have,
// each with others that make it count. Of every key of every class one changes the
// plan or is refused, unless the class is known never to look at it: a key that a
// new version of diffusers has fails here.
var alternatives = map[string]string{
	"num_train_timesteps":        `{"num_train_timesteps": 900}`,
	"beta_start":                 `{"beta_start": 0.0009}`,
	"beta_end":                   `{"beta_end": 0.013}`,
	"beta_schedule":              `{"beta_schedule": "squaredcos_cap_v2"}`,
	"trained_betas":              `{"trained_betas": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8], "num_train_timesteps": 8, "original_inference_steps": 8}`,
	"rescale_betas_zero_snr":     `{"rescale_betas_zero_snr": true, "prediction_type": "v_prediction"}`,
	"prediction_type":            `{"prediction_type": "v_prediction"}`,
	"timestep_spacing":           `{"timestep_spacing": "trailing"}`,
	"steps_offset":               `{"steps_offset": 1, "timestep_spacing": "leading"}`,
	"clip_sample":                `{"clip_sample": false, "timestep_scaling": 10}`,
	"clip_sample_range":          `{"clip_sample_range": 2}`,
	"variance_type":              `{"variance_type": "learned"}`,
	"set_alpha_to_one":           `{"set_alpha_to_one": false}`,
	"skip_prk_steps":             `{"skip_prk_steps": true}`,
	"original_inference_steps":   `{"original_inference_steps": 100}`,
	"timestep_scaling":           `{"timestep_scaling": 8}`,
	"use_karras_sigmas":          `{"use_karras_sigmas": true}`,
	"use_exponential_sigmas":     `{"use_exponential_sigmas": true}`,
	"use_beta_sigmas":            `{"use_beta_sigmas": true}`,
	"use_lu_lambdas":             `{"use_lu_lambdas": true}`,
	"final_sigmas_type":          `{"final_sigmas_type": "sigma_min"}`,
	"sigma_min":                  `{"use_exponential_sigmas": true, "sigma_min": 0.2}`,
	"sigma_max":                  `{"use_beta_sigmas": true, "sigma_max": 8}`,
	"solver_order":               `{"solver_order": 3}`,
	"solver_type":                `{"solver_type": "heun", "solver_order": 2}`,
	"algorithm_type":             `{"algorithm_type": "sde-dpmsolver++"}`,
	"lower_order_final":          `{"lower_order_final": false, "solver_order": 3, "final_sigmas_type": "sigma_min"}`,
	"euler_at_final":             `{"euler_at_final": true, "final_sigmas_type": "sigma_min", "lower_order_final": false}`,
	"lambda_min_clipped":         `{"lambda_min_clipped": -2}`,
	"predict_x0":                 `{"predict_x0": false, "final_sigmas_type": "sigma_min"}`,
	"disable_corrector":          `{"disable_corrector": [0]}`,
	"thresholding":               `{"thresholding": true}`,
	"use_flow_sigmas":            `{"use_flow_sigmas": true}`,
	"use_dynamic_shifting":       `{"use_dynamic_shifting": true}`,
	"interpolation_type":         `{"interpolation_type": "log_linear"}`,
	"timestep_type":              `{"timestep_type": "continuous"}`,
	"solver_p":                   `{"solver_p": {}}`,
	"dynamic_thresholding_ratio": `{"dynamic_thresholding_ratio": 0.9}`,
	"sample_max_value":           `{"sample_max_value": 2}`,
	"flow_shift":                 `{"flow_shift": 3}`,
	"time_shift_type":            `{"time_shift_type": "linear"}`,
	"shift_terminal":             `{"shift_terminal": 0.1}`,
	"noise_sampler_seed":         `{"noise_sampler_seed": 1}`,

	// Where a class's default, or what it takes for the same, is another.
	"PNDMScheduler set_alpha_to_one":                `{"set_alpha_to_one": true}`,
	"UniPCMultistepScheduler solver_type":           `{"solver_type": "bh1"}`,
	"DEISMultistepScheduler solver_type":            `{"solver_type": "odd"}`,
	"KDPM2AncestralDiscreteScheduler beta_schedule": `{"beta_schedule": "scaled_linear"}`,
}

func TestEveryKey(t *testing.T) {
	all, err := signatures()
	require.NoError(t, err)
	const base = `{"clip_sample": true, "lower_order_final": true, "euler_at_final": false}`
	for class, keys := range all {
		require.Contains(t, classes, class)
		without := func(config, key string) *Plan { // the plan of what makes a key count, and that without the key
			var c map[string]any
			require.NoError(t, json.Unmarshal([]byte(config), &c))
			delete(c, key)
			text, err := json.Marshal(c)
			require.NoError(t, err)
			merged, err := Set([]byte(base), string(text))
			require.NoError(t, err)
			p, err := planOf(t, class, string(merged), 6, 1)
			require.NoError(t, err, "%s without %s", class, key)
			return p
		}
		for key := range keys {
			require.Contains(t, alternatives, key, "%s has a key that no test knows", class)
			alternative := cmp.Or(alternatives[class+" "+key], alternatives[key])
			merged, err := Set([]byte(base), alternative)
			require.NoError(t, err)
			p, err := planOf(t, class, string(merged), 6, 1)
			dead := slices.Contains(inert, key) || slices.Contains(classes[class].inert, key)
			switch {
			case dead:
				require.NoError(t, err, "%s %s", class, key)
				assert.Equal(t, without(alternative, key), p, "%s %s has no effect", class, key)
			case err != nil:
				assert.ErrorContains(t, err, key, class)
			case key == "trained_betas":
			default:
				assert.False(t, reflect.DeepEqual(without(alternative, key), p), "%s of %s has no effect, and is not refused", key, class)
			}
		}
	}
	for _, class := range Classes() {
		assert.Contains(t, all, class)
	}
}

func TestOverrules(t *testing.T) {
	for pipeline, want := range map[string]string{
		"StableDiffusionPipeline": `{"steps_offset": 1, "clip_sample": false}`, "StableDiffusionInpaintPipeline": `{"steps_offset": 1, "skip_prk_steps": true}`,
		"StableDiffusionXLPipeline": "{}", "LatentConsistencyModelPipeline": "{}", "DDPMPipeline": "{}",
	} {
		assert.Equal(t, want, Overrules(pipeline, false, false), pipeline)
		assert.Equal(t, pipeline == "LatentConsistencyModelPipeline", StrengthOfOriginal(pipeline))
	}
	assert.Equal(t, `{"steps_offset": 1, "skip_prk_steps": true}`, Overrules("StableDiffusionPipeline", true, false))
	assert.Equal(t, "{}", Overrules("StableDiffusionPipeline", true, true), "a pipeline with ControlNets takes the config as it is")
}

// Between the halves of a step inpainting has the noise of its end.
func TestKnown(t *testing.T) {
	for _, class := range []string{"KDPM2DiscreteScheduler", "KDPM2AncestralDiscreteScheduler", "DPMSolverSDEScheduler"} {
		p, err := planOf(t, class, `{}`, 4, 1)
		require.NoError(t, err)
		for i, s := range p.Steps {
			want := s.Level
			if i%2 == 1 {
				want = p.Steps[i+1].Level
			}
			assert.Equal(t, want, s.Known, "%s %d", class, i)
		}
	}
}

func TestPlanPartRefused(t *testing.T) {
	c, err := Parse([]byte(`{}`), "EulerDiscreteScheduler")
	require.NoError(t, err)
	for _, part := range [][2]float64{{0.5, 0.5}, {-0.1, 1}, {0, 1.1}, {0.8, 0.2}} {
		_, err := c.PlanPart(5, part[0], part[1])
		assert.ErrorContains(t, err, "expected parts from 0 to 1, the first less than the second")
	}
	_, err = c.PlanPart(2, 0.4, 0.5)
	assert.ErrorContains(t, err, "plan 2 steps of EulerDiscreteScheduler from 0.4 to 0.5: no step lies between them")
}
