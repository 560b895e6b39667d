// A name server on loopback that knows one name, whose addresses change: what
// Docker's does for the containers of one alias.
import dgram from "node:dgram";

const A = 1;
const NO_SUCH_NAME = 3;

export class NameServer {
  addresses = [];
  #socket = dgram.createSocket("udp4");

  constructor(name) {
    this.name = name;
  }

  /** Starts it and returns its address. */
  async listen() {
    this.#socket.on("message", (query, from) => this.#socket.send(this.#answer(query), from.port, from.address));
    await new Promise((resolve) => this.#socket.bind(0, "127.0.0.1", resolve));
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  close() {
    this.#socket.close();
  }

  // RFC 1035, section 4: a header of twelve bytes, the question, the answers.
  #answer(query) {
    let at = 12;
    const labels = [];
    while (query[at] !== 0) {
      labels.push(query.subarray(at + 1, at + 1 + query[at]).toString().toLowerCase());
      at += 1 + query[at];
    }
    const known = labels.join(".") === this.name && this.addresses.length > 0;
    const records = known && query.readUInt16BE(at + 1) === A ? this.addresses.map(record) : [];
    const header = Buffer.alloc(12);
    query.copy(header, 0, 0, 2);
    header.writeUInt16BE(0x8580 | (known ? 0 : NO_SUCH_NAME), 2); // an authoritative answer, recursion available
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(records.length, 6);
    return Buffer.concat([header, query.subarray(12, at + 5), ...records]);
  }
}

// The name is a pointer to the one in the question; the answer must not be kept.
function record(address) {
  return Buffer.from([0xc0, 12, 0, A, 0, 1, 0, 0, 0, 0, 0, 4, ...address.split(".").map(Number)]);
}
