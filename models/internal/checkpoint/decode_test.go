package checkpoint

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDecode(t *testing.T) {
	type inner struct {
		Sizes []int `json:"sizes"`
	}
	type config struct {
		inner
		Layers int      `json:"layers"`
		Eps    float64  `json:"eps"`
		Act    string   `json:"act"`
		Bias   bool     `json:"bias"`
		Scale  *float64 `json:"scale"`
		Size   Pair     `json:"size"`
		Own    int
	}
	c := config{Layers: 2, Act: "silu"}
	require.NoError(t, Decode("config.json", []byte(`{"sizes": [1, 2], "eps": 0.5, "scale": null, "act": null, "size": 3, "unknown": {}, "Own": "x", "": 1}`), &c))
	assert.Equal(t, config{inner: inner{[]int{1, 2}}, Layers: 2, Eps: 0.5, Act: "silu", Size: Pair{3, 3}}, c)
	for text, want := range map[string]string{
		`{"layers": "two"}`:         `config.json: layers is "two"; expected a whole number`,
		`{"layers": 1e30}`:          `config.json: layers is 1e30; expected a whole number`,
		`{"eps": true}`:             `config.json: eps is true; expected a number`,
		`{"act": [1,  2]}`:          `config.json: act is [1,2]; expected a text`,
		`{"bias": 1}`:               `config.json: bias is 1; expected true or false`,
		`{"scale": "x"}`:            `config.json: scale is "x"; expected a number or null`,
		"{\"sizes\": [\n1,\n [2]]}": `config.json: sizes is [1,[2]]; expected a list, each a whole number`,
		`[1]`:                       `config.json is [1]; expected an object`,
		`{`:                         `config.json is no JSON: unexpected end`,
		`{"act": [` + strings.Repeat("1,", 200) + `1]}`: `…; expected a text`,
	} {
		err := Decode("config.json", []byte(text), &config{})
		require.ErrorContains(t, err, want, text)
		assert.Less(t, len(err.Error()), 200)
	}
}

func TestSignatures(t *testing.T) {
	s := NewSignatures([]byte(`{"A": {"width": 3, "heads": null, "dead": 1}, "B": {"width": 5}}`))
	assert.Equal(t, []string{"A", "B"}, s.Classes())
	type config struct {
		Width int  `json:"width"`
		Heads *int `json:"heads"`
		Dead  int  `json:"dead"`
	}
	var c config
	require.NoError(t, s.Decode("config.json", "B", []byte(`{"heads": 2}`), &c))
	assert.Equal(t, config{Width: 5}, c, "heads are no key of B")
	two := 2
	require.NoError(t, s.Decode("config.json", "A", []byte(`{"heads": 2, "width": 4, "dead": 7}`), &c, "dead"))
	assert.Equal(t, config{4, &two, 1}, c)
	assert.EqualError(t, s.Decode("config.json", "C", nil, &c), `config.json: _class_name is "C", which is not supported; A or B is`)
	assert.ErrorContains(t, s.Decode("config.json", "A", []byte(`[]`), &c), "config.json is []; expected an object")
	assert.ErrorContains(t, s.Decode("config.json", "A", []byte(`{"width": "x"}`), &c), `config.json: width is "x"; expected a whole number`)
}
