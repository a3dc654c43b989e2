/** The product as it ships, in a process of its own: `product-server.ts <database url> <data directory>`. Prints its port. */
import { limitGarbage } from '../server/memory.ts';
import { startVestnik } from '../server/vestnik.ts';

limitGarbage();

const vestnik = await startVestnik({
  databaseUrl: process.argv[2] ?? '', port: 0, host: '127.0.0.1', dataDir: process.argv[3] ?? '', secret: 'bench', logLevel: 'warn',
});
process.stdout.write(`${JSON.stringify({ port: vestnik.port })}\n`);
process.on('SIGTERM', () => void vestnik.stop().then(() => process.exit(0)));
process.on('message', (message) => {
  if (message === 'memory') process.send?.({ rss: process.memoryUsage().rss, heap: process.memoryUsage().heapUsed });
});
