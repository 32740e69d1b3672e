package diffusion

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Ints reads a JSON number, or a list of them, as what each of several stages has;
// null is none.
type Ints []int

// Expected says what is read into a list, for errors.
func (*Ints) Expected() string { return "a whole number or a list of them" }

// UnmarshalJSON implements [json.Unmarshaler].
func (l *Ints) UnmarshalJSON(data []byte) error {
	var one int
	if string(data) != "null" && json.Unmarshal(data, &one) == nil {
		*l = Ints{one}
		return nil
	}
	*l = nil
	return json.Unmarshal(data, (*[]int)(l))
}

// Of is one value for each of n stages.
func (l Ints) Of(name string, n int) ([]int, error) {
	switch len(l) {
	case 1:
		return slices.Repeat(l, n), nil
	case n:
		return slices.Clone(l), nil
	}
	return nil, fmt.Errorf("config.json: %s has %d values, expected one or one for each of the %d blocks", name, len(l), n)
}

// Configured refuses a checkpoint without a config.json.
func Configured(config []byte) error {
	if config == nil {
		return errors.New("there is no config.json beside the checkpoint, which tells the blocks; give the folder that holds both")
	}
	return nil
}

// OneOf refuses a value of a key of the config that is not supported.
func OneOf(key, found string, supported ...string) error {
	if slices.Contains(supported, found) {
		return nil
	}
	return fmt.Errorf("config.json: %s is %q, which is not supported; %s is", key, found, strings.Join(supported, " or "))
}

// Positive refuses sizes of a config that nothing can be made of.
func Positive(sizes map[string]int) error { return Bounded(sizes, 1<<20) }

// MostBlocks is the largest number of blocks of any kind in a row that a config may
// ask for: more is damaged, or made to take all memory.
const MostBlocks = 100

// MostLevels is the largest number of sizes of the map.
const MostLevels = 16

// Bounded refuses numbers of a config that are not 1 to most.
func Bounded(sizes map[string]int, most int) error {
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		if v := sizes[name]; v < 1 || v > most {
			return fmt.Errorf("config.json: %s is %d; expected 1 to %d", name, v, most)
		}
	}
	return nil
}

// CheckSample refuses a sample_size that no picture or map has; 0 is not told.
func CheckSample(size [2]int) error {
	const most = 1 << 16 // pixels
	if min(size[0], size[1]) < 0 || max(size[0], size[1]) > most {
		return fmt.Errorf("config.json: sample_size is %v; expected sides of at most %d", size, most)
	}
	return nil
}

// CheckGroups refuses widths that the norms can't divide.
func CheckGroups(groups int, widths []int) error {
	for _, w := range widths {
		if w%groups != 0 {
			return fmt.Errorf("config.json: %d channels do not make norm_num_groups %d equal groups", w, groups)
		}
	}
	return nil
}
