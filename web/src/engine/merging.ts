import { map, tensor, type Tensor } from './tensor';

/** How `Add`, `Subtract`, `Multiply`, `Average`, `Maximum` and `Minimum` join equal shapes, and the slope towards input `k`. */
interface Merge {
  f(values: number[]): number;
  slope(values: number[], k: number): number;
}

/** The gradient goes to the first input that has the extreme value. */
const extremum = (pick: (...values: number[]) => number): Merge => ({
  f: (v) => pick(...v),
  slope: (v, k) => (v.indexOf(pick(...v)) === k ? 1 : 0),
});

export const merges = new Map<string, Merge>([
  ['Add', { f: (v) => v.reduce((a, b) => a + b), slope: () => 1 }],
  ['Subtract', { f: ([a, b]) => a - b, slope: (_, k) => (k ? -1 : 1) }],
  [
    'Multiply',
    { f: (v) => v.reduce((a, b) => a * b), slope: (v, k) => v.reduce((p, x, i) => (i === k ? p : p * x), 1) },
  ],
  ['Average', { f: (v) => v.reduce((a, b) => a + b) / v.length, slope: (v) => 1 / v.length }],
  ['Maximum', extremum(Math.max)],
  ['Minimum', extremum(Math.min)],
]);

const at = (inputs: Tensor[], i: number): number[] => inputs.map((x) => x.data[i]);

export const mergeForward = (inputs: Tensor[], merge: Merge): Tensor =>
  map(inputs[0], (_, i) => merge.f(at(inputs, i)));

export const mergeBackward = (dy: Tensor, inputs: Tensor[], merge: Merge): Tensor[] =>
  inputs.map((_, k) => map(dy, (d, i) => d * merge.slope(at(inputs, i), k)));

/** Concatenation along the last axis. */
export function concatenateForward(inputs: Tensor[]): Tensor {
  const widths = inputs.map((x) => x.shape[x.shape.length - 1]);
  const total = widths.reduce((a, b) => a + b);
  const y = tensor([...inputs[0].shape.slice(0, -1), total]);
  let start = 0;
  inputs.forEach((x, k) => {
    x.data.forEach((value, i) => (y.data[Math.floor(i / widths[k]) * total + start + (i % widths[k])] = value));
    start += widths[k];
  });
  return y;
}

export function concatenateBackward(dy: Tensor, inputs: Tensor[]): Tensor[] {
  const total = dy.shape[dy.shape.length - 1];
  let start = 0;
  return inputs.map((x) => {
    const width = x.shape[x.shape.length - 1];
    const first = start;
    start += width;
    return map(x, (_, i) => dy.data[Math.floor(i / width) * total + first + (i % width)]);
  });
}
