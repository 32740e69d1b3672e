package weights

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// ErrShrunk is wrapped by the error of a read of mapped memory that failed.
var ErrShrunk = errors.New("the file was shortened while it was read, or its disk failed; load it again")

// Guard calls read, which may read tensors' data, and returns its error. The
// data of a file that was opened by its path are memory-mapped: where somebody
// shortens the file, or its disk fails, a read ends in a fault, which Guard turns
// into an error that wraps [ErrShrunk]. It guards the goroutine that calls it,
// not those that read starts, which are to call it themselves; and Go code, not
// C.
func Guard(read func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }: // a fault, as opposed to a bug of read
			err = fmt.Errorf("reading mapped weights: %w", ErrShrunk)
		default:
			panic(fault)
		}
	}()
	return read()
}
