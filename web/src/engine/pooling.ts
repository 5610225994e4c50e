import { outputLength, type Pads } from './convolution';
import { tensor, type Tensor } from './tensor';

export interface PoolingOptions {
  pool_size: readonly number[];
  strides: readonly number[];
  pads: Pads;
}

/** The rows and columns of the input that the window of output cell `(oy, ox)` covers; cells of padding are left out. */
export function poolingWindow(
  [h, w]: readonly number[],
  { pool_size, strides, pads }: PoolingOptions,
  oy: number,
  ox: number,
) {
  const top = oy * strides[0] - pads[0][0];
  const left = ox * strides[1] - pads[1][0];
  return {
    top: Math.max(top, 0),
    bottom: Math.min(top + pool_size[0], h),
    left: Math.max(left, 0),
    right: Math.min(left + pool_size[1], w),
  };
}

function eachWindow(
  shape: readonly number[],
  options: PoolingOptions,
  visit: (window: ReturnType<typeof poolingWindow>, c: number, output: number) => void,
): number[] {
  const oh = outputLength(shape[0], options.pool_size[0], options.strides[0], options.pads[0]);
  const ow = outputLength(shape[1], options.pool_size[1], options.strides[1], options.pads[1]);
  const channels = shape[2];
  for (let oy = 0; oy < oh; oy++)
    for (let ox = 0; ox < ow; ox++) {
      const window = poolingWindow(shape, options, oy, ox);
      for (let c = 0; c < channels; c++) visit(window, c, (oy * ow + ox) * channels + c);
    }
  return [oh, ow, channels];
}

/** The largest value of each window and where it lies; a tie goes to the first in row-major order. */
export function maxPool2dForward(x: Tensor, options: PoolingOptions): { y: Tensor; winner: Int32Array } {
  const [, width, channels] = x.shape;
  const values: number[] = [];
  const winners: number[] = [];
  const shape = eachWindow(x.shape, options, ({ top, bottom, left, right }, c, output) => {
    let best = (top * width + left) * channels + c;
    for (let iy = top; iy < bottom; iy++)
      for (let ix = left; ix < right; ix++) {
        const i = (iy * width + ix) * channels + c;
        if (x.data[i] > x.data[best]) best = i;
      }
    values[output] = x.data[best];
    winners[output] = best;
  });
  return { y: tensor(shape, values), winner: Int32Array.from(winners) };
}

export function maxPool2dBackward(dy: Tensor, x: Tensor, winner: Int32Array): Tensor {
  const dx = tensor(x.shape);
  for (let i = 0; i < winner.length; i++) dx.data[winner[i]] += dy.data[i];
  return dx;
}

/** The mean over the window's real cells; padding counts neither in the sum nor in the divisor. */
export function averagePool2dForward(x: Tensor, options: PoolingOptions): Tensor {
  const [, width, channels] = x.shape;
  const values: number[] = [];
  const shape = eachWindow(x.shape, options, ({ top, bottom, left, right }, c, output) => {
    let sum = 0;
    for (let iy = top; iy < bottom; iy++)
      for (let ix = left; ix < right; ix++) sum += x.data[(iy * width + ix) * channels + c];
    values[output] = sum / ((bottom - top) * (right - left));
  });
  return tensor(shape, values);
}

export function averagePool2dBackward(dy: Tensor, x: Tensor, options: PoolingOptions): Tensor {
  const [, width, channels] = x.shape;
  const dx = tensor(x.shape);
  eachWindow(x.shape, options, ({ top, bottom, left, right }, c, output) => {
    const share = dy.data[output] / ((bottom - top) * (right - left));
    for (let iy = top; iy < bottom; iy++)
      for (let ix = left; ix < right; ix++) dx.data[(iy * width + ix) * channels + c] += share;
  });
  return dx;
}

/** Global pooling is pooling with one window as large as the map. */
export const wholeMap = (shape: readonly number[]): PoolingOptions => ({
  pool_size: [shape[0], shape[1]],
  strides: [1, 1],
  pads: [
    [0, 0],
    [0, 0],
  ],
});
