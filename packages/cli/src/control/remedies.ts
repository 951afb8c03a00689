/**
 * What a person can do about an error, as a command to run; and what an agent tells a program to
 * call, in the words of the command. Owns these two tables; codes without a remedy say it in their
 * message.
 */
const REMEDIES: Readonly<Record<string, string>> = {
  NO_AGENT: 'agentmesh up, or agentmesh join LINK',
  PEER_NOT_FOUND: 'agentmesh peers --all lists the names on the hub',
  UNKNOWN_PEER: 'agentmesh contacts lists the peers that are known here',
  IDENTITY_CHANGED:
    'compare the new fingerprint with its owner, then agentmesh verify NAME FINGERPRINT',
  BAD_FINGERPRINT: 'ask the owner of the agent again, and do not use it until they are the same',
  UNTRUSTED_PEER: 'agentmesh verify NAME FINGERPRINT',
  NAME_TAKEN: 'choose another name with --name',
  NO_MESSAGE: 'agentmesh inbox lists the messages that wait',
  NO_DEAD_LETTER: 'agentmesh dead-letters list',
  UNKNOWN_CALL: 'agentmesh calls lists the open ones',
  DEADLINE: 'ask again with a longer --timeout',
  CONNECTION_LOST: 'check the hub, then agentmesh doctor',
  HUB_AWAY: 'check that it runs, then agentmesh doctor',
  NOT_KEPT: 'check that the hub runs, then try again; agentmesh doctor says more',
  BAD_RECORD: 'paste the 147 characters of the revocation, or name its file',
  NO_HUB: 'agentmesh up --hub HOST:PORT',
  HUB_KEY_CHANGED: 'ask the operator of the hub; agentmesh doctor shows both keys',
  REGISTRATION_REFUSED: 'agentmesh up --token TOKEN, or join with an invite that carries one',
  KEY_FILE_PASSPHRASE_REQUIRED: 'set AGENTMESH_PASSPHRASE',
  HOLDER_VERSION: 'restart agentmesh up',
  HOLDER_SILENT: 'agentmesh doctor names the program',
  BACKPRESSURE: 'agentmesh outbox shows what waits',
};

/** By what the errors of an agent say to programs. */
const WORDS: readonly (readonly [string, string])[] = [
  ['send to it or call connect() first', 'send to it first, or join it with an invite'],
  ['call trust()', 'run agentmesh verify'],
  ['approve it with trust(name, fingerprint)', 'approve it with agentmesh verify'],
  ['take one from deadLetters()', 'agentmesh dead-letters list shows them'],
  ['call connectWithBundle() with its bundle first', 'join it with an invite first'],
  ['call connectWithBundle() with a fresh bundle of the peer', 'send to it again'],
  [
    'pass { hub } to Agent.create, or use seal() and open()',
    'name one with agentmesh up --hub HOST:PORT',
  ],
  [
    'check the spelling, listPeers() gives the names on the hub; for one that is about to start, ' +
      'wait with the option waitForPeer',
    'check the spelling, or start it',
  ],
  ['outgoing tells what becomes of it', 'agentmesh outbox shows whether it still waits'],
];

/** The message of an error as a person at the command understands it. */
export function inCommandWords(message: string): string {
  return WORDS.reduce((text, [api, command]) => text.replace(api, command), message);
}

/** What to do about this code; null where its message says it. */
export function remedyFor(code: string): string | null {
  return REMEDIES[code] ?? null;
}
