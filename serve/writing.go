package serve

import (
	"context"
	"math/rand/v2"

	"saccade/models"
	"saccade/models/generate"
	"saccade/serve/queue"
)

// message is what somebody said, in any of the APIs.
type message struct {
	role   string // system, user or assistant
	text   string
	images [][]byte
}

// writing is a text that a model is to write.
type writing struct {
	messages []message

	tokens      int // at most; 0: as the checkpoint says
	temperature *float64
	topK        *int
	topP        *float64
	seed        *uint64
}

// words is a text under way.
type words struct {
	text    string
	written models.Written // at the end
	ended   bool
}

// instructed says that a model answers what it is asked: others write what they see.
func instructed(m *models.Model) bool {
	return m.Converses() || m.Writer().Decoder.Words != ""
}

// ask makes the messages what a model is asked: the turns of one that is talked to, the last
// question of one that answers, and of one that captions images the image alone, behind
// what an assistant has begun to say.
func (q *writing) ask(m *models.Model) (a models.Ask, turns []string, image []byte, err error) {
	said, err := q.turns()
	if err != nil {
		return a, nil, nil, err
	}
	last := said[len(said)-1]
	switch {
	case m.Converses():
		for i, t := range said {
			turns = append(turns, t.asked)
			if i < len(said)-1 {
				a.Said = append(a.Said, t.answered)
			}
			if t.image != nil && i > 0 {
				return a, nil, nil, refusef("messages", "message: an image in a later turn; %s looks at one in the first", m.Name)
			}
		}
		if last.answered != "" {
			return a, nil, nil, refusef("messages", "messages: the last is an assistant's; %s does not go on from one", m.Name)
		}
		return a, turns, said[0].image, nil
	case m.Writer().Decoder.Words != "": // a question
		if last.asked == "" {
			return a, nil, nil, refusef("messages", "messages: %s answers questions; ask one", m.Name)
		}
		a.Words, a.Question = last.asked, true
	default:
		a.Words = last.answered
	}
	for i := len(said) - 1; i >= 0 && image == nil; i-- { // the latest
		image = said[i].image
	}
	if image == nil {
		return a, nil, nil, refusef("messages", "messages: there is no image, which %s writes about", m.Name)
	}
	return a, nil, image, nil
}

// turn is what was asked and answered.
type turn struct {
	asked, answered string
	image           []byte
}

// turns are messages as turns. What a system says stands before the first question.
func (q *writing) turns() (all []turn, err error) {
	system := ""
	for _, m := range q.messages {
		switch {
		case m.role == "system" || m.role == "developer":
			if len(all) > 0 || len(m.images) > 0 {
				return nil, refusef("messages", "messages: a system's stands first, and has no image")
			}
			system += m.text + "\n"
		case m.role == "user" && len(m.images) > 1:
			return nil, refusef("messages", "messages: %d images in one; one is looked at", len(m.images))
		case m.role == "user":
			t := turn{asked: system + m.text}
			if system = ""; len(m.images) == 1 {
				t.image = m.images[0]
			}
			all = append(all, t)
		case m.role == "assistant" && len(m.images) == 0 && len(all) > 0 && all[len(all)-1].answered == "":
			all[len(all)-1].answered = m.text
		default:
			return nil, refusef("messages", "messages: one of role %q where none of it is taken; expected system first, then user and assistant in turn", m.role)
		}
	}
	if len(all) == 0 {
		return nil, refusef("messages", "messages: there is none of a user")
	}
	return all, nil
}

// configure is a model's own config with what the request changes of it.
func (q *writing) configure(c generate.Config, limit int) (generate.Config, error) {
	if q.tokens > 0 {
		c.MaxTokens = q.tokens
	}
	if c.MaxTokens > limit {
		return c, refusef("max_tokens", "%d tokens to write; at most %d are written", c.MaxTokens, limit)
	}
	if q.temperature != nil {
		if !(*q.temperature >= 0 && *q.temperature <= 100) {
			return c, refusef("temperature", "temperature %g: expected 0 to 100", *q.temperature)
		}
		c.Sample, c.Temperature, c.Beams = *q.temperature > 0, *q.temperature, 1
	}
	if q.topK != nil {
		if *q.topK < 0 {
			return c, refusef("top_k", "top_k %d: expected at least 0", *q.topK)
		}
		c.TopK = q.topK
	}
	if q.topP != nil {
		if !(*q.topP > 0 && *q.topP <= 1) {
			return c, refusef("top_p", "top_p %g: expected more than 0, at most 1", *q.topP)
		}
		c.TopP = *q.topP
	}
	return c, nil
}

// write writes a text, and tells of it as it becomes longer.
func (s *Server) write(ctx context.Context, m *queue.Model, q *writing, tell func(words)) error {
	a, turns, data, err := q.ask(m.Front())
	if err != nil {
		return err
	}
	return m.Do(ctx, func(ctx context.Context, loaded *models.Model, t *queue.Turn) error {
		if data != nil {
			if a.Image, err = s.decode(ctx, data, "image"); err != nil {
				return err
			}
		}
		g := loaded.Writer()
		config, err := q.configure(s.configOf(m), s.Limits.Tokens)
		if err != nil {
			return err
		}
		g.SetConfig(config)
		if a.Seed = rand.Uint64(); q.seed != nil {
			a.Seed = *q.seed
		}
		a.Each = func(_ uint32, text string) {
			tell(words{text: text})
			_ = t.Yield(ctx) // whose end ends the writing too
		}
		if err := t.Take(ctx); err != nil {
			return err
		}
		written, err := s.writeOne(ctx, loaded, a, turns)
		if err != nil {
			return ofCaller("messages", err)
		}
		tell(words{text: written.Words, written: written, ended: true})
		return nil
	})
}

// configOf is the config that a model's checkpoint has.
func (s *Server) configOf(m *queue.Model) generate.Config {
	c, _ := s.configs.Load(m.ID)
	return c.(generate.Config)
}

// writeOne writes a text of a picture or a turn.
func (s *Server) writeOne(ctx context.Context, m *models.Model, a models.Ask, turns []string) (models.Written, error) {
	if turns != nil {
		answers, err := m.Converse(ctx, a, turns, nil)
		if err != nil {
			return models.Written{}, err
		}
		return answers[0], nil
	}
	return m.Write(ctx, a)
}

// writer is the model of a name that writes.
func (s *Server) writer(name string) (*queue.Model, error) {
	return s.find(name, canWrite, "writes texts about images")
}

// answerWords writes, and gives each part of the text that is new, at last with what was
// written.
func (s *Server) answerWords(ctx context.Context, m *queue.Model, q *writing, part func(text string, end *models.Written) error) error {
	told := newEvents[words]()
	var g growing
	return follow(ctx, told, func(ctx context.Context) error { return s.write(ctx, m, q, told.tell) }, func(x words) error {
		if x.ended {
			return part(g.rest(x.text), &x.written)
		}
		if more := g.more(x.text); more != "" {
			return part(more, nil)
		}
		return nil
	})
}
