package gpu

// Memory is what a program takes on the device, in bytes.
type Memory struct {
	Arena   int64 // all activations as planned
	Live    int64 // the largest sum of activations alive at once: a lower bound
	Sum     int64 // of all activations, were none to share a place
	IO      int64 // inputs, parameters and read-back
	Largest int64 // the largest activation or input, which must fit a buffer
	Binding int64 // the largest window that one dispatch has of a tensor
}

// Plan is what a program of the recording will take, found without taking
// anything; constants, which programs share, are not counted. It fails where
// [Recorder.Finish] would, but for memory that is not there: see [Device.Fits].
func (r *Recorder) Plan() (Memory, error) {
	_, m, err := r.plan()
	return m, err
}

// plan finds places for the activations.
func (r *Recorder) plan() (*arena, Memory, error) {
	if r.err != nil {
		return nil, Memory{}, r.err
	}
	a, err := planArena(r.ops, r.outputs, r.dev.info.Limits.MaxBuffer-UniformWindow)
	if err != nil {
		return nil, Memory{}, err
	}
	m := Memory{Arena: a.bytes(), Live: a.live, Sum: a.sum}
	for _, t := range a.tensors {
		m.Largest = max(m.Largest, t.bytes)
	}
	for _, t := range r.inputs {
		m.Largest = max(m.Largest, t.bytes)
		m.IO += bufferSize(t.bytes+UniformWindow) + bufferSize(t.bytes)
	}
	steps := 0
	for _, op := range r.ops {
		for _, x := range op.all() {
			steps++
			for _, v := range x.Bind {
				m.Binding = max(m.Binding, v.Bytes())
			}
		}
	}
	_, staged := stagingPlan(r.outputs)
	m.IO += bufferSize(paramBytes(steps)) + bufferSize(staged)
	return a, m, nil
}

// stagingPlan is where each output begins in the buffer that is read back, and its size.
func stagingPlan(outputs []output) (at []int64, bytes int64) {
	for _, o := range outputs {
		at = append(at, bytes)
		bytes += (o.tensor.bytes + 7) &^ 7
	}
	return at, bytes
}

// paramBytes is the size of the parameters of so many dispatches.
func paramBytes(steps int) int64 { return int64(max(1, steps)) * paramStride }

// bufferSize is what a buffer of so many bytes takes.
func bufferSize(bytes int64) int64 { return max(16, (bytes+15)&^15) }
