package shard

import (
	"encoding/base64"
	"encoding/binary"

	flatbuffers "github.com/google/flatbuffers/go"
)

// Parquet has lists of any length alone. What tells Arrow's readers that a column's lists
// have one length is its own schema, which writers keep beside Parquet's.
//
// arrowField is a field of Arrow's schema (Schema.fbs of its format).
type arrowField struct {
	name     string
	nullable bool
	kind     byte // of the union Type
	size     int  // values of a list of fixed size, bits of a number
	children []arrowField
}

// The kinds of fields.
const (
	arrowInt           = 2
	arrowFloatingPoint = 3
	arrowText          = 5
	arrowList          = 12
	arrowStruct        = 13
	arrowFixedSizeList = 16
)

// arrowKey is where readers look for it.
const arrowKey = "ARROW:schema"

// arrowSchema is the message of a schema, as files hold it.
func arrowSchema(fields []arrowField) string {
	b := flatbuffers.NewBuilder(1024)
	all := vector(b, fields)
	b.StartObject(4)
	b.PrependUOffsetTSlot(1, all, 0) // fields; numbers are little-endian
	schema := b.EndObject()
	b.StartObject(5)
	b.PrependInt16Slot(0, 4, 0) // version 5
	b.PrependByteSlot(1, 1, 0)  // the header is a schema
	b.PrependUOffsetTSlot(2, schema, 0)
	b.Finish(b.EndObject())
	message := b.FinishedBytes()
	for len(message)%8 != 0 {
		message = append(message, 0)
	}
	framed := binary.LittleEndian.AppendUint32([]byte{0xff, 0xff, 0xff, 0xff}, uint32(len(message)))
	return base64.StdEncoding.EncodeToString(append(framed, message...))
}

// vector is the fields as a vector of their tables.
func vector(b *flatbuffers.Builder, fields []arrowField) flatbuffers.UOffsetT {
	tables := make([]flatbuffers.UOffsetT, len(fields))
	for i, f := range fields {
		tables[i] = f.table(b)
	}
	b.StartVector(4, len(tables), 4)
	for i := len(tables) - 1; i >= 0; i-- {
		b.PrependUOffsetT(tables[i])
	}
	return b.EndVector(len(tables))
}

func (f arrowField) table(b *flatbuffers.Builder) flatbuffers.UOffsetT {
	name, children := b.CreateString(f.name), vector(b, f.children)
	b.StartObject(2)
	switch f.kind {
	case arrowInt:
		b.PrependInt32Slot(0, int32(f.size), 0)
		b.PrependBoolSlot(1, true, false) // with a sign
	case arrowFloatingPoint:
		b.PrependInt16Slot(0, int16(f.size/32), 0) // 0 halves, 1 floats, 2 doubles
	case arrowFixedSizeList:
		b.PrependInt32Slot(0, int32(f.size), 0)
	}
	of := b.EndObject()
	b.StartObject(7)
	b.PrependUOffsetTSlot(0, name, 0)
	b.PrependBoolSlot(1, f.nullable, false)
	b.PrependByteSlot(2, f.kind, 0)
	b.PrependUOffsetTSlot(3, of, 0)
	b.PrependUOffsetTSlot(5, children, 0)
	return b.EndObject()
}
