/** The bare client: the npm package alone, one link, a window, nothing kept. `smpp-client.ts <port> <count> <window>`. Prints seconds. */
import { connect, PDU } from 'smpp';

const [port = 0, count = 0, window = 0] = process.argv.slice(2).map(Number);
const session = connect({ host: '127.0.0.1', port });
const bind = new PDU('bind_transceiver', { system_id: 'bench', password: 'bench', interface_version: 0x34 });
session.on('connect', () => session.send(bind, () => {
  const start = performance.now();
  let sent = 0;
  let answered = 0;
  const next = (): void => {
    const number = sent++;
    const pdu = new PDU('submit_sm', {
      source_addr: 'Vestnik', source_addr_ton: 5, dest_addr_ton: 1, dest_addr_npi: 1, destination_addr: String(79_000_000_000 + number),
      data_coding: 8, registered_delivery: 1, short_message: `Клиент оплатил счёт по сделке № ${number}, отправляйте товар`,
    });
    session.send(pdu, (answer) => {
      if (answer.command_status !== 0) throw new Error(`Refused with ${answer.command_status}.`);
      if (++answered === count) {
        process.stdout.write(`${(performance.now() - start) / 1000}\n`);
        session.close();
      } else if (sent < count) next();
    });
  };
  for (let i = 0; i < window; i++) next();
}));
