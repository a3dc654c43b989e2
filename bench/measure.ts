/** Measuring: medians, percentiles, and tables that fit a terminal. */

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return (performance.now() - start) / 1000;
}

export interface Figure {
  name: string;
  /** What the issue asks for: '≥ 0.35'. */
  target: string;
  value: number;
  unit: string;
  isMet: boolean;
  /** The two sides the ratio was made of, and what else helps to read it. */
  detail: string;
}

export function table(figures: readonly Figure[]): string {
  const rows = figures.map((f) => [f.name, `${round(f.value)} ${f.unit}`.trim(), f.target, f.isMet ? 'met' : 'NOT MET', f.detail]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows.map((row) => row.map((cell, column) => (column < 4 ? cell.padEnd(widths[column] ?? 0) : cell)).join('  ')).join('\n');
}

export function round(value: number): number {
  return Math.abs(value) >= 100 ? Math.round(value) : Number(value.toPrecision(3));
}
