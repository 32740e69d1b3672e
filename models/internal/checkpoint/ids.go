package checkpoint

import "encoding/json"

// IDs reads one token id or several.
type IDs []uint32

// Expected says what is read, for the errors of [Decode].
func (*IDs) Expected() string { return "a token id or a list of them" }

// UnmarshalJSON implements [json.Unmarshaler].
func (x *IDs) UnmarshalJSON(data []byte) error {
	var one uint32
	if json.Unmarshal(data, &one) == nil && string(data) != "null" {
		*x = IDs{one}
		return nil
	}
	return json.Unmarshal(data, (*[]uint32)(x))
}
