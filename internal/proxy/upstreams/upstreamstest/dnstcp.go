package upstreamstest

import (
	"encoding/binary"
	"io"
	"net"
)

// listenBoth opens a port for datagrams and for streams: some resolvers ask over
// TCP from the beginning. A port that is free for one may be taken for the other.
func listenBoth() (conn net.PacketConn, listener net.Listener, err error) {
	for range 20 {
		if conn, err = net.ListenPacket("udp", "127.0.0.1:0"); err != nil {
			return nil, nil, err
		}
		if listener, err = net.Listen("tcp", conn.LocalAddr().String()); err == nil {
			return conn, listener, nil
		}
		_ = conn.Close()
	}
	return nil, nil, err
}

// serveTCP answers until the listener is closed.
func (d *DNS) serveTCP(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go d.serveStream(conn)
	}
}

// serveStream answers the queries of one connection; each message has its length
// before it (RFC 1035, section 4.2.2).
func (d *DNS) serveStream(conn net.Conn) {
	defer conn.Close() //nolint:errcheck // whoever asked has the answer
	for {
		var length uint16
		if binary.Read(conn, binary.BigEndian, &length) != nil {
			return
		}
		query := make([]byte, length)
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		answer, err := d.answer(query)
		if err != nil {
			return
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...)); err != nil {
			return
		}
	}
}
