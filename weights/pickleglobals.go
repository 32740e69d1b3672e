package weights

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// PickleError says that a PyTorch file has something else where tensors are
// wanted, by module and name: a whole model was saved, or the file is hostile.
type PickleError struct{ Module, Name string }

func (e *PickleError) Error() string {
	name := Printable(e.Module + "." + e.Name)
	if hostile(e.Module, e.Name) {
		return fmt.Sprintf("its pickle asks for %s, which no checkpoint needs and which runs commands: it is an attack, do not load it in Python", name)
	}
	return fmt.Sprintf("its pickle asks for %s, which is not a tensor; "+
		"load it in Python, if you trust it, and save the tensors alone: torch.save(model.state_dict(), file)", name)
}

// hostile knows what a pickle asks for to run commands in Python. Nothing is
// ever called here: the list protects those who would load the file there next.
func hostile(module, name string) bool {
	root, _, _ := strings.Cut(module, ".")
	switch root {
	case "os", "posix", "nt", "subprocess", "pty", "sys", "shutil", "socket", "runpy", "importlib", "ctypes", "marshal", "webbrowser":
		return true
	case "builtins", "__builtin__":
		return slices.Contains([]string{"eval", "exec", "execfile", "compile", "open", "file", "__import__", "apply", "input", "breakpoint"}, name)
	}
	return false
}

type (
	storageClass DType // a type of storage, by that of its elements
	function     func(u *unpickler, args []any) (any, error)

	// foreign stands for a class, a function or what is made by it that is not
	// in globals: argparse.Namespace, an optimizer, a number of NumPy. It is
	// never called, and what it is given is dropped.
	foreign struct{ module, name string }

	// storage is a run of elements that tensors look into.
	storage struct {
		key   string // of its bytes in the file
		dtype DType
		size  int // elements
		begin int // the first element, not 0 where it is a part of a larger one
	}

	// view is a tensor: elements offset + Σ index·stride of a storage.
	view struct {
		storage        *storage
		dtype          DType
		offset         int // elements
		shape, strides []int
	}
)

// globals is all that a pickle can have made; the rest is foreign.
var globals = map[string]any{
	"collections.OrderedDict":                    function(orderedDict),
	"torch.Size":                                 function(only),
	"torch.nn.parameter.Parameter":               function(parameter), // up to PyTorch 0.3
	"torch._utils._rebuild_parameter":            function(parameter),
	"torch._utils._rebuild_parameter_with_state": function(parameter),
	"torch._utils._rebuild_tensor":               function(rebuildTensor),
	"torch._utils._rebuild_tensor_v2":            function(rebuildTensor2),
	"torch._utils._rebuild_tensor_v3":            function(rebuildTensor3),
	"torch._tensor._rebuild_from_type_v2":        function(rebuildFromType),
	"collections.defaultdict":                    function(defaultDict),

	"torch.FloatStorage": storageClass(F32), "torch.HalfStorage": storageClass(F16),
	"torch.BFloat16Storage": storageClass(BF16), "torch.DoubleStorage": storageClass(F64),
	"torch.LongStorage": storageClass(I64), "torch.IntStorage": storageClass(I32),
	"torch.ShortStorage": storageClass(I16), "torch.CharStorage": storageClass(I8),
	"torch.ByteStorage": storageClass(U8), "torch.BoolStorage": storageClass(Bool),
	"torch.UntypedStorage": storageClass(U8), "torch.storage.UntypedStorage": storageClass(U8),
	"torch.storage._UntypedStorage": storageClass(U8),

	"torch.float32": F32, "torch.float16": F16, "torch.bfloat16": BF16, "torch.float64": F64,
	"torch.int64": I64, "torch.int32": I32, "torch.int16": I16, "torch.int8": I8,
	"torch.uint64": U64, "torch.uint32": U32, "torch.uint16": U16, "torch.uint8": U8,
	"torch.bool":          Bool,
	"torch.float8_e4m3fn": F8E4M3, "torch.float8_e5m2": F8E5M2,
}

// global pushes what two lines of text name.
func (u *unpickler) global() error {
	var names [2]text
	for i := range names {
		rest := u.data[u.at:min(len(u.data), u.at+maxName+1)]
		n := bytes.IndexByte(rest, '\n')
		if n < 0 {
			return errors.New("a name without an end")
		}
		names[i] = rest[:n]
		u.at += n + 1
	}
	return u.pushGlobal(names[0], names[1])
}

func (u *unpickler) stackGlobal() error {
	symbol, err := u.pop()
	if err != nil {
		return err
	}
	module, err := u.pop()
	if err != nil {
		return err
	}
	return u.pushGlobal(module, symbol)
}

func (u *unpickler) pushGlobal(module, symbol any) error {
	m, err := asName(module)
	if err != nil {
		return err
	}
	s, err := asName(symbol)
	if err != nil {
		return err
	}
	v, ok := globals[m+"."+s]
	switch {
	case ok:
		return u.push(v)
	case hostile(m, s):
		return &PickleError{Module: m, Name: s}
	}
	f := &foreign{module: m, name: s}
	if u.asked == nil {
		u.asked = f
	}
	return u.push(f)
}

// call replaces a function and its arguments by the result.
func (u *unpickler) call() error {
	v, err := u.pop()
	if err != nil {
		return err
	}
	args, ok := v.(*array)
	if !ok {
		return fmt.Errorf("found %s where arguments are wanted", kind(v))
	}
	if v, err = u.pop(); err != nil {
		return err
	}
	return u.apply(v, args.of)
}

// apply pushes what a function makes of its arguments; of a foreign one, that
// one itself.
func (u *unpickler) apply(v any, args []any) error {
	switch f := v.(type) {
	case *foreign:
		return u.push(f)
	case function:
		made, err := f(u, args)
		return u.pushIf(made, err)
	}
	return fmt.Errorf("found %s where a function is wanted", kind(v))
}

// newWithKeys is call with arguments by their names, which only foreign classes
// have.
func (u *unpickler) newWithKeys() error {
	keys, err := u.pop()
	if err != nil {
		return err
	}
	if d, ok := keys.(*dict); !ok || len(d.of) > 0 {
		under, err := u.under(1)
		if _, isForeign := under.(*foreign); err != nil || !isForeign {
			return fmt.Errorf("found %s where no arguments by names are wanted", kind(keys))
		}
	}
	return u.call()
}

// build drops an object's further state: a dict's _metadata, a parameter's
// requires_grad, or all of a foreign object.
func (u *unpickler) build() error {
	if _, err := u.pop(); err != nil {
		return err
	}
	v, err := u.top()
	if err != nil {
		return err
	}
	switch v.(type) {
	case *dict, *view, *foreign:
		return nil
	}
	return fmt.Errorf("found %s where a dict, a tensor or an object is wanted", kind(v))
}

// orderedDict makes an empty dict, or one of a list of pairs, as Python 2 has
// it.
func orderedDict(u *unpickler, args []any) (any, error) {
	if len(args) == 0 {
		return &dict{}, nil
	}
	pairs, err := only(u, args)
	if err != nil {
		return nil, err
	}
	if err := u.spend(len(pairs.(*array).of)); err != nil {
		return nil, err
	}
	d := &dict{}
	for _, v := range pairs.(*array).of {
		pair, ok := v.(*array)
		if !ok || len(pair.of) != 2 {
			return nil, errors.New("an OrderedDict of something else than pairs")
		}
		d.of = append(d.of, pair.of...)
	}
	return d, nil
}

// defaultDict makes an empty dict; what it would make of missing keys is dropped.
func defaultDict(*unpickler, []any) (any, error) { return &dict{}, nil }

// rebuildFromType takes (function, class, arguments, state): a tensor with
// attributes of its own, which are dropped, or one of a class that is foreign.
func rebuildFromType(u *unpickler, args []any) (any, error) {
	if len(args) < 3 {
		return nil, fmt.Errorf("a tensor of %d arguments", len(args))
	}
	f, ok := args[0].(function)
	of, isArray := args[2].(*array)
	class, isForeign := args[1].(*foreign)
	switch {
	case isForeign && *class != (foreign{"torch", "Tensor"}):
		return class, nil
	case !ok || !isArray:
		return nil, fmt.Errorf("a tensor made by %s of %s", kind(args[0]), kind(args[2]))
	}
	return f(u, of.of)
}

// only returns the list or tuple that is the only argument.
func only(_ *unpickler, args []any) (any, error) {
	if len(args) == 1 {
		if a, ok := args[0].(*array); ok {
			return a, nil
		}
	}
	return nil, errors.New("one list or tuple is wanted")
}

// parameter returns the tensor that a parameter is made of.
func parameter(_ *unpickler, args []any) (any, error) {
	if len(args) > 0 {
		if t, ok := args[0].(*view); ok {
			return t, nil
		}
	}
	return nil, errors.New("a parameter of something else than a tensor")
}

// rebuildTensor takes (storage, offset, size, stride).
func rebuildTensor(u *unpickler, args []any) (any, error) {
	if len(args) < 4 {
		return nil, fmt.Errorf("a tensor of %d arguments", len(args))
	}
	s, ok := args[0].(*storage)
	if !ok {
		return nil, fmt.Errorf("found %s where a storage is wanted", kind(args[0]))
	}
	offset, err := asSize(args[1])
	if err != nil {
		return nil, err
	}
	shape, err := asSizes(args[2])
	if err != nil {
		return nil, err
	}
	strides, err := asSizes(args[3])
	if err != nil {
		return nil, err
	}
	if len(shape) != len(strides) {
		return nil, fmt.Errorf("strides %v for shape %v", strides, shape)
	}
	return &view{storage: s, dtype: s.dtype, offset: offset, shape: shape, strides: strides}, u.spend(2 * len(shape))
}

// rebuildTensor2 takes (…, requires_grad, backward_hooks[, metadata]).
func rebuildTensor2(u *unpickler, args []any) (any, error) {
	if err := checkMetadata(args, 6); err != nil {
		return nil, err
	}
	return rebuildTensor(u, args)
}

// rebuildTensor3 takes (…, requires_grad, backward_hooks, dtype[, metadata]) and
// a storage of bytes.
func rebuildTensor3(u *unpickler, args []any) (any, error) {
	if err := checkMetadata(args, 7); err != nil {
		return nil, err
	}
	v, err := rebuildTensor(u, args)
	if err != nil {
		return nil, err
	}
	if len(args) < 7 {
		return nil, fmt.Errorf("a tensor of %d arguments", len(args))
	}
	if unknown, ok := args[6].(*foreign); ok {
		return nil, &PickleError{Module: unknown.module, Name: unknown.name}
	}
	dtype, ok := args[6].(DType)
	if !ok {
		return nil, fmt.Errorf("found %s where a dtype is wanted", kind(args[6]))
	}
	t := v.(*view)
	t.dtype = dtype
	return t, nil
}

// checkMetadata refuses tensors whose argument i says that their values are to
// be negated or conjugated.
func checkMetadata(args []any, i int) error {
	if len(args) <= i {
		return nil
	}
	if d, ok := args[i].(*dict); args[i] == nil || ok && len(d.of) == 0 {
		return nil
	}
	return errors.New("a tensor with its conj or neg bit set; save it after .resolve_conj().resolve_neg()")
}

// persistent replaces ("storage", class, key, location, size[, part]) by the
// storage. Where it was, on a CPU or a GPU, does not matter.
func (u *unpickler) persistent() error {
	v, err := u.pop()
	if err != nil {
		return err
	}
	id, ok := v.(*array)
	if !ok || len(id.of) < 5 {
		return errors.New("a persistent id that is no storage")
	}
	if t, ok := id.of[0].(text); !ok || string(t) != "storage" {
		return errors.New("a persistent id that is no storage")
	}
	if unknown, ok := id.of[1].(*foreign); ok {
		return &PickleError{Module: unknown.module, Name: unknown.name}
	}
	class, ok := id.of[1].(storageClass)
	if !ok {
		return fmt.Errorf("found %s where a storage's type is wanted", kind(id.of[1]))
	}
	key, err := asName(id.of[2])
	if err != nil {
		return err
	}
	n, err := asSize(id.of[4])
	if err != nil {
		return err
	}
	s, err := u.storage(key, DType(class), n)
	if err != nil {
		return err
	}
	if len(id.of) > 5 && id.of[5] != nil {
		s, err = s.part(id.of[5])
	}
	return u.pushIf(s, err)
}

// storage is the one of a key, which is of the same type and size each time.
func (u *unpickler) storage(key string, dtype DType, n int) (*storage, error) {
	s := u.storages[key]
	if s == nil {
		if _, err := sizeOf([]int{n}, dtype.Size()); err != nil {
			return nil, err
		}
		s = &storage{key: key, dtype: dtype, size: n}
		u.storages[key] = s
	}
	if s.dtype != dtype || s.size != n {
		return nil, fmt.Errorf("storage %s is %v [%d] and %v [%d]", Printable(key), s.dtype, s.size, dtype, n)
	}
	return s, nil
}

// part is the part of a storage that (key, offset, size) says.
func (s *storage) part(v any) (*storage, error) {
	id, ok := v.(*array)
	if !ok || len(id.of) != 3 {
		return nil, errors.New("a part of a storage that is no (key, offset, size)")
	}
	begin, err := asSize(id.of[1])
	if err != nil {
		return nil, err
	}
	n, err := asSize(id.of[2])
	if err != nil {
		return nil, err
	}
	if begin > s.size || n > s.size-begin {
		return nil, fmt.Errorf("%d elements from %d of a storage of %d", n, begin, s.size)
	}
	return &storage{key: s.key, dtype: s.dtype, size: n, begin: begin}, nil
}
