/** An SMSC that takes everything at once, in a process of its own. Prints its port; says how many it took when asked. */
import { createServer } from 'smpp';

let taken = 0;
const server = createServer({}, (session) => {
  session.on('error', () => {});
  session.on('pdu', (pdu) => {
    if (pdu.isResponse()) return;
    session.send(pdu.response(pdu.command === 'submit_sm' ? { message_id: String(++taken) } : {}));
    if (pdu.command === 'unbind') session.close();
  });
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${JSON.stringify({ port: typeof address === 'object' ? address?.port : 0 })}\n`);
});
process.on('message', (message) => {
  if (message === 'taken') process.send?.(taken);
});
process.on('SIGTERM', () => process.exit(0));
