package picture

import (
	"encoding/json"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestTilesGolden compares with the Pillow variants of transformers' processors, whose
// tiles are beneath each other in the goldens: equal but for the float32 arithmetic.
func TestTilesGolden(t *testing.T) {
	n := 0
	for _, c := range readGoldens(t).Process {
		if c.Kind != "tiles" {
			continue
		}
		n++
		t.Run(c.Name, func(t *testing.T) {
			p, err := ParseTiler("preprocessor_config.json", c.Config, "")
			require.NoError(t, err)
			m := goldenPicture(t, "src", c.Src)
			got, err := p.Apply(m)
			require.NoError(t, err)
			rows, columns := p.Grid(m.W, m.H)
			assert.Equal(t, c.Grid, []int{got.Rows, got.Columns})
			assert.Equal(t, c.Grid, []int{rows, columns})
			require.Equal(t, c.Shape, []int{3, got.Count() * got.Side, got.Side})
			want, size := readFloats(t, c.Want, c.Shape), got.Side*got.Side
			worst := 0.0
			for i, v := range got.Pixels {
				tile, channel, at := i/(3*size), i/size%3, i%size
				worst = max(worst, math.Abs(float64(v-want[channel*got.Count()*size+tile*size+at])))
			}
			assert.LessOrEqual(t, worst, 1e-6)
		})
	}
	assert.GreaterOrEqual(t, n, 7)
}

// Pictures of all kinds of sizes are cut as the reference cuts them, small ones too.
func TestTileGrids(t *testing.T) {
	p, err := ParseTiler("preprocessor_config.json", []byte(`{"size": {"longest_edge": 2048}, "max_image_size": {"longest_edge": 512}}`), "smolvlm")
	require.NoError(t, err)
	grids := readGoldens(t).Grids
	require.NotEmpty(t, grids)
	for _, c := range grids {
		rows, columns := p.Grid(c.In[1], c.In[0])
		assert.Equal(t, c.Out, []int{rows, columns}, "%v", c.In)
	}
	p.Split = false
	rows, columns := p.Grid(100, 30)
	assert.Zero(t, rows+columns)
}

func TestParseTiler(t *testing.T) {
	for config, want := range map[string]string{
		`{"image_processor_type": "CLIPImageProcessor"}`: "cuts no tiles",
		`{"size": 5}`:                              "size is 5",
		`{"size": {"shortest_edge": 5}}`:           "size: expected longest_edge",
		`{"max_image_size": {"height": 5}}`:        "max_image_size: expected",
		`{"max_image_size": {"longest_edge": -1}}`: "longest_edge is -1",
		`{"size": {"longest_edge": -7}}`:           "size is -7",
		`{"resample": 9}`:                          "resample is 9",
		`{"image_std": 0}`:                         "image_std",
		`{"rescale_factor": 0}`:                    "rescale_factor is 0",
		`{"do_image_splitting": 3}`:                "do_image_splitting is a JSON number",
		`[]`:                                       "found a JSON array",
	} {
		_, err := ParseTiler("preprocessor_config.json", []byte(config), "idefics3")
		assert.ErrorContains(t, err, "preprocessor_config.json: ", config)
		assert.ErrorContains(t, err, want, config)
	}
	_, err := ParseTiler("preprocessor_config.json", []byte(`{}`), "clip")
	assert.ErrorContains(t, err, "expected Idefics3 or SmolVLM")
	nested, err := ParseTiler("processor_config.json", []byte(`{"image_processor": {"image_processor_type": "SmolVLMImageProcessorFast", "do_image_splitting": false}}`), "")
	require.NoError(t, err)
	assert.Equal(t, &Tiler{Longest: 1456, Side: 364, Filter: Lanczos, values: Processor{Rescale: 1.0 / 255, Normalize: true, Mean: HalfMean, Std: HalfStd}}, nested)
	none, err := ParseTiler("processor_config.json", []byte(`{"image_seq_len": 5}`), "")
	require.NoError(t, err)
	assert.Nil(t, none)
}

func TestTilerOverride(t *testing.T) {
	p, err := ParseTiler("preprocessor_config.json", []byte(`{}`), "smolvlm")
	require.NoError(t, err)
	assert.ErrorContains(t, p.Override(Override{Size: "20"}), "do not go with")
	require.NoError(t, p.Override(Override{Mean: []float64{0.1}, Std: []float64{0.2}}))
	assert.Equal(t, [3]float64{0.1, 0.1, 0.1}, p.values.Mean)
}

// tilerAlternatives are other values of the keys of processors that cut tiles.
var tilerAlternatives = map[string]string{
	"do_resize": `false`, "size": `{"longest_edge":65}`, "resample": `2`, "do_rescale": `false`, "rescale_factor": `0.5`, "do_normalize": `false`,
	"image_mean": `[0.1,0.2,0.3]`, "image_std": `[0.1,0.2,0.3]`, "do_image_splitting": `false`, "max_image_size": `{"longest_edge":65}`,
}

// tilerInert are keys that change nothing of one picture's numbers, or that the classes
// take and do not look at.
var tilerInert = append([]string{"default_to_square", "crop_size", "do_center_crop", "do_pad", "return_row_col_info"}, inert...)

// Every key that the processors take has an effect or is known to have none.
func TestEveryKeyOfTilers(t *testing.T) {
	all := referenceSignatures(t)
	for class, of := range tilerClasses {
		require.Contains(t, all, class)
		plain, err := ParseTiler("preprocessor_config.json", []byte(`{}`), of)
		require.NoError(t, err)
		full, err := json.Marshal(all[class])
		require.NoError(t, err)
		got, err := ParseTiler("preprocessor_config.json", full, of)
		require.NoError(t, err)
		assert.Equal(t, plain, got, "%s with its defaults", class)
		for key := range all[class] {
			value, ok := tilerAlternatives[key]
			if slices.Contains(tilerInert, key) {
				value, ok = alternatives[key], true
				if value == "" {
					value = "true"
				}
			}
			require.True(t, ok, "%s takes %s, which no test knows", class, key)
			got, err := ParseTiler("preprocessor_config.json", []byte(`{"`+key+`": `+value+`}`), of)
			require.NoError(t, err, key)
			if slices.Contains(tilerInert, key) {
				assert.Equal(t, plain, got, key)
			} else {
				assert.NotEqual(t, plain, got, key)
			}
		}
	}
}
