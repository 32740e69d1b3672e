package fit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"saccade/models/learn"
	"saccade/models/nn"
	"saccade/weights"
)

// errSave is wrapped by errors of saving a state, after which none is tried again.
var errSave = errors.New("the state of the training could not be saved; the one before is still there")

// The names of what a state holds beside the learner's arrays.
const (
	bestPrefix = "best/"
	lossName   = "loss"
	stateKey   = "training"
)

// standing is the part of a state that is no array.
type standing struct {
	Identity string         `json:"identity"`
	Progress learn.Progress `json:"progress"`
	Micro    int            `json:"micro"`
	Skipped  int            `json:"skipped"`
	Last     *Score         `json:"last,omitempty"`
	Best     *Score         `json:"best,omitempty"`
	BestStep int            `json:"best_step"`
	Since    int            `json:"since"`
	Early    bool           `json:"early"`
}

// save writes the state, if there is a place for it.
func (t *trainer) save() error {
	if t.State == "" || len(t.Losses) == 0 {
		return nil
	}
	arrays, progress, err := t.l.State()
	if err != nil {
		return err
	}
	arrays = maps.Clone(arrays)
	for name, a := range t.BestValues {
		arrays[bestPrefix+name] = a
	}
	arrays[lossName] = nn.Array{Shape: []int{len(t.Losses)}, Data: t.Losses}
	var tensors []*weights.Tensor
	for name, a := range arrays {
		tensor, err := weights.FromFloat32s(name, a.Data, a.Shape...)
		if err != nil {
			return err
		}
		tensors = append(tensors, tensor)
	}
	text, err := json.Marshal(standing{t.Identity, progress, t.micro, t.Skipped, t.Last, t.Best, t.BestStep, t.since, t.Early})
	if err != nil {
		return err
	}
	err = os.MkdirAll(filepath.Dir(t.State), 0o777)
	if err == nil {
		err = weights.Write(t.State, tensors, map[string]string{stateKey: string(text)})
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errSave, err)
	}
	t.saved = time.Now()
	return nil
}

// resume takes up the state, if there is one.
func (t *trainer) resume() error {
	if _, err := os.Stat(t.State); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := weights.Guard(t.read); err != nil {
		return fmt.Errorf("going on from %s: %w", t.State, err)
	}
	return nil
}

func (t *trainer) read() error {
	c, err := weights.Open(t.State)
	if err != nil {
		return err
	}
	defer c.Close()
	var s standing
	if err := json.Unmarshal([]byte(c.Metadata()[stateKey]), &s); err != nil {
		return fmt.Errorf("it is no state of a training: %w", err)
	}
	if s.Identity != t.Identity {
		return fmt.Errorf("it is of a training with other options or examples (%s, now %s); give the same ones, or another -o", differing(s.Identity, t.Identity), differing(t.Identity, s.Identity))
	}
	arrays, best := map[string]nn.Array{}, map[string]nn.Array{}
	for _, name := range c.Names() {
		tensor, _ := c.Tensor(name)
		a := nn.Array{Shape: slices.Clone(tensor.Shape), Data: make([]float32, tensor.Len())}
		if err := tensor.Float32s(a.Data); err != nil {
			return err
		}
		switch bare, isBest := strings.CutPrefix(name, bestPrefix); {
		case isBest:
			best[bare] = a
		case name == lossName:
			t.Losses = a.Data
		default:
			arrays[name] = a
		}
	}
	if err := t.l.Restore(arrays, s.Progress); err != nil {
		return err
	}
	t.micro, t.Skipped, t.Last, t.Best, t.BestStep, t.since, t.Early = s.Micro, s.Skipped, s.Last, s.Best, s.BestStep, s.Since, s.Early
	if s.Best != nil {
		t.BestValues = best
	}
	t.Resumed = len(t.Losses)
	return nil
}

// differing are the words of one identity that another has not.
func differing(identity, other string) string {
	words := strings.Fields(other)
	var own []string
	for _, w := range strings.Fields(identity) {
		if !slices.Contains(words, w) {
			own = append(own, w)
		}
	}
	return strings.Join(own, " ")
}
