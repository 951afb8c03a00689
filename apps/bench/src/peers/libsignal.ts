/**
 * Two parties of `@signalapp/libsignal-client`: sessions with post-quantum prekeys (PQXDH), kept in
 * memory as its interface wants them, serialised. Owns the parties; measures nothing. The library
 * is measured only, through its public functions, and is no part of AgentMesh.
 */
import { loadPeer } from './packages.js';

interface Key {
  serialize(): Uint8Array;
}
interface PrivateKey extends Key {
  getPublicKey(): Key;
  sign(message: Uint8Array): Uint8Array;
}
interface KemPair {
  getPublicKey(): Key;
}
interface Ciphertext {
  type(): number;
  serialize(): Uint8Array;
}
interface Maker<T, Rest extends readonly unknown[]> {
  new: (...parts: Rest) => T;
  deserialize(bytes: Uint8Array): T;
}
interface Record {
  serialize(): Uint8Array;
}
type Store = object;
interface Address {
  toString(): string;
}

/** What we use of it. */
interface Library {
  PrivateKey: { generate(): PrivateKey };
  KEMKeyPair: { generate(): KemPair };
  ProtocolAddress: { new: (name: string, device: number) => Address };
  PreKeyRecord: Maker<Record, [number, Key, PrivateKey]>;
  SignedPreKeyRecord: Maker<Record, [number, number, Key, PrivateKey, Uint8Array]>;
  KyberPreKeyRecord: Maker<Record, [number, number, KemPair, Uint8Array]>;
  PreKeyBundle: { new: (...parts: unknown[]) => object };
  SessionRecord: { deserialize(bytes: Uint8Array): Record };
  PreKeySignalMessage: { deserialize(bytes: Uint8Array): object };
  SignalMessage: { deserialize(bytes: Uint8Array): object };
  SessionStore: new () => Store;
  IdentityKeyStore: new () => Store;
  PreKeyStore: new () => Store;
  SignedPreKeyStore: new () => Store;
  KyberPreKeyStore: new () => Store;
  readonly processPreKeyBundle: (...parts: unknown[]) => Promise<void>;
  readonly signalEncrypt: (...parts: unknown[]) => Promise<Ciphertext>;
  readonly signalDecrypt: (...parts: unknown[]) => Promise<Uint8Array>;
  readonly signalDecryptPreKey: (...parts: unknown[]) => Promise<Uint8Array>;
}

const PREKEY_MESSAGE = 3;

/** The library's name for a party, and a party's stores. */
export interface SignalParty {
  readonly address: Address;
  readonly identity: PrivateKey;
  readonly stores: Readonly<globalThis.Record<StoreName, Store>>;
}
type StoreName = 'session' | 'identity' | 'prekey' | 'signed' | 'kyber';

/** Both ends of conversations. */
export class Signal {
  readonly version: string;
  readonly #library: Library;

  private constructor(library: Library, version: string) {
    this.#library = library;
    this.version = version;
  }

  static async load(): Promise<Signal | { readonly absent: string }> {
    const loaded = await loadPeer('@signalapp/libsignal-client');
    return 'absent' in loaded ? loaded : new Signal(loaded.module as Library, loaded.version);
  }

  party(number: number): SignalParty {
    const name = `${String(number).padStart(8, '0')}-0000-4000-8000-000000000000`;
    const identity = this.#library.PrivateKey.generate();
    return {
      address: this.#library.ProtocolAddress.new(name, 1),
      identity,
      stores: this.#stores(identity),
    };
  }

  /** New prekeys of `owner`, kept in his stores, as the bundle that others fetch. */
  async publish(owner: SignalParty): Promise<object> {
    const library = this.#library;
    const [once, signed] = [library.PrivateKey.generate(), library.PrivateKey.generate()];
    const kem = library.KEMKeyPair.generate();
    const [onceKey, signedKey] = [once.getPublicKey(), signed.getPublicKey()];
    const signature = owner.identity.sign(signedKey.serialize());
    const kemSignature = owner.identity.sign(kem.getPublicKey().serialize());
    const { PreKeyRecord, SignedPreKeyRecord, KyberPreKeyRecord } = library;
    await put(owner.stores.prekey, PreKeyRecord.new(1, onceKey, once));
    await put(owner.stores.signed, SignedPreKeyRecord.new(1, 1, signedKey, signed, signature));
    await put(owner.stores.kyber, KyberPreKeyRecord.new(1, 1, kem, kemSignature));
    const identityKey = owner.identity.getPublicKey();
    const parts = [1, onceKey, 1, signedKey, signature, identityKey, 1, kem.getPublicKey()];
    return library.PreKeyBundle.new(1, 1, ...parts, kemSignature);
  }

  async begin(from: SignalParty, to: SignalParty, bundle: object): Promise<void> {
    const { session, identity } = from.stores;
    await this.#library.processPreKeyBundle(bundle, to.address, from.address, session, identity);
  }

  async seal(from: SignalParty, to: SignalParty, text: Uint8Array): Promise<SignalMessage> {
    const { session, identity } = from.stores;
    const parts = [text, to.address, from.address, session, identity] as const;
    const message = await this.#library.signalEncrypt(...parts);
    return { isFirst: message.type() === PREKEY_MESSAGE, wire: message.serialize() };
  }

  async open(
    from: SignalParty,
    to: SignalParty,
    { isFirst, wire }: SignalMessage,
  ): Promise<Uint8Array> {
    const { session, identity, prekey, signed, kyber } = to.stores;
    const parties = [from.address, to.address, session, identity] as const;
    const { PreKeySignalMessage, SignalMessage, signalDecrypt, signalDecryptPreKey } =
      this.#library;
    if (!isFirst) return signalDecrypt(SignalMessage.deserialize(wire), ...parties);
    const message = PreKeySignalMessage.deserialize(wire);
    return signalDecryptPreKey(message, ...parties, prekey, signed, kyber);
  }

  #stores(own: PrivateKey): SignalParty['stores'] {
    const library = this.#library;
    return {
      session: sessionStore(library),
      identity: identityStore(library, own),
      prekey: recordStore(library.PreKeyStore, library.PreKeyRecord, 'PreKey'),
      signed: recordStore(library.SignedPreKeyStore, library.SignedPreKeyRecord, 'SignedPreKey'),
      kyber: recordStore(library.KyberPreKeyStore, library.KyberPreKeyRecord, 'KyberPreKey'),
    };
  }
}

/** A message as it travels; the two kinds are opened by different functions. */
export interface SignalMessage {
  readonly isFirst: boolean;
  readonly wire: Uint8Array;
}

async function put(store: Store, record: Record): Promise<void> {
  await (store as { put(record: Record): Promise<void> }).put(record);
}

function sessionStore(library: Library): Store {
  const sessions = new Map<string, Uint8Array>();
  return Object.assign(new library.SessionStore(), {
    saveSession(address: Address, record: Record): Promise<void> {
      sessions.set(address.toString(), record.serialize());
      return Promise.resolve();
    },
    getSession(address: Address): Promise<Record | null> {
      const bytes = sessions.get(address.toString());
      return Promise.resolve(bytes === undefined ? null : library.SessionRecord.deserialize(bytes));
    },
  });
}

function identityStore(library: Library, own: PrivateKey): Store {
  return Object.assign(new library.IdentityKeyStore(), {
    getIdentityKey: () => Promise.resolve(own),
    getLocalRegistrationId: () => Promise.resolve(1),
    saveIdentity: () => Promise.resolve(0),
    isTrustedIdentity: () => Promise.resolve(true),
    getIdentity: () => Promise.resolve(null),
  });
}

/** The three kinds of prekeys: one record each, under whatever number. */
function recordStore(
  StoreClass: new () => Store,
  records: { deserialize(bytes: Uint8Array): Record },
  name: string,
): Store {
  let bytes: Uint8Array | null = null;
  const take = (): Promise<Record> => Promise.resolve(records.deserialize(bytes ?? Buffer.of()));
  const put_ = (record: Record): Promise<void> => {
    bytes = record.serialize();
    return Promise.resolve();
  };
  return Object.assign(new StoreClass(), {
    put: put_,
    [`save${name}`]: (_: number, record: Record) => put_(record),
    [`get${name}`]: take,
    [`remove${name}`]: () => Promise.resolve(),
    [`mark${name}Used`]: () => Promise.resolve(),
  });
}
