/**
 * A group of two in `ts-mls` (RFC 9420), with the suite that is nearest to ours of those it offers
 * without optional packages: X25519, AES-128-GCM, SHA-256, Ed25519 signatures on each message. No
 * post-quantum keys. Owns the pair only.
 */
import { BenchError } from '../harness/bench-error.js';
import { loadPeer } from './packages.js';

const SUITE = 'MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519';

type Group = object & { readonly ratchetTree: object };
interface Library {
  readonly getCiphersuiteFromName: (name: string) => object;
  readonly getCiphersuiteImpl: (suite: object) => Promise<object>;
  readonly generateKeyPackage: (
    ...parts: unknown[]
  ) => Promise<{ publicPackage: object; privatePackage: object }>;
  readonly defaultCapabilities: () => object;
  readonly defaultLifetime: object;
  readonly emptyPskIndex: object;
  readonly createGroup: (...parts: unknown[]) => Promise<Group>;
  readonly createCommit: (...parts: unknown[]) => Promise<{ newState: Group; welcome: object }>;
  readonly joinGroup: (...parts: unknown[]) => Promise<Group>;
  readonly createApplicationMessage: (
    ...parts: unknown[]
  ) => Promise<{ newState: Group; privateMessage: object }>;
  readonly processPrivateMessage: (
    ...parts: unknown[]
  ) => Promise<{ newState: Group; message?: Uint8Array }>;
  readonly encodeMlsMessage: (message: object) => Uint8Array;
  readonly decodeMlsMessage: (
    bytes: Uint8Array,
    at: number,
  ) => [{ privateMessage: object }, number] | undefined;
}

/** Both members of the group. */
export class MlsPair {
  readonly version: string;
  readonly #library: Library;
  readonly #suite: object;
  readonly #groups: [Group, Group];

  private constructor(
    { library, suite }: { library: Library; suite: object },
    groups: [Group, Group],
    version: string,
  ) {
    this.version = version;
    this.#library = library;
    this.#suite = suite;
    this.#groups = groups;
  }

  static async create(): Promise<MlsPair | { absent: string }> {
    const loaded = await loadPeer('ts-mls');
    if ('absent' in loaded) return loaded;
    const { version } = loaded;
    const library = loaded.module as Library;
    const suite = await library.getCiphersuiteImpl(library.getCiphersuiteFromName(SUITE));
    const member = (name: string) => {
      const credential = { credentialType: 'basic', identity: Buffer.from(name) };
      const { defaultCapabilities, defaultLifetime, generateKeyPackage } = library;
      return generateKeyPackage(credential, defaultCapabilities(), defaultLifetime, [], suite);
    };
    const [alice, bob] = [await member('alice'), await member('bob')];
    const empty = await library.createGroup(
      Buffer.from('group'),
      alice.publicPackage,
      alice.privatePackage,
      [],
      suite,
    );
    const add = { proposalType: 'add', add: { keyPackage: bob.publicPackage } };
    const commit = await library.createCommit(
      { state: empty, cipherSuite: suite },
      { extraProposals: [add] },
    );
    const joined = await library.joinGroup(
      commit.welcome,
      bob.publicPackage,
      bob.privatePackage,
      library.emptyPskIndex,
      suite,
      commit.newState.ratchetTree,
    );
    return new MlsPair({ library, suite }, [commit.newState, joined], version);
  }

  async seal(from: 0 | 1, text: Uint8Array): Promise<Uint8Array> {
    const { createApplicationMessage, encodeMlsMessage } = this.#library;
    const made = await createApplicationMessage(this.#groups[from], text, this.#suite);
    this.#groups[from] = made.newState;
    const { privateMessage } = made;
    return encodeMlsMessage({
      privateMessage,
      wireformat: 'mls_private_message',
      version: 'mls10',
    });
  }

  async open(to: 0 | 1, wire: Uint8Array): Promise<Uint8Array> {
    const { decodeMlsMessage, processPrivateMessage, emptyPskIndex } = this.#library;
    const message = decodeMlsMessage(wire, 0)?.[0];
    const group = this.#groups[to];
    const parts = [group, message?.privateMessage, emptyPskIndex, this.#suite] as const;
    const opened = await processPrivateMessage(...parts);
    this.#groups[to] = opened.newState;
    if (opened.message === undefined) throw new BenchError('PEER_FAILED', 'ts-mls opened nothing');
    return opened.message;
  }
}
