/**
 * An agent that keeps no promise: it says all it knows before the hub has proved its key, believes
 * every word, and reads on whatever comes. For the test that the kit sees attacks succeed.
 */
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';

const { name, target } = JSON.parse(process.argv[2]);
const say = (word) => process.stdout.write(`${JSON.stringify(word)}\n`);
const { host, port, secure, token } = target;
const socket = secure
  ? connectTls({ host, port, rejectUnauthorized: false })
  : connectTcp({ host, port });
socket.on('error', () => {});
socket.once('close', () => say({ what: 'event', name: 'connection', detail: '{"state":"ended"}' }));
socket.on('data', () => {});
socket.once(secure ? 'secureConnect' : 'connect', () => {
  const nonce = Buffer.alloc(32).toString('base64url');
  socket.write(
    `{"type":"begin","versions":[2],"features":[],"clientNonce":"${nonce}"}\n` +
      `{"type":"auth","name":"${name}","token":"${token}"}\n` +
      '{"type":"put_prekeys","id":1,"signed":[],"oneTime":[]}\n',
  );
  say({ what: 'ready' });
});
process.stdin.resume();
