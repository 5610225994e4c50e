import { tensor, type Tensor } from './tensor';

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

/** The pairs of input cell and kernel position under each output cell, as offsets into the two arrays. */
function eachWindow(
  [height, width, channels]: readonly number[],
  [kh, kw, perGroup, filters]: readonly number[],
  [oh, ow]: readonly number[],
  { strides, pads, dilation }: Omit<ConvolutionOptions, 'groups'>,
  visit: (output: number, inputs: Int32Array, weights: Int32Array, count: number) => void,
): void {
  const rows = reach(height, kh, oh, strides[0], pads[0][0], dilation[0]);
  const columns = reach(width, kw, ow, strides[1], pads[1][0], dilation[1]);
  const [inputs, weights] = [new Int32Array(kh * kw), new Int32Array(kh * kw)];
  for (let oy = 0; oy < oh; oy++)
    for (let ox = 0; ox < ow; ox++) {
      const [row, column] = [rows[oy], columns[ox]];
      let count = 0;
      for (let ky = row.first; ky <= row.last; ky++)
        for (let kx = column.first; kx <= column.last; kx++, count++) {
          const cell = (row.start + ky * dilation[0]) * width + column.start + kx * dilation[1];
          inputs[count] = cell * channels;
          weights[count] = (ky * kw + kx) * perGroup * filters;
        }
      visit((oy * ow + ox) * filters, inputs, weights, count);
    }
}

/** Eight filters at a time: their sums stay in registers, and each input number is read once for all of them. */
function eightSums(
  xs: Float64Array,
  ws: Float64Array,
  ys: Float64Array,
  inputs: Int32Array,
  weights: Int32Array,
  count: number,
  from: number,
  f: number,
  channels: number,
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
    const end = inputs[t] + from + channels;
    for (let i = inputs[t] + from, k = weights[t] + f; i < end; i++, k += filters) {
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

/** `y[oh, ow, f] = Σ x[oh·s + kh·d − pad, ow·s + kw·d − pad, c] · w[kh, kw, c, f] + b[f]`; kernels are `(kh, kw, c / groups, f)`. */
export function conv2dForward(x: Tensor, w: Tensor, b: Tensor | null, options: ConvolutionOptions): Tensor {
  const [height, width] = x.shape;
  const [kh, kw, perGroup, filters] = w.shape;
  const oh = outputLength(height, kh, options.strides[0], options.pads[0], options.dilation[0]);
  const ow = outputLength(width, kw, options.strides[1], options.pads[1], options.dilation[1]);
  const y = tensor([oh, ow, filters]);
  const span = filters / options.groups;
  const [xs, ws, ys] = [x.data, w.data, y.data];
  eachWindow(x.shape, w.shape, y.shape, options, (output, inputs, weights, count) => {
    for (let f = 0; f < filters;) {
      const group = Math.floor(f / span);
      const from = group * perGroup;
      if (f + 8 <= (group + 1) * span) {
        eightSums(xs, ws, ys, inputs, weights, count, from, f, perGroup, filters, output + f);
        f += 8;
        continue;
      }
      let sum = 0;
      for (let t = 0; t < count; t++)
        for (let c = 0, i = inputs[t] + from, k = weights[t] + f; c < perGroup; c++, i++, k += filters)
          sum += xs[i] * ws[k];
      ys[output + f] = sum;
      f += 1;
    }
  });
  if (b) for (let i = 0; i < ys.length; i++) ys[i] += b.data[i % filters];
  return y;
}

/** `dx = Σ dy·w` over the outputs an input reaches, `dw = Σ x·dy` over the positions a weight was used at, `db = Σ dy`. */
export function conv2dBackward(
  dy: Tensor,
  x: Tensor,
  w: Tensor,
  options: ConvolutionOptions,
): { dx: Tensor; dw: Tensor; db: Tensor } {
  const channels = x.shape[2];
  const [, , perGroup, filters] = w.shape;
  const [dx, dw, db] = [tensor(x.shape), tensor(w.shape), tensor([filters])];
  const span = filters / options.groups;
  const [xs, ws, dys, dxs, dws] = [x.data, w.data, dy.data, dx.data, dw.data];
  const active = new Int32Array(filters);
  eachWindow(x.shape, w.shape, dy.shape, options, (output, inputs, weights, count) => {
    let some = 0;
    for (let f = 0; f < filters; f++) {
      const d = dys[output + f];
      db.data[f] += d;
      if (d !== 0) active[some++] = f;
    }
    // Behind a ReLU or a max pooling most gradients are zero: then only the others are worth a product.
    if (some * 3 < filters) {
      for (let n = 0; n < some; n++) {
        const f = active[n];
        const d = dys[output + f];
        const from = Math.floor(f / span) * perGroup;
        for (let t = 0; t < count; t++)
          for (let c = 0, i = inputs[t] + from, k = weights[t] + f; c < perGroup; c++, i++, k += filters) {
            dxs[i] += d * ws[k];
            dws[k] += d * xs[i];
          }
      }
      return;
    }
    for (let t = 0; t < count; t++)
      for (let c = 0; c < channels; c++) {
        const value = xs[inputs[t] + c];
        const first = Math.floor(c / perGroup) * span;
        const row = weights[t] + (c % perGroup) * filters;
        let sum = 0;
        for (let f = first; f < first + span; f++) {
          const d = dys[output + f];
          sum += d * ws[row + f];
          dws[row + f] += value * d;
        }
        dxs[inputs[t] + c] += sum;
      }
  });
  return { dx, dw, db };
}

/** Each channel has `m` kernels of its own: output channel `c·m + j` reads input channel `c` through `w[:, :, c, j]`. */
export function depthwiseConv2dForward(x: Tensor, w: Tensor, b: Tensor | null, options: ConvolutionOptions): Tensor {
  const [kh, kw, channels, multiplier] = w.shape;
  return conv2dForward(x, reshapedKernel(w, [kh, kw, 1, channels * multiplier]), b, { ...options, groups: channels });
}

export function depthwiseConv2dBackward(dy: Tensor, x: Tensor, w: Tensor, options: ConvolutionOptions) {
  const [kh, kw, channels, multiplier] = w.shape;
  const kernel = reshapedKernel(w, [kh, kw, 1, channels * multiplier]);
  const { dx, dw, db } = conv2dBackward(dy, x, kernel, { ...options, groups: channels });
  return { dx, dw: reshapedKernel(dw, w.shape), db };
}

const reshapedKernel = (w: Tensor, shape: readonly number[]): Tensor => ({ shape, data: w.data });

export interface TransposeOptions extends Omit<ConvolutionOptions, 'groups'> {
  output_shape: readonly number[];
}

/**
 * The transpose of the convolution that maps the output back to the input: its forward is that convolution's `dx`,
 * its backward that convolution's forward. Kernels are `(kh, kw, f, c)`.
 */
export function conv2dTransposeForward(x: Tensor, w: Tensor, b: Tensor | null, options: TransposeOptions): Tensor {
  const y = conv2dBackward(x, tensor(options.output_shape), w, { ...options, groups: 1 }).dx;
  if (b) for (let i = 0; i < y.data.length; i++) y.data[i] += b.data[i % b.data.length];
  return y;
}

export function conv2dTransposeBackward(dy: Tensor, x: Tensor, w: Tensor, options: TransposeOptions) {
  const twin = { ...options, groups: 1 };
  const db = tensor([dy.shape[2]]);
  for (let i = 0; i < dy.data.length; i++) db.data[i % db.data.length] += dy.data[i];
  return { dx: conv2dForward(dy, w, null, twin), dw: conv2dBackward(x, dy, w, twin).dw, db };
}
