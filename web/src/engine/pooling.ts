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

/** The shape that pooling gives. */
function pooledShape([h, w, c]: readonly number[], { pool_size, strides, pads }: PoolingOptions): number[] {
  return [outputLength(h, pool_size[0], strides[0], pads[0]), outputLength(w, pool_size[1], strides[1], pads[1]), c];
}

/** Calls `visit` for every output with its window; `cell` is where the output's channels begin. */
function eachWindow(
  shape: readonly number[],
  [oh, ow, channels]: readonly number[],
  options: PoolingOptions,
  visit: (window: ReturnType<typeof poolingWindow>, cell: number) => void,
): void {
  for (let oy = 0; oy < oh; oy++)
    for (let ox = 0; ox < ow; ox++) visit(poolingWindow(shape, options, oy, ox), (oy * ow + ox) * channels);
}

/** The largest value of each window and where it lies; a tie goes to the first in row-major order. */
export function maxPool2dForward(x: Tensor, options: PoolingOptions): { y: Tensor; winner: Int32Array } {
  const [, width, channels] = x.shape;
  const y = tensor(pooledShape(x.shape, options));
  const winner = new Int32Array(y.data.length);
  eachWindow(x.shape, y.shape, options, ({ top, bottom, left, right }, cell) => {
    for (let c = 0; c < channels; c++) {
      let best = (top * width + left) * channels + c;
      for (let iy = top; iy < bottom; iy++)
        for (let ix = left; ix < right; ix++) {
          const i = (iy * width + ix) * channels + c;
          if (x.data[i] > x.data[best]) best = i;
        }
      y.data[cell + c] = x.data[best];
      winner[cell + c] = best;
    }
  });
  return { y, winner };
}

export function maxPool2dBackward(dy: Tensor, x: Tensor, winner: Int32Array): Tensor {
  const dx = tensor(x.shape);
  for (let i = 0; i < winner.length; i++) dx.data[winner[i]] += dy.data[i];
  return dx;
}

/** The mean over the window's real cells; padding counts neither in the sum nor in the divisor. */
export function averagePool2dForward(x: Tensor, options: PoolingOptions): Tensor {
  const [, width, channels] = x.shape;
  const y = tensor(pooledShape(x.shape, options));
  eachWindow(x.shape, y.shape, options, ({ top, bottom, left, right }, cell) => {
    for (let c = 0; c < channels; c++) {
      let sum = 0;
      for (let iy = top; iy < bottom; iy++)
        for (let ix = left; ix < right; ix++) sum += x.data[(iy * width + ix) * channels + c];
      y.data[cell + c] = sum / ((bottom - top) * (right - left));
    }
  });
  return y;
}

export function averagePool2dBackward(dy: Tensor, x: Tensor, options: PoolingOptions): Tensor {
  const [, width, channels] = x.shape;
  const dx = tensor(x.shape);
  eachWindow(x.shape, pooledShape(x.shape, options), options, ({ top, bottom, left, right }, cell) => {
    for (let c = 0; c < channels; c++) {
      const share = dy.data[cell + c] / ((bottom - top) * (right - left));
      for (let iy = top; iy < bottom; iy++)
        for (let ix = left; ix < right; ix++) dx.data[(iy * width + ix) * channels + c] += share;
    }
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
