/**
 * Where test files run: Jest's environment for Node, in a context of its own whose global object is
 * an ordinary one. Jest's global is a proxy behind an interceptor, so that each `Uint8Array` and
 * each `Math` in the code under test costs a microsecond, ten to fourteen times as much as outside.
 *
 * Errors keep ten frames, as Node itself does, not Jest's hundred: `expect` makes an error at each
 * call, passed or not.
 */
import { constants, createContext } from 'node:vm';

import { TestEnvironment } from 'jest-environment-node';

/** What Jest takes from outside although the context has its own: Node's buffers are of these. */
const OF_NODE = ['ArrayBuffer', 'Buffer', 'Uint8Array'];

/** The contexts of this process, one for each configuration. */
const contexts = new Map();

export default class PlainEnvironment extends TestEnvironment {
  /** What `jest-runtime.mjs` keeps for the next file; null for a file that begins anew. */
  shared;

  constructor(config, context) {
    super(config, context);
    const { projectConfig } = config;
    const isAlone = projectConfig.testEnvironmentOptions.shareModules !== true;
    const known = isAlone ? undefined : contexts.get(projectConfig.id);
    const plain = known?.global ?? plainGlobal(this.global);
    this.shared = isAlone ? null : (known ?? new SharedContext(plain));
    if (!isAlone) contexts.set(projectConfig.id, this.shared);
    this.global = plain;
    this.context = plain;
    this.moduleMocker = new this.moduleMocker.constructor(plain);
    this.fakeTimersModern.dispose();
    const Timers = this.fakeTimersModern.constructor;
    this.fakeTimersModern = new Timers({ config: projectConfig, global: plain });
  }

  async teardown() {
    const { context } = this;
    await super.teardown();
    if (this.shared === null) return;
    this.shared.restore();
    // What stays of this file's modules may still import others.
    this.context = context;
  }
}

/** A context with the modules that stay in it from one test file to the next. */
class SharedContext {
  modules = { esm: new Map(), cjs: new Map() };
  sourceMaps = new Map();
  keys;
  variables;
  exit;

  constructor(global) {
    this.global = global;
    this.keys = new Set(Reflect.ownKeys(global));
    this.variables = { ...global.process.env };
    this.exit = global.process.exit;
  }

  /** The global object and the environment as the first file found them. */
  restore() {
    for (const key of Reflect.ownKeys(this.global)) {
      if (!this.keys.has(key)) Reflect.deleteProperty(this.global, key);
    }
    const { process } = this.global;
    for (const key of Object.keys(process.env)) {
      if (!Object.hasOwn(this.variables, key)) delete process.env[key];
    }
    Object.assign(process.env, this.variables);
    process.exit = this.exit;
  }
}

function plainGlobal(from) {
  const plain = createContext(constants.DONT_CONTEXTIFY);
  for (const key of Reflect.ownKeys(from)) {
    if (!Object.hasOwn(plain, key) || OF_NODE.includes(key)) copy(from, key, plain);
  }
  plain.global = plain;
  return plain;
}

/** Jest's lazy accessors belong to the global that they were made for: here each has its own. */
function copy(from, key, to) {
  const descriptor = Object.getOwnPropertyDescriptor(from, key);
  if ('value' in descriptor) {
    Object.defineProperty(to, key, descriptor);
    return;
  }
  const settle = (value) => Object.defineProperty(to, key, { ...shape, value, writable: true });
  const shape = { configurable: true, enumerable: descriptor.enumerable };
  Object.defineProperty(to, key, {
    ...shape,
    get() {
      const value = from[key];
      settle(value);
      return value;
    },
    set: settle,
  });
}
