package keybroker

import (
	"errors"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// Field numbers of the protobuf message convex_keys.AdminKey.
const (
	fieldInstanceName = 1
	fieldIssued       = 2
	fieldMember       = 3
	fieldSystem       = 4
	fieldReadOnly     = 5
)

var errMessage = errors.New("malformed message")

// message is what a key's blob decrypts to.
type message struct {
	instanceName string // only in the oldest keys
	issued       uint64 // seconds since the Unix epoch
	member       uint64
	system       bool
	readOnly     bool
	identified   bool // one of member and system is present
}

// encode writes the member even when it is 0, as the backend's own generator does:
// a oneof field without a value would mean "no identity".
func (m message) encode() []byte {
	var out []byte
	if m.instanceName != "" {
		out = protowire.AppendTag(out, fieldInstanceName, protowire.BytesType)
		out = protowire.AppendString(out, m.instanceName)
	}
	out = protowire.AppendTag(out, fieldIssued, protowire.VarintType)
	out = protowire.AppendVarint(out, m.issued)
	if m.system {
		out = protowire.AppendTag(out, fieldSystem, protowire.BytesType)
		out = protowire.AppendBytes(out, nil)
	} else {
		out = protowire.AppendTag(out, fieldMember, protowire.VarintType)
		out = protowire.AppendVarint(out, m.member)
	}
	if m.readOnly {
		out = protowire.AppendTag(out, fieldReadOnly, protowire.VarintType)
		out = protowire.AppendVarint(out, 1)
	}
	return out
}

func decodeMessage(in []byte) (message, error) {
	var m message
	for len(in) > 0 {
		number, wire, size := protowire.ConsumeTag(in)
		if size < 0 {
			return message{}, errMessage
		}
		in = in[size:]
		if size = m.decodeField(number, wire, in); size < 0 {
			return message{}, errMessage
		}
		in = in[size:]
	}
	return m, nil
}

// decodeField reads one field's value from the front of in and returns its size,
// negative when it is malformed. Unknown fields are skipped, as protobuf asks.
func (m *message) decodeField(number protowire.Number, wire protowire.Type, in []byte) int {
	switch number {
	case fieldIssued, fieldMember, fieldReadOnly:
		if wire != protowire.VarintType {
			return -1
		}
		value, size := protowire.ConsumeVarint(in)
		m.setNumber(number, value)
		return size
	case fieldInstanceName, fieldSystem:
		if wire != protowire.BytesType {
			return -1
		}
		value, size := protowire.ConsumeBytes(in)
		if !utf8.Valid(value) {
			return -1
		}
		m.setBytes(number, value)
		return size
	default:
		return protowire.ConsumeFieldValue(number, wire, in)
	}
}

func (m *message) setNumber(number protowire.Number, value uint64) {
	switch number {
	case fieldIssued:
		m.issued = value
	case fieldMember:
		m.member, m.system, m.identified = value, false, true
	case fieldReadOnly:
		m.readOnly = value != 0
	}
}

func (m *message) setBytes(number protowire.Number, value []byte) {
	if number == fieldSystem {
		m.member, m.system, m.identified = 0, true, true
		return
	}
	m.instanceName = string(value)
}
