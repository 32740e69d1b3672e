package diffusion

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Ints reads a JSON number, or a list of them, as what each of several stages has;
// null is none.
type Ints []int

// UnmarshalJSON implements [json.Unmarshaler].
func (l *Ints) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*l = nil
		return nil
	}
	var one int
	if json.Unmarshal(data, &one) == nil {
		*l = Ints{one}
		return nil
	}
	var list []int
	if err := json.Unmarshal(data, &list); err != nil {
		return fmt.Errorf("%s is neither a number nor a list of numbers", data)
	}
	*l = list
	return nil
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
func Positive(sizes map[string]int) error {
	for name, v := range sizes {
		if v < 1 || v > 1<<22 {
			return fmt.Errorf("config.json: %s is %d; it must be positive", name, v)
		}
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
