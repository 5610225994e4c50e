import { reshaped, tensor, type Tensor } from './tensor';

/** Explicit padding: `[[top, bottom], [left, right]]`. */
export type Pads = readonly [readonly [number, number], readonly [number, number]];

export interface ConvolutionOptions {
  strides: readonly number[];
  pads: Pads;
  dilation: readonly number[];
  groups: number;
}

/** The output length along one axis: `floor((n + pads − (k − 1)·dilation − 1) / stride) + 1`. */
export function outputLength(n: number, k: number, stride: number, pads: readonly number[], dilation = 1): number {
  return Math.floor((n + pads[0] + pads[1] - (k - 1) * dilation - 1) / stride) + 1;
}

/** For each output row (or column), the first and last kernel position that lies on the input, and where the first one lies. */
function reach(n: number, k: number, outputs: number, stride: number, pad: number, dilation: number) {
  const spans = [];
  for (let o = 0; o < outputs; o++) {
    const start = o * stride - pad;
    const first = Math.max(0, Math.ceil(-start / dilation));
    const last = Math.min(k - 1, Math.floor((n - 1 - start) / dilation));
    spans.push({ start, first, last });
  }
  return spans;
}

/** A part of the output: rows and columns from first to (not with) last. */
interface Region {
  rows: readonly [number, number];
  columns: readonly [number, number];
}

const wholeOf = (y: readonly number[]): Region => ({ rows: [0, y[0]], columns: [0, y[1]] });

/** Of one window: where its runs begin in the input and in a filter's kernel, how many there are, and how long each is. */
interface Runs {
  inputs: Int32Array;
  weights: Int32Array;
  count: number;
  length: number;
}

/**
 * The numbers under each output cell, in runs that lie side by side in the input and in the kernel of one filter: a
 * row of the window, or (with groups or dilation) the channels of one cell.
 */
function eachWindow(
  [height, width, channels]: readonly number[],
  [kh, kw, perGroup, filters]: readonly number[],
  [oh, ow]: readonly number[],
  { strides, pads, dilation }: Omit<ConvolutionOptions, 'groups'>,
  visit: (output: number, runs: Runs) => void,
  region: Region = wholeOf([oh, ow]),
): void {
  const rows = reach(height, kh, oh, strides[0], pads[0][0], dilation[0]);
  const columns = reach(width, kw, ow, strides[1], pads[1][0], dilation[1]);
  const runs: Runs = { inputs: new Int32Array(kh * kw), weights: new Int32Array(kh * kw), count: 0, length: perGroup };
  const wide = perGroup === channels && dilation[1] === 1;
  for (let oy = region.rows[0]; oy < region.rows[1]; oy++)
    for (let ox = region.columns[0]; ox < region.columns[1]; ox++) {
      const [row, column] = [rows[oy], columns[ox]];
      const across = column.last - column.first + 1;
      if (wide) runs.length = across * perGroup;
      runs.count = 0;
      for (let ky = row.first; ky <= row.last; ky++)
        for (let kx = column.first; kx <= column.last; kx += wide ? across : 1) {
          const cell = (row.start + ky * dilation[0]) * width + column.start + kx * dilation[1];
          runs.inputs[runs.count] = cell * channels;
          runs.weights[runs.count++] = (ky * kw + kx) * perGroup;
        }
      visit((oy * ow + ox) * filters, runs);
    }
}

/** Eight filters at a time: their sums stay in registers, and each input number is read once for all of them. */
function eightSums(
  xs: Float64Array,
  ws: Float64Array,
  ys: Float64Array,
  { inputs, weights, count, length }: Runs,
  from: number,
  f: number,
  filters: number,
  output: number,
): void {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let s4 = 0;
  let s5 = 0;
  let s6 = 0;
  let s7 = 0;
  for (let t = 0; t < count; t++) {
    const end = inputs[t] + from + length;
    for (let i = inputs[t] + from, k = weights[t] * filters + f; i < end; i++, k += filters) {
      const value = xs[i];
      s0 += value * ws[k];
      s1 += value * ws[k + 1];
      s2 += value * ws[k + 2];
      s3 += value * ws[k + 3];
      s4 += value * ws[k + 4];
      s5 += value * ws[k + 5];
      s6 += value * ws[k + 6];
      s7 += value * ws[k + 7];
    }
  }
  ys[output] = s0;
  ys[output + 1] = s1;
  ys[output + 2] = s2;
  ys[output + 3] = s3;
  ys[output + 4] = s4;
  ys[output + 5] = s5;
  ys[output + 6] = s6;
  ys[output + 7] = s7;
}

/** What a convolution was given before, and what it gave. */
export interface Earlier {
  x: Tensor;
  w: Tensor;
  b: Tensor | null;
  y: Tensor;
}

/** The filters whose weights or bias are others than before. */
function changedFilters(w: Tensor, b: Tensor | null, before: Earlier): number[] {
  const filters = w.shape[3];
  const changed = new Uint8Array(filters);
  for (let i = 0; i < w.data.length; i++) if (w.data[i] !== before.w.data[i]) changed[i % filters] = 1;
  if (b) for (let f = 0; f < filters; f++) if (b.data[f] !== before.b!.data[f]) changed[f] = 1;
  return Array.from(changed.keys()).filter((f) => changed[f]);
}

/** The outputs whose window lies over an input cell that is another than before. */
function changedRegion(x: Tensor, kernel: readonly number[], y: readonly number[], o: ConvolutionOptions, old: Tensor) {
  const [, width, channels] = x.shape;
  const [first, last] = [
    [Infinity, Infinity],
    [-1, -1],
  ];
  for (let i = 0; i < x.data.length; i++) {
    if (x.data[i] === old.data[i]) continue;
    const cell = Math.floor(i / channels);
    [Math.floor(cell / width), cell % width].forEach((at, axis) => {
      first[axis] = Math.min(first[axis], at);
      last[axis] = Math.max(last[axis], at);
    });
  }
  const [rows, columns] = [0, 1].map((axis): [number, number] => {
    const far = (kernel[axis] - 1) * o.dilation[axis];
    const from = Math.max(0, Math.ceil((first[axis] + o.pads[axis][0] - far) / o.strides[axis]));
    const to = Math.min(y[axis], Math.floor((last[axis] + o.pads[axis][0]) / o.strides[axis]) + 1);
    return [Math.min(from, y[axis]), to];
  });
  return { rows, columns };
}

/**
 * `y[oh, ow, f] = Σ x[oh·s + kh·d − pad, ow·s + kw·d − pad, c] · w[kh, kw, c, f] + b[f]`; kernels are `(kh, kw, c / groups, f)`.
 *
 * Of what was there before, only the filters (or, for another image, the region) that changed are summed again.
 */
export function conv2dForward(
  x: Tensor,
  w: Tensor,
  b: Tensor | null,
  options: ConvolutionOptions,
  before?: Earlier,
): Tensor {
  const [height, width] = x.shape;
  const [kh, kw, perGroup, filters] = w.shape;
  const oh = outputLength(height, kh, options.strides[0], options.pads[0], options.dilation[0]);
  const ow = outputLength(width, kw, options.strides[1], options.pads[1], options.dilation[1]);
  const some = before && before.x === x ? changedFilters(w, b, before) : null;
  const elsewhere = before && before.w === w && before.b === b && before.x !== x;
  const region = elsewhere ? changedRegion(x, w.shape, [oh, ow], options, before.x) : wholeOf([oh, ow]);
  const y = tensor([oh, ow, filters], some || elsewhere ? before!.y.data : undefined);
  const span = filters / options.groups;
  const [xs, ws, ys] = [x.data, w.data, y.data];

  const kernels = byFilter(w);

  const one = (f: number, output: number, { inputs, weights, count, length }: Runs): void => {
    const [kernel, from] = [kernels[f], Math.floor(f / span) * perGroup];
    let sum = 0;
    for (let t = 0; t < count; t++)
      for (let n = 0, i = inputs[t] + from, k = weights[t]; n < length; n++, i++, k++) sum += xs[i] * kernel[k];
    ys[output + f] = sum;
  };
  const visit = (output: number, runs: Runs): void => {
    if (some) for (const f of some) one(f, output, runs);
    else
      for (let f = 0; f < filters;) {
        const group = Math.floor(f / span);
        if (f + 8 <= (group + 1) * span) {
          eightSums(xs, ws, ys, runs, group * perGroup, f, filters, output + f);
          f += 8;
        } else one(f++, output, runs);
      }
    if (!b) return;
    if (some) for (const f of some) ys[output + f] += b.data[f];
    else for (let f = 0; f < filters; f++) ys[output + f] += b.data[f];
  };
  eachWindow(x.shape, w.shape, y.shape, options, visit, region);
  return y;
}

/** `dx = Σ dy·w` over the outputs an input reaches. */
export function conv2dInputGradient(
  dy: Tensor,
  shape: readonly number[],
  w: Tensor,
  options: ConvolutionOptions,
): Tensor {
  const [, , perGroup, filters] = w.shape;
  const dx = tensor(shape);
  const span = filters / options.groups;
  const [ws, dys, dxs] = [w.data, dy.data, dx.data];
  const kernels = byFilter(w);
  const active = new Int32Array(filters);
  eachWindow(shape, w.shape, dy.shape, options, (output, { inputs, weights, count, length }) => {
    const some = nonzero(dys, output, filters, active);
    // Behind a ReLU or a max pooling most gradients are zero: then only the others are worth a product.
    if (some * 3 < filters) {
      for (let m = 0; m < some; m++) {
        const f = active[m];
        const [d, kernel, from] = [dys[output + f], kernels[f], Math.floor(f / span) * perGroup];
        for (let t = 0; t < count; t++)
          for (let n = 0, i = inputs[t] + from, k = weights[t]; n < length; n++, i++, k++) dxs[i] += d * kernel[k];
      }
      return;
    }
    for (let t = 0; t < count; t++)
      for (let first = 0, i = inputs[t]; first < filters; first += span)
        for (let n = 0; n < length; n++, i++) {
          let sum = 0;
          for (let f = first, k = (weights[t] + n) * filters + first; f < first + span; f++, k++)
            sum += dys[output + f] * ws[k];
          dxs[i] += sum;
        }
  });
  return dx;
}

/** `dw = Σ x·dy` over the positions a weight was used at, `db = Σ dy`. */
export function conv2dWeightGradients(
  dy: Tensor,
  x: Tensor,
  shape: readonly number[],
  options: ConvolutionOptions,
): { dw: Tensor; db: Tensor } {
  const [, , perGroup, filters] = shape;
  const [dw, db] = [tensor(shape), tensor([filters])];
  const span = filters / options.groups;
  const [xs, dys] = [x.data, dy.data];
  const kernels = byFilter(dw);
  const active = new Int32Array(filters);
  eachWindow(x.shape, shape, dy.shape, options, (output, { inputs, weights, count, length }) => {
    const some = nonzero(dys, output, filters, active);
    for (let m = 0; m < some; m++) {
      const f = active[m];
      const [d, kernel, from] = [dys[output + f], kernels[f], Math.floor(f / span) * perGroup];
      db.data[f] += d;
      for (let t = 0; t < count; t++)
        for (let n = 0, i = inputs[t] + from, k = weights[t]; n < length; n++, i++, k++) kernel[k] += d * xs[i];
    }
  });
  kernels.forEach((kernel, f) => kernel.forEach((sum, k) => (dw.data[k * filters + f] = sum)));
  return { dw, db };
}

/** The numbers of each filter in one row: `w[:, :, :, f]`. */
function byFilter({ shape, data }: Tensor): Float64Array[] {
  const filters = shape[3];
  return Array.from({ length: filters }, (_, f) => {
    const kernel = new Float64Array(data.length / filters);
    for (let k = 0; k < kernel.length; k++) kernel[k] = data[k * filters + f];
    return kernel;
  });
}

/** Lists the filters that sent a gradient at one output cell, and returns how many. */
function nonzero(dys: Float64Array, output: number, filters: number, active: Int32Array): number {
  let some = 0;
  for (let f = 0; f < filters; f++) if (dys[output + f] !== 0) active[some++] = f;
  return some;
}

/** Each channel has `m` kernels of its own: output channel `c·m + j` reads input channel `c` through `w[:, :, c, j]`. */
export const depthwiseConv2dForward = (x: Tensor, w: Tensor, b: Tensor | null, options: ConvolutionOptions): Tensor =>
  conv2dForward(x, grouped(w), b, { ...options, groups: w.shape[2] });

export const depthwiseInputGradient = (
  dy: Tensor,
  shape: readonly number[],
  w: Tensor,
  options: ConvolutionOptions,
): Tensor => conv2dInputGradient(dy, shape, grouped(w), { ...options, groups: w.shape[2] });

export function depthwiseWeightGradients(dy: Tensor, x: Tensor, shape: readonly number[], options: ConvolutionOptions) {
  const [kh, kw, channels, multiplier] = shape;
  const twin = { ...options, groups: channels };
  const { dw, db } = conv2dWeightGradients(dy, x, [kh, kw, 1, channels * multiplier], twin);
  return { dw: reshaped(dw, shape), db };
}

/** A depthwise kernel as that of a convolution with a group per channel. */
const grouped = (w: Tensor): Tensor => reshaped(w, [w.shape[0], w.shape[1], 1, w.shape[2] * w.shape[3]]);

export interface TransposeOptions extends Omit<ConvolutionOptions, 'groups'> {
  output_shape: readonly number[];
}

/**
 * The transpose of the convolution that maps the output back to the input: its forward is that convolution's `dx`,
 * its backward that convolution's forward. Kernels are `(kh, kw, f, c)`.
 */
export function conv2dTransposeForward(x: Tensor, w: Tensor, b: Tensor | null, options: TransposeOptions): Tensor {
  const y = conv2dInputGradient(x, options.output_shape, w, { ...options, groups: 1 });
  if (b) for (let i = 0; i < y.data.length; i++) y.data[i] += b.data[i % b.data.length];
  return y;
}

export const transposeInputGradient = (
  dy: Tensor,
  _shape: readonly number[],
  w: Tensor,
  options: TransposeOptions,
): Tensor => conv2dForward(dy, w, null, { ...options, groups: 1 });

export function transposeWeightGradients(dy: Tensor, x: Tensor, shape: readonly number[], options: TransposeOptions) {
  const db = tensor([dy.shape[2]]);
  for (let i = 0; i < dy.data.length; i++) db.data[i % db.data.length] += dy.data[i];
  return { dw: conv2dWeightGradients(x, dy, shape, { ...options, groups: 1 }).dw, db };
}
