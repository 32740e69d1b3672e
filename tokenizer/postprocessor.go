package tokenizer

import (
	"encoding/json"
	"fmt"
)

// maxFrame bounds the tokens around a text.
const maxFrame = 64

// postProcessor says what goes before and after a text.
type postProcessor struct {
	Type       string          `json:"type"`
	Processors []postProcessor `json:"processors"`
	Single     []struct {
		Sequence *struct {
			ID string `json:"id"`
		} `json:"Sequence"`
		SpecialToken *struct {
			ID string `json:"id"`
		} `json:"SpecialToken"`
	} `json:"single"`
	Tokens map[string]struct {
		IDs []uint32 `json:"ids"`
	} `json:"special_tokens"`
	Class     idOf `json:"cls"` // of BertProcessing and RobertaProcessing
	Separator idOf `json:"sep"`
}

// idOf is a token with its id: ["</s>", 2].
type idOf struct {
	id    uint32
	there bool
}

// UnmarshalJSON implements [json.Unmarshaler].
func (t *idOf) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &[]any{&text, &t.id}); err != nil {
		return err
	}
	t.there = true
	return nil
}

// frame is the tokens before and after a text.
func (p postProcessor) frame(v *vocabulary) (before, after []uint32, err error) {
	switch p.Type {
	case "", "ByteLevel": // changes places in the text alone
		return nil, nil, nil
	case "TemplateProcessing":
		return p.template(v)
	case "BertProcessing", "RobertaProcessing":
		if !p.Class.there || !p.Separator.there {
			return nil, nil, fmt.Errorf("post_processor: %s has no cls or no sep; expected both with their ids", p.Type)
		}
		return []uint32{p.Class.id}, []uint32{p.Separator.id}, nil
	case "Sequence":
		for _, inner := range p.Processors {
			b, a, err := inner.frame(v)
			if err != nil {
				return nil, nil, err
			}
			before, after = append(b, before...), append(after, a...)
			if len(before)+len(after) > maxFrame {
				return nil, nil, fmt.Errorf("the post_processor puts more than %d tokens around a text", maxFrame)
			}
		}
		return before, after, nil
	}
	return nil, nil, fmt.Errorf("the post_processor is %q; TemplateProcessing, BertProcessing, RobertaProcessing, ByteLevel and a Sequence of them are supported", p.Type)
}

// template reads what TemplateProcessing has for one text.
func (p postProcessor) template(v *vocabulary) (before, after []uint32, err error) {
	seen := 0
	for _, x := range p.Single {
		switch {
		case x.Sequence != nil:
			seen++
		case x.SpecialToken != nil:
			ids := p.Tokens[x.SpecialToken.ID].IDs
			if len(ids) == 0 {
				id, err := v.find(x.SpecialToken.ID)
				if err != nil {
					return nil, nil, fmt.Errorf("post_processor: %w", err)
				}
				ids = []uint32{id}
			}
			if seen == 0 {
				before = append(before, ids...)
			} else {
				after = append(after, ids...)
			}
			if len(before)+len(after) > maxFrame {
				return nil, nil, fmt.Errorf("the post_processor puts more than %d tokens around a text", maxFrame)
			}
		}
	}
	if seen != 1 {
		return nil, nil, fmt.Errorf("the post_processor has %d texts; expected one", seen)
	}
	return before, after, nil
}
