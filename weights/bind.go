package weights

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Module is a leaf of a model: something with parameters of its own, such as a
// linear layer.
type Module interface {
	Params() []Param
}

// Param is one tensor that a module wants.
type Param struct {
	Name     string                // appended to the module's path; "" is the path itself
	Shape    []int                 // as PyTorch has it; -1 accepts any size
	Optional bool                  // may be missing
	Set      func(t *Tensor) error // takes the values; t.Data must not be kept
}

// Binding pairs a parameter with its tensor.
type Binding struct {
	Name   string
	Param  Param
	Tensor *Tensor
}

// Set checks that the tensor is finite and gives it to the parameter. Different
// bindings can be set from different goroutines; each is guarded, see [Guard].
func (b Binding) Set() error {
	err := Guard(func() error {
		t := *b.Tensor
		t.Data, t.join = t.Bytes(), nil
		if err := CheckFinite(&t); err != nil {
			return err
		}
		return b.Param.Set(&t)
	})
	if errors.Is(err, ErrShrunk) {
		return fmt.Errorf("tensor %s: %w", Printable(b.Tensor.Origin), err)
	}
	return err
}

// Bind pairs the parameters of a model with the tensors of src, in the order of
// the struct's fields. It sets nothing: the caller calls each Binding's Set, in
// parallel if it likes.
//
// model is a pointer to a struct. Fields tagged `w:"name"` are walked, others
// are not; an embedded struct without a tag, or with the tag `w:""`, adds
// nothing to the path. A field is a Module (a leaf), a struct, a pointer or an
// interface to one (nil is not there), or a slice or array of those, whose
// indices become parts of the path: blocks.3.norm1. A parameter's full name is
// the path of its module, a dot and Param.Name.
//
// `w:"name,optional"` lets the field be absent as a whole: if src has none of
// its tensors nothing is bound, and a pointer or interface is set to nil; if it
// has one it must have all.
//
// Where tensors are missing, are unknown to the model or have another shape,
// Bind returns a *BindError with all of them.
func Bind(model any, src Source) ([]Binding, error) {
	v := reflect.ValueOf(model)
	if v.Kind() != reflect.Pointer || v.IsNil() || v.Elem().Kind() != reflect.Struct {
		return nil, fmt.Errorf("weights.Bind: %T is not a pointer to a struct", model)
	}
	b := binder{src: src, used: map[string]bool{}}
	if err := b.value(v, ""); err != nil {
		return nil, err
	}
	for _, name := range src.Names() {
		if !b.used[name] {
			b.err.Unused = append(b.err.Unused, originOf(src, name))
		}
	}
	if !b.err.empty() {
		return nil, &b.err
	}
	return b.bindings, nil
}

// binder collects what a walk over a model finds.
type binder struct {
	src      Source
	used     map[string]bool
	bindings []Binding
	err      BindError
}

// value walks one field, element or pointer.
func (b *binder) value(v reflect.Value, path string) error {
	if m, ok := moduleOf(v); ok {
		b.leaf(m, path)
		return nil
	}
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if v.IsNil() {
			return nil
		}
		return b.value(v.Elem(), path)
	case reflect.Struct:
		return b.fields(v, path)
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			if err := b.value(v.Index(i), join(path, strconv.Itoa(i))); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("weights.Bind: %s: a %v holds no parameters", path, v.Type())
}

// fields walks the tagged fields of a struct.
func (b *binder) fields(v reflect.Value, path string) error {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, optional, ok, err := parseTag(f)
		if err != nil {
			return fmt.Errorf("weights.Bind: field %s.%s %w", v.Type(), f.Name, err)
		}
		if !ok {
			continue
		}
		walk := b.value
		if optional {
			walk = b.optional
		}
		if err := walk(v.Field(i), join(path, name)); err != nil {
			return err
		}
	}
	return nil
}

// parseTag reads the tag of a field; ok says whether the field is walked. A
// module without a tag is taken for a slip, since nothing would ever fill it.
func parseTag(f reflect.StructField) (name string, optional, ok bool, err error) {
	tag, tagged := f.Tag.Lookup("w")
	name, option, _ := strings.Cut(tag, ",")
	switch {
	case tag == "-":
		return "", false, false, nil
	case !tagged && f.Anonymous && f.Type.Kind() == reflect.Struct:
		return "", false, true, nil
	case !tagged && f.IsExported() && holdsModules(f.Type):
		return "", false, false, errors.New("has parameters but no tag (w:\"-\" leaves it out)")
	case !tagged:
		return "", false, false, nil
	case !f.IsExported() && !f.Anonymous:
		return "", false, false, errors.New("has a tag but is not exported")
	case option != "" && option != "optional":
		return "", false, false, fmt.Errorf("has an unknown option %q in its tag", option)
	}
	return name, option == "optional", true, nil
}

// holdsModules says whether a type is a Module or a pointer, slice or array of
// those.
func holdsModules(t reflect.Type) bool {
	if t.Implements(moduleType) || reflect.PointerTo(t).Implements(moduleType) {
		return true
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return holdsModules(t.Elem())
	}
	return false
}

var moduleType = reflect.TypeFor[Module]()

// optional walks a field that may be absent as a whole.
func (b *binder) optional(v reflect.Value, path string) error {
	part := binder{src: b.src, used: b.used}
	if err := part.value(v, path); err != nil {
		return err
	}
	nillable := v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface
	if len(part.bindings) == 0 && len(part.err.Wrong) == 0 {
		if nillable && v.CanSet() {
			v.SetZero()
		}
		return nil
	}
	b.bindings = append(b.bindings, part.bindings...)
	b.err.Missing = append(b.err.Missing, part.err.Missing...)
	b.err.Wrong = append(b.err.Wrong, part.err.Wrong...)
	return nil
}

// leaf pairs the parameters of one module.
func (b *binder) leaf(m Module, path string) {
	for _, p := range m.Params() {
		name := join(path, p.Name)
		t, ok := headOf(b.src, name)
		if !ok {
			origin, problem := explain(b.src, name)
			switch {
			case problem != "":
				b.used[name] = true
				b.err.Wrong = append(b.err.Wrong, Wrong{Name: name, Origin: origin, Want: p.Shape, Problem: problem})
			case !p.Optional:
				b.used[name] = true // if a part of it is there, it is not unknown
				b.err.Missing = append(b.err.Missing, Missing{Name: name, Origin: origin})
			}
			continue
		}
		b.used[name] = true
		if !fits(t.Shape, p.Shape) {
			b.err.Wrong = append(b.err.Wrong, Wrong{Name: name, Origin: t.Origin, Found: t.Shape, Want: p.Shape})
			continue
		}
		b.bindings = append(b.bindings, Binding{Name: name, Param: p, Tensor: t})
	}
}

// moduleOf finds the Module in a value or behind its address.
func moduleOf(v reflect.Value) (Module, bool) {
	nilled := (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && v.IsNil()
	if !v.CanInterface() || nilled {
		return nil, false
	}
	if m, ok := v.Interface().(Module); ok {
		return m, true
	}
	if v.CanAddr() {
		m, ok := v.Addr().Interface().(Module)
		return m, ok
	}
	return nil, false
}

// fits says whether a tensor's shape is what a parameter wants.
func fits(found, want []int) bool {
	if len(found) != len(want) {
		return false
	}
	for i, n := range want {
		if n != -1 && n != found[i] {
			return false
		}
	}
	return true
}

// join puts a dot between two parts of a path, if both are there.
func join(path, name string) string {
	if path == "" || name == "" {
		return path + name
	}
	return path + "." + name
}
