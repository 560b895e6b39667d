// The built-ins of the language, which all functions share here; the backend gives each call of a query or mutation its own.
const { getOwnPropertyDescriptor, defineProperty } = Object;
const { ownKeys, deleteProperty } = Reflect;

// What belongs to Node.js, or is made when it is read for the first time, is left out.
const isBuiltIn = (name, value) =>
  (typeof value === "function" && /^[A-Z]/.test(name)) || ["JSON", "Math", "Reflect", "Atomics", "Intl"].includes(name);

let kept = [];

/** Takes the built-ins as they are: also as modules that have just been loaded have made them. */
export function keepBuiltIns() {
  const names = Object.getOwnPropertyNames(globalThis).filter((name) => isBuiltIn(name, getOwnPropertyDescriptor(globalThis, name).value));
  const objects = new Set(names.flatMap((name) => [globalThis[name], globalThis[name].prototype]));
  for (const iterator of [[][Symbol.iterator](), new Map()[Symbol.iterator](), new Set()[Symbol.iterator](), ""[Symbol.iterator]()]) {
    objects.add(Object.getPrototypeOf(iterator));
  }
  kept = [...objects].filter((object) => object instanceof Object || object === Object.prototype).map((object) => described(object, ownKeys(object), true));
  kept.push(described(globalThis, names, false));
}

// whole: no other properties may be added.
const described = (object, keys, whole) => ({ object, whole, keys, properties: keys.map((key) => getOwnPropertyDescriptor(object, key)) });

/** Runs a function, and mends what it has done to the built-ins. */
export async function mended(run) {
  try {
    return await run();
  } finally {
    mendBuiltIns();
  }
}

/** Puts the built-ins back as they were, after a function. It uses none of what a function may have changed. */
export function mendBuiltIns() {
  for (let i = 0; i < kept.length; i++) {
    const { object, whole, keys, properties } = kept[i];
    for (let k = 0; k < keys.length; k++) {
      const is = getOwnPropertyDescriptor(object, keys[k]);
      const was = properties[k];
      if (!is || is.value !== was.value && was.value === was.value || is.get !== was.get || is.set !== was.set) {
        defineProperty(object, keys[k], was);
      }
    }
    if (whole && ownKeys(object).length !== keys.length) {
      removeOthers(object, keys);
    }
  }
}

function removeOthers(object, keys) {
  const all = ownKeys(object);
  for (let i = 0; i < all.length; i++) {
    let known = false;
    for (let k = 0; k < keys.length && !known; k++) {
      known = keys[k] === all[i];
    }
    if (!known) {
      deleteProperty(object, all[i]);
    }
  }
}
