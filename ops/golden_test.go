package ops

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"saccade/golden"
	"saccade/gpu"
	"saccade/weights"
)

// PyTorch's results of single operations, in f32 and, where the inputs are
// exact in halves, in f16.
func TestGoldens(t *testing.T) {
	d := plainDevice.Open(t)
	for _, op := range golden.Ops() {
		t.Run(op, func(t *testing.T) {
			cases, err := golden.OpCases(op)
			require.NoError(t, err)
			for _, c := range cases {
				for _, precision := range []gpu.DType{gpu.F32, gpu.F16} {
					if precision == gpu.F16 && !c.Half {
						continue
					}
					tol := golden.F32
					if precision == gpu.F16 && !inFloats[op] {
						tol = golden.F16
					}
					for _, dense := range inputs(c) {
						g := goldenCase{t: t, OpCase: c, precision: precision, dense: dense}
						golden.Require(t, golden.CheckOp(c, g.compute(d), tol), d.Info().String()+", "+precision.String())
					}
				}
			}
		})
	}
}

// inFloats are operations whose arithmetic and results are f32 of halves, too, or that move
// values as they are.
var inFloats = map[string]bool{"logsoftmax": true, "penalize": true, "choose": true, "beams": true, "reorder": true}

// goldenCase computes one golden's outputs by our operations.
type goldenCase struct {
	t *testing.T
	golden.OpCase
	precision gpu.DType

	b  *Builder
	r  *gpu.Recorder
	in map[string]any

	dense   bool                   // a convolution takes its input as it is
	picture *gpu.Tensor            // the result y if it is pictures [N, H, W, C]
	packed  map[string]*gpu.Tensor // activations, by role
	one     *gpu.Tensor            // factors of [goldenCase.floats], once it was asked for
	// split takes outputs of several meanings apart; nil: there are none.
	split func(out map[string][]float32)
}

func (g *goldenCase) compute(d *gpu.Device) map[string][]float32 {
	if g.Op == "interpolate_positions" { // on the host
		var p struct {
			From, To  [2]int
			Antialias bool
			Offset    float64
		}
		require.NoError(g.t, g.Params(&p))
		x := g.Inputs["positions"]
		if p.Offset != 0 {
			return map[string][]float32{"out": InterpolatePositionsOffset(x.Data, x.Shape[1], p.From, p.To, p.Offset)}
		}
		return map[string][]float32{"out": InterpolatePositions(x.Data, x.Shape[1], p.From, p.To, p.Antialias)}
	}
	g.b, g.r, g.in = NewBuilder(d, g.precision), d.Record(g.precision), map[string]any{}
	defer g.b.Close()
	g.record()
	require.NoError(g.t, g.b.Prepare(), g.Name)
	program, err := g.r.Finish()
	require.NoError(g.t, err, g.Name)
	x := built{program: program, builder: g.b, in: g.in}
	defer program.Close()
	x.verify(g.t)
	out, err := program.Run(g.t.Context(), g.in)
	require.NoError(g.t, err, g.Name)
	if g.picture != nil {
		out["y"] = planes(out["y"], g.picture.Shape)
	}
	if g.split != nil {
		g.split(out)
	}
	return out
}

func (g *goldenCase) record() {
	switch g.Op {
	case "linear":
		g.linear()
	case "layernorm":
		g.layerNorm()
	case "attention", "cached_attention":
		g.attention()
	case "biased_attention":
		g.biasedAttention()
	case "adjoint", "adjoint_maps":
		g.adjoint()
	case "crossentropy":
		g.r.Output("y", CrossEntropy(g.r, g.activation("x", 1), g.words("labels")))
	case "softmax":
		g.r.Output("y", Softmax(g.r, g.activation("x", 1)))
	case "add":
		g.r.Output("y", Add(g.r, g.activation("a", 1), g.activation("b", 1), 1))
	case "mean":
		var p struct{ Skip int }
		require.NoError(g.t, g.Params(&p))
		g.r.Output("y", Mean(g.r, g.activation("x", 1), p.Skip, g.Inputs["x"].Shape[1]))
	case "patch_embedding":
		g.patchEmbedding()
	case "tokens":
		g.tokens()
	case "embedding":
		g.embedding()
	case "conv2d":
		g.conv()
	case "max_pool":
		g.maxPool()
	case "avg_pool":
		g.avgPool()
	case "adaptive_avg_pool":
		var p struct{ Size [2]int }
		require.NoError(g.t, g.Params(&p))
		g.pictures(AdaptiveAvgPool(g.r, g.pixels("x"), p.Size[0], p.Size[1]))
	case "resize":
		var p struct {
			Size           [2]int
			Cubic, Corners bool
		}
		require.NoError(g.t, g.Params(&p))
		g.pictures(Resize(g.r, g.pixels("x"), p.Size, Resampling{Cubic: p.Cubic, Corners: p.Corners}))
	case "scale":
		g.scale()
	case "groupnorm":
		g.groupNorm()
	case "grn":
		g.grn()
	case "glu":
		g.glu()
	case "rescale_guidance":
		g.rescaleGuidance()
	case "rmsnorm":
		g.rmsNorm()
	case "rotate":
		g.rotate()
	case "rows":
		g.r.Output("y", Rows(g.r, g.activation("x", 1), g.words("index")))
	case "conv_transpose2d":
		g.convTranspose()
	case "fourier":
		g.fourier()
	case "deformable_attention":
		g.deformable()
	case "box_distances":
		g.boxDistances()
	case "products":
		g.r.Output("z", Products(g.r, g.activation("x", 1), g.activation("y", 1)))
	case "logsoftmax", "penalize", "choose", "beams", "reorder":
		g.choice()
	default:
		a, ok := map[string]Activation{"leaky_relu": LeakyReLU(0.2), "elu": ELU(0.75), "hard_sigmoid_of": HardSigmoidOf(0.2), "hard_tanh": HardTanh(2.5)}[g.Op]
		if !ok {
			var err error
			a, err = ActivationByName(g.Op)
			require.NoError(g.t, err, "a golden of an operation that there is not")
		}
		g.r.Output("y", Apply(g.r, g.activation("x", 1), a))
	}
}

// gradient declares that of y, which may be pictures.
func (g *goldenCase) gradient(y *gpu.Tensor) *gpu.Tensor {
	if len(y.Shape) == 4 {
		return g.pixels("dy")
	}
	return Pack(g.r, g.input("dy"), y.Groups)
}

// input declares an input of the golden.
func (g *goldenCase) input(role string) *gpu.Tensor {
	x, ok := g.Inputs[role]
	require.True(g.t, ok, "%s has no input %s", g.Name, role)
	g.in[role] = x.Data
	return g.r.Input(role, gpu.F32, x.Shape...)
}

func (g *goldenCase) activation(role string, groups int) *gpu.Tensor {
	return g.keep(role, Pack(g.r, g.input(role), groups))
}

// keep remembers the activation of a role.
func (g *goldenCase) keep(role string, x *gpu.Tensor) *gpu.Tensor {
	if g.packed == nil {
		g.packed = map[string]*gpu.Tensor{}
	}
	g.packed[role] = x
	return x
}

// adjoint records another operation and goes back through it, from dy to those inputs whose
// gradients the golden has.
func (g *goldenCase) adjoint() {
	forward := *g
	forward.Op, _, _ = strings.Cut(g.Name, "/")
	g.r.Tape = &gpu.Tape{}
	outputs := g.r.Capture(gpu.Wants{Names: []string{gpu.Everything}}, func() { forward.record() })
	g.packed = forward.packed
	var roles []string
	var of []*gpu.Tensor
	for role := range g.Outputs {
		roles = append(roles, role)
		of = append(of, g.packed[strings.TrimPrefix(role, "d_")])
	}
	for name, y := range outputs {
		if name == "probabilities" {
			continue
		}
		var dy *gpu.Tensor
		if x := g.Inputs["dy"]; len(x.Shape) == 0 {
			g.in["dy"] = x.Data
			dy = g.r.Input("dy", gpu.F32, 1)
		} else {
			dy = g.gradient(y)
		}
		for i, dx := range g.r.Backward(y, dy, of, func(a, b *gpu.Tensor) *gpu.Tensor { return Add(g.r, a, b, 1) }) {
			require.NotNil(g.t, dx, roles[i])
			if len(dx.Shape) == 4 {
				g.r.OutputNCHW(roles[i], dx)
			} else {
				g.r.Output(roles[i], dx)
			}
		}
	}
}

// parameterNames are those of roles that are not named as the parameter.
var parameterNames = map[string]string{
	"table": "weight", "norm_weight": "norm.weight", "norm_bias": "norm.bias", "norm_mean": "norm.running_mean", "norm_var": "norm.running_var", "matrix": "",
}

// bind gives a model the golden's inputs as weights, by their roles below name.
func (g *goldenCase) bind(model any, name string, roles ...string) {
	src := memory{}
	for _, role := range roles {
		if x, ok := g.Inputs[role]; ok {
			parameter, ok := parameterNames[role]
			if !ok {
				parameter = role
			}
			t, err := weights.FromFloat32s(strings.TrimSuffix(name+"."+parameter, "."), x.Data, x.Shape...)
			require.NoError(g.t, err)
			src[t.Name] = t
		}
	}
	require.NoError(g.t, g.b.Bind(model, src), g.Name)
	require.NoError(g.t, g.b.Upload())
}

// memory is a checkpoint in memory.
type memory map[string]*weights.Tensor

func (m memory) Names() (names []string) {
	for name := range m {
		names = append(names, name)
	}
	return names
}

func (m memory) Tensor(name string) (*weights.Tensor, bool) { t, ok := m[name]; return t, ok }

func (g *goldenCase) linear() {
	var p struct {
		M, K, N        int
		Bias, Residual bool
		Activation     string
		Scale          float64
	}
	require.NoError(g.t, g.Params(&p))
	var model struct {
		Linear Linear `w:"linear"`
	}
	model.Linear = g.b.Linear(p.K, p.N, p.Bias)
	g.bind(&model, "linear", "weight", "bias")
	options := []Epilogue{Scaled(p.Scale)}
	if p.Activation != "" {
		a, err := ActivationByName(p.Activation)
		require.NoError(g.t, err)
		options = append(options, Then(a))
	}
	if p.Residual {
		options = append(options, Residual(g.activation("residual", 1)))
	}
	g.r.Output("y", model.Linear.Forward(g.r, g.activation("x", 1), options...))
}

func (g *goldenCase) layerNorm() {
	var p struct{ Eps float64 }
	require.NoError(g.t, g.Params(&p))
	var model struct {
		Norm LayerNorm `w:"norm"`
	}
	model.Norm = g.b.LayerNorm(g.Inputs["x"].Shape[1], p.Eps)
	g.bind(&model, "norm", "weight", "bias")
	g.r.Output("y", model.Norm.Forward(g.r, g.activation("x", 1)))
}

func (g *goldenCase) attention() {
	var p struct {
		Heads, Tq, Tk, Batch int
		HeadSize             int `json:"head_size"`
		KeyHeads             int `json:"key_heads"`
		Causal, Tail         bool
	}
	require.NoError(g.t, g.Params(&p))
	if p.KeyHeads == 0 {
		p.KeyHeads = p.Heads
	}
	q, k, v := g.activation("q", p.Heads), g.activation("k", p.KeyHeads), g.activation("v", p.KeyHeads)
	mask := Mask{Causal: p.Causal, Tail: p.Tail}
	if _, ok := g.Inputs["lengths"]; ok {
		mask.Lengths = g.words("lengths")
	}
	g.r.Output("out", CrossAttention(g.r, q, k, v, mask))
	if _, ok := g.Outputs["probabilities"]; ok {
		g.r.Output("probabilities", CrossAttentionProbs(g.r, q, k, mask))
	}
}

func (g *goldenCase) biasedAttention() {
	var p struct {
		Heads    int
		HeadSize int `json:"head_size"`
		Map      []int
	}
	require.NoError(g.t, g.Params(&p))
	q, k, v := g.activation("q", p.Heads), g.activation("k", p.Heads), g.activation("v", p.Heads)
	var options []AttentionOption
	if x, ok := g.Inputs["bias"]; ok {
		options = append(options, Bias(g.tableOf("bias", x.Data, x.Shape[0]*x.Shape[1], x.Shape[2])))
	}
	if _, ok := g.Inputs["regions"]; ok {
		options = append(options, Regions(g.words("regions")))
	}
	if p.Map != nil {
		var model struct {
			Position RelativePosition `w:"attn"`
		}
		side := func(name string) int { return (g.Inputs[name].Shape[0] + 1) / 2 }
		model.Position = g.b.RelativePosition(side("rel_pos_h"), side("rel_pos_w"), p.HeadSize)
		g.bind(&model, "attn", "rel_pos_h", "rel_pos_w")
		options = append(options, RelativePositions(model.Position.Forward(g.r, q, p.Heads, p.Map[0], p.Map[1]), p.Map[0], p.Map[1]))
	}
	if x, ok := g.Inputs["scales"]; ok { // of cosine attention
		gains, ones := make([]float32, p.Heads*p.HeadSize), slices.Repeat([]float32{1}, p.Heads*p.HeadSize)
		for i := range gains {
			gains[i] = x.Data[i/p.HeadSize]
		}
		q, k = NormalizeHeads(g.r, q, g.tableOf("gains", gains, p.Heads, p.HeadSize)), NormalizeHeads(g.r, k, g.tableOf("ones", ones, p.Heads, p.HeadSize))
		options = append(options, AttentionScale(1))
	}
	g.r.Output("out", CrossAttention(g.r, q, k, v, Mask{}, options...))
	g.r.Output("probabilities", CrossAttentionProbs(g.r, q, k, Mask{}, options...))
}

// tableOf is a table of values.
func (g *goldenCase) tableOf(name string, values []float32, rows, width int) *Table {
	t := g.b.Table(name, rows, width)
	require.NoError(g.t, t.Upload(values))
	return t
}

func (g *goldenCase) glu() {
	var p struct {
		Activation string
		Gate       Gate
	}
	require.NoError(g.t, g.Params(&p))
	a := Identity
	if p.Activation != "" {
		var err error
		a, err = ActivationByName(p.Activation)
		require.NoError(g.t, err)
	}
	g.r.Output("y", GLU(g.r, g.activation("x", 2), a, p.Gate))
}

func (g *goldenCase) patchEmbedding() {
	var p struct{ Patch [2]int }
	require.NoError(g.t, g.Params(&p))
	w := g.Inputs["weight"].Shape
	var model struct {
		Embed Conv2d `w:"embed"`
	}
	model.Embed = g.b.Conv2d(Conv{In: w[1], Out: w[0], Kernel: p.Patch, Stride: p.Patch, Bias: true})
	g.bind(&model, "embed", "weight", "bias")
	g.r.Output("out", model.Embed.Forward(g.r, g.input("pixel_values")))
}

func (g *goldenCase) rmsNorm() {
	var p struct {
		Eps, Added float64
		Groups     int
	}
	require.NoError(g.t, g.Params(&p))
	var model struct {
		Norm RMSNorm `w:"norm"`
	}
	model.Norm = g.b.RMSNorm(g.Inputs["x"].Shape[1]/p.Groups, p.Eps)
	model.Norm.Added = p.Added
	g.bind(&model, "norm", "weight")
	g.r.Output("y", model.Norm.Forward(g.r, g.activation("x", p.Groups)))
}

func (g *goldenCase) rotate() {
	var p struct{ Heads int }
	require.NoError(g.t, g.Params(&p))
	angles := g.Inputs["table"]
	table := g.b.Table("angles", angles.Shape[0], angles.Shape[1])
	require.NoError(g.t, table.Upload(angles.Data))
	var at *gpu.Tensor
	if _, ok := g.Inputs["at"]; ok {
		at = g.words("at")
	}
	g.r.Output("y", Rotate(g.r, g.activation("x", p.Heads), p.Heads, table, at))
}

// words declares an input of the golden that is of whole numbers, of which those
// below zero are [NoRow].
func (g *goldenCase) words(role string) *gpu.Tensor {
	x := g.Inputs[role]
	v := make([]uint32, len(x.Data))
	for i, n := range x.Data {
		if v[i] = NoRow; n >= 0 {
			v[i] = uint32(n)
		}
	}
	g.in[role] = v
	return g.r.Input(role, gpu.U32, x.Shape...)
}

// tokens adds the learned tokens to their positions, as models do.
func (g *goldenCase) tokens() {
	var p struct{ Prefix int }
	require.NoError(g.t, g.Params(&p))
	positions := g.Inputs["positions"]
	width := positions.Shape[2]
	values := append([]float32{}, positions.Data...)
	for i, role := range []string{"class", "distillation"}[:p.Prefix] {
		for c, v := range g.Inputs[role].Data {
			values[i*width+c] += v
		}
	}
	table := g.b.Table("positions", positions.Shape[1], width)
	require.NoError(g.t, table.Upload(values))
	g.r.Output("out", Tokens(g.r, g.activation("patches", 1), table))
}

func (g *goldenCase) fourier() {
	var model struct {
		Fourier Fourier `w:"fourier"`
	}
	model.Fourier = g.b.Fourier(g.Inputs["matrix"].Shape[1])
	g.bind(&model, "fourier", "matrix")
	g.r.Output("y", model.Fourier.Forward(g.r, g.input("points")))
}

func (g *goldenCase) embedding() {
	ids := g.Inputs["ids"]
	shape := g.Inputs["table"].Shape
	var model struct {
		Embedding Embedding `w:"embedding"`
	}
	model.Embedding = g.b.Embedding(shape[0], shape[1])
	tokens := ids.Shape[1]
	table := g.b.Table("positions", tokens, shape[1])
	values := make([]float32, tokens*shape[1])
	if positions, ok := g.Inputs["positions"]; ok {
		copy(values, positions.Data)
	}
	require.NoError(g.t, table.Upload(values))
	g.bind(&model, "embedding", "table")
	g.r.Output("out", model.Embedding.Forward(g.r, g.words("ids"), table))
}
