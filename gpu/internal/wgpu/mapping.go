package wgpu

// #include <stdlib.h>
import "C"

import "unsafe"

// Mapping is a buffer that is being mapped to be read. Release frees it, once it is done.
type Mapping struct{ status *int32 } // in C's memory, which the driver writes

// underWay is the status that no binding gives.
const underWay = -1

// MapRead begins to map the first bytes of a buffer; polling its device goes on with it.
func MapRead(b *Buffer, size int64) Mapping {
	m := Mapping{(*int32)(C.malloc(C.sizeof_int))}
	*m.status = underWay
	mapRead(b, size, m.status)
	return m
}

// Done says whether the mapping has succeeded or failed.
func (m Mapping) Done() bool { return *m.status != underWay }

// Failed is the status of a mapping that failed, and whether it did.
func (m Mapping) Failed() (status int, failed bool) { return int(*m.status), *m.status != mapped }

// Release frees what the driver wrote to.
func (m Mapping) Release() { C.free(unsafe.Pointer(m.status)) }
