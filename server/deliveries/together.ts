/**
 * Makes one piece of work of many small ones: what is asked for in the same moment, or while an earlier
 * piece is under way, is done together. One transaction and one flush of the disk then serve many.
 *
 * `gatherMs`: how long the first may wait for others, where that holds up nobody.
 *
 * When a piece of many fails, each of them is tried alone: one that breaks must not break the others.
 */
export function together<Job, Answer>(work: (jobs: Job[]) => Promise<Answer[]>, { gatherMs = 0 } = {}): (job: Job) => Promise<Answer> {
  let waiting: { job: Job; resolve: (answer: Answer) => void; reject: (error: unknown) => void }[] = [];
  let isUnderWay = false;

  async function run(batch: typeof waiting): Promise<void> {
    try {
      const answers = await work(batch.map(({ job }) => job));
      for (const [index, answer] of answers.entries()) batch[index]?.resolve(answer);
    } catch (error) {
      if (batch.length === 1) batch[0]?.reject(error);
      else for (const one of batch) await run([one]);
    }
  }

  async function goOn(): Promise<void> {
    while (waiting.length > 0) {
      if (gatherMs > 0) await new Promise<void>((resolve) => setTimeout(resolve, gatherMs));
      // After everything that can ask in this moment has asked.
      else await new Promise<void>((resolve) => setImmediate(resolve));
      const batch = waiting;
      waiting = [];
      await run(batch);
    }
    isUnderWay = false;
  }

  return (job) => new Promise((resolve, reject) => {
    waiting.push({ job, resolve, reject });
    if (isUnderWay) return;
    isUnderWay = true;
    void goOn();
  });
}
