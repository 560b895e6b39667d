// The documents, kept in a file to which each commit adds a line. A line that the loss of power tore is the last one
// and is dropped: nobody was told of its commit.
import { appendFileSync, existsSync, readFileSync, renameSync, truncateSync, writeFileSync } from "node:fs";

// A file with this many lines more than documents is written anew when it is opened.
const SLACK = 10_000;

export class Documents {
  constructor(path) {
    this.path = path;
  }

  /** Calls back for each commit that is kept, the oldest first. */
  replay(each) {
    let lines = 0;
    const text = existsSync(this.path) ? readFileSync(this.path) : Buffer.alloc(0);
    for (let at = 0; at < text.length; ) {
      const end = text.indexOf(10, at);
      if (end < 0) {
        console.warn(`the last commit was not written whole and is dropped: ${text.length - at} bytes of ${this.path}`);
        truncateSync(this.path, at);
        break;
      }
      each(this.parse(text.toString("utf8", at, end), ++lines));
      at = end + 1;
    }
    this.lines = lines;
  }

  parse(line, number) {
    try {
      return JSON.parse(line);
    } catch (error) {
      throw new Error(`line ${number} of ${this.path} is damaged: ${error.message}; restore it, or remove it with all documents`);
    }
  }

  append(commit) {
    try {
      appendFileSync(this.path, JSON.stringify(commit) + "\n", { mode: 0o600 });
    } catch (error) {
      // What is in memory already would not be there after a restart.
      console.error(`cannot keep documents: ${error.message}`);
      process.exit(1);
    }
  }

  /** Writes the file anew, when that makes it much shorter. */
  compact(documents, commits) {
    if (this.lines < documents + SLACK) {
      return;
    }
    const next = `${this.path}.next`;
    writeFileSync(next, commits.map((commit) => JSON.stringify(commit) + "\n").join(""), { mode: 0o600 });
    renameSync(next, this.path);
  }
}
