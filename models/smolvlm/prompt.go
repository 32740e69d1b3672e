package smolvlm

import (
	"fmt"
	"strings"

	"saccade/models/nn"
)

// The tokens of pictures in texts.
const (
	imageToken  = "<image>"
	aroundToken = "<fake_token_around_image>"
	globalToken = "<global-img>"
	endToken    = "<end_of_utterance>"
)

// Templates are the chat templates of the published checkpoints: they differ in that one
// knows of videos.
var templates = []nn.ChatTemplate{
	{Name: "SmolVLM", Hash: "830005085ddd94cec605b6e21b885b28ffad6e3f82ee6a212c523533e8f04f01", First: first, Next: next, End: endToken},
	{Name: "SmolVLM2, with videos", Hash: "36a47ed97c18667acf1150e4fa25e2e2b0e87d468307dd593874f152373c2c5b", First: first, Next: next, End: endToken},
}

// first is a user's first turn. Behind the role stands a space, but before a picture.
func first(picture, prompt string) string {
	if picture == "" {
		return "<|im_start|>User: " + turn(prompt)
	}
	return "<|im_start|>User:" + picture + turn(prompt)
}

// next is a later one, behind what ends an answer.
func next(prompt string) string { return "\nUser: " + turn(prompt) }

func turn(prompt string) string { return prompt + endToken + "\nAssistant:" }

// picture is what stands for one of so many tiles, each of so many tokens: row by row, and
// last the whole picture.
func picture(rows, columns, tokens int) string {
	var s strings.Builder
	tile := func(name string) { s.WriteString(aroundToken + name + strings.Repeat(imageToken, tokens)) }
	for y := range rows {
		for x := range columns {
			tile(fmt.Sprintf("<row_%d_col_%d>", y+1, x+1))
		}
		s.WriteString("\n")
	}
	if rows > 0 {
		s.WriteString("\n")
	}
	tile(globalToken)
	return s.String() + aroundToken
}

func (m *Model) conversation() *nn.Conversation {
	return &nn.Conversation{
		Image: imageToken, ImageID: m.ImageToken, Tile: m.tileTokens, Picture: picture, Templates: templates,
		Tokens: map[string]string{"image_token": imageToken, "fake_image_token": aroundToken, "global_image_token": globalToken, "end_of_utterance_token": endToken},
	}
}

// tileTokens is how many tokens a tile of so many pixels a side takes.
func (m *Model) tileTokens(side int) (int, error) {
	if err := m.square(map[string]int{"H": side, "W": side}); err != nil {
		return 0, err
	}
	n := side / m.Config.Vision.Patch[0] / m.Scale
	if n == 0 {
		return 0, fmt.Errorf("tiles of %d pixels a side are smaller than a token's %d", side, m.Config.Vision.Patch[0]*m.Scale)
	}
	return n * n, nil
}
