/** A short, quiet sound made by the browser itself; of several open tabs one makes it. */
let context: AudioContext | undefined;
let isOurs = !('locks' in navigator);
let rangAt = 0;

if ('locks' in navigator) {
  void navigator.locks.request('vestnik.sound', () => {
    isOurs = true;
    // Held until the tab closes.
    return new Promise<void>(() => {});
  });
}

function note(at: number, frequency: number): void {
  if (!context) return;
  const tone = context.createOscillator();
  const loudness = context.createGain();
  tone.type = 'sine';
  tone.frequency.value = frequency;
  loudness.gain.setValueAtTime(0.0001, at);
  loudness.gain.exponentialRampToValueAtTime(0.12, at + 0.015);
  loudness.gain.exponentialRampToValueAtTime(0.0001, at + 0.28);
  tone.connect(loudness).connect(context.destination);
  tone.start(at);
  tone.stop(at + 0.3);
}

/** Browsers let a page sound only after somebody has clicked in it: until then it stays silent. */
export function ring({ isTest = false } = {}): void {
  const now = Date.now();
  if (!isTest && (!isOurs || now - rangAt < 2000 || !navigator.userActivation?.hasBeenActive)) return;
  rangAt = now;
  context ??= new AudioContext();
  void context.resume().then(() => {
    if (!context) return;
    note(context.currentTime, 880);
    note(context.currentTime + 0.12, 1318.5);
  });
}
