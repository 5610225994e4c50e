/** A dense array in row-major order. Maps are `[h, w, c]`, vectors `[n]`: one image, so no batch axis. */
export interface Tensor {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, n) => product * n, 1);

export function tensor(shape: readonly number[], data?: ArrayLike<number>): Tensor {
  const size = sizeOf(shape);
  if (data && data.length !== size) throw new Error(`shape ${shape} holds ${size} numbers; got ${data.length}.`);
  return { shape: [...shape], data: data ? new Float64Array(data) : new Float64Array(size) };
}

/** The same numbers under another shape. */
export const reshaped = (x: Tensor, shape: readonly number[]): Tensor => ({ shape: [...shape], data: x.data });

export function map(x: Tensor, f: (value: number, index: number) => number): Tensor {
  const y = tensor(x.shape);
  for (let i = 0; i < y.data.length; i++) y.data[i] = f(x.data[i], i);
  return y;
}

export const added = (a: Tensor, b: Tensor): Tensor => map(a, (value, i) => value + b.data[i]);

export function largestMagnitude(data: ArrayLike<number>): number {
  let largest = 0;
  for (let i = 0; i < data.length; i++) if (Math.abs(data[i]) > largest) largest = Math.abs(data[i]);
  return largest;
}

export function largestDifference(a: Tensor, b: Tensor): number {
  let largest = 0;
  for (let i = 0; i < a.data.length; i++) {
    const difference = Math.abs(a.data[i] - b.data[i]);
    if (!(difference <= largest)) largest = difference;
  }
  return largest;
}

/** Height, width and channels of anything: a vector is one row of single cells. */
export function extent(shape: readonly number[]): { h: number; w: number; c: number } {
  if (shape.length === 3) return { h: shape[0], w: shape[1], c: shape[2] };
  if (shape.length === 2) return { h: shape[0], w: shape[1], c: 1 };
  return { h: 1, w: sizeOf(shape), c: 1 };
}
