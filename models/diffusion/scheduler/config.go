package scheduler

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"saccade/models/internal/checkpoint"
)

// Config is a scheduler_config.json, of which each class reads its own keys.
// Pipelines may overrule it: Stable Diffusion's set ClipSample to false and
// StepsOffset to 1.
type Config struct {
	Class string `json:"_class_name"`

	TrainTimesteps      int       `json:"num_train_timesteps"`
	BetaStart           float64   `json:"beta_start"`
	BetaEnd             float64   `json:"beta_end"`
	BetaSchedule        string    `json:"beta_schedule"`
	TrainedBetas        []float64 `json:"trained_betas"`
	RescaleBetasZeroSNR bool      `json:"rescale_betas_zero_snr"`

	PredictionType  string  `json:"prediction_type"`
	TimestepSpacing string  `json:"timestep_spacing"`
	StepsOffset     int     `json:"steps_offset"`
	ClipSample      bool    `json:"clip_sample"`
	ClipSampleRange float64 `json:"clip_sample_range"`

	VarianceType   string  `json:"variance_type"`    // DDPM's
	SetAlphaToOne  bool    `json:"set_alpha_to_one"` // DDIM's, PNDM's and LCM's: the end is without noise, not at timestep 0
	SkipPRKSteps   bool    `json:"skip_prk_steps"`   // PNDM's
	OriginalSteps  int     `json:"original_inference_steps"`
	TimestepFactor float64 `json:"timestep_scaling"`

	KarrasSigmas      bool     `json:"use_karras_sigmas"`
	ExponentialSigmas bool     `json:"use_exponential_sigmas"`
	BetaSigmas        bool     `json:"use_beta_sigmas"`
	LuLambdas         bool     `json:"use_lu_lambdas"`
	FinalSigmas       string   `json:"final_sigmas_type"`
	SigmaMin          *float64 `json:"sigma_min"`
	SigmaMax          *float64 `json:"sigma_max"`
	SolverOrder       int      `json:"solver_order"`
	SolverType        string   `json:"solver_type"`
	AlgorithmType     string   `json:"algorithm_type"`
	LowerOrderFinal   bool     `json:"lower_order_final"`
	EulerAtFinal      bool     `json:"euler_at_final"`
	LambdaMinClipped  *float64 `json:"lambda_min_clipped"` // nil: none
	PredictX0         bool     `json:"predict_x0"`
	DisableCorrector  []int    `json:"disable_corrector"`

	// What is refused if it is set.
	Thresholding      bool            `json:"thresholding"`
	FlowSigmas        bool            `json:"use_flow_sigmas"`
	DynamicShifting   bool            `json:"use_dynamic_shifting"`
	InterpolationType string          `json:"interpolation_type"`
	TimestepType      string          `json:"timestep_type"`
	SolverP           json.RawMessage `json:"solver_p"`

	// StrengthOfOriginal says what a strength below 1 leaves of the timesteps of
	// LCM and TCD: the later part of those that the model was distilled at, over
	// which all steps are spread, as LatentConsistencyModelImg2ImgPipeline has it.
	// Other pipelines leave out the first of the steps, as with all schedulers.
	StrengthOfOriginal bool `json:"-"`
}

// class is what a scheduler of diffusers is made of.
type class struct {
	plan   func(*planner) error
	sigmas bool // latents or solver in terms of sigma
	sample bool // prediction_type sample is possible
	second bool // a step has two evaluations, but for the last
	// alphaOne says that the end is without noise, whatever set_alpha_to_one.
	alphaOne bool
	// accepts lists the values of keys that few classes have; a key that is
	// not listed is free.
	accepts map[string][]string
	// inert are keys that the class has and never looks at.
	inert []string
}

// evaluations is how many a step has.
func (c class) evaluations() int {
	if c.second {
		return 2
	}
	return 1
}

// inert are keys that mean something only beside others that are refused if they
// are set, and the seed of a noise that is the request's here.
var inert = []string{"dynamic_thresholding_ratio", "sample_max_value", "flow_shift", "time_shift_type", "shift_terminal", "noise_sampler_seed"}

// classes are the schedulers supported. They are set in init, as their plans
// look themselves up in them.
var classes map[string]class

func init() {
	dpm := []string{"dpmsolver", "dpmsolver++", "sde-dpmsolver", "sde-dpmsolver++", "deis"}
	ends := []string{"zero", "sigma_min"}
	solvers := []string{"midpoint", "heun", "bh1", "bh2", "logrho"}
	classes = map[string]class{
		"DDPMScheduler": {plan: (*planner).ddpm, sample: true, alphaOne: true, accepts: map[string][]string{
			"variance_type": {"fixed_small", "fixed_small_log", "fixed_large"}}},
		"DDIMScheduler": {plan: (*planner).ddim, sample: true},
		"PNDMScheduler": {plan: (*planner).pndm},
		"LCMScheduler": {plan: (*planner).lcm, sample: true,
			inert: []string{"set_alpha_to_one", "steps_offset", "timestep_spacing"}},
		"TCDScheduler": {plan: (*planner).tcd, sample: true,
			inert: []string{"set_alpha_to_one", "steps_offset", "timestep_spacing", "timestep_scaling", "clip_sample", "clip_sample_range", "thresholding"}},
		"EulerDiscreteScheduler": {plan: (*planner).euler, sigmas: true, sample: true, accepts: map[string][]string{
			"final_sigmas_type": ends}},
		"EulerAncestralDiscreteScheduler": {plan: (*planner).eulerAncestral, sigmas: true},
		"HeunDiscreteScheduler":           {plan: (*planner).heun, sigmas: true, second: true, sample: true},
		"LMSDiscreteScheduler":            {plan: (*planner).lms, sigmas: true, sample: true},
		"KDPM2DiscreteScheduler":          {plan: (*planner).kdpm2, sigmas: true, second: true},
		"KDPM2AncestralDiscreteScheduler": {plan: (*planner).kdpm2Ancestral, sigmas: true, second: true},
		"DPMSolverSDEScheduler":           {plan: (*planner).dpmSDE, sigmas: true, second: true},
		"DPMSolverMultistepScheduler": {plan: (*planner).dpm, sigmas: true, sample: true, accepts: map[string][]string{
			"algorithm_type": dpm, "solver_type": solvers, "variance_type": {""}, "final_sigmas_type": ends}},
		"DPMSolverSinglestepScheduler": {plan: (*planner).dpmSinglestep, sigmas: true, sample: true, accepts: map[string][]string{
			"algorithm_type": {"dpmsolver", "dpmsolver++", "sde-dpmsolver++", "deis"}, "solver_type": solvers, "variance_type": {""}, "final_sigmas_type": ends}},
		"DEISMultistepScheduler": {plan: (*planner).deis, sigmas: true, sample: true, accepts: map[string][]string{
			"algorithm_type": {"deis", "dpmsolver", "dpmsolver++"}, "solver_type": solvers}},
		"UniPCMultistepScheduler": {plan: (*planner).unipc, sigmas: true, sample: true, accepts: map[string][]string{
			"solver_type": solvers, "final_sigmas_type": ends}},
	}
}

// Classes are the schedulers supported, as diffusers names them.
func Classes() []string { return slices.Sorted(maps.Keys(classes)) }

// defaultsJSON are the keys of each class with what diffusers takes for those
// that a config lacks; golden/generate_schedulers.py writes it.
//
//go:embed defaults.json
var defaultsJSON []byte

var signatures = checkpoint.NewSignatures(defaultsJSON)

// Parse reads a scheduler_config.json. A class that is not "" takes the place
// of the config's, with what the config says of its keys. Keys that the class
// does not have are passed over, as diffusers does.
func Parse(config []byte, class string) (*Config, error) {
	c, err := parse(config, class)
	if err != nil {
		return nil, fmt.Errorf("read scheduler config: %w", err)
	}
	return c, nil
}

func parse(config []byte, class string) (*Config, error) {
	config = nullNonFinite(config)
	var head struct {
		Class string `json:"_class_name"`
	}
	if err := checkpoint.Decode(configName, config, &head); err != nil {
		return nil, err
	}
	class = cmp.Or(class, head.Class)
	of, ok := classes[class]
	switch {
	case class == "":
		return nil, fmt.Errorf("it names no _class_name, such as %s", someClasses)
	case !ok:
		return nil, unsupported(class)
	}
	c := &Config{Class: class, TimestepSpacing: "linspace"} // of classes without a choice
	if err := signatures.Decode(configName, class, config, c, of.inert...); err != nil {
		return nil, err
	}
	return c, c.check()
}

const configName = "scheduler_config.json"

const someClasses = "DDIMScheduler, EulerDiscreteScheduler or DPMSolverMultistepScheduler"

// unsupported is the error for a class that is none of [Classes].
func unsupported(class string) error {
	return fmt.Errorf("class %q is not supported; of diffusers' schedulers %d are, such as %s", class, len(classes), someClasses)
}

// Set gives a scheduler_config.json in which keys, a JSON object, are set.
func Set(config []byte, keys string) ([]byte, error) {
	all := map[string]json.RawMessage{}
	for _, text := range [][]byte{nullNonFinite(config), []byte(keys)} {
		if err := json.Unmarshal(text, &all); err != nil {
			return nil, fmt.Errorf("read scheduler config: %w", err)
		}
	}
	return json.Marshal(all)
}

// nullNonFinite replaces the numbers that Python writes into JSON against its
// rules, such as -Infinity for lambda_min_clipped, by null.
func nullNonFinite(text []byte) []byte {
	var out []byte
	for quoted := false; len(text) > 0; {
		if !quoted {
			if n := nonFinite(text); n > 0 {
				out, text = append(out, "null"...), text[n:]
				continue
			}
		}
		n := 1
		switch {
		case text[0] == '"':
			quoted = !quoted
		case text[0] == '\\' && len(text) > 1:
			n = 2
		}
		out, text = append(out, text[:n]...), text[n:]
	}
	return out
}

// nonFinite is the length of the non-finite number that text begins with, or 0.
func nonFinite(text []byte) int {
	for _, word := range []string{"-Infinity", "Infinity", "NaN"} {
		if strings.HasPrefix(string(text[:min(len(text), len(word))]), word) {
			return len(word)
		}
	}
	return 0
}

// check refuses what can't be planned.
func (c *Config) check() error {
	class, ok := classes[c.Class]
	if !ok {
		return unsupported(c.Class)
	}
	predictions := []string{"epsilon", "v_prediction"}
	if class.sample {
		predictions = append(predictions, "sample")
	}
	return cmp.Or(
		c.checkSchedule(),
		c.expect("prediction_type", c.PredictionType, predictions),
		c.expect("timestep_spacing", c.TimestepSpacing, []string{"leading", "trailing", "linspace"}),
		c.expect("variance_type", c.VarianceType, class.accepts["variance_type"]),
		c.expect("algorithm_type", c.AlgorithmType, class.accepts["algorithm_type"]),
		c.expect("solver_type", c.SolverType, class.accepts["solver_type"]),
		c.expect("final_sigmas_type", c.FinalSigmas, class.accepts["final_sigmas_type"]),
		c.checkSigmas(),
		c.checkUnsupported(),
	)
}

// expect checks the value of a key; all are right where there is no list.
func (c *Config) expect(key, value string, among []string) error {
	if among == nil || slices.Contains(among, value) {
		return nil
	}
	return fmt.Errorf("%s of %s is %q; supported: %q", key, c.Class, value, among)
}

const mostTimesteps = 1 << 20 // of training: more is no config of a model

func (c *Config) checkSchedule() error {
	if c.TrainTimesteps < 1 || c.TrainTimesteps > mostTimesteps {
		return fmt.Errorf("num_train_timesteps is %d; expected 1 to %d", c.TrainTimesteps, mostTimesteps)
	}
	if c.TrainedBetas != nil && len(c.TrainedBetas) != c.TrainTimesteps {
		return fmt.Errorf("trained_betas are %d; expected one for each of the %d num_train_timesteps", len(c.TrainedBetas), c.TrainTimesteps)
	}
	for _, b := range append([]float64{c.BetaStart, c.BetaEnd}, c.TrainedBetas...) {
		if !(b > 0 && b < 1) {
			return fmt.Errorf("a beta is %v; expected more than 0, less than 1", b)
		}
	}
	if c.StepsOffset < -mostTimesteps || c.StepsOffset > mostTimesteps {
		return fmt.Errorf("steps_offset is %d; expected a timestep of training", c.StepsOffset)
	}
	if c.RescaleBetasZeroSNR && c.TrainTimesteps < 2 {
		return errors.New("rescale_betas_zero_snr needs more than one training timestep")
	}
	if c.ClipSample && !(c.ClipSampleRange > 0) {
		return fmt.Errorf("clip_sample_range is %v; expected more than 0", c.ClipSampleRange)
	}
	if c.TrainedBetas != nil {
		return nil
	}
	return c.expect("beta_schedule", c.BetaSchedule, []string{"linear", "scaled_linear", "squaredcos_cap_v2"})
}

// checkSigmas refuses sigmas that no scheduler can have.
func (c *Config) checkSigmas() error {
	for _, s := range []*float64{c.SigmaMin, c.SigmaMax} {
		if s != nil && !(*s > 0) {
			return fmt.Errorf("sigma_min or sigma_max is %v; expected more than 0", *s)
		}
	}
	curves := 0
	for _, set := range []bool{c.KarrasSigmas, c.ExponentialSigmas, c.BetaSigmas} {
		if set {
			curves++
		}
	}
	if curves > 1 {
		return errors.New("it has more than one of use_karras_sigmas, use_exponential_sigmas and use_beta_sigmas; expected one at most")
	}
	return nil
}

// checkUnsupported names the switches that are set but not supported.
func (c *Config) checkUnsupported() error {
	var found []string
	for _, s := range []struct {
		name string
		set  bool
	}{
		{"thresholding", c.Thresholding},
		{"use_flow_sigmas", c.FlowSigmas},
		{"use_dynamic_shifting", c.DynamicShifting},
		{"interpolation_type " + c.InterpolationType, c.InterpolationType != "" && c.InterpolationType != "linear"},
		{"timestep_type " + c.TimestepType, c.TimestepType != "" && c.TimestepType != "discrete"},
		{"solver_p", len(c.SolverP) > 0 && string(c.SolverP) != "null"},
	} {
		if s.set {
			found = append(found, s.name)
		}
	}
	if found != nil {
		return fmt.Errorf("%s of %s is not supported", strings.Join(found, ", "), c.Class)
	}
	return nil
}
