// Files, each under a random name in a folder, with its document in the table _storage. The simulator serves them.
import { AsyncLocalStorage } from "node:async_hooks";
import { randomUUID } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Base64 } from "convex/values";

export class Files {
  constructor(folder, runtime) {
    Object.assign(this, { folder, runtime, names: new Map(), documents: new Map(), storing: new AsyncLocalStorage() });
    mkdirSync(folder, { recursive: true });
    const files = this;
    const database = Object.getPrototypeOf(runtime.state.components[""].db);
    const { storeFile } = database;
    database.storeFile = function (id, blob) {
      files.names.set(key(this.componentPath, id), files.storing.getStore() ?? files.names.get(key(this.componentPath, id)));
      return storeFile.call(this, id, blob);
    };
  }

  // Has the bytes of a file in the folder before its document is made.
  keep(bytes, make) {
    const name = randomUUID();
    writeFileSync(join(this.folder, name), bytes);
    return this.storing.run(name, make);
  }

  /** Makes the document of a file that is in the folder already. */
  async stored({ name, size, sha256, contentType }) {
    const { db } = this.runtime.state.components[""];
    return await this.storing.run(name, () =>
      this.runtime.test.runInComponent("", () => {
        const id = db.insert("_storage", { size, sha256, ...(contentType ? { contentType } : {}) });
        db.storeFile(id, new Blob([]));
        return id;
      }),
    );
  }

  /** Returns the document of a file by its name or its id. */
  find({ name, id }) {
    const found = this.documents.get(name ?? this.names.get(key("", id)));
    return found && { id: found._id, name: found.name, size: found.size, sha256: found.sha256, contentType: found.contentType ?? "" };
  }

  syscalls(original) {
    const call = async (op, args) => JSON.parse(await original(op, JSON.stringify(args)));
    return {
      "1.0/storageGetUrl": async (args) => {
        if ((await call("1.0/storageGetUrl", args)) === null) {
          return null;
        }
        const { componentPath } = await call("1.0/getFunctionMetadata", {});
        return `${this.origin}/api/storage/${this.names.get(key(componentPath, args.storageId))}`;
      },
      "1.0/storageGenerateUploadUrl": () => this.runtime.askForUploadURL(),
      "1.0/storageStore": (args) => this.keep(Base64.toByteArray(args.blob), () => call("1.0/storageStore", args)),
    };
  }

  jsSyscall(original) {
    return async (op, args) =>
      op === "storage/storeBlob"
        ? this.keep(Buffer.from(await args.blob.arrayBuffer()), () => original(op, args))
        : original(op, args);
  }

  /** Takes note of committed documents and returns the names to keep with them. */
  committed(documents) {
    const kept = [];
    for (const [path, id, document] of documents.filter(([, id]) => id.endsWith("_storage"))) {
      const name = this.names.get(key(path, id));
      if (document) {
        kept.push([path, id, name]);
        this.serve(path, id, document, name);
      } else if (name) {
        this.names.delete(key(path, id));
        this.documents.delete(name);
        rmSync(join(this.folder, name), { force: true });
      }
    }
    return kept.length > 0 ? kept : undefined;
  }

  // Functions get the contents from the folder, when they ask for them.
  serve(path, id, document, name) {
    this.documents.set(name, { ...document, name });
    const file = join(this.folder, name);
    Object.defineProperty(this.runtime.state.components[path].db._storage, id, {
      get: () => new Blob([readFileSync(file)], document.contentType ? { type: document.contentType } : {}),
      set: () => undefined, // the blob of the commit, which is in the folder
      configurable: true,
      enumerable: true,
    });
  }

  restore(kept = []) {
    for (const [path, id, name] of kept) {
      this.names.set(key(path, id), name);
    }
  }

  /** Serves what is left when all commits were read again. */
  restored() {
    for (const [both, name] of this.names) {
      const [path, id] = both.split("\n");
      const document = this.runtime.state.components[path]?.db._documents[id];
      if (document) {
        this.serve(path, id, document, name);
      } else {
        this.names.delete(both);
      }
    }
  }

  all() {
    return [...this.names].map(([both, name]) => [...both.split("\n"), name]);
  }
}

const key = (component, id) => `${component}\n${id}`;
