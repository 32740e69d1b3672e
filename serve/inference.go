package serve

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"

	"saccade/models"
	"saccade/serve/queue"
)

// inference serves the Open Inference Protocol, version 2: networks by their named inputs
// and outputs, as the reference classes name them, with tensors in JSON or in binary
// behind it.
func (s *Server) inference(mux *http.ServeMux) {
	a := api{s, failPlain}
	a.open(mux, "GET /v2", func(w http.ResponseWriter, _ *http.Request) error {
		writeJSON(w, map[string]any{"name": "saccade", "version": s.Version, "extensions": []string{"binary_tensor_data"}})
		return nil
	})
	a.open(mux, "GET /v2/health/live", func(http.ResponseWriter, *http.Request) error { return nil })
	a.open(mux, "GET /v2/health/ready", func(w http.ResponseWriter, _ *http.Request) error {
		if !s.ready() {
			return errNotReady
		}
		return nil
	})
	a.open(mux, "GET /v2/models/{model}/ready", func(_ http.ResponseWriter, r *http.Request) error {
		if !s.ready() {
			return errNotReady
		}
		_, err := s.find(r.PathValue("model"), canForward, "has named tensors")
		return err
	})
	a.work(mux, "GET /v2/models/{model}", s.describe)
	a.work(mux, "POST /v2/models/{model}/infer", s.infer)
}

// jsonLength is the header with the length of the JSON, where binary tensors follow.
const jsonLength = "Inference-Header-Content-Length"

// inferRequest is the protocol's.
type inferRequest struct {
	ID      string         `json:"id"`
	Inputs  []inferTensor  `json:"inputs"`
	Outputs []inferTensor  `json:"outputs"`
	With    map[string]any `json:"parameters"`
}

// inferTensor is an input, or a wish for an output.
type inferTensor struct {
	Name  string          `json:"name"`
	Shape []int           `json:"shape,omitempty"`
	Type  string          `json:"datatype,omitempty"`
	With  map[string]any  `json:"parameters,omitempty"`
	Data  json.RawMessage `json:"data,omitempty"`
}

// infer runs a network.
func (s *Server) infer(w http.ResponseWriter, r *http.Request) error {
	q, in, err := readInfer(r)
	if err != nil {
		return err
	}
	m, err := s.find(r.PathValue("model"), canForward, "has named tensors")
	if err != nil {
		return err
	}
	var names []string
	for _, o := range q.Outputs {
		names = append(names, o.Name)
	}
	var out map[string]models.Array
	err = m.Do(r.Context(), func(ctx context.Context, loaded *models.Model, t *queue.Turn) error {
		if err := check(loaded, in); err != nil {
			return err
		}
		plan, err := loaded.Plan(in)
		if err != nil {
			return ofCaller("inputs", err)
		}
		if err := s.queue.CheckBudget("the request", plan.Arena+plan.IO); err != nil {
			return err
		}
		if err := t.Take(ctx); err != nil {
			return err
		}
		if out, err = loaded.Forward(ctx, in, names...); err != nil {
			return ofCaller("outputs", err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return q.answer(w, m.ID, out)
}

// check refuses inputs that the model does not have.
func check(m *models.Model, in map[string]models.Array) error {
	takes, err := m.Takes()
	if err != nil {
		return err
	}
	var known []string
	for _, x := range takes {
		known = append(known, x.Name)
	}
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if !slices.Contains(known, name) {
			return refusef("inputs", "%s has no input %q; it takes %v", m.Name, name, known)
		}
	}
	return nil
}

// readInfer reads the request and its tensors.
func readInfer(r *http.Request) (*inferRequest, map[string]models.Array, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, nil, bodyError(err)
	}
	document, binary := body, []byte(nil)
	if text := r.Header.Get(jsonLength); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n > len(body) {
			return nil, nil, errorf(http.StatusBadRequest, "%s: %s; the request has %d bytes", jsonLength, text, len(body))
		}
		document, binary = body[:n], body[n:]
	}
	q := &inferRequest{}
	if err := parseJSON(document, q); err != nil {
		return nil, nil, err
	}
	in := map[string]models.Array{}
	for _, x := range q.Inputs {
		if _, twice := in[x.Name]; twice || x.Name == "" {
			return nil, nil, refusef("inputs", "input %q is there twice, or has no name", x.Name)
		}
		if in[x.Name], binary, err = x.read(binary); err != nil {
			return nil, nil, err
		}
	}
	switch {
	case len(in) == 0:
		return nil, nil, refusef("inputs", "inputs: there is none")
	case len(binary) > 0:
		return nil, nil, refusef("inputs", "%d bytes follow the tensors", len(binary))
	}
	return q, in, nil
}

// read takes an input's values from its data, or from the front of the binary part.
func (x *inferTensor) read(binary []byte) (a models.Array, rest []byte, err error) {
	t, ok := tensorTypes[x.Type]
	if !ok {
		return a, nil, refusef("inputs", "input %s: datatype %q; expected FP32, FP16, INT64, INT32 or UINT8", x.Name, x.Type)
	}
	n := 1
	for _, d := range x.Shape {
		if d < 0 || d > 1<<30 || n > 1<<30 {
			return a, nil, refusef("inputs", "input %s: shape %v", x.Name, x.Shape)
		}
		n *= d
	}
	a = models.Array{Shape: x.Shape}
	size, inBinary := x.With["binary_data_size"].(float64)
	if !inBinary {
		if a.Data, err = flatten(x.Data, min(n, len(x.Data))); err == nil && len(a.Data) != n {
			err = fmt.Errorf("%d values", len(a.Data))
		}
		if err == nil {
			err = t.whole(a.Data)
		}
		if err != nil {
			return a, nil, refusef("inputs", "input %s: %s; expected %d values of shape %v", x.Name, err, n, x.Shape)
		}
		return a, binary, nil
	}
	if len(x.Data) > 0 || int(size) != n*t.size || int(size) > len(binary) {
		return a, nil, refusef("inputs", "input %s: binary_data_size %g; expected %d of %s %v, and %d bytes are left", x.Name, size, n*t.size, x.Type, x.Shape, len(binary))
	}
	a.Data = make([]float32, n)
	for i := range a.Data {
		if a.Data[i], err = t.value(binary[i*t.size:]); err != nil {
			return a, nil, refusef("inputs", "input %s, value %d: %s", x.Name, i, err)
		}
	}
	return a, binary[int(size):], nil
}

// wantsBinary says that an output is to stand in binary behind the JSON.
func (q *inferRequest) wantsBinary(name string) bool {
	for _, o := range q.Outputs {
		if wish, ok := o.With["binary_data"].(bool); ok && o.Name == name {
			return wish
		}
	}
	all, _ := q.With["binary_data_output"].(bool)
	return all
}

// answer writes the outputs: in the order in which they were asked for, else by name.
func (q *inferRequest) answer(w http.ResponseWriter, model string, out map[string]models.Array) error {
	names := slices.Sorted(maps.Keys(out))
	if len(q.Outputs) > 0 {
		names = nil
		for _, o := range q.Outputs {
			names = append(names, o.Name)
		}
	}
	var binary bytes.Buffer
	list := []inferTensor{}
	for _, name := range names {
		a := out[name]
		x := inferTensor{Name: name, Shape: a.Shape, Type: "FP32"}
		if q.wantsBinary(name) {
			x.With = map[string]any{"binary_data_size": 4 * len(a.Data)}
			binary.Write(littleEndian(a.Data))
		} else {
			data, err := json.Marshal(a.Data)
			if err != nil {
				return err
			}
			x.Data = data
		}
		list = append(list, x)
	}
	document := map[string]any{"model_name": model, "model_version": "1", "outputs": list}
	if q.ID != "" {
		document["id"] = q.ID
	}
	if binary.Len() == 0 {
		writeJSON(w, document)
		return nil
	}
	data, err := json.Marshal(document)
	if err != nil {
		return err
	}
	w.Header().Set(jsonLength, strconv.Itoa(len(data)))
	w.Header().Set("Content-Type", "application/octet-stream")
	_, _ = w.Write(append(data, binary.Bytes()...)) // who left reads no answer
	return nil
}

// describe tells a network's inputs, and its usual outputs of them.
func (s *Server) describe(w http.ResponseWriter, r *http.Request) error {
	m, err := s.find(r.PathValue("model"), canForward, "has named tensors")
	if err != nil {
		return err
	}
	inputs, outputs := []inferTensor{}, []inferTensor{}
	err = m.Do(r.Context(), func(ctx context.Context, loaded *models.Model, t *queue.Turn) error {
		takes, err := loaded.Takes()
		if err != nil {
			return err
		}
		for _, in := range takes {
			x := inferTensor{Name: in.Name, Type: tensorType(in.Kind)}
			for _, d := range in.Dims {
				if d.Size == 0 {
					d.Size = -1
				}
				x.Shape = append(x.Shape, d.Size)
			}
			inputs = append(inputs, x)
		}
		in, err := loaded.Noise(1, 1)
		if err != nil {
			return err
		}
		if err := t.Take(ctx); err != nil {
			return err
		}
		out, err := loaded.Forward(ctx, in)
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(out)) {
			shape := slices.Clone(out[name].Shape)
			if len(shape) > 0 {
				shape[0] = -1
			}
			outputs = append(outputs, inferTensor{Name: name, Type: "FP32", Shape: shape})
		}
		return nil
	})
	if err != nil {
		return err
	}
	writeJSON(w, map[string]any{"name": m.ID, "versions": []string{"1"}, "platform": "saccade", "inputs": inputs, "outputs": outputs})
	return nil
}
