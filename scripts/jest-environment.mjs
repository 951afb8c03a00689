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

export default class PlainEnvironment extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    const plain = createContext(constants.DONT_CONTEXTIFY);
    for (const key of Reflect.ownKeys(this.global)) {
      if (!Object.hasOwn(plain, key) || OF_NODE.includes(key)) copy(this.global, key, plain);
    }
    plain.global = plain;
    this.global = plain;
    this.context = plain;
    const { projectConfig } = config;
    this.moduleMocker = new this.moduleMocker.constructor(plain);
    this.fakeTimersModern.dispose();
    const Timers = this.fakeTimersModern.constructor;
    this.fakeTimersModern = new Timers({ config: projectConfig, global: plain });
  }
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
