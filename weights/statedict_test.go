package weights

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestStateDictIsFound(t *testing.T) {
	one := func(name string) string { return dictOf(str(name), aTensor, str("epoch"), "K\x03") }
	for name, c := range map[string]struct {
		root  string
		names string
	}{
		"bare":                     {one("a"), "a"},
		"an int as a key":          {dictOf("K\x01", "N", str("a"), aTensor), "a"},
		"state_dict":               {dictOf(str("state_dict"), one("a"), str("optimizer"), one("m")), "a"},
		"model":                    {dictOf(str("epoch"), "N", str("model"), one("a"), str("model_ema"), "N"), "a"},
		"the same twice":           {dictOf(str("model"), one("a")+"q\x00", str("state_dict"), "h\x00"), "a"},
		"two deep":                 {dictOf(str("checkpoint"), dictOf(str("epoch"), "N", str("model"), one("a"))), "a"},
		"ema":                      {dictOf(str("ema"), dictOf(str("decay"), "N", str("shadow"), one("a"))), "a"},
		"g_ema beside others":      {dictOf(str("g"), one("b"), str("d"), one("c"), str("g_ema"), one("a")), "a"},
		"an IP-Adapter":            {dictOf(str("image_proj"), one("a"), str("ip_adapter"), one("1.b")), "image_proj.a ip_adapter.1.b"},
		"netG_state_dict":          {dictOf(str("netG_state_dict"), one("a"), str("netD_state_dict"), one("b")), "a"},
		"a model that is a class":  {dictOf(str("model"), global("torch.nn", "Linear"), str("state_dict"), one("a")), "a"},
		"model_state_dict":         {dictOf(str("model_state_dict"), one("a"), str("weight"), aTensor), "a"},
		"state_dict_ema":           {dictOf(str("state_dict_ema"), one("a")), "a"},
		"state_dict without any":   {dictOf(str("state_dict"), dictOf(str("epoch"), "N"), str("model"), one("a")), "a"},
		"module. and _orig_mod.":   {dictOf(str("_orig_mod.module.a"), aTensor, str("_orig_mod.module.b.c"), aTensor), "a b.c"},
		"module. of some":          {dictOf(str("module.a"), aTensor, str("b"), aTensor), "module.a b"},
		"AveragedModel":            {dictOf(str("n_averaged"), aTensor, str("module.a"), aTensor), "a"},
		"timm_model.":              {dictOf(str("timm_model.a"), aTensor), "a"},
		"module. and nothing":      {dictOf(str("module."), aTensor), "module."},
		"state set by BUILD":       {one("a") + dictOf(str("_metadata"), emptyDict) + "b", "a"},
		"names that are not ASCII": {dictOf(str("größe"), aTensor), "größe"},
	} {
		got, err := openTorch(t, program(c.root))
		require.NoError(t, err, name)
		assert.Equal(t, c.names, strings.Join(got.Names(), " "), name)
	}
}

func TestStateDictIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ root, want string }{
		"a tensor":         {aTensor, "it holds a tensor, not a state_dict; save one"},
		"a list":           {"]" + aTensor + "a", "it holds a list or tuple, not a state_dict"},
		"two networks":     {dictOf(str("model"), dictOf(str("a"), aTensor), str("model_ema"), dictOf(str("a"), aTensor)), "it holds the weights of 2 networks, under model, model_ema; save one of them: torch.save(torch.load(file)['model'], new_file)"},
		"two in one":       {dictOf(str("checkpoint"), dictOf(str("net"), dictOf(str("a"), aTensor), str("ema"), dictOf(str("a"), aTensor))), "under checkpoint.net, checkpoint.ema; save one of them: torch.save(torch.load(file)['checkpoint']['net']"},
		"no tensor":        {dictOf(str("epoch"), "N", "K\x01", "N", str("generator\n"), dictOf(str("a"), aTensor)), `; its keys are [epoch, generator\n]`},
		"empty":            {aTensor + "0" + emptyDict, "it holds no tensors by themselves or under state_dict, model"},
		"name twice":       {dictOf(str("a"), aTensor, str("a"), aTensor), `tensor "a" is there twice`},
		"state_dict twice": {dictOf(str("a"), aTensor, str("state_dict"), "N", str("state_dict"), "N"), `the key "state_dict" is there twice`},
		"name is an int":   {dictOf("K\x01", aTensor), "found an int where a tensor's name is wanted"},
		"name is empty":    {dictOf(str(""), aTensor), "a tensor's name has 0 bytes"},
		"name is long":     {dictOf(str(strings.Repeat("n", 5000)), aTensor), "a tensor's name has 5000 bytes, 1 to 4096"},
		"name of lines":    {dictOf(str("a\nb"), aTensor), `a tensor's name is no printable text: "a\nb"`},
		"name not UTF-8":   {dictOf(str("a\xff"), aTensor), `a tensor's name is no printable text: "a\xff"`},
	} {
		_, err := openTorch(t, program(c.root))
		require.ErrorContains(t, err, c.want, name)
		assert.NotContains(t, err.Error(), "\n")
	}
}
