package vit

import (
	_ "embed"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"saccade/models/internal/checkpoint"
	"saccade/ops"
	"saccade/weights"
)

// signaturesJSON are the keys of the configs of transformers' and timm's classes
// with their defaults, timmJSON the arguments of timm's architectures;
// golden/generate_keys.py writes them.
//
//go:embed signatures.json
var signaturesJSON []byte

//go:embed timm.json
var timmJSON []byte

var signatures = checkpoint.NewSignatures(signaturesJSON)

var timmArchitectures = checkpoint.ByName(timmJSON)

// timmInert change nothing of an inference, or repeat what the tensors' sizes tell.
var timmInert = []string{
	"drop_rate", "pos_drop_rate", "patch_drop_rate", "proj_drop_rate", "attn_drop_rate", "drop_path_rate", "weight_init", "fix_init", "device", "dtype",
	"dynamic_img_size", "embed_dim", "depth", "patch_size", "mlp_ratio", "num_classes",
}

// timmArguments are those of timm's VisionTransformer.
type timmArguments struct {
	Image       checkpoint.Pair `json:"img_size"`
	Channels    int             `json:"in_chans"`
	Heads       int             `json:"num_heads"`
	Pool        string          `json:"global_pool"`
	QKVBias     bool            `json:"qkv_bias"`
	ClassToken  bool            `json:"class_token"`
	Unplaced    bool            `json:"no_embed_class"`
	Registers   int             `json:"reg_tokens"`
	PreNorm     bool            `json:"pre_norm"`
	FinalNorm   bool            `json:"final_norm"`
	FCNorm      *bool           `json:"fc_norm"`
	PoolsPrefix bool            `json:"pool_include_prefix"`
	Act         *string         `json:"act_layer"`
	Norm        *string         `json:"norm_layer"`
	MLPLayer    string          `json:"mlp_layer"`
	Block       string          `json:"block_fn"`
	Attention   string          `json:"attn_layer"`
	Embed       string          `json:"embed_layer"`
	EmbedNorm   *string         `json:"embed_norm_layer"`
	Positions   string          `json:"pos_embed"`
	QKNorm      bool            `json:"qk_norm"`
	AttnNorm    bool            `json:"scale_attn_norm"`
	MLPNorm     bool            `json:"scale_mlp_norm"`
	ProjBias    bool            `json:"proj_bias"`
	DynamicPad  bool            `json:"dynamic_img_pad"`
	Scale       *float64        `json:"init_values"` // what layer scales begin with
}

// argumentsOf are the arguments that timm calls its class with: the architecture's,
// with model_args before them and what pretrained_cfg tells of pictures behind.
// distilled says that the class is that of DeiT with two tokens.
func argumentsOf(t checkpoint.Timm) (a timmArguments, distilled bool, err error) {
	all, err := timmArchitectures()
	if err != nil {
		return a, false, err
	}
	own, ok := all[t.Name()]
	if !ok {
		return a, false, fmt.Errorf("config.json: architecture is %q; expected one of timm's VisionTransformer, such as vit_base_patch16_224", t.Architecture)
	}
	own = maps.Clone(own)
	distilled = len(own["class"]) > 0
	delete(own, "class")
	merged, err := t.Arguments(signatures, "VisionTransformer", own)
	if err != nil {
		return a, false, err
	}
	return a, distilled, signatures.Decode("config.json: model_args", "VisionTransformer", merged, &a, timmInert...)
}

// refuse names what this network has not.
func (a timmArguments) refuse(distilled bool) error {
	layer := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	for _, part := range []struct {
		key, value string
		known      []string
	}{
		{"block_fn", a.Block, []string{"Block"}},
		{"attn_layer", a.Attention, []string{"Attention", ""}},
		{"embed_layer", a.Embed, []string{"PatchEmbed"}},
		{"embed_norm_layer", layer(a.EmbedNorm), []string{""}},
		{"mlp_layer", a.MLPLayer, []string{"Mlp", swiGLUPacked}},
		{"pos_embed", a.Positions, []string{"learn"}},
		{"global_pool", a.Pool, timmPools},
	} {
		if err := checkpoint.Only(part.key, part.value, part.known...); err != nil {
			return err
		}
	}
	for key, set := range map[string]bool{"qk_norm": a.QKNorm, "scale_attn_norm": a.AttnNorm, "scale_mlp_norm": a.MLPNorm, "dynamic_img_pad": a.DynamicPad} {
		if set {
			return fmt.Errorf("timm's %s is true, which is not supported", key)
		}
	}
	switch {
	case !a.ProjBias:
		return fmt.Errorf("timm's proj_bias is false, which is not supported")
	case !a.ClassToken && a.Pool == "token":
		return fmt.Errorf("timm's class_token is false and global_pool \"token\"; expected another pooling")
	case a.Pool == "map" && (a.ClassToken || a.Registers > 0) && !a.PoolsPrefix:
		return fmt.Errorf("timm's global_pool \"map\" over patches behind class or register tokens is not supported; without them it is, or with pool_include_prefix")
	case distilled && (a.Pool != "token" || !a.ClassToken || a.Registers > 0):
		return fmt.Errorf("a distilled network of timm has global_pool %q, class_token %t and reg_tokens %d; expected \"token\", true and 0", a.Pool, a.ClassToken, a.Registers)
	}
	return nil
}

// swiGLUPacked is what the SwiGLU of DINOv2's giant is in timm.
const swiGLUPacked = "GluMlp(act_layer=SiLU, gate_last=False)"

// timmPools are the names of poolings, in the order of [Pooling].
var timmPools = []string{"token", "avg", "max", "avgmax", "map", ""}

// layerNorm is a norm_layer that is a layer norm, with its eps or without.
var layerNorm = regexp.MustCompile(`^(?i:layernorm)(?:\(eps=([0-9.e+-]+)\))?$`)

// norm is the eps of the norms.
func (a timmArguments) norm() (eps float64, err error) {
	if a.Norm == nil || *a.Norm == "" {
		return 1e-6, nil
	}
	m := layerNorm.FindStringSubmatch(*a.Norm)
	switch {
	case m == nil:
		return 0, fmt.Errorf("timm's norm_layer is %q, which is not supported; layernorm is", *a.Norm)
	case m[1] == "":
		return 1e-6, nil
	}
	return strconv.ParseFloat(m[1], 64)
}

// act is the activation of the perceptrons.
func (a timmArguments) act() (ops.Activation, error) {
	if a.Act == nil || *a.Act == "" {
		return ops.GELU, nil
	}
	return checkpoint.TimmActivation(*a.Act)
}

// describeTimm describes a checkpoint of timm by its config.json.
func describeTimm(src weights.Source, config []byte) (Config, weights.Source, error) {
	var c Config
	t, err := checkpoint.ParseTimm(config)
	if err != nil {
		return c, nil, err
	}
	a, distilled, err := argumentsOf(t)
	if err == nil {
		err = a.refuse(distilled)
	}
	if err != nil {
		return c, nil, err
	}
	scaled := a.Scale != nil && *a.Scale != 0
	if scaled {
		if !checkpoint.Has(src, "blocks.0.ls1.gamma") {
			return c, nil, fmt.Errorf("the checkpoint has no layer scale blocks.0.ls1.gamma, which init_values %g of timm's %s says", *a.Scale, t.Architecture)
		}
		if src, err = c.foldScales(src, timmScales); err != nil {
			return c, nil, err
		}
	}
	src = weights.Rename(src, timmNames)
	if c, err = sizesOf(src); err != nil {
		return c, nil, err
	}
	c.LayerScale = scaled
	if c.Eps, err = a.norm(); err != nil {
		return c, nil, err
	}
	if c.Act, err = a.act(); err != nil {
		return c, nil, fmt.Errorf("config.json: act_layer: %w", err)
	}
	c.take(a, distilled)
	c.Classes, c.Prompts = checkpoint.Rows(src, "head.weight"), checkpoint.Dim(src, "prompts", 1)
	c.DistillHead = distilled && c.Classes > 0
	c.Pooled = c.Pool != NoPool
	if t.Pool != "" && t.Pool != a.Pool {
		return c, nil, fmt.Errorf("config.json: global_pool is %q; by model_args and the architecture %s it is %q", t.Pool, t.Architecture, a.Pool)
	}
	if err := c.fitImage(src, a.Image); err != nil {
		return c, nil, err
	}
	if c.Pool == AttentionPool {
		if src, err = splitKV(src); err != nil {
			return c, nil, err
		}
	}
	c.Labels, err = t.Labels(c.Classes)
	return c, src, err
}

// take takes what the arguments alone tell.
func (c *Config) take(a timmArguments, distilled bool) {
	c.Heads, c.Channels, c.QKVBias, c.Antialias = a.Heads, a.Channels, a.QKVBias, true
	c.NoClass, c.Registers, c.Distilled = !a.ClassToken, a.Registers, distilled
	if !a.Unplaced {
		c.Placed = c.prefix()
	}
	c.Gated = a.MLPLayer == swiGLUPacked
	if c.Gated {
		c.MLP /= 2
	}
	c.Pool, c.PoolsPrefix = Pooling(slices.Index(timmPools, a.Pool)), a.PoolsPrefix
	c.PreNorm, c.NoNorm = a.PreNorm, !a.FinalNorm
	c.PooledNorm = c.Pool == MeanPool || c.Pool == MaxPool || c.Pool == MeanMaxPool
	if a.FCNorm != nil {
		c.PooledNorm = *a.FCNorm
	}
}

// fitImage takes the picture's size. Where the position embeddings are for another,
// they are those of a square, which are interpolated as timm does on loading.
func (c *Config) fitImage(src weights.Source, image [2]int) error {
	c.Image = image
	grid := c.grid(image)
	if checkpoint.Dim(src, "pos_embed", 1) == c.Placed+grid[0]*grid[1] {
		return nil
	}
	if err := c.squareImage(src); err != nil {
		return fmt.Errorf("%w; class_token, reg_tokens and no_embed_class of model_args tell those before the patches", err)
	}
	c.Picture = image
	return nil
}

// splitKV shows the projection of keys and values of timm's attention pool as two.
func splitKV(src weights.Source) (weights.Source, error) {
	var err error
	for _, kind := range []string{".weight", ".bias"} {
		if src, err = checkpoint.SplitRows(src, "attn_pool.kv"+kind, "attn_pool.attn.k"+kind, "attn_pool.attn.v"+kind); err != nil {
			return nil, err
		}
	}
	return weights.Rename(src, []weights.Rule{{From: "attn_pool.kv.*", To: ""}}), nil
}

// describeNamed describes a state_dict with timm's names and no config.json: one of
// a published architecture of the user's naming, whose tensors tell the rest.
func describeNamed(src weights.Source, architecture string) (Config, weights.Source, error) {
	var c Config
	var err error
	scaled := checkpoint.Has(src, "blocks.0.ls1.gamma")
	if scaled {
		if src, err = c.foldScales(src, timmScales); err != nil {
			return c, nil, err
		}
	}
	src = weights.Rename(src, timmNames)
	if c, err = sizesOf(src); err != nil {
		return c, nil, err
	}
	if hidden := checkpoint.Dim(src, "blocks.0.mlp.fc2.weight", 1); hidden > 0 && c.MLP == 2*hidden {
		c.MLP, c.Gated, c.Act = hidden, true, ops.SiLU
	}
	c.fromTensors(src)
	c.LayerScale = scaled
	c.Registers = checkpoint.Dim(src, "reg_token", 1)
	c.Pooled = scaled && c.Classes == 0
	c.QKVBias = checkpoint.Rows(src, "blocks.0.attn.qkv.bias") > 0
	if checkpoint.Rows(src, "fc_norm.weight") > 0 {
		c.Pool, c.PooledNorm = MeanPool, true
	}
	c.Antialias = true
	if slices.Contains(DINONames(), architecture) || slices.Contains(DINOv2Names(), architecture) {
		c.byAuthors()
	}
	if c.Heads, err = headsOf(architecture); err != nil {
		return c, nil, err
	}
	if err := c.squareImage(src); err != nil {
		return c, nil, err
	}
	c.placed(src)
	return c, src, nil
}

// headsOf tells the attention heads of a named architecture of timm or
// torchvision: their state_dicts do not.
func headsOf(architecture string) (int, error) {
	if c, ok := Standard(architecture); ok {
		return c.Heads, nil
	}
	return 0, fmt.Errorf("neither the checkpoint's tensors nor a config tell the number of attention heads; name the architecture, such as -model %s", strings.Join(slices.Concat(StandardNames(), DINONames(), DINOv2Names()), ", "))
}
