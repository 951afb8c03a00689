/**
 * Two accounts of `@matrix-org/olm`, the C library of Matrix in WebAssembly: classic Olm sessions,
 * without post-quantum keys and without signatures on messages. Owns the pair only.
 */
import { loadPeer } from './packages.js';

interface Session {
  create_outbound(account: Account, identityKey: string, oneTimeKey: string): void;
  create_inbound(account: Account, message: string): void;
  encrypt(text: string): { type: 0 | 1; body: string };
  decrypt(type: number, body: string): string;
}
interface Account {
  create(): void;
  identity_keys(): string;
  one_time_keys(): string;
  generate_one_time_keys(count: number): void;
}
interface Library {
  init(): Promise<void>;
  Account: new () => Account;
  Session: new () => Session;
}

/** One end; `seal` gives what the other end's `open` takes. */
export interface OlmEnd {
  seal(text: string): { type: number; body: string };
  open(message: { type: number; body: string }): string;
}

/** An established session, both ends, each having heard the other. */
export async function olmPair(): Promise<
  { readonly version: string; readonly ends: readonly [OlmEnd, OlmEnd] } | { absent: string }
> {
  const loaded = await loadPeer('@matrix-org/olm');
  if ('absent' in loaded) return loaded;
  const { default: library } = loaded.module as { default: Library };
  await library.init();
  const [alice, bob] = [new library.Account(), new library.Account()];
  alice.create();
  bob.create();
  bob.generate_one_time_keys(1);
  const { curve25519 } = JSON.parse(bob.identity_keys()) as { curve25519: string };
  const keys = JSON.parse(bob.one_time_keys()) as { curve25519: Record<string, string> };
  const [out, back] = [new library.Session(), new library.Session()];
  out.create_outbound(alice, curve25519, Object.values(keys.curve25519)[0] ?? '');
  const first = out.encrypt('first');
  back.create_inbound(bob, first.body);
  const ends = [endOf(out), endOf(back)] as const;
  ends[1].open(first);
  ends[0].open(ends[1].seal('second'));
  return { version: loaded.version, ends };
}

function endOf(session: Session): OlmEnd {
  return {
    seal: (text) => session.encrypt(text),
    open: ({ type, body }) => session.decrypt(type, body),
  };
}
