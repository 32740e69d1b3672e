package whisper

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"saccade/models/generate"
	"saccade/models/internal/checkpoint"
)

// Speech is what generation_config.json says of a Whisper besides what [generate.Config]
// has: the tokens that a text begins with, and those that are times.
type Speech struct {
	Start      uint32
	Languages  map[string]uint32 // by token, such as <|ko|>; nil: it has one alone
	Tasks      map[string]uint32 // transcribe and translate; nil: it has one alone
	English    bool              // it knows neither languages nor tasks
	NoTimes    *uint32           // the token before those of times, 0.02 s from one to the next; nil: it has none
	MaxInitial *int              // the greatest number of a time that a text begins with
	Language   string            // "": see Forced, else it is found out
	Task       string            // "": see Forced
	Forced     []*uint32         // behind the start where neither is asked for; nil is found out
	Times      bool              // texts have times
}

// MostBegun is how many tokens a text begins with at most: the start, a language, a task
// and that there are no times.
const MostBegun = 4

// mostTimes is more than there are tokens of times.
const mostTimes = 1 << 20

// timesStep is from one token of a time to the next, framesStep from one frame of the
// spectrogram to the next, in seconds.
const (
	timesStep  = 0.02
	framesStep = 0.01
)

// speechFile is generation_config.json, or where there is none config.json.
type speechFile struct {
	Start      *uint32           `json:"decoder_start_token_id"`
	Languages  map[string]uint32 `json:"lang_to_id"`
	Tasks      map[string]uint32 `json:"task_to_id"`
	Many       *bool             `json:"is_multilingual"`
	NoTimes    *uint32           `json:"no_timestamps_token_id"`
	MaxInitial *int              `json:"max_initial_timestamp_index"`
	Language   *string           `json:"language"`
	Task       *string           `json:"task"`
	Times      *bool             `json:"return_timestamps"`
	Forced     [][2]*uint32      `json:"forced_decoder_ids"`
	Previous   *bool             `json:"condition_on_prev_tokens"`
	Ratio      *float64          `json:"compression_ratio_threshold"`
	LogProb    *float64          `json:"logprob_threshold"`
	Silence    *float64          `json:"no_speech_threshold"`
}

// ParseSpeech reads generation_config.json, nil where there is none, and config.json,
// whose keys count then, and whose forced_decoder_ids count where the other has none.
func ParseSpeech(generation, config []byte) (Speech, error) {
	var model struct {
		Start  uint32       `json:"decoder_start_token_id"`
		Forced [][2]*uint32 `json:"forced_decoder_ids"`
	}
	model.Start = 50257
	if err := checkpoint.Decode("config.json", config, &model); err != nil {
		return Speech{}, err
	}
	name, data := "generation_config.json", generation
	if data == nil {
		name, data = "config.json", config
	}
	var f speechFile
	if err := checkpoint.Decode(name, data, &f); err != nil {
		return Speech{}, err
	}
	for key, set := range map[string]bool{
		"condition_on_prev_tokens": f.Previous != nil && *f.Previous, "compression_ratio_threshold": f.Ratio != nil,
		"logprob_threshold": f.LogProb != nil, "no_speech_threshold": f.Silence != nil,
	} {
		if set {
			return Speech{}, fmt.Errorf("%s: %s is set, which is not supported; take the key out to write without it", name, key)
		}
	}
	if n := or(f.MaxInitial, 0); n < 0 || n > mostTimes {
		return Speech{}, fmt.Errorf("%s: max_initial_timestamp_index is %d; expected 0 to %d", name, n, mostTimes)
	}
	s := Speech{Start: model.Start, Languages: f.Languages, Tasks: f.Tasks, English: f.Many != nil && !*f.Many, NoTimes: f.NoTimes, MaxInitial: f.MaxInitial,
		Language: or(f.Language, ""), Task: or(f.Task, ""), Times: or(f.Times, false)}
	if f.Start != nil {
		s.Start = *f.Start
	}
	if f.Forced == nil {
		f.Forced = model.Forced
	}
	var err error
	if s.Forced, err = forced(f.Forced); err != nil {
		return Speech{}, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

func or[T any](p *T, absent T) T {
	if p == nil {
		return absent
	}
	return *p
}

// forced are tokens by their places, which count from 1.
func forced(pairs [][2]*uint32) ([]*uint32, error) {
	if len(pairs) == 0 || pairs[0][0] == nil || *pairs[0][0] != 1 {
		return nil, nil
	}
	var all []*uint32
	for i, pair := range pairs {
		if pair[0] == nil || int(*pair[0]) != i+1 {
			return nil, fmt.Errorf("forced_decoder_ids: found no token of place %d; expected one of each place from 1 on", i+1)
		}
		all = append(all, pair[1])
	}
	return all, nil
}

// Ask is what is asked of a speech.
type Ask struct {
	Language string // by name, code or token; "": the config's, else it is found out
	Task     string // transcribe or translate; "": the config's
	Times    bool   // the text has times
	// Begin are the ids that the text of each item begins with, in place of those that the
	// rest makes; nil: none is given.
	Begin [][]uint32
	// Draw and Seed are as [generate.Request] has them. A window's seed is Seed and its
	// first frame.
	Draw func(step, n int) []float32
	Seed uint64
	// Each is called with each token as it is chosen, but of beams, Part with each segment
	// as its window ends.
	Each func(id uint32)
	Part func(Segment)
}

// GenerationOf is how tokens are chosen without generation_config.json: as config.json
// and the defaults of WhisperConfig say.
func GenerationOf(config []byte) (generate.Config, error) {
	keys := map[string]json.RawMessage{}
	if err := json.Unmarshal(config, &keys); err != nil {
		return generate.Config{}, err
	}
	const first = "begin_suppress_tokens"
	if _, ok := keys[first]; !ok {
		all, err := signatures()
		if err != nil {
			return generate.Config{}, err
		}
		keys[first] = all["WhisperConfig"][first]
	}
	data, err := json.Marshal(keys)
	if err != nil {
		return generate.Config{}, err
	}
	return generate.ParseConfig(data)
}

// start are the tokens that a text begins with; nil stands for a language that is to be
// found out.
func (s Speech) start(a Ask) ([]*uint32, error) {
	if s.English && (a.Language != "" || a.Task != "") {
		return nil, fmt.Errorf("language %q, task %q: the model knows English alone; leave them out", a.Language, a.Task)
	}
	language, task := a.Language, a.Task
	if language == "" {
		language = s.Language
	}
	if task == "" {
		task = s.Task
	}
	ids := []*uint32{&s.Start}
	if language == "" && task == "" {
		ids = append(ids, s.Forced...)
	}
	switch {
	case language != "":
		id, err := s.language(language)
		if err != nil {
			return nil, err
		}
		ids = place(ids, &id)
	case s.Languages != nil && (len(ids) == 1 || ids[1] == nil):
		ids = place(ids, nil)
	case len(ids) > 1 && ids[1] == nil: // there is none to find out
		ids = slices.Delete(ids, 1, 2)
	}
	ids, err := s.task(ids, language, task)
	if err != nil || s.NoTimes == nil {
		return ids, err
	}
	last := ids[len(ids)-1]
	without := last != nil && *last == *s.NoTimes
	switch {
	case !a.Times && !without:
		ids = append(ids, s.NoTimes)
	case a.Times && without:
		ids = ids[:len(ids)-1]
	}
	return ids, nil
}

// place puts a language behind the start.
func place(ids []*uint32, language *uint32) []*uint32 {
	if len(ids) == 1 {
		return append(ids, language)
	}
	ids[1] = language
	return ids
}

// task adds that of a text: transcribe where a language is given and nothing says more.
func (s Speech) task(ids []*uint32, language, task string) ([]*uint32, error) {
	if task == "" {
		if language == "" || s.Tasks == nil {
			return ids, nil
		}
		task = "transcribe"
	}
	if task != "transcribe" && task != "translate" {
		return nil, fmt.Errorf("task %q is unknown; transcribe and translate are known", task)
	}
	id, ok := s.Tasks[task]
	if !ok {
		return nil, fmt.Errorf("task %q: generation_config.json has no task_to_id with it; the model may know one task alone", task)
	}
	return append(ids, &id), nil
}

// language is the token of a language by its English name, its code or its token.
func (s Speech) language(name string) (uint32, error) {
	if s.Languages == nil {
		return 0, fmt.Errorf("language %q: generation_config.json has no lang_to_id; the model may know one language alone", name)
	}
	token := strings.ToLower(name)
	if _, ok := s.Languages[token]; !ok {
		if code, ok := languages[token]; ok {
			token = code
		}
		token = "<|" + token + "|>"
	}
	id, ok := s.Languages[token]
	if !ok {
		known := slices.Sorted(maps.Keys(s.Languages))
		return 0, fmt.Errorf("language %q is not one of the model's %d, which are %s", name, len(known), shown(known))
	}
	return id, nil
}

const mostShown = 100

// shown are the codes of tokens, cut where there are many.
func shown(tokens []string) string {
	s := strings.NewReplacer("<|", "", "|>", "").Replace(strings.Join(tokens, ", "))
	if len(s) > mostShown {
		return s[:strings.LastIndex(s[:mostShown], ",")] + ", …"
	}
	return s
}

// detection bans all tokens but those of languages.
func (s Speech) detection() *generate.Rule {
	known := slices.Sorted(maps.Values(s.Languages))
	var ranges [][2]uint32
	next := uint32(0)
	for _, id := range known {
		if id > next {
			ranges = append(ranges, [2]uint32{next, id})
		}
		next = id + 1
	}
	ranges = append(ranges, [2]uint32{next, toEnd})
	return &generate.Rule{Most: len(ranges), Ranges: func([]uint32, int) [][2]uint32 { return ranges }}
}

// toEnd ends a range of all tokens from some on.
const toEnd = 1<<32 - 1

// times are the rules by which times come in pairs, grow, and begin a text:
// WhisperTimeStampLogitsProcessor of transformers.
func (s Speech) times(end uint32) *generate.Rule {
	first := *s.NoTimes + 1
	return &generate.Rule{Most: 3, Times: int(first), Ranges: func(text []uint32, begun int) [][2]uint32 {
		written := text[begun:]
		isTime := func(back int) bool { return len(written) >= back && written[len(written)-back] >= first }
		ranges := [][2]uint32{{*s.NoTimes, first}}
		last, before := isTime(1), len(written) < 2 || isTime(2)
		switch {
		case last && before: // a pair: words come next
			ranges = append(ranges, [2]uint32{first, toEnd})
		case last: // the first of a pair, or the end
			ranges = append(ranges, [2]uint32{0, end})
		}
		if i := lastTime(written, first); i >= 0 {
			least := written[i] + 1
			if last && !before {
				least--
			}
			ranges = append(ranges, [2]uint32{first, least})
		}
		if len(written) == 0 {
			ranges = append(ranges, [2]uint32{0, first})
			if s.MaxInitial != nil {
				ranges = append(ranges, [2]uint32{first + uint32(*s.MaxInitial) + 1, toEnd})
			}
		}
		return ranges
	}}
}

// lastTime is where the last time of tokens is, -1 if there is none.
func lastTime(tokens []uint32, first uint32) int {
	for i := len(tokens) - 1; i >= 0; i-- {
		if tokens[i] >= first {
			return i
		}
	}
	return -1
}
