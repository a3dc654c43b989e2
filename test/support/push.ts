/** The module of Web Push for tests that put modules together by hand; nobody has a device until one is added. */
import { createJobs } from '../../server/jobs/jobs.ts';
import type { Db } from '../../server/db/db.ts';
import { createOutbound } from '../../server/deliveries/deliveries.ts';
import { createSealer } from '../../server/deliveries/secrets.ts';
import type { Live } from '../../server/live/live.ts';
import type { People } from '../../server/people/people.ts';
import { createPush } from '../../server/push/push.ts';

export function testPush({ db, live, people, now }: { db: Db; live: Live; people: People; now: () => Date }) {
  const onError = (error: unknown): void => {
    throw error;
  };
  return createPush({
    db, live, people, now, jobs: createJobs({ db, now, onError }), secrets: createSealer('x'.repeat(32)), outbound: createOutbound(),
    publicUrl: 'http://localhost', allowsPrivateHosts: true, onError,
  });
}
