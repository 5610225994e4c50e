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

/** Calls `visit` for each pair of an output position and an input position that one kernel position joins. */
function eachTap(
  [h, w]: readonly number[],
  [kh, kw]: readonly number[],
  [oh, ow]: readonly number[],
  { strides, pads, dilation }: Omit<ConvolutionOptions, 'groups'>,
  visit: (inputCell: number, kernelCell: number, outputCell: number) => void,
): void {
  for (let oy = 0; oy < oh; oy++)
    for (let ky = 0; ky < kh; ky++) {
      const iy = oy * strides[0] + ky * dilation[0] - pads[0][0];
      if (iy < 0 || iy >= h) continue;
      for (let kx = 0; kx < kw; kx++)
        for (let ox = 0; ox < ow; ox++) {
          const ix = ox * strides[1] + kx * dilation[1] - pads[1][0];
          if (ix >= 0 && ix < w) visit(iy * w + ix, ky * kw + kx, oy * ow + ox);
        }
    }
}

/** `y[oh, ow, f] = Σ x[oh·s + kh·d − pad, ow·s + kw·d − pad, c] · w[kh, kw, c, f] + b[f]`; kernels are `(kh, kw, c / groups, f)`. */
export function conv2dForward(x: Tensor, w: Tensor, b: Tensor | null, options: ConvolutionOptions): Tensor {
  const [height, width, channels] = x.shape;
  const [kh, kw, perGroup, filters] = w.shape;
  const oh = outputLength(height, kh, options.strides[0], options.pads[0], options.dilation[0]);
  const ow = outputLength(width, kw, options.strides[1], options.pads[1], options.dilation[1]);
  const y = tensor([oh, ow, filters]);
  const span = filters / options.groups;
  const [xs, ws, ys] = [x.data, w.data, y.data];
  eachTap([height, width], [kh, kw], [oh, ow], options, (input, tap, output) => {
    for (let c = 0; c < channels; c++) {
      const value = xs[input * channels + c];
      if (value === 0) continue;
      const first = Math.floor(c / perGroup) * span;
      const row = (tap * perGroup + (c % perGroup)) * filters;
      const cell = output * filters;
      for (let f = first; f < first + span; f++) ys[cell + f] += value * ws[row + f];
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
  const [height, width, channels] = x.shape;
  const [kh, kw, perGroup, filters] = w.shape;
  const [oh, ow] = dy.shape;
  const [dx, dw, db] = [tensor(x.shape), tensor(w.shape), tensor([filters])];
  const span = filters / options.groups;
  const [xs, ws, dys, dxs, dws] = [x.data, w.data, dy.data, dx.data, dw.data];
  eachTap([height, width], [kh, kw], [oh, ow], options, (input, tap, output) => {
    const cell = output * filters;
    for (let c = 0; c < channels; c++) {
      const value = xs[input * channels + c];
      const first = Math.floor(c / perGroup) * span;
      const row = (tap * perGroup + (c % perGroup)) * filters;
      let sum = 0;
      for (let f = first; f < first + span; f++) {
        const d = dys[cell + f];
        sum += d * ws[row + f];
        dws[row + f] += value * d;
      }
      dxs[input * channels + c] += sum;
    }
  });
  for (let i = 0; i < dys.length; i++) db.data[i % filters] += dys[i];
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
