package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// maxSteps bounds what a pickle may cost: an opcode is one step, and costs at
// most some 100 bytes of memory. A tensor takes about 30.
const maxSteps = 1 << 21

// maxNesting is far above any real checkpoint's.
const maxNesting = 100

// unpickler runs one pickle: a program for a machine with a stack and a memo.
// It knows the opcodes that Python writes in protocols 2 to 5 for tensors and
// plain values, and the globals of [globals]; anything else is an error. It is
// written here because the one such library for Go, gopickle, copies each
// storage into floats, allocates what numbers in the file ask for, and panics
// on some valid files.
//
// A value is nil, a bool, an int64, a long, a text, an opaque, an *array, a
// *dict, a *storage, a *view, a DType, a storageClass or a function. Values are
// shared, never copied, so a pickle costs what its opcodes cost, however often
// one value stands in another.
type unpickler struct {
	data  []byte
	at    int // of the next byte
	stack []any
	marks []int // lengths of the stack at each MARK
	memo  map[uint32]any
	steps int // left

	// storages are those that the pickle named, by their keys.
	storages map[string]*storage
}

type (
	text   []byte             // a str, part of the file
	long   string             // an int that int64 does not hold, little endian
	opaque struct{}           // a plain value that is of no use here: float, bytes
	array  struct{ of []any } // a list or a tuple
	dict   struct{ of []any } // key, value, key, value …
)

func newUnpickler(data []byte) *unpickler {
	return &unpickler{data: data, memo: map[uint32]any{}, steps: maxSteps, storages: map[string]*storage{}}
}

// load runs the pickle to its end and returns what it made: a value that does
// not contain itself and is nested at most maxNesting deep. u.at is then behind
// the pickle.
func (u *unpickler) load() (any, error) {
	for {
		at := u.at
		op, err := u.take(1)
		if err != nil {
			return nil, err
		}
		if op[0] == opStop {
			v, err := u.pop()
			if err == nil {
				err = checkNesting(v, 0, map[any]bool{})
			}
			return v, err
		}
		run := opcodes[op[0]]
		if run == nil {
			return nil, fmt.Errorf("pickle: opcode %#02x at byte %d, which torch.save does not write", op[0], at)
		}
		if err = u.spend(1); err == nil {
			err = run(u)
		}
		var refused *PickleError
		if err != nil && !errors.As(err, &refused) {
			err = fmt.Errorf("pickle: opcode %#02x at byte %d: %w", op[0], at, err)
		}
		if err != nil {
			return nil, err
		}
	}
}

const opStop = '.'

// opcodes are the machine's, by Python's pickletools.
var opcodes = [256]func(*unpickler) error{
	0x80: (*unpickler).proto,
	0x95: func(u *unpickler) error { _, err := u.take(8); return err }, // FRAME
	'(':  func(u *unpickler) error { u.marks = append(u.marks, len(u.stack)); return nil },
	'0':  func(u *unpickler) error { _, err := u.pop(); return err },
	'1':  func(u *unpickler) error { _, err := u.popMark(); return err },

	'N':  func(u *unpickler) error { return u.push(nil) },
	0x88: func(u *unpickler) error { return u.push(true) },
	0x89: func(u *unpickler) error { return u.push(false) },
	'J':  func(u *unpickler) error { n, err := u.number(4); return u.pushIf(int64(int32(n)), err) },
	'K':  func(u *unpickler) error { n, err := u.number(1); return u.pushIf(int64(n), err) },
	'M':  func(u *unpickler) error { n, err := u.number(2); return u.pushIf(int64(n), err) },
	0x8a: (*unpickler).long1,
	'G':  func(u *unpickler) error { _, err := u.take(8); return u.pushIf(opaque{}, err) }, // BINFLOAT

	'X':  func(u *unpickler) error { b, err := u.sized(4); return u.pushIf(text(b), err) },
	0x8c: func(u *unpickler) error { b, err := u.sized(1); return u.pushIf(text(b), err) },
	0x8d: func(u *unpickler) error { b, err := u.sized(8); return u.pushIf(text(b), err) },
	'T':  func(u *unpickler) error { b, err := u.sized(4); return u.pushIf(text(b), err) }, // Python 2's str
	'U':  func(u *unpickler) error { b, err := u.sized(1); return u.pushIf(text(b), err) },
	'B':  func(u *unpickler) error { _, err := u.sized(4); return u.pushIf(opaque{}, err) },
	'C':  func(u *unpickler) error { _, err := u.sized(1); return u.pushIf(opaque{}, err) },
	0x8e: func(u *unpickler) error { _, err := u.sized(8); return u.pushIf(opaque{}, err) },

	']':  func(u *unpickler) error { return u.push(&array{}) },
	'a':  (*unpickler).appendOne,
	'e':  (*unpickler).appendAll,
	')':  func(u *unpickler) error { return u.push(&array{}) },
	0x85: func(u *unpickler) error { return u.tuple(1) },
	0x86: func(u *unpickler) error { return u.tuple(2) },
	0x87: func(u *unpickler) error { return u.tuple(3) },
	't':  func(u *unpickler) error { of, err := u.popMark(); return u.pushIf(&array{of}, err) },
	'}':  func(u *unpickler) error { return u.push(&dict{}) },
	's':  (*unpickler).setOne,
	'u':  (*unpickler).setAll,

	'q':  func(u *unpickler) error { n, err := u.number(1); return u.put(n, err) },
	'r':  func(u *unpickler) error { n, err := u.number(4); return u.put(n, err) },
	0x94: func(u *unpickler) error { return u.put(uint64(len(u.memo)), nil) },
	'h':  func(u *unpickler) error { n, err := u.number(1); return u.get(n, err) },
	'j':  func(u *unpickler) error { n, err := u.number(4); return u.get(n, err) },

	'c':  (*unpickler).global,
	0x93: (*unpickler).stackGlobal,
	'R':  (*unpickler).call,
	0x81: (*unpickler).call, // NEWOBJ
	'b':  (*unpickler).build,
	'Q':  (*unpickler).persistent,
}

// spend takes n steps from what is left.
func (u *unpickler) spend(n int) error {
	if n > u.steps {
		return fmt.Errorf("more than %d steps are needed", maxSteps)
	}
	u.steps -= n
	return nil
}

// take reads n bytes of the pickle.
func (u *unpickler) take(n uint64) ([]byte, error) {
	if n > uint64(len(u.data)-u.at) {
		return nil, fmt.Errorf("%d more bytes are wanted at byte %d: the file is truncated", n, u.at)
	}
	b := u.data[u.at : u.at+int(n)]
	u.at += int(n)
	return b[:n:n], nil
}

// number reads a little-endian number of size bytes.
func (u *unpickler) number(size uint64) (uint64, error) {
	b, err := u.take(size)
	if err != nil {
		return 0, err
	}
	var word [8]byte
	copy(word[:], b)
	return binary.LittleEndian.Uint64(word[:]), nil
}

// sized reads a length of size bytes and that many bytes.
func (u *unpickler) sized(size uint64) ([]byte, error) {
	n, err := u.number(size)
	if err != nil {
		return nil, err
	}
	return u.take(n)
}

func (u *unpickler) push(v any) error {
	u.stack = append(u.stack, v)
	return nil
}

// pushIf pushes v, unless making it failed.
func (u *unpickler) pushIf(v any, err error) error {
	if err != nil {
		return err
	}
	return u.push(v)
}

// top is the topmost value above the last mark.
func (u *unpickler) top() (any, error) {
	floor := 0
	if len(u.marks) > 0 {
		floor = u.marks[len(u.marks)-1]
	}
	if len(u.stack) <= floor {
		return nil, errors.New("the stack is empty")
	}
	return u.stack[len(u.stack)-1], nil
}

func (u *unpickler) pop() (any, error) {
	v, err := u.top()
	if err == nil {
		u.stack = u.stack[:len(u.stack)-1]
	}
	return v, err
}

// popMark pops the values above the last mark, and the mark.
func (u *unpickler) popMark() ([]any, error) {
	if len(u.marks) == 0 {
		return nil, errors.New("there is no mark")
	}
	floor := u.marks[len(u.marks)-1]
	u.marks = u.marks[:len(u.marks)-1]
	of := slices.Clone(u.stack[floor:])
	u.stack = u.stack[:floor]
	return of, nil
}

func (u *unpickler) proto() error {
	n, err := u.number(1)
	if err == nil && (n < 2 || n > 5) {
		err = fmt.Errorf("protocol %d; 2 to 5 are read", n)
	}
	return err
}

// long1 reads an int of up to 255 bytes, in two's complement.
func (u *unpickler) long1() error {
	b, err := u.sized(1)
	if err != nil {
		return err
	}
	if len(b) > 8 {
		return u.push(long(b))
	}
	var word [8]byte
	if len(b) > 0 && b[len(b)-1] >= 0x80 {
		word = [8]byte{255, 255, 255, 255, 255, 255, 255, 255}
	}
	copy(word[:], b)
	return u.push(int64(binary.LittleEndian.Uint64(word[:])))
}

// tuple makes one of the n topmost values.
func (u *unpickler) tuple(n int) error {
	of := make([]any, n)
	for i := n - 1; i >= 0; i-- {
		v, err := u.pop()
		if err != nil {
			return err
		}
		of[i] = v
	}
	return u.push(&array{of})
}

func (u *unpickler) appendOne() error {
	v, err := u.pop()
	if err != nil {
		return err
	}
	return u.extend(v)
}

func (u *unpickler) appendAll() error {
	of, err := u.popMark()
	if err != nil {
		return err
	}
	return u.extend(of...)
}

// extend appends values to the list on top of the stack.
func (u *unpickler) extend(of ...any) error {
	v, err := u.top()
	if err != nil {
		return err
	}
	a, ok := v.(*array)
	if !ok {
		return fmt.Errorf("found %s where a list is wanted", kind(v))
	}
	a.of = append(a.of, of...)
	return nil
}

func (u *unpickler) setOne() error {
	value, err := u.pop()
	if err != nil {
		return err
	}
	key, err := u.pop()
	if err != nil {
		return err
	}
	return u.set(key, value)
}

func (u *unpickler) setAll() error {
	of, err := u.popMark()
	if err == nil && len(of)%2 != 0 {
		err = errors.New("a key without its value")
	}
	if err != nil {
		return err
	}
	return u.set(of...)
}

// set adds keys and values to the dict on top of the stack.
func (u *unpickler) set(of ...any) error {
	v, err := u.top()
	if err != nil {
		return err
	}
	d, ok := v.(*dict)
	if !ok {
		return fmt.Errorf("found %s where a dict is wanted", kind(v))
	}
	d.of = append(d.of, of...)
	return nil
}

// put notes the topmost value in the memo.
func (u *unpickler) put(n uint64, err error) error {
	if err != nil {
		return err
	}
	v, err := u.top()
	if err == nil {
		u.memo[uint32(n)] = v
	}
	return err
}

func (u *unpickler) get(n uint64, err error) error {
	if err != nil {
		return err
	}
	v, ok := u.memo[uint32(n)]
	if !ok {
		return fmt.Errorf("memo %d is empty", n)
	}
	return u.push(v)
}

// checkNesting refuses a value that contains itself or is nested too deep. It
// looks into each list and dict once: state is false for those that it is in,
// true for those that it is through with.
func checkNesting(v any, depth int, state map[any]bool) error {
	var of []any
	switch v := v.(type) {
	case *array:
		of = v.of
	case *dict:
		of = v.of
	default:
		return nil
	}
	done, seen := state[v]
	switch {
	case done:
		return nil
	case seen:
		return errors.New("damaged pickle: a list or dict contains itself")
	case depth == maxNesting:
		return fmt.Errorf("damaged pickle: lists and dicts are nested more than %d deep", maxNesting)
	}
	state[v] = false
	for _, inner := range of {
		if err := checkNesting(inner, depth+1, state); err != nil {
			return err
		}
	}
	state[v] = true
	return nil
}

// find returns the value of a key, nil if it is not there.
func (d *dict) find(key string) (found any, err error) {
	seen := false
	for i := 0; i < len(d.of); i += 2 {
		if k, ok := d.of[i].(text); ok && string(k) == key {
			if seen {
				return nil, fmt.Errorf("damaged pickle: the key %q is there twice", key)
			}
			found, seen = d.of[i+1], true
		}
	}
	return found, nil
}

// kind names a value's type in an error.
func kind(v any) string {
	switch v.(type) {
	case nil:
		return "None"
	case bool:
		return "a bool"
	case int64, long:
		return "an int"
	case text:
		return "a str"
	case opaque:
		return "a float or bytes"
	case *array:
		return "a list or tuple"
	case *dict:
		return "a dict"
	case *storage:
		return "a storage"
	case *view:
		return "a tensor"
	default:
		return "a type or function"
	}
}

// maxName is the longest storage key or name of a global, in bytes.
const maxName = 256

// name reads a short str.
func name(v any) (string, error) {
	t, ok := v.(text)
	if !ok {
		return "", fmt.Errorf("found %s where a str is wanted", kind(v))
	}
	if len(t) > maxName {
		return "", fmt.Errorf("a name of %d bytes, at most %d are allowed", len(t), maxName)
	}
	return string(t), nil
}

// size reads an int ≥ 0.
func size(v any) (int, error) {
	n, ok := v.(int64)
	if !ok {
		return 0, fmt.Errorf("found %s where a size is wanted", kind(v))
	}
	if n < 0 || n > math.MaxInt {
		return 0, fmt.Errorf("%d is no size", n)
	}
	return int(n), nil
}

// sizes reads a tuple of at most maxDims ints ≥ 0.
func sizes(v any) ([]int, error) {
	a, ok := v.(*array)
	if !ok {
		return nil, fmt.Errorf("found %s where a tuple of sizes is wanted", kind(v))
	}
	if len(a.of) > maxDims {
		return nil, fmt.Errorf("%d dimensions, at most %d are allowed", len(a.of), maxDims)
	}
	list := make([]int, len(a.of))
	for i, v := range a.of {
		n, err := size(v)
		if err != nil {
			return nil, err
		}
		list[i] = n
	}
	return list, nil
}

// printable shows text of a file in one line.
func printable(s string) string {
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}
