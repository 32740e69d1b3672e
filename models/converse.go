package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"saccade/models/generate"
	"saccade/models/internal/checkpoint"
	"saccade/models/nn"
	"saccade/picture"
	"saccade/tokenizer"
)

// talk is what a checkpoint says of how its decoder is talked to.
type talk struct {
	template nn.ChatTemplate
	tiler    *picture.Tiler
}

// talk reads the chat template and how pictures are cut.
func (f *files) talk(c *nn.Conversation, override picture.Override) (*talk, error) {
	if f.fsys == nil {
		return nil, fmt.Errorf("%s is no folder with a chat template and preprocessor_config.json", f.name)
	}
	text, from, err := f.chatTemplate()
	if err != nil {
		return nil, err
	}
	t := &talk{}
	if t.template, err = known(c, text, from); err != nil {
		return nil, err
	}
	if err := f.checkTokens(c); err != nil {
		return nil, err
	}
	if t.tiler, err = f.tiler(); err != nil {
		return nil, err
	}
	if err := t.tiler.Override(override); err != nil {
		return nil, err
	}
	return t, f.checkLength(c, t.tiler)
}

// known is the template of a text.
func known(c *nn.Conversation, text, from string) (nn.ChatTemplate, error) {
	sum := sha256.Sum256([]byte(strings.TrimSpace(text)))
	var names []string
	for _, t := range c.Templates {
		if t.Hash == hex.EncodeToString(sum[:]) {
			return t, nil
		}
		names = append(names, t.Name)
	}
	return nn.ChatTemplate{}, fmt.Errorf("%s: the chat template (SHA-256 %x…) is not known; known are those of %s: put one of theirs there, or give -input", from, sum[:4], strings.Join(names, " and "))
}

// chatTemplate is the Jinja text and the file that it is of, in the order in which
// transformers looks.
func (f *files) chatTemplate() (text, from string, err error) {
	for _, name := range []string{"processor_config.json", "chat_template.json", "chat_template.jinja", "tokenizer_config.json"} {
		data, err := optional(f.fsys, name)
		if err != nil {
			return "", "", err
		}
		if data == nil {
			continue
		}
		if strings.HasSuffix(name, ".jinja") {
			return string(data), name, nil
		}
		var c struct {
			Template *string `json:"chat_template"`
		}
		if err := checkpoint.Decode(name, data, &c); err != nil {
			return "", "", err
		}
		if c.Template != nil {
			return *c.Template, name, nil
		}
	}
	return "", "", fmt.Errorf("there is no chat template beside the checkpoint; expected chat_template.jinja or chat_template.json")
}

// checkTokens refuses a tokenizer whose tokens of pictures have other texts.
func (f *files) checkTokens(c *nn.Conversation) error {
	const name = "tokenizer_config.json"
	data, err := optional(f.fsys, name)
	if err != nil || data == nil {
		return err
	}
	var keys map[string]json.RawMessage
	if err := json.Unmarshal(data, &keys); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	var extra map[string]json.RawMessage
	if json.Unmarshal(keys["extra_special_tokens"], &extra) != nil { // a list, of tokens without names
		extra = nil
	}
	for _, key := range slices.Sorted(maps.Keys(c.Tokens)) {
		for _, of := range []map[string]json.RawMessage{keys, extra} {
			var text string
			if json.Unmarshal(of[key], &text) == nil && text != "" && text != c.Tokens[key] {
				return fmt.Errorf("%s: %s is %q, which is not supported; %q is", name, key, text, c.Tokens[key])
			}
		}
	}
	return nil
}

// tiler is what cuts pictures, by the file that says so.
func (f *files) tiler() (*picture.Tiler, error) {
	var head struct {
		ModelType string `json:"model_type"`
	}
	if f.config != nil {
		if err := checkpoint.Decode("config.json", f.config, &head); err != nil {
			return nil, err
		}
	}
	const whole = "processor_config.json"
	data, err := optional(f.fsys, whole)
	if err != nil {
		return nil, err
	}
	if data != nil {
		if t, err := picture.ParseTiler(whole, data, head.ModelType); t != nil || err != nil {
			return t, err
		}
	}
	if f.preprocessor == nil {
		return nil, errors.New("there is no preprocessor_config.json beside the checkpoint, which tells how pictures are cut into tiles")
	}
	return picture.ParseTiler("preprocessor_config.json", f.preprocessor, head.ModelType)
}

// checkLength refuses a processor that would write another number of tokens for a tile
// than the network makes.
func (f *files) checkLength(c *nn.Conversation, t *picture.Tiler) error {
	n, err := c.Tile(t.Side)
	if err != nil {
		return err
	}
	const name = "processor_config.json"
	data, err := optional(f.fsys, name)
	if err != nil || data == nil {
		return err
	}
	var said struct {
		Length *int `json:"image_seq_len"`
	}
	if err := checkpoint.Decode(name, data, &said); err != nil {
		return err
	}
	if said.Length != nil && *said.Length != n {
		return fmt.Errorf("%s: image_seq_len is %d; the network makes %d tokens of a tile of %d pixels", name, *said.Length, n, t.Side)
	}
	return nil
}

// Tiler is what cuts pictures for a model that is talked to, nil of others. It may be
// changed before the first text.
func (m *Model) Tiler() (*picture.Tiler, error) {
	if m.writer == nil || m.writer.Decoder.Conversation == nil {
		return nil, nil
	}
	t, err := m.talks()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Source, err)
	}
	return t.tiler, nil
}

// TileTokens is how many tokens a tile of a picture takes, of a model that is talked to.
func (m *Model) TileTokens() (int, error) {
	t, err := m.Tiler()
	if err != nil || t == nil {
		return 0, err
	}
	return m.writer.Decoder.Conversation.Tile(t.Side)
}

// Converses says that the model is talked to, in turns.
func (m *Model) Converses() bool {
	return m.writer != nil && m.writer.Decoder.Conversation != nil
}

// Converse has a model answer the turns of a user, of which the first is about a.Image if
// there is one; a.Words is none of them. The first turns are taken as answered by a.Said; the
// others are answered, and what is given are those answers. Each is part of what the next turn sees,
// and is given to done, if that is not nil, as it ends.
func (m *Model) Converse(ctx context.Context, a Ask, turns []string, done func(turn int, w Written)) ([]Written, error) {
	c, err := m.speak(a, turns)
	if err != nil {
		return nil, err
	}
	for i := len(a.Said); i < len(turns); i++ {
		w, err := c.answer(ctx, i)
		if err != nil {
			if len(turns) > 1 {
				err = fmt.Errorf("turn %d: %w", i+1, err)
			}
			return c.answers, err
		}
		if c.answers = append(c.answers, w); done != nil {
			done(i, w)
		}
	}
	return c.answers, nil
}

// conversation is one that is going on.
type conversation struct {
	*Model
	*talk
	a       Ask
	t       *tokenizer.Tokenizer
	in      map[string]Array
	tiles   picture.Tiles
	shown   int        // tokens of the picture
	turns   [][]uint32 // the ids of each
	so      []uint32   // all ids so far
	before  int        // how many of them are turns that were answered before
	answers []Written
}

// speak prepares a conversation: the picture, and the ids of the user's turns.
func (m *Model) speak(a Ask, turns []string) (*conversation, error) {
	if !m.Converses() {
		return nil, fmt.Errorf("%s: it takes no turns; give it one text to go on from", m.Name)
	}
	if len(turns) == 0 || slices.Contains(turns, "") {
		return nil, errors.New("there is no prompt; say what is asked of the picture")
	}
	if len(a.Said) >= len(turns) {
		return nil, fmt.Errorf("%d answers to %d turns; the last turn is to be answered", len(a.Said), len(turns))
	}
	said, err := m.talks()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", m.Source, err)
	}
	c := &conversation{Model: m, talk: said, a: a, in: map[string]Array{}}
	if c.t, err = m.tokenize(); err != nil {
		return nil, err
	}
	spoken := m.writer.Decoder.Conversation
	if id, ok := c.t.ID(spoken.Image); !ok || id != spoken.ImageID {
		return nil, fmt.Errorf("the tokenizer of %s has %s as token %d, config.json's image_token_id is %d; they are not of one checkpoint", m.Source, spoken.Image, id, spoken.ImageID)
	}
	pictured := ""
	if a.Image != nil {
		if pictured, err = c.cut(spoken); err != nil {
			return nil, err
		}
	}
	for i, prompt := range turns {
		if strings.Contains(prompt, spoken.Image) {
			return nil, fmt.Errorf("the prompt holds %s, which stands for pictures; leave it out", spoken.Image)
		}
		var ids []uint32
		if i == 0 {
			ids, _ = c.t.Encode(c.template.First(pictured, prompt), 1<<30)
		} else {
			ids = c.t.EncodePart(c.template.End + c.template.Next(prompt))
		}
		c.turns = append(c.turns, ids)
		if i < len(a.Said) {
			c.so = slices.Concat(c.so, ids, c.t.EncodePart(" "+a.Said[i]))
		}
	}
	c.before = len(c.so)
	return c, nil
}

// cut cuts the picture into tiles and gives what stands for it.
func (c *conversation) cut(spoken *nn.Conversation) (string, error) {
	var err error
	if c.tiles, err = c.tiler.Apply(c.a.Image); err != nil {
		return "", err
	}
	n, side := c.tiles.Count(), c.tiles.Side
	each, err := spoken.Tile(side)
	if err != nil {
		return "", err
	}
	c.shown = n * each
	c.in[nn.PixelValues] = Array{Shape: []int{1, n, 3, side, side}, Data: c.tiles.Pixels}
	return spoken.Picture(c.tiles.Rows, c.tiles.Columns, each), nil
}

// request is that of a turn, with room for all of them.
func (c *conversation) request(turn int) generate.Request {
	room, written := c.before, c.writer.Config.MaxTokens
	if written == 0 {
		written = generate.DefaultTokens
	}
	for _, ids := range c.turns[len(c.a.Said):] {
		room += len(ids) + written
	}
	q := generate.Request{In: c.in, Begin: [][]uint32{slices.Concat(c.so, c.turns[turn])}, Seed: c.a.Seed + uint64(turn), Continue: len(c.answers) > 0, Room: room}
	if c.a.Each != nil {
		var answer []uint32
		q.Each = func(_ int, id uint32) {
			answer = append(answer, id)
			c.a.Each(id, c.spoken(answer))
		}
	}
	return q
}

// answer has a turn answered. What ends an answer is written by the template.
func (c *conversation) answer(ctx context.Context, turn int) (Written, error) {
	texts, err := c.writer.Write(ctx, c.request(turn))
	if err != nil {
		return Written{}, err
	}
	text := texts[0]
	if c.so = text.IDs; text.Stopped == generate.AtEnd {
		c.so = c.so[:len(c.so)-1]
	}
	return Written{Text: text, Words: c.spoken(text.IDs[text.Begun:]), Tiles: c.tilesOf(), ImageTokens: c.shown}, nil
}

// tilesOf is how many tiles the picture is, 0 of none.
func (c *conversation) tilesOf() int {
	if c.a.Image == nil {
		return 0
	}
	return c.tiles.Count()
}

// spoken is an answer's text, without the space between it and the role.
func (c *conversation) spoken(ids []uint32) string { return strings.TrimLeft(c.words(c.t, ids), " ") }

// PlanConverse is the memory that [Model.Converse] takes at most, without the weights.
func (m *Model) PlanConverse(a Ask, turns []string) (generate.Plan, error) {
	c, err := m.speak(a, turns)
	if err != nil {
		return generate.Plan{}, err
	}
	first := len(a.Said)
	q := c.request(first)
	for _, ids := range c.turns[first+1:] {
		q.Later = append(q.Later, len(ids)+1) // and the last of an answer that was cut off
	}
	return m.writer.Plan(q)
}
