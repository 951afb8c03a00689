/**
 * Attacks on who is who at a hub: names, proofs, and words without one (protocol.md §2.15). Owns
 * the attacker's moves; none of them needs a secret of anybody.
 */
import { AgentKeyPair } from '@agentmesh/crypto';
import { encodeFrame, systemRandom } from '@agentmesh/protocol';
import type { RequestFrame } from '@agentmesh/protocol';
import type { Attack, Seen } from '../attack.js';
import type { Scene } from '../scene.js';
import { credentialsOf } from '../wire/intruder.js';
import { wordOf } from '../wire/wire.js';

type WithoutId<F> = F extends { id: number } ? Omit<F, 'id'> : never;

/** A refusal of every one of these words holds; anything else is what the attacker wanted. */
function refusals(words: Readonly<Record<string, string>>, allowed: readonly string[]): Seen {
  const held = Object.values(words).every((word) => allowed.includes(word));
  const seen = Object.entries(words).map(([what, word]) => `${what}: ${word}`);
  return { held, seen: seen.join('; ') };
}

async function takeName(scene: Scene): Promise<Seen> {
  const owner = await scene.intruder();
  await owner.publish();
  const wire = await scene.wire();
  const { token } = await scene.hub();
  const thief = credentialsOf(AgentKeyPair.generate(), owner.name, token);
  const auth = wire.authFor(await wire.begin(), thief);
  const word = wordOf(await wire.authenticate(auth));
  return refusals({ 'another key with the same name': word }, ['NAME_TAKEN', 'BAD_AUTH']);
}

async function borrowIdentity(scene: Scene): Promise<Seen> {
  const owner = await scene.intruder();
  const wire = await scene.wire();
  const { token } = await scene.hub();
  const thief = AgentKeyPair.generate();
  const { identity } = owner.keyPair;
  const claimed = { ...credentialsOf(thief, owner.name, token), identity };
  const word = wordOf(await wire.authenticate(wire.authFor(await wire.begin(), claimed)));
  return refusals({ "another's keys under an own signature": word }, ['BAD_AUTH']);
}

async function replayProof(scene: Scene): Promise<Seen> {
  const { token } = await scene.hub();
  const credentials = credentialsOf(AgentKeyPair.generate(), scene.name(), token);
  const [first, second] = [await scene.wire(), await scene.wire()];
  const recorded = first.authFor(await first.begin(), credentials);
  await second.begin();
  const replayed = wordOf(await second.authenticate(recorded));
  const third = await scene.wire();
  await third.begin();
  const changed = { ...recorded.frame, boot: 2 };
  const altered = await third.authenticate({ frame: changed, text: encodeFrame(changed) });
  const words = { 'on another connection': replayed, 'with a changed field': wordOf(altered) };
  return refusals(words, ['BAD_AUTH']);
}

const VERBS: readonly WithoutId<RequestFrame>[] = [
  { type: 'list' },
  { type: 'get_bundle', peer: 'anybody', oneTime: true },
  { type: 'put_prekeys', signed: [], oneTime: [], replaceAll: true },
  {
    type: 'send',
    envelope: { id: new Uint8Array(16), to: new Uint8Array(32), ttl: 60, blob: Uint8Array.of(1) },
  },
];

async function speakUnproven(scene: Scene): Promise<Seen> {
  const words: Record<string, string> = {};
  for (const verb of VERBS) {
    const wire = await scene.wire();
    words[verb.type] = await wire.wordFor(verb);
  }
  return refusals(words, ['NOT_AUTHENTICATED', 'closed']);
}

async function publishForAnother(scene: Scene): Promise<Seen> {
  const [owner, thief] = [await scene.intruder(), await scene.intruder()];
  await owner.publish();
  const bundle = await thief.wire.ask({ type: 'get_bundle', peer: owner.name, oneTime: false });
  if (bundle === 'closed' || bundle.type !== 'bundle') {
    return { held: false, seen: `the hub serves no bundle: ${wordOf(bundle)}` };
  }
  const { record, signed = systemRandom(1_337) } = bundle;
  const words = {
    'its record': await thief.wire.wordFor({ type: 'put_identity', record }),
    'its prekey': await thief.wire.wordFor({
      type: 'put_prekeys',
      signed: [signed],
      oneTime: [],
    }),
  };
  return refusals(words, ['NOT_OWNER', 'BAD_RECORD', 'BAD_PREKEY']);
}

async function probeNames(scene: Scene): Promise<Seen> {
  const { target } = await scene.ownHub(['--registration', 'token']);
  const owner = await scene.intruder({ target });
  const words: string[] = [];
  for (const name of [owner.name, scene.name()]) {
    const wire = await scene.wire(target);
    const outsider = credentialsOf(AgentKeyPair.generate(), name, null);
    words.push(wordOf(await wire.authenticate(wire.authFor(await wire.begin(), outsider))));
  }
  const [taken = '', free = ''] = words;
  const held = taken === free && taken === 'REGISTRATION_REFUSED';
  return { held, seen: `a taken name: ${taken}; a free name: ${free}` };
}

async function reuseEnvelopeId(scene: Scene): Promise<Seen> {
  const [sender, reader] = [await scene.intruder(), await scene.intruder()];
  const to = reader.keyPair.identity.aid;
  const id = systemRandom(16);
  const send = (blob: Uint8Array): Promise<string> =>
    sender.wire.wordFor({ type: 'send', envelope: { id, to, ttl: 60, blob } });
  const first = await send(Uint8Array.of(1));
  const words = { 'other bytes': await send(Uint8Array.of(2)) };
  const again = await send(Uint8Array.of(1));
  const { held, seen } = refusals(words, ['CONFLICT']);
  const isHeld = held && first === 'sent' && again === 'sent';
  return { held: isHeld, seen: `first: ${first}; ${seen}; the same bytes again: ${again}` };
}

export const IDENTITY_ATTACKS: readonly Attack[] = [
  {
    name: 'taken-name',
    test: 'T-A1',
    against: 'hub',
    tries: 'registers the name of another agent with a key of its own',
    promised: 'a name belongs to the first key that claimed it',
    run: takeName,
  },
  {
    name: 'borrowed-identity',
    test: 'T-A5',
    against: 'hub',
    tries: "shows another agent's public keys and signs with its own",
    promised: 'whoever does not sign with the keys that it shows is refused',
    run: borrowIdentity,
  },
  {
    name: 'replayed-proof',
    test: 'T-A3',
    against: 'hub',
    tries: 'repeats the authentication of one connection on another, whole and changed',
    promised: 'a proof holds on one connection, once',
    run: replayProof,
  },
  {
    name: 'words-before-proof',
    test: 'T-A8',
    against: 'hub',
    tries: 'lists names, asks for keys, uploads and sends without authenticating',
    promised: 'nothing is done for a connection without a proved identity',
    run: speakUnproven,
  },
  {
    name: 'keys-for-another',
    test: 'T-A6',
    against: 'hub',
    tries: "publishes another agent's record and prekeys as its own",
    promised: 'only the owner of an identity publishes its keys',
    run: publishForAnother,
  },
  {
    name: 'name-probing',
    test: 'T-A34',
    against: 'hub',
    tries: 'asks without a token for a name that is taken and for one that is not',
    promised: 'who may not register does not learn which names exist',
    needsOwnHub: true,
    run: probeNames,
  },
  {
    name: 'reused-envelope-id',
    test: 'T-A11',
    against: 'hub',
    tries: 'sends other bytes under the id of an envelope that was accepted',
    promised: 'an id stands for the same bytes for ever',
    run: reuseEnvelopeId,
  },
];
