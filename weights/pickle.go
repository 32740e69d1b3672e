package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// maxSteps bounds what a pickle may cost: an opcode is one step, and costs at
// most some 100 bytes of memory. A tensor takes about 30.
const maxSteps = 1 << 21

// unpickler runs one pickle: a program for a machine with a stack and a memo.
// It knows the opcodes that Python writes in protocols 2 to 5 and the globals of
// [globals]; of anything else that a pickle asks for only the name is kept. It is
// written here because the one such library for Go, gopickle, copies each
// storage into floats, allocates what numbers in the file ask for, and panics
// on some valid files.
//
// A value is nil, a bool, an int64, a long, a text, an opaque, an *array, a
// *dict, a *storage, a *view, a DType, a storageClass, a function or a *foreign.
// Values are shared, never copied, so a pickle costs what its opcodes cost, however often
// one value stands in another.
type unpickler struct {
	data  []byte
	at    int // of the next byte
	stack []any
	marks []int // lengths of the stack at each MARK
	memo  map[uint32]any
	steps int      // left
	asked *foreign // the first, or nil

	// storages are those that the pickle named, by their keys.
	storages map[string]*storage
}

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
		if err != nil {
			return nil, located(err, op[0], at)
		}
	}
}

// located says where in a pickle an error is, if it lies in the pickle.
func located(err error, op byte, at int) error {
	var refused *PickleError
	if errors.As(err, &refused) {
		return err
	}
	return fmt.Errorf("pickle: opcode %#02x at byte %d: %w", op, at, err)
}

const opStop = '.'

// opcodes are the machine's, by Python's pickletools.
var opcodes = [256]func(*unpickler) error{
	0x80: (*unpickler).proto,                                                               // PROTO
	0x95: func(u *unpickler) error { _, err := u.take(8); return err },                     // FRAME
	'(':  func(u *unpickler) error { u.marks = append(u.marks, len(u.stack)); return nil }, // MARK
	'0':  func(u *unpickler) error { _, err := u.pop(); return err },                       // POP
	'1':  func(u *unpickler) error { _, err := u.popMark(); return err },                   // POP_MARK
	'2':  func(u *unpickler) error { v, err := u.top(); return u.pushIf(v, err) },          // DUP

	'N':  func(u *unpickler) error { return u.push(nil) },                                           // NONE
	0x88: func(u *unpickler) error { return u.push(true) },                                          // NEWTRUE
	0x89: func(u *unpickler) error { return u.push(false) },                                         // NEWFALSE
	'J':  func(u *unpickler) error { n, err := u.number(4); return u.pushIf(int64(int32(n)), err) }, // BININT
	'K':  func(u *unpickler) error { n, err := u.number(1); return u.pushIf(int64(n), err) },        // BININT1
	'M':  func(u *unpickler) error { n, err := u.number(2); return u.pushIf(int64(n), err) },        // BININT2
	0x8a: func(u *unpickler) error { b, err := u.sized(1); return u.long(b, err) },                  // LONG1
	0x8b: func(u *unpickler) error { b, err := u.sized(4); return u.long(b, err) },                  // LONG4
	'G':  func(u *unpickler) error { _, err := u.take(8); return u.pushIf(opaque{}, err) },          // BINFLOAT

	'X':  func(u *unpickler) error { b, err := u.sized(4); return u.pushIf(text(b), err) },  // BINUNICODE
	0x8c: func(u *unpickler) error { b, err := u.sized(1); return u.pushIf(text(b), err) },  // SHORT_BINUNICODE
	0x8d: func(u *unpickler) error { b, err := u.sized(8); return u.pushIf(text(b), err) },  // BINUNICODE8
	'T':  func(u *unpickler) error { b, err := u.sized(4); return u.pushIf(text(b), err) },  // BINSTRING, Python 2's str
	'U':  func(u *unpickler) error { b, err := u.sized(1); return u.pushIf(text(b), err) },  // SHORT_BINSTRING
	'B':  func(u *unpickler) error { _, err := u.sized(4); return u.pushIf(opaque{}, err) }, // BINBYTES
	'C':  func(u *unpickler) error { _, err := u.sized(1); return u.pushIf(opaque{}, err) }, // SHORT_BINBYTES
	0x8e: func(u *unpickler) error { _, err := u.sized(8); return u.pushIf(opaque{}, err) }, // BINBYTES8
	0x96: func(u *unpickler) error { _, err := u.sized(8); return u.pushIf(opaque{}, err) }, // BYTEARRAY8

	']':  func(u *unpickler) error { return u.push(&array{}) },                                  // EMPTY_LIST
	'a':  (*unpickler).appendOne,                                                                // APPEND
	'e':  (*unpickler).appendAll,                                                                // APPENDS
	')':  func(u *unpickler) error { return u.push(&array{}) },                                  // EMPTY_TUPLE
	0x85: func(u *unpickler) error { return u.tuple(1) },                                        // TUPLE1
	0x86: func(u *unpickler) error { return u.tuple(2) },                                        // TUPLE2
	0x87: func(u *unpickler) error { return u.tuple(3) },                                        // TUPLE3
	't':  func(u *unpickler) error { of, err := u.popMark(); return u.pushIf(&array{of}, err) }, // TUPLE
	'}':  func(u *unpickler) error { return u.push(&dict{}) },                                   // EMPTY_DICT
	's':  (*unpickler).setOne,                                                                   // SETITEM
	'u':  (*unpickler).setAll,                                                                   // SETITEMS
	0x8f: func(u *unpickler) error { return u.push(&array{}) },                                  // EMPTY_SET
	0x90: (*unpickler).appendAll,                                                                // ADDITEMS
	0x91: func(u *unpickler) error { of, err := u.popMark(); return u.pushIf(&array{of}, err) }, // FROZENSET

	'q':  func(u *unpickler) error { n, err := u.number(1); return u.put(n, err) }, // BINPUT
	'r':  func(u *unpickler) error { n, err := u.number(4); return u.put(n, err) }, // LONG_BINPUT
	0x94: func(u *unpickler) error { return u.put(uint64(len(u.memo)), nil) },      // MEMOIZE
	'h':  func(u *unpickler) error { n, err := u.number(1); return u.get(n, err) }, // BINGET
	'j':  func(u *unpickler) error { n, err := u.number(4); return u.get(n, err) }, // LONG_BINGET

	'c':  (*unpickler).global,      // GLOBAL
	0x93: (*unpickler).stackGlobal, // STACK_GLOBAL
	'R':  (*unpickler).call,        // REDUCE
	0x81: (*unpickler).call,        // NEWOBJ
	0x92: (*unpickler).newWithKeys, // NEWOBJ_EX
	'b':  (*unpickler).build,       // BUILD
	'Q':  (*unpickler).persistent,  // BINPERSID
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
func (u *unpickler) top() (any, error) { return u.under(0) }

// under is the value above the last mark that n others lie on.
func (u *unpickler) under(n int) (any, error) {
	floor := 0
	if len(u.marks) > 0 {
		floor = u.marks[len(u.marks)-1]
	}
	if len(u.stack)-n <= floor {
		return nil, errors.New("the stack is empty")
	}
	return u.stack[len(u.stack)-1-n], nil
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

// long pushes an int of any number of bytes, in two's complement.
func (u *unpickler) long(b []byte, err error) error {
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
	switch v := v.(type) {
	case *array:
		v.of = append(v.of, of...)
		return nil
	case *foreign: // a list of another class
		return nil
	}
	return fmt.Errorf("found %s where a list is wanted", kind(v))
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
	switch v := v.(type) {
	case *dict:
		v.of = append(v.of, of...)
		return nil
	case *foreign: // a dict of another class
		return nil
	}
	return fmt.Errorf("found %s where a dict is wanted", kind(v))
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
