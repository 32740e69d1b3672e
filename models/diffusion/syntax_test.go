package diffusion_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"saccade/models/diffusion"
)

// What AUTOMATIC1111's parse_prompt_attention makes of texts, by its rules.
func TestParseWeights(t *testing.T) {
	const up, down = 1.1, 1 / 1.1
	br := diffusion.Weighted{Text: "BREAK", Weight: -1}
	type w = diffusion.Weighted
	for _, c := range []struct {
		text string
		want []w
	}{
		{"", []w{{"", 1}}},
		{"normal text", []w{{"normal text", 1}}},
		{"a (red:1.5) cat", []w{{"a ", 1}, {"red", 1.5}, {" cat", 1}}},
		{"an (important) word", []w{{"an ", 1}, {"important", up}, {" word", 1}}},
		{"((a))", []w{{"a", up * up}}},
		{"(((a)))", []w{{"a", up * up * up}}},
		{"[a]", []w{{"a", down}}},
		{"[[a]]", []w{{"a", down * down}}},
		{"(unbalanced", []w{{"unbalanced", up}}},
		{"[unbalanced", []w{{"unbalanced", down}}},
		{"a ((b) c", []w{{"a ", 1}, {"b", up * up}, {" c", up}}},
		{"unnecessary)", []w{{"unnecessary)", 1}}},
		{"unnecessary]", []w{{"unnecessary]", 1}}},
		{"a:1.5) b", []w{{"a:1.5) b", 1}}},
		{`\(literal\]`, []w{{"(literal]", 1}}},
		{`\[x\)`, []w{{"[x)", 1}}},
		{`a \\ b`, []w{{`a \ b`, 1}}},
		{`a \b`, []w{{"a b", 1}}},
		{`(a\):1.3)`, []w{{"a)", 1.3}}},
		{`(a \(b\):1.2)`, []w{{"a (b)", 1.2}}},
		{"(unnecessary)(parens)", []w{{"unnecessaryparens", up}}},
		{"(a (b:2) c:0.5)", []w{{"a ", 0.5}, {"b", 1}, {" c", 0.5}}},
		{"(a:1.2):1.5)", []w{{"a", 1.2}, {":1.5)", 1}}},
		{"(a : 1.5 ) b", []w{{"a ", 1.5}, {" b", 1}}},
		{"(a:-0.5)", []w{{"a", -0.5}}},
		{"(a:+2)", []w{{"a", 2}}},
		{"(a:.5)", []w{{"a", 0.5}}},
		{"(a:b)", []w{{"a:b", up}}},
		{"(a:b:1.5)", []w{{"a:b", 1.5}}},
		{"[a:1.5)", []w{{"a:1.5)", down}}},
		{"([a])", []w{{"a", down * up}}},
		{"(a [b:1.5) c]", []w{{"a ", 1.5}, {"b", 1.5 * down}, {" c", down}}}, // the square bracket is closed behind the round one
		{"a BREAK b", []w{{"a", 1}, br, {"b", 1}}},
		{"a BREAK\n  BREAK b", []w{{"a", 1}, br, {"", 1}, br, {"b", 1}}},
		{"BREAK", []w{{"", 1}, br, {"", 1}}},
		{"aBREAK BREAK_ b", []w{{"aBREAK BREAK_ b", 1}}},
		{"(a BREAK b)", []w{{"a", up}, {"BREAK", -up}, {"b", up}}}, // a word then: its weight is not −1
		{"a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).", []w{{"a ", 1}, {"house", 1.3 * up * up}, {" ", up}, {"on", down * up}, {" a ", up}, {"hill", 0.5 * up}, {", sun, ", up}, {"sky", up * up * up * up}, {".", up}}},
	} {
		got, err := diffusion.ParseWeights(c.text)
		require.NoError(t, err, c.text)
		require.Len(t, got, len(c.want), c.text)
		for i, g := range got {
			assert.Equal(t, c.want[i].Text, g.Text, c.text)
			assert.InDelta(t, c.want[i].Weight, g.Weight, 1e-12, c.text)
		}
	}
	for _, bad := range []string{"(a:1.2.3)", "(a:.)"} {
		_, err := diffusion.ParseWeights(bad)
		require.ErrorContains(t, err, "no number", bad)
	}
}

// The networks that prompts ask for.
func TestNetworks(t *testing.T) {
	rest, found, err := diffusion.Networks("a cat <lora:ink:0.8>, old<lyco:b> <lora:c d:0.5:0.5>")
	require.NoError(t, err)
	assert.Equal(t, "a cat , old ", rest)
	assert.Equal(t, []diffusion.Network{{Name: "ink", Scale: 0.8}, {Name: "b", Scale: 1}, {Name: "c d", Scale: 0.5}}, found)
	for prompt, says := range map[string]string{"<hypernet:a:1>": "hypernet", "<lora:a:x>": `"x"`, "<lora:a:1:0.5>": "one for both", "<lora:a:te=1>": "te=1"} {
		_, _, err := diffusion.Networks(prompt)
		require.ErrorContains(t, err, says, prompt)
	}
}

// What of a plain text is worth a note.
func TestLooksWeighted(t *testing.T) {
	for text, want := range map[string]string{
		"a (red:1.5) cat": "(red:1.5)", "a ((red)) cat": "((red))", "[[x]]": "[[x]]", "a <lora:b:1>": "<lora:b:1>", "a BREAK b": "BREAK",
		"a cat (an old one)": "", "the time: 12:30)": "", "OUTBREAK [sic]": "",
	} {
		assert.Equal(t, want, diffusion.LooksWeighted(text), text)
	}
}
