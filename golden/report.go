package golden

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Report is the comparison of all tensors of one golden.
type Report struct {
	Name    string   // of the case, such as "vit_classify" or "linear/3x5x7"
	Results []Result // in the order of computation

	got  map[string][]float32
	want map[string]Tensor
}

// Check compares what a model computed with its golden: the intermediates that
// got has, in the order of computation, then the outputs, all of which got must
// have. Names of got that the golden lacks are an error of their own, at the
// end: a typing error must not pass for a success. tol is applied to every
// tensor.
func Check(g *Golden, got map[string][]float32, tol Tolerance) *Report {
	r := &Report{Name: g.Name, got: maps.Clone(got), want: g.Tensors}
	for _, name := range g.Layers {
		if values, ok := got[name]; ok {
			r.got[name] = firstImages(g, name, values)
			r.compare(name, tol)
		}
	}
	for _, name := range g.Outputs {
		r.compare(name, tol)
	}
	r.unknown(slices.Concat(g.Layers, g.Outputs))
	return r
}

// CheckOp compares the outputs of an operation with its golden.
func CheckOp(c OpCase, got map[string][]float32, tol Tolerance) *Report {
	r := &Report{Name: c.Op + "/" + c.Name, got: maps.Clone(got), want: c.Outputs}
	roles := slices.Sorted(maps.Keys(c.Outputs))
	for _, role := range roles {
		r.compare(role, tol)
	}
	r.unknown(roles)
	return r
}

// CheckPipeline compares a run of a diffusion pipeline with its golden: the latents
// after each step, step.K, then latents and image. tensors are the golden's.
func CheckPipeline(c PipelineCase, tensors map[string]Tensor, got map[string][]float32, tol Tolerance) *Report {
	const expected = "expected."
	r := &Report{Name: c.Folder + "/" + c.Name, got: maps.Clone(got), want: map[string]Tensor{}}
	var names []string
	for k := 0; tensors[fmt.Sprintf("%sstep.%d", expected, k)].Data != nil; k++ {
		names = append(names, fmt.Sprintf("step.%d", k))
	}
	names = append(names, "latents", "image")
	for _, name := range names {
		r.want[name] = tensors[expected+name]
		r.compare(name, tol)
	}
	r.unknown(names)
	return r
}

// firstImages cuts an intermediate of the whole batch down to the pictures
// that the golden covers.
func firstImages(g *Golden, name string, got []float32) []float32 {
	batch, want := g.Tensors[g.Inputs[0]].Shape[0], g.Tensors[name].Data
	if n := g.LayerImages; n > 0 && len(got)*n == len(want)*batch {
		return got[:len(want)]
	}
	return got
}

func (r *Report) compare(name string, tol Tolerance) {
	values, ok := r.got[name]
	result := Compare(name, values, r.want[name].Data, tol)
	if !ok {
		result.Err = fmt.Errorf("compare %s: it was not computed", name)
	}
	r.Results = append(r.Results, result)
}

// unknown adds an error for each tensor that was got and not compared.
func (r *Report) unknown(names []string) {
	for _, name := range slices.Sorted(maps.Keys(r.got)) {
		if !slices.Contains(names, name) {
			err := fmt.Errorf("compare %s: golden %s has no such tensor; it has %s", name, r.Name, strings.Join(names, ", "))
			r.Results = append(r.Results, Result{Name: name, Err: err})
		}
	}
}

// OK tells whether every tensor is within its tolerance.
func (r *Report) OK() bool {
	_, found := r.First()
	return !found
}

// First is the first tensor, in the order of computation, that is not within
// its tolerance; false if there is none.
func (r *Report) First() (Result, bool) {
	for _, result := range r.Results {
		if !result.OK() {
			return result, true
		}
	}
	return Result{}, false
}

// String is a line for each tensor, with the first one that diverges named on
// top.
func (r *Report) String() string {
	var b strings.Builder
	if first, found := r.First(); found {
		fmt.Fprintf(&b, "golden %s: %s diverges first\n", r.Name, first.Name)
	} else {
		fmt.Fprintf(&b, "golden %s: ok\n", r.Name)
	}
	for _, result := range r.Results {
		fmt.Fprintf(&b, "  %s\n", result)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Write writes, for every tensor that is not within its tolerance, NAME.got.npy
// and NAME.want.npy and, if it is a picture [N,3,H,W], NAME.png with what was
// wanted, what was got and their difference. report.txt holds the report and
// where it ran (adapter and driver). dir is made if need be; a slash in a name
// becomes a minus.
func (r *Report) Write(dir, where string) error {
	out := map[string][]byte{"report.txt": fmt.Appendf(nil, "%s\nran on: %s\n", r, where)}
	for _, result := range r.Results {
		if result.OK() {
			continue
		}
		if err := r.addFiles(out, result.Name); err != nil {
			return fmt.Errorf("write the report on golden %s: %s: %w", r.Name, result.Name, err)
		}
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("write the report on golden %s: %w", r.Name, err)
	}
	for _, name := range slices.Sorted(maps.Keys(out)) {
		if err := os.WriteFile(filepath.Join(dir, name), out[name], 0o666); err != nil {
			return fmt.Errorf("write the report on golden %s: %w", r.Name, err)
		}
	}
	return nil
}

// addFiles makes the files of one tensor; got or want may not be there.
func (r *Report) addFiles(out map[string][]byte, name string) error {
	file := strings.ReplaceAll(name, "/", "-")
	got, computed := r.got[name]
	want, known := r.want[name]
	same := len(got) == len(want.Data)
	if computed {
		shape := want.Shape
		if !same {
			shape = []int{len(got)}
		}
		out[file+".got.npy"] = npy(shape, got)
	}
	if known {
		out[file+".want.npy"] = npy(want.Shape, want.Data)
	}
	if !computed || !same || len(want.Shape) != 4 || want.Shape[1] != 3 {
		return nil
	}
	picture, err := differencePicture(want.Shape, got, want.Data)
	out[file+".png"] = picture
	return err
}

// Test is the part of testing.TB that Require needs.
type Test interface {
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// Require logs the margins of a report (seen with -v). If it is not OK, it
// writes it to a new temporary folder that outlives the test and ends the test,
// naming the first diverging tensor, where it ran and that folder.
func Require(t Test, r *Report, where string) {
	t.Helper()
	if r.OK() {
		t.Logf("%s", r)
		return
	}
	dir, err := os.MkdirTemp("", "golden-"+strings.ReplaceAll(r.Name, "/", "-")+"-")
	if err == nil {
		err = r.Write(dir, where)
	}
	if err != nil {
		t.Fatalf("%s\nran on: %s\n%v", r, where, err)
		return
	}
	t.Fatalf("%s\nran on: %s\ngot, wanted and difference: %s", r, where, dir)
}
