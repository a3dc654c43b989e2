/** An SMSC that takes everything, in a process of its own: `smsc.ts <milliseconds until it answers>`. Prints its port; says how many it took when asked. */
import { createServer } from 'smpp';

const waitMs = Number(process.argv[2]);
let taken = 0;
const server = createServer({}, (session) => {
  session.on('error', () => {});
  session.on('pdu', (pdu) => {
    if (pdu.isResponse()) return;
    const answer = pdu.response(pdu.command === 'submit_sm' ? { message_id: String(++taken) } : {});
    if (pdu.command === 'submit_sm' && waitMs > 0) setTimeout(() => session.send(answer), waitMs);
    else session.send(answer);
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
